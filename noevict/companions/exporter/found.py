"""Parses what scripts/exporter_look.sh prints: the facts about a host's exporter."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from noevict.companions.exporter.wanted import BINARY
from noevict.errors import NoevictError
from noevict.machine.found import File, Package
from noevict.machine.read import END, Section, read_files, read_key_digest, read_package

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
    """Parse the script's output. Raise NoevictError if the lines are incomplete or cannot be parsed."""
    if END not in output[-1:]:
        raise NoevictError("the look at its exporter is incomplete")
    try:
        return _found(Section(output))
    except (KeyError, ValueError, IndexError) as error:
        raise NoevictError(f"the look at its exporter cannot be parsed: {error!r}") from error


def _found(facts: Section) -> FoundExporter:
    one = facts.one
    return FoundExporter(
        package=next(map(read_package, facts.all("package")), None),
        systemd=int(one("systemd").split(".")[0] or 0),
        unit=_pairs(facts, "unit", " "),
        loaded=_pairs(facts, "loaded", "="),
        starts=one("starts").partition(" ")[0],
        pid=int(one("pid") or 0),
        environment=_pairs(facts, "environment", "="),
        started=one("started").partition(" ")[0],
        handed={line.split()[-1]: line.split()[0] for line in facts.all("handed")},
        files=read_files(facts),
        certificate=facts.text("certificate"),
        key_digest=read_key_digest(one("key")) if one("key") else "",
        busy="busy" in facts,
        arguments="arguments" in facts,
        unwritable=tuple(facts.all("unwritable")),
    )


def _pairs(facts: Section, key: str, between: str) -> dict[str, str]:
    split = (line.partition(between) for line in facts.all(key))
    return {name: value for name, _, value in split}
