"""Debian's Prometheus, promtool and Redis exporter, unpacked as the servers are: not installed, no daemon starts."""

import functools
from pathlib import Path

from tests.lab.servers import CACHE, loaded, unpack

# suite -> what comes of it: prometheus 2.42 and exporter 1.45; prometheus 2.53 and exporter 1.69
SUITES = ("bookworm", "trixie")
PACKAGES = "prometheus,prometheus-redis-exporter"


@functools.cache
def root(suite: str) -> Path:
    """The directory where a suite's three programs lie; made by the first caller of the machine, others wait."""
    return unpack(CACHE / "prometheus" / suite, suite, PACKAGES)


def promtool(suite: str, *arguments: str | Path) -> list[str]:
    """The command that runs that suite's promtool."""
    return loaded(root(suite), "usr/bin/promtool", *map(str, arguments))


def prometheus(suite: str, *arguments: str | Path) -> list[str]:
    """The command that runs that suite's Prometheus."""
    return loaded(root(suite), "usr/bin/prometheus", *map(str, arguments))


def exporter(suite: str, *arguments: str | Path) -> list[str]:
    """The command that runs that suite's prometheus-redis-exporter."""
    return loaded(root(suite), "usr/bin/prometheus-redis-exporter", *map(str, arguments))
