"""Debian's Prometheus, promtool and Redis exporter, unpacked as the servers are: not installed, no daemon starts."""

import functools
import json
import os
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from tests.lab.servers import CACHE, free_port, loaded, unpack, wait_for

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


class Prometheus:
    """What a Prometheus at that address knows."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **values: str) -> Any:
        """The data that its API answers with."""
        answer = get(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(values)}")
        assert answer is not None, f"{path} {values}"
        return json.loads(answer)["data"]

    def query(self, expr: str) -> list[dict[str, Any]] | None:
        """The series an expression has now; None if it has none."""
        return self.ask("query", query=expr)["result"] or None

    def names(self) -> set[str]:
        """Every metric that was ever scraped or recorded."""
        return set(self.ask("label/__name__/values"))

    def firing(self, host: str) -> dict[str, dict[str, str]]:
        """Alert -> its annotations, filled in, of those that fire about a host."""
        alerts = self.ask("alerts")["alerts"]
        about = [each for each in alerts if each["labels"].get("host") == host and each["state"] == "firing"]
        return {each["labels"]["alertname"]: each["annotations"] for each in about}


@contextmanager
def scraping(
    suite: str, directory: Path, rules: Path, jobs: Mapping[str, Mapping[str, Any]], every: str
) -> Iterator[Prometheus]:
    """A Debian release's Prometheus. ``jobs``: name -> the rest of a scrape_config. ``every``: how often it looks."""
    config = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": name, **job} for name, job in jobs.items()],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--web.listen-address={address}", f"--storage.tsdb.path={directory / 'tsdb'}")
    command = prometheus(suite, f"--config.file={directory / 'prometheus.yml'}", *flags)
    with running(command, directory):
        wait_for("Prometheus answers", lambda: get(address, "/-/ready"), 60)
        yield Prometheus(address)


@contextmanager
def running(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[None]:
    """The program, until the block ends; it must not end before. What it says is a file in the directory."""
    log_file = directory / f"{re.sub('[^a-z]', '', Path(command[3]).name)}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None, log_file.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(20)


def get(address: str, path: str) -> str | None:
    """What a GET is answered with; None as long as nobody does."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
