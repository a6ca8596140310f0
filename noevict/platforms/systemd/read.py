"""The one look at a host: what scripts/look.sh prints, read. One command tells everything but what Redis says."""

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from ipaddress import ip_address

from noevict.errors import NoevictError
from noevict.machine.found import Address, DropIn, File, Listener, OtherServer, Package, Sysctl
from noevict.platforms.systemd.found import HostState
from noevict.secrets.passwords import Generation
from noevict.server.writes import Disk

# A cgroup without a limit: "max" in version 2, 2^63 rounded down to a page in version 1.
UNLIMITED = 1 << 62
# find's letters, as stat has them.
KINDS = {
    "f": "regular file",
    "d": "directory",
    "l": "symbolic link",
    "p": "fifo",
    "s": "socket",
    "b": "block special file",
    "c": "character special file",
}
END = "end-of-look"  # the last line: without it the rest is not all there is
FILES_READ = "files read"  # the same of what it says of files


def read_look(output: list[str]) -> HostState:
    """The lines that look.sh prints -> HostState, its ``live`` not yet looked at.

    Raises NoevictError where they are not whole or make no sense.
    """
    if END not in output[-1:] or FILES_READ not in output:
        raise NoevictError("the look at the host ended half way")
    facts: dict[str, list[str]] = {}
    for line in output:
        key, _, value = line.partition(" ")
        facts.setdefault(key, []).append(value)
    try:
        return _state(facts)
    except (KeyError, ValueError, IndexError) as error:
        raise NoevictError(f"the look at the host makes no sense: {error!r}") from error


def _state(facts: dict[str, list[str]]) -> HostState:
    def one(key: str, default: str = "") -> str:
        [value] = facts.get(key, [default])  # look.sh prints it once: two are somebody else's doing
        return value

    def text(key: str) -> str | None:
        return "".join(f"{line}\n" for line in facts[key]) if key in facts else None

    unit = dict(_pair(line) for line in facts.get("unit", []))
    names = dict.fromkeys(name for name in (one("hostname"), one("fqdn")) if name)
    os_id, os_version, os_name = [*one("os").split(" "), "", ""][:3]
    files = files_of(facts)
    diversion = one("diversion").split(" ")
    return HostState(
        os=(os_id, os_version, os_name),
        names=tuple(names),
        systemd=one("systemd") == "yes",
        packages={p.name: p for p in map(package_of, facts.get("package", []))},
        diversion=(diversion[0], diversion[1]) if len(diversion) == 2 else None,
        override=one("override"),
        tls=one("tls"),
        # What changes from one look to the next is kept apart from what is compared.
        unit={k: v for k, v in unit.items() if k not in ("MainPID", "ControlGroup")},
        pid=int(one("pid", "0")),
        processes=tuple(facts.get("process", [])),
        others=tuple(_others(facts.get("server", []))),
        dropins=tuple(map(_dropin, facts.get("dropin", []))),
        packaged_modules=tuple(facts.get("module", [])),
        listeners=tuple(map(_listener, facts.get("listener", []))),
        files={p: f for p, f in files.items() if not p.startswith("/var/lib/")},
        data={p: f for p, f in files.items() if p.startswith("/var/lib/")},
        disk=_disk(one("disk"), read_only="disk-read-only" in facts),
        rdb=dict(map(_rdb, facts.get("rdb", []))),
        aof_before=one("aof-before") == "yes" if "aof-before" in facts else None,
        empty_rdb="rdb-empty" in facts,
        conf=text("conf"),
        ca=text("ca"),
        certificate=text("certificate"),
        exporter_certificate=text("exporter"),
        key_digest=key_digest_of(one("key")) if "key" in facts else None,
        memtotal=int(one("memtotal")) * 1024,
        limits=tuple(sorted(_limits(facts, unit))),
        kernel={name: int(one(name)) for name in ("overcommit", "somaxconn") if name in facts},
        kernel_writable=frozenset(facts.get("sysctl", [])),
        sysctl_later=tuple(sorted(map(_sysctl, facts.get("later", [])), key=_file_name)),
        unwritable=tuple(facts.get("unwritable", [])),
        machine=one("machine"),
        ipv6=frozenset(facts.get("ipv6", [])),
        addresses=tuple(map(_address, filter(_usable, facts.get("address", [])))),
        root=one("uid") == "0",
        starting="starting" in facts,
        aof_open="aof" in facts,
        replaced="replaced" in facts,
        unfinished="unfinished" in facts,
        other_engine="other" in facts,
        candidate=one("candidate"),
        time=int(one("time")),
        id=one("id"),
        given=(Generation.parse(one("generation")) or Generation()) if "generation" in facts else None,
        exporter_passwords=frozenset(facts.get("exporter-password", [])),
    )


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def _sysctl(line: str) -> Sysctl:
    name, value, path = line.split(" ", 2)
    return Sysctl(name, int(value), path)


def _file_name(entry: Sysctl) -> str:
    """By which systemd orders the files, whatever their directories."""
    return entry.path.rpartition("/")[2]


def package_of(line: str) -> Package:
    name, wanted, status, version = [*line.split(" "), ""][:4]
    return Package(name, wanted, status, version)


def _listener(line: str) -> Listener:
    whose, address, port, answer = line.split(" ", 3)
    return Listener(whose == "own", address, int(port), answer)


def _others(lines: list[str]) -> Iterator[OtherServer]:
    """Of "running|UNIT|PORTS|DIRECTORY|CONFIGURATION|PROGRAM", and of "enabled|..." alike: one for each server."""
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


def files_of(facts: dict[str, list[str]]) -> dict[str, File]:
    digests = {}
    for line in facts.get("sha256", []):
        digest, _, path = line.partition("  ")
        digests[path] = digest
    found = {}
    for line in facts.get("file", []):
        kind, owner, group, mode, size, changed, path = line.split("|", 6)
        found[path] = File(
            path, KINDS.get(kind, "unknown"), owner, group, mode, digests.get(path), int(size), int(changed)
        )
    return found


def _limits(facts: dict[str, list[str]], unit: dict[str, str]) -> Iterator[int]:
    for text in (*facts.get("cgroup", []), unit.get("MemoryMax", "")):
        if text.isdigit() and int(text) < UNLIMITED:
            yield int(text)


def key_digest_of(line: str) -> str:
    """Of the public key's PEM on one line: SHA-256 of its DER, hex; of nothing where the key could not be read."""
    return hashlib.sha256(b64decode("".join(line.split()[3:-3]), validate=True)).hexdigest()


def _disk(line: str, *, read_only: bool) -> Disk | None:
    """Of "FREE SIZE UNIT": blocks, and the bytes of each; None where nothing is said of it."""
    if not line:
        return None
    free, size, unit = map(int, line.split(" "))
    return Disk(free * unit, size * unit, read_only)


def _rdb(line: str) -> tuple[str, int]:
    """Of "dump.rdb REDIS0012" or "base VALKEY080"."""
    name, magic = line.split(" ")
    return name, int(magic.removeprefix("REDIS").removeprefix("VALKEY"))


def _address(line: str) -> Address:
    device, address, *flags = line.split(" ")
    return Address(device, str(ip_address(address)), "dynamic" in flags)


def _usable(line: str) -> bool:
    """Not an address that is going away or not there yet."""
    flags = line.split(" ")[2:]
    return not {"deprecated", "tentative", "dadfailed", "temporary"} & set(flags)
