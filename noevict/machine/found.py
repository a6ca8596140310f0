"""What a look at a machine finds, whoever runs a server on it: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from noevict.secrets.passwords import Generation


@dataclass(frozen=True)
class File:
    """A file or directory on the host. ``mode`` is octal text ("640"), ``kind`` is stat's own word."""

    path: str
    kind: str
    owner: str
    group: str
    mode: str
    sha256: str | None = None  # of a regular file whose content is compared
    size: int = field(default=0, compare=False)
    changed: int = field(default=0, compare=False)  # modification time, seconds since the epoch

    @property
    def is_directory(self) -> bool:
        return self.kind == "directory"

    @property
    def is_regular(self) -> bool:
        return self.kind.startswith("regular")


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket.

    ``answer`` is what a plaintext PING got: "none" (closed at once, as a TLS port does), "silent", "closed"
    (refused), "answer TEXT", or "same" as another address of that port; "-" where it was not asked.
    """

    own: bool  # held by the server this host's unit runs
    address: str
    port: int
    answer: str = field(compare=False)

    @property
    def plaintext(self) -> bool:
        """Whether it speaks plaintext Redis: any answer at all to a plaintext PING is one."""
        return self.answer.startswith("answer")


@dataclass(frozen=True)
class Address:
    """An address of the host's own, of global scope. ``leased``: not for good, by DHCP or a router's advertisement."""

    device: str
    address: str
    leased: bool = False


@dataclass(frozen=True)
class Sysctl:
    """A kernel value that a file below sysctl.d sets at each boot."""

    name: str
    value: int
    path: str


@dataclass(frozen=True)
class OtherServer:
    """A Redis or Valkey of this host that is not the one of the package's unit. Empty fields are not known."""

    unit: str  # of systemd, or the init script's name
    program: str  # a name or path
    running: bool
    enabled: bool  # started at each boot
    ports: tuple[int, ...] = ()
    directory: str = ""
    conf: str = ""


@dataclass(frozen=True)
class DropIn:
    """A drop-in of the unit that is not ours, and the names of what it sets."""

    path: str
    sets: frozenset[str]


@dataclass(frozen=True)
class Package:
    """A Debian package: what dpkg says of it."""

    name: str
    wanted: str  # install, hold, deinstall, ...
    status: str  # installed, config-files, half-installed, ...
    version: str

    @property
    def installed(self) -> bool:
        return self.status == "installed"

    @property
    def unpacked(self) -> bool:
        """Whether its files are there, if only half installed."""
        return self.status not in ("config-files", "not-installed")


@dataclass(frozen=True)
class MachineState:
    """What a look found of the machine itself, whatever servers are on it; compared as what was found of those."""

    os: tuple[str, str, str]  # ID, VERSION_ID, VERSION_CODENAME of os-release
    names: tuple[str, ...]  # its own
    systemd: bool
    packages: Mapping[str, Package]
    memtotal: int  # bytes
    kernel: Mapping[str, int]
    kernel_writable: frozenset[str]  # which of these can be set here
    sysctl_later: tuple[Sysctl, ...]  # what the files read after ours set, in their order
    ipv6: frozenset[str]  # "any": the kernel has IPv6; "::1": its loopback address is there
    addresses: tuple[Address, ...]
    root: bool
    id: str  # from which its own passwords are derived; "" if root's file is not there
    given: Generation | None  # of users.yml, when it got its passwords; number 0: the file cannot be read
    identity: str = field(compare=False)  # the same for all names of one machine; "" is not known
    processes: tuple[str, ...] = field(
        compare=False
    )  # "PID NAME server" or "... sentinel" of each Redis or Valkey
    unfinished: bool = field(compare=False)  # a command of a run that was killed is still at work
    time: int = field(compare=False)  # its clock, seconds since the epoch
