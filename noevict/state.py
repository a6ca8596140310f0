"""What one look at a host found: plain data, compared field by field to see whether a host has changed since.

A field that could not be looked at is None, never a value that reads like "no".
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from noevict.acl_rules import Catalogue
from noevict.certificates import Certificate
from noevict.conf_reader import parse
from noevict.engine import Engine, Server
from noevict.users_file import Generation
from noevict.writes import Disk

NOT_UNDERSTOOD = "?"  # in exporter_passwords


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


class Reach(Enum):
    """How far a Redis client got."""

    NOT_RUNNING = "is not running"
    TLS = "answers over TLS"
    PLAINTEXT = "answers without TLS"
    REFUSED = "refuses the password"
    MUTE = "does not take noevict's commands"
    UNREACHED = "could not be looked at"


@dataclass(frozen=True)
class Live:
    """The running server, as a client that logged in sees it."""

    reach: Reach
    why: str = ""  # where reach is REFUSED, MUTE or UNREACHED: the reason, in a line
    user: str = ""  # who we are logged in as: "admin" on a managed server
    port: int = 0
    open: bool = False  # it answered PING before any password was given
    untrusted: str = ""  # why its certificate is not one that a client with our CA accepts; "" is fine
    certificate: bytes | None = field(default=None, repr=False)  # the one served, DER
    server: Server | None = None
    config: Mapping[str, str] = field(default_factory=dict, repr=False)  # CONFIG GET *, passwords blanked
    acl: tuple[str, ...] = field(default=(), repr=False)  # ACL LIST
    catalogue: Catalogue | None = field(default=None, compare=False, repr=False)
    info: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)  # INFO

    @property
    def reached(self) -> bool:
        return self.reach in (Reach.TLS, Reach.PLAINTEXT)

    @property
    def ours(self) -> bool:
        """Whether the server knows our admin: one of noevict's own making, whatever became of it."""
        return self.reached and self.user == "admin"

    @property
    def run_id(self) -> str:
        return str(self.info.get("run_id", ""))

    def number(self, name: str) -> int:
        """A whole number of INFO; 0 where it is missing or none."""
        value = self.info.get(name, 0)
        return int(value) if isinstance(value, int | float) else 0

    @property
    def loading(self) -> bool:
        """Whether it is still loading its data: what it tells of its keys and memory is not all."""
        return bool(self.number("loading"))

    @property
    def writing_aof(self) -> bool:
        """Whether append-only files are being written anew, or are about to be."""
        return bool(self.number("aof_rewrite_in_progress") or self.number("aof_rewrite_scheduled"))

    @property
    def keys(self) -> int:
        return sum(
            int(entry.get("keys", 0))
            for name, entry in self.info.items()
            if name.startswith("db") and isinstance(entry, dict)
        )


@dataclass(frozen=True)
class HostState:
    """Everything noevict knows of a host before it decides."""

    os: tuple[str, str, str]  # ID, VERSION_ID, VERSION_CODENAME of os-release
    names: tuple[str, ...]  # the host's own
    systemd: bool
    packages: Mapping[str, Package]
    diversion: tuple[str, str] | None  # where redis.conf's packaged copy goes, and by whom (":" is local)
    unit: Mapping[str, str] = field(repr=False)
    pid: int = field(compare=False)
    processes: tuple[str, ...] = field(compare=False)  # "PID NAME server" or "... sentinel" of every one
    others: tuple[OtherServer, ...] = field(default=(), compare=False)
    dropins: tuple[DropIn, ...] = ()
    packaged_modules: tuple[str, ...] = ()  # that the server's package brought: Debian's brings none
    listeners: tuple[Listener, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict, repr=False)
    data: Mapping[str, File] = field(default_factory=dict, compare=False, repr=False)  # in the data directory
    disk: Disk | None = field(default=None, compare=False)  # that data is written to
    # RDB versions of what is there to load: of "dump.rdb", and of "base", the append-only files' base
    rdb: Mapping[str, int] = field(default_factory=dict, compare=False)
    # Path -> keys in it that do not expire, None where that is not known: of what emptied.py asks about
    keys_beside: Mapping[str, int | None] = field(default_factory=dict, compare=False)
    # Of a server that is being taken over: whether its own redis.conf has AOF on, whatever is in its place by now
    aof_before: bool | None = field(default=None, compare=False)
    empty_rdb: bool = field(default=False, compare=False)  # dump.rdb is there, and there is no key in it
    conf: str | None = field(default=None, repr=False)  # the text of redis.conf, passwords blanked
    ca: str | None = field(default=None, repr=False)  # PEM; None where the file has no certificate
    certificate: str | None = field(default=None, repr=False)
    exporter_certificate: str | None = field(default=None, compare=False, repr=False)  # of a client, PEM
    key_digest: str | None = None  # SHA-256 of the host key's public half (DER), hex; None without openssl
    memtotal: int = 0  # bytes
    limits: tuple[int, ...] = ()  # bytes: cgroup limits on the service's path, the unit's MemoryMax
    kernel: Mapping[str, int] = field(default_factory=dict)
    kernel_writable: frozenset[str] = frozenset()  # which of these can be set here
    sysctl_later: tuple[Sysctl, ...] = ()  # what the files read after ours set, in their order
    unwritable: tuple[str, ...] = ()  # managed files and directories that not even root can change
    override: str = ""  # "owner group mode" of dpkg's statoverride for the configuration's directory
    tls: str = ""  # the directory beside it that TLS files are in, where the name is a link of root's to it
    machine: str = field(default="", compare=False)  # the same for all names of one host; "" is not known
    ipv6: frozenset[str] = frozenset()  # "any": the kernel has IPv6; "::1": its loopback address is there
    addresses: tuple[Address, ...] = ()
    root: bool = True
    starting: bool = field(default=False, compare=False)  # for systemd; a server is, until its data is loaded
    aof_open: bool = field(default=False, compare=False)  # the server has append-only files open
    # its configuration's directory is not the one it started with: it cannot write there
    replaced: bool = field(default=False, compare=False)
    unfinished: bool = field(default=False, compare=False)  # a command of a run that was killed is at work
    other_engine: bool = False  # noevict manages the other engine here, or has not let go of it
    candidate: str = ""  # the package's version that would be installed, where that was asked
    predecessor: "HostState | None" = None  # the look at the other engine, where noevict manages it here
    time: int = field(default=0, compare=False)  # the host's clock, seconds since the epoch
    live: Live = field(default_factory=lambda: Live(Reach.NOT_RUNNING))
    id: str = ""  # of which its own passwords are derived; "" where root's file is not there
    given: Generation | None = None  # of users.yml, when it got its passwords; number 0: not to be read
    # SHA-256 of what its exporter has; NOT_UNDERSTOOD where a file of its passwords is there that says something else
    exporter_passwords: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def memory(self) -> int:
        """The RAM the server may use, in bytes: the smallest of what machine, cgroups and unit say."""
        return min((self.memtotal, *self.limits))

    def release(self, engine: Engine) -> Server | None:
        """The release of its package, if only half installed, or the one that would be; None where neither is known."""
        package = self.packages.get(engine.package)
        version = package.version if package is not None and package.unpacked else self.candidate
        with contextlib.suppress(ValueError):
            return Server.parse(engine.name, version)
        return None

    @property
    def exporter_ends(self) -> datetime | None:
        """When the client certificate of the exporter beside it ends; None if there is none."""
        found = Certificate.parse(self.exporter_certificate or "")
        return found.not_after if found else None

    @property
    def starts_with_aof(self) -> bool:
        """Whether redis.conf, as it is or was before a take-over under way, has AOF on."""
        if self.aof_before is not None:
            return self.aof_before
        return parse(self.conf or "").get("appendonly", ["no"])[-1] == "yes"

    def aof_unwritten(self, engine: Engine) -> bool:
        """Whether AOF is on and its files do not hold everything: the first rewrite is not done, or they are gone."""
        if self.live.config.get("appendonly") != "yes" or self.live.loading:
            return False
        return self.file(engine.manifest) is None or not self.aof_open

    def file(self, path: str) -> File | None:
        return self.files.get(path) or self.data.get(path)
