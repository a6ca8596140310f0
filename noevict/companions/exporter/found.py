"""Parses what scripts/exporter_look.sh prints: the facts about a host's exporter."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from noevict.companions.exporter.wanted import BINARY
from noevict.errors import NoevictError
from noevict.machine.found import File, Package
from noevict.platforms.systemd.read import END, files_of, key_digest_of, package_of

COMMAND = hashlib.sha256(f"{BINARY}\n".encode()).hexdigest()  # of the command line without arguments


@dataclass(frozen=True)
class FoundExporter:
    """The facts about a host's exporter. They are compared field by field to see whether the host has changed since."""

    package: Package | None
    systemd: int  # its version; 0 if there is none
    unit: Mapping[str, str] = field(repr=False)
    loaded: Mapping[str, str] = field(repr=False)  # the environment in the unit, as systemd read it
    starts: str  # SHA-256 of the unit's command line, hex
    pid: int = field(compare=False)
    environment: Mapping[str, str] = field(repr=False)  # of the process; empty if there is none
    started: str  # SHA-256 of the process' command line
    handed: Mapping[str, str] = field(repr=False)  # file that systemd handed to it -> SHA-256
    files: Mapping[str, File] = field(repr=False)
    certificate: str | None = field(repr=False)  # PEM, of the client
    key_digest: str  # SHA-256 of its key's public half (DER), hex; "" if there is none that can be read
    busy: bool  # another program listens on its port
    arguments: bool  # the package's configuration has some, and our drop-in is not there
    unwritable: tuple[str, ...]

    @property
    def installed(self) -> bool:
        return self.package is not None and self.package.installed


def parse_facts(output: list[str]) -> FoundExporter:
    """Parse the script's output. Raises NoevictError if the lines are not complete or make no sense."""
    if END not in output[-1:]:
        raise NoevictError("the look at its exporter ended half way")
    facts: dict[str, list[str]] = {}
    for line in output:
        key, _, value = line.partition(" ")
        facts.setdefault(key, []).append(value)
    try:
        return _found(facts)
    except (KeyError, ValueError, IndexError) as error:
        raise NoevictError(f"the look at its exporter makes no sense: {error!r}") from error


def _found(facts: dict[str, list[str]]) -> FoundExporter:
    def one(key: str) -> str:
        return facts.get(key, [""])[0]

    certificate = facts.get("certificate")
    return FoundExporter(
        package=next(map(package_of, facts.get("package", [])), None),
        systemd=int(one("systemd").split(".")[0] or 0),
        unit=_pairs(facts, "unit", " "),
        loaded=_pairs(facts, "loaded", "="),
        starts=one("starts").partition(" ")[0],
        pid=int(one("pid") or 0),
        environment=_pairs(facts, "told", "="),
        started=one("started").partition(" ")[0],
        handed={line.split()[-1]: line.split()[0] for line in facts.get("handed", [])},
        files=files_of(facts),
        certificate=None if certificate is None else "".join(f"{line}\n" for line in certificate),
        key_digest=key_digest_of(one("key")) if one("key") else "",
        busy="busy" in facts,
        arguments="arguments" in facts,
        unwritable=tuple(facts.get("unwritable", [])),
    )


def _pairs(facts: dict[str, list[str]], key: str, between: str) -> dict[str, str]:
    split = (line.partition(between) for line in facts.get(key, []))
    return {name: value for name, _, value in split}
