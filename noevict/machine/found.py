"""What a look at a machine finds, with any platform: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from noevict.engines.package_layout import STATE_DIRECTORY
from noevict.machine.addresses import Address
from noevict.secrets.passwords import Generation

# The id and the generation of the host's own passwords.
ID, GIVEN = f"{STATE_DIRECTORY}/id", f"{STATE_DIRECTORY}/generation"


@dataclass(frozen=True)
class File:
    """A file or directory on the host. ``mode`` is octal text ("640"), ``kind`` is stat's word."""

    path: str
    kind: str
    owner: str
    group: str
    mode: str
    sha256: str | None = None  # for a regular file whose content is compared
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
    (refused), "answer TEXT", or "same" as another address of that port; "-" if it was not asked.
    """

    ours: bool  # held by the server this host's unit runs
    address: str
    port: int
    answer: str = field(compare=False)

    @property
    def plaintext(self) -> bool:
        """Whether it speaks plaintext Redis: any answer to a plaintext PING counts."""
        return self.answer.startswith("answer")


@dataclass(frozen=True)
class Sysctl:
    """A kernel value that a file below sysctl.d sets at each boot."""

    name: str
    value: int
    path: str


@dataclass(frozen=True)
class OtherServer:
    """A Redis or Valkey on this host that the package's unit does not run. Empty fields are not known."""

    unit: str  # of systemd, or the init script's name
    program: str  # a name or path
    running: bool
    enabled: bool  # started at each boot
    ports: tuple[int, ...] = ()
    directory: str = ""
    conf: str = ""


@dataclass(frozen=True)
class DropIn:
    """A drop-in of the unit that is not ours, and the names of the properties that it sets."""

    path: str
    sets: frozenset[str]


@dataclass(frozen=True)
class Package:
    """A Debian package, as dpkg reports it."""

    name: str
    wanted: str  # install, hold, deinstall, ...
    status: str  # installed, config-files, half-installed, ...
    version: str

    @property
    def installed(self) -> bool:
        return self.status == "installed"

    @property
    def unpacked(self) -> bool:
        """Whether its files are there, even if it is only half installed."""
        return self.status not in ("config-files", "not-installed")


@dataclass(frozen=True)
class MachineState:
    """What a look found of the machine itself, whatever servers are on it. It is compared as InstanceState is."""

    os: tuple[str, str, str]  # ID, VERSION_ID, VERSION_CODENAME of os-release
    names: tuple[str, ...]  # its own names
    systemd: bool
    packages: Mapping[str, Package]
    memtotal: int  # bytes
    kernel: Mapping[str, int]
    kernel_writable: frozenset[str]  # the kernel values that can be set here
    sysctl_later: tuple[Sysctl, ...]  # set by files that are read after ours, in their order
    ipv6: frozenset[str]  # "any": the kernel has IPv6; "::1": its loopback address is there
    addresses: tuple[Address, ...]
    # Its other addresses, of any scope and state; None if not known.
    other_addresses: frozenset[str] | None = field(compare=False)
    nonlocal_bind: frozenset[int]  # versions of IP of which a program may bind addresses that are not there
    first_port: int | None  # any user may bind ports from this one on; None if not known
    root: bool
    id: str  # its passwords are derived from it; "" if root's file is not there
    # Of the users.yml that its passwords are from; number 0: the file cannot be read.
    given: Generation | None
    identity: str = field(compare=False)  # the same for all names of one machine; "" if not known
    # "PID NAME server" or "... sentinel" of each Redis or Valkey.
    processes: tuple[str, ...] = field(compare=False)
    unfinished: bool = field(compare=False)  # a command of a run that was killed is still at work
    time: int = field(compare=False)  # its clock, seconds since the epoch
