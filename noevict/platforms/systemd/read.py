"""Parses what scripts/look_*.sh print: the one look at a machine, which has everything except Redis' own answers."""

from collections.abc import Iterator
from itertools import pairwise

from noevict.engines.package_layout import STATE_DIRECTORY
from noevict.errors import NoevictError
from noevict.machine.found import DropIn, Listener, MachineState, OtherServer
from noevict.machine.read import END, Section, read_files, read_key_digest, read_machine
from noevict.platforms.systemd.found import InstanceState
from noevict.server.writes import Disk

# A cgroup without a limit: "max" in version 2, 2^63 rounded down to a page in version 1.
UNLIMITED = 1 << 62
FILES_READ = "files read"  # the last line about files of an instance
INSTANCE = "instance "  # begins the section of one, with its unit and data directory


def parse_facts(output: list[str]) -> tuple[InstanceState, ...]:
    """Parse the lines that the look prints: one state for each section of an instance, without ``live``.

    Raise NoevictError if the lines are incomplete or cannot be parsed.
    """
    starts = [number for number, line in enumerate(output) if line.startswith(INSTANCE)]
    sections = [output[start:end] for start, end in pairwise([*starts, len(output)])]
    if END not in output[-1:] or not sections or any(FILES_READ not in section for section in sections):
        raise NoevictError("the look at the host is incomplete")
    try:
        machine = read_machine(Section(output[: starts[0]]))
        return tuple(_read_instance(machine, Section(section)) for section in sections)
    except (KeyError, ValueError, IndexError) as error:
        raise NoevictError(f"the look at the host cannot be parsed: {error!r}") from error


def _read_instance(machine: MachineState, facts: Section) -> InstanceState:
    one, text = facts.one, facts.text
    unit = dict(_pair(line) for line in facts.all("unit"))
    files = read_files(facts)
    _, directory = one("instance").split(" ")

    def in_data(path: str) -> bool:
        return path.startswith((f"{directory}/", f"{STATE_DIRECTORY}/")) or path == directory

    diversion = one("diversion").split(" ")
    return InstanceState(
        machine=machine,
        diversion=(diversion[0], diversion[1]) if len(diversion) == 2 else None,
        override=one("override"),
        tls=one("tls"),
        # Without the values that change from one look to the next: the rest is compared.
        unit={k: v for k, v in unit.items() if k not in ("MainPID", "ControlGroup")},
        pid=int(one("pid", "0")),
        others=tuple(_others(facts.all("server"))),
        dropins=tuple(map(_dropin, facts.all("dropin"))),
        packaged_modules=tuple(facts.all("module")),
        listeners=tuple(map(_listener, facts.all("listener"))),
        files={path: file for path, file in files.items() if not in_data(path)},
        data={path: file for path, file in files.items() if in_data(path)},
        disk=_disk(one("disk"), read_only="disk-read-only" in facts),
        rdb=dict(map(_rdb, facts.all("rdb"))),
        aof_before=one("aof-before") == "yes" if "aof-before" in facts else None,
        empty_rdb="rdb-empty" in facts,
        conf=text("conf"),
        ca=text("ca"),
        certificate=text("certificate"),
        exporter_certificate=text("exporter"),
        key_digest=read_key_digest(one("key")) if "key" in facts else None,
        limits=tuple(sorted(_limits(facts, unit))),
        unwritable=tuple(facts.all("unwritable")),
        starting="starting" in facts,
        aof_open="aof" in facts,
        replaced="replaced" in facts,
        old_program="old-program" in facts,
        other_engine="other" in facts,
        candidate=one("candidate"),
        exporter_passwords=frozenset(facts.all("exporter-password")),
    )


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def _listener(line: str) -> Listener:
    whose, address, port, answer = line.split(" ", 3)
    return Listener(whose == "own", address, int(port), answer)


def _others(lines: list[str]) -> Iterator[OtherServer]:
    """Parse "running|UNIT|PORTS|DIRECTORY|CONFIGURATION|PROGRAM" and "enabled|...": one result for each server."""
    found = [line.split("|") for line in lines]
    enabled = {unit: (program, conf) for how, unit, _, _, conf, program in found if how == "enabled"}
    for how, unit, ports, directory, conf, program in found:
        if how == "running":
            numbers = tuple(sorted(map(int, filter(None, ports.split(",")))))
            yield OtherServer(unit, program, True, unit in enabled, numbers, directory, conf)
    running = {unit for how, unit, *_ in found if how == "running"}
    for unit, (program, conf) in enabled.items():
        if unit not in running:
            yield OtherServer(unit, program, False, True, conf=conf)


def _dropin(line: str) -> DropIn:
    names, _, path = line.partition(" ")
    return DropIn(path, frozenset(names.split(",")))


def _limits(facts: Section, unit: dict[str, str]) -> Iterator[int]:
    for text in (*facts.all("cgroup"), unit.get("MemoryMax", "")):
        if text.isdigit() and int(text) < UNLIMITED:
            yield int(text)


def _disk(line: str, *, read_only: bool) -> Disk | None:
    """Parse "FREE SIZE UNIT": blocks, and the bytes of each; None if the line is empty."""
    if not line:
        return None
    free, size, unit = map(int, line.split(" "))
    return Disk(free * unit, size * unit, read_only)


def _rdb(line: str) -> tuple[str, int]:
    """Parse "dump.rdb REDIS0012" or "base VALKEY080"."""
    name, magic = line.split(" ")
    return name, int(magic.removeprefix("REDIS").removeprefix("VALKEY"))
