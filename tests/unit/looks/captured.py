"""The captured looks, read; see capture.py."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noevict.engines.engine import EngineName
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.read import parse_facts

HERE = Path(__file__).parent

# Each is a host of 2000 MiB, all but ``fresh`` provisioned; ``init`` has no systemd.
HOSTS: dict[str, EngineName] = {
    "bookworm": "redis",
    "trixie": "redis",
    "valkey": "valkey",
    "init": "redis",
    "fresh": "redis",
}
MANAGED = tuple(name for name in HOSTS if name != "fresh")
OF_THE_MACHINE = {
    "time", "uid", "os", "hostname", "fqdn", "systemd", "unfinished",
    "package", "process", "machine", "memtotal", "overcommit", "somaxconn", "sysctl",
    "later", "address", "held", "nonlocal4", "nonlocal6", "first-port", "ipv6", "id", "generation",
}  # fmt: skip
"""The keys of the machine's section; all others are in a server's section."""
PASSWORDS = {name: f"password-of-{name}" for name in ("admin", "app", "exporter", "health")}


@functools.cache
def lines(name: str) -> tuple[str, ...]:
    """What the look printed on that host."""
    return tuple((HERE / f"{name}.txt").read_text().splitlines())


@functools.cache
def reported(name: str) -> dict[str, Any]:
    """What its server reported: ``config``, ``acl``, ``info``, ``commands``, ``categories``."""
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return found


def edited(name: str, **facts: object) -> list[str]:
    """The look with other values: ``memtotal=1``, ``unit=("MemoryMax 1",)``, ``sysctl=()`` for a fact left out.

    Of ``unit`` the properties named are replaced; of everything else all lines.
    """
    found = list(lines(name))
    for key, value in facts.items():
        values = [str(each) for each in (value if isinstance(value, tuple) else (value,))]
        old = [f"{key} {each.partition(' ')[0]} " for each in values] if key == "unit" else [f"{key} "]
        found = [line for line in found if not line.startswith(tuple(old))]
        at = _start(found, key)
        found[at:at] = [f"{key} {each}" for each in values]
    return found


def with_line(name: str, line: str) -> list[str]:
    """The look with one line more, in the section that it belongs to."""
    found = list(lines(name))
    found.insert(_start(found, line.partition(" ")[0]), line)
    return found


def read_one(output: Sequence[str]) -> InstanceState:
    """The look at a machine with one server."""
    [found] = parse_facts(list(output))
    return found


def _start(output: Sequence[str], key: str) -> int:
    """Where the section of a fact begins."""
    if key in OF_THE_MACHINE:
        return 1
    return 1 + next(number for number, line in enumerate(output) if line.startswith("instance "))
