"""Parses the lines of a look, ``key value`` in sections, and the section of the machine."""

import hashlib
from base64 import b64decode
from collections.abc import Iterable
from ipaddress import ip_address

from noevict.machine.addresses import Address
from noevict.machine.found import File, MachineState, Package, Sysctl
from noevict.secrets.passwords import Generation

# find's letters -> stat's words.
KINDS = {
    "f": "regular file",
    "d": "directory",
    "l": "symbolic link",
    "p": "fifo",
    "s": "socket",
    "b": "block special file",
    "c": "character special file",
}
END = "end-of-look"  # the last line: without it the output is not complete


class Section:
    """The facts of one section: key -> its values, in order."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._facts: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition(" ")
            self._facts.setdefault(key, []).append(value)

    def __contains__(self, key: str) -> bool:
        return key in self._facts

    def all(self, key: str) -> list[str]:
        return self._facts.get(key, [])

    def one(self, key: str, default: str = "") -> str:
        """Return a key's value. Raise ValueError if there are two: the look prints one, somebody else the other."""
        [value] = self._facts.get(key, [default])
        return value

    def text(self, key: str) -> str | None:
        """Return a text that is printed line by line; None if there is none."""
        return "".join(f"{line}\n" for line in self._facts[key]) if key in self._facts else None


def read_machine(facts: Section) -> MachineState:
    """Parse the section. Raise KeyError, ValueError or IndexError if the lines cannot be parsed."""
    os_id, os_version, os_name = [*facts.one("os").split(" "), "", ""][:3]
    names = dict.fromkeys(name for name in (facts.one("hostname"), facts.one("fqdn")) if name)
    return MachineState(
        os=(os_id, os_version, os_name),
        names=tuple(names),
        systemd=facts.one("systemd") == "yes",
        packages={package.name: package for package in map(read_package, facts.all("package"))},
        memtotal=int(facts.one("memtotal")) * 1024,
        kernel={name: int(facts.one(name)) for name in ("overcommit", "somaxconn") if name in facts},
        kernel_writable=frozenset(facts.all("sysctl")),
        sysctl_later=tuple(sorted(map(_sysctl, facts.all("later")), key=_file_name)),
        ipv6=frozenset(facts.all("ipv6")),
        addresses=tuple(map(_address, filter(_usable, facts.all("address")))),
        other_addresses=_others(facts) if "held" in facts else None,
        nonlocal_bind=frozenset(each for each in (4, 6) if facts.one(f"nonlocal{each}") == "1"),
        first_port=int(facts.one("first-port")) if "first-port" in facts else None,
        root=facts.one("uid") == "0",
        id=facts.one("id"),
        given=(Generation.parse(facts.one("generation")) or Generation()) if "generation" in facts else None,
        identity=facts.one("machine"),
        processes=tuple(facts.all("process")),
        unfinished="unfinished" in facts,
        time=int(facts.one("time")),
    )


def read_package(line: str) -> Package:
    """Parse "NAME WANTED STATUS VERSION", as dpkg-query prints it."""
    name, wanted, status, version = [*line.split(" "), ""][:4]
    return Package(name, wanted, status, version)


def read_files(facts: Section) -> dict[str, File]:
    """Return by path what was found there."""
    digests = {}
    for line in facts.all("sha256"):
        digest, _, path = line.partition("  ")
        digests[path] = digest
    found = {}
    for line in facts.all("file"):
        kind, owner, group, mode, size, changed, path = line.split("|", 6)
        found[path] = File(
            path, KINDS.get(kind, "unknown"), owner, group, mode, digests.get(path), int(size), int(changed)
        )
    return found


def read_key_digest(line: str) -> str:
    """Return the SHA-256 (hex) of a public key's DER. The PEM is on one line, and empty if the key cannot be read."""
    return hashlib.sha256(b64decode("".join(line.split()[3:-3]), validate=True)).hexdigest()


def _sysctl(line: str) -> Sysctl:
    name, value, path = line.split(" ", 2)
    return Sysctl(name, int(value), path)


def _file_name(entry: Sysctl) -> str:
    """Return the name by which systemd orders the files, whatever their directories."""
    return entry.path.rpartition("/")[2]


def _address(line: str) -> Address:
    device, address, *flags = line.split(" ")
    return Address(device, str(ip_address(address)), "dynamic" in flags)


def _others(facts: Section) -> frozenset[str]:
    """Return the addresses that are not usable everywhere or for long; loopback's are always among them."""
    passing = (line.split(" ")[1] for line in facts.all("address") if not _usable(line))
    return frozenset(str(ip_address(each)) for each in (*facts.all("held"), *passing))


def _usable(line: str) -> bool:
    """Whether the address is not going away, and is there already."""
    flags = line.split(" ")[2:]
    return not {"deprecated", "tentative", "dadfailed", "temporary"} & set(flags)
