"""What a look found of one server on a machine: plain data. A later look is compared with it field by field.

A field that could not be looked at is None, never a value that reads like "no".
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from noevict.engines.engine import Server
from noevict.engines.package_layout import Layout
from noevict.machine.found import DropIn, File, Listener, MachineState, OtherServer
from noevict.pki.certificate import Certificate
from noevict.redisconf.parser import parse
from noevict.server.live import Live, Reach
from noevict.server.writes import Disk


@dataclass(frozen=True)
class InstanceState:
    """Everything noevict knows of a server and its machine before it decides."""

    machine: MachineState
    diversion: tuple[str, str] | None  # where redis.conf's packaged copy goes, and by whom (":" is local)
    unit: Mapping[str, str] = field(repr=False)
    pid: int = field(compare=False)
    others: tuple[OtherServer, ...] = field(default=(), compare=False)
    dropins: tuple[DropIn, ...] = ()
    packaged_modules: tuple[str, ...] = ()  # of the server's package; Debian's has none
    listeners: tuple[Listener, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict, repr=False)
    data: Mapping[str, File] = field(default_factory=dict, compare=False, repr=False)  # in the data directory
    disk: Disk | None = field(default=None, compare=False)  # the disk with the data
    # RDB versions of the data to load: of "dump.rdb", and of "base", the append-only files' base
    rdb: Mapping[str, int] = field(default_factory=dict, compare=False)
    # Path -> keys in it that do not expire, None if not known: for the paths that lost_keys.py asks about
    keys_beside: Mapping[str, int | None] = field(default_factory=dict, compare=False)
    # For a server that is being taken over: whether its own redis.conf, which may be replaced already, has AOF on
    aof_before: bool | None = field(default=None, compare=False)
    empty_rdb: bool = field(default=False, compare=False)  # dump.rdb is there, and there is no key in it
    conf: str | None = field(default=None, repr=False)  # the text of redis.conf, passwords blanked
    ca: str | None = field(default=None, repr=False)  # PEM; None if the file has no certificate
    certificate: str | None = field(default=None, repr=False)
    exporter_certificate: str | None = field(default=None, compare=False, repr=False)  # of a client, PEM
    key_digest: str | None = None  # SHA-256 of the host key's public half (DER), hex; None without openssl
    limits: tuple[int, ...] = ()  # bytes: cgroup limits on the service's path, the unit's MemoryMax
    unwritable: tuple[str, ...] = ()  # managed files and directories that not even root can change
    override: str = ""  # "owner group mode" of dpkg's statoverride for the configuration's directory
    tls: str = ""  # the directory with the TLS files, if ``tls`` is a link to it that belongs to root
    # By systemd's state: a server is starting until its data is loaded.
    starting: bool = field(default=False, compare=False)
    aof_open: bool = field(default=False, compare=False)  # the server has append-only files open
    # the directory of its configuration is not the one it started with: it cannot write there
    replaced: bool = field(default=False, compare=False)
    # without systemd: its program was replaced since the server started
    old_program: bool = field(default=False, compare=False)
    other_engine: bool = False  # noevict manages the other engine here, or has not released it
    candidate: str = ""  # the version of the package that would be installed, if that was asked
    predecessor: "InstanceState | None" = None  # the look at the other engine, if noevict manages it here
    live: Live = field(default_factory=lambda: Live(Reach.NOT_RUNNING))
    # SHA-256 of its exporter's passwords; NOT_UNDERSTOOD if there is a file of passwords in another form
    exporter_passwords: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def memory(self) -> int:
        """The RAM the server may use, in bytes: the smallest limit of machine, cgroups and unit."""
        return min((self.machine.memtotal, *self.limits))

    def release(self, layout: Layout) -> Server | None:
        """Return the release of its package, even if half installed, or of the candidate; None if neither is known."""
        package = self.machine.packages.get(layout.package)
        version = package.version if package is not None and package.unpacked else self.candidate
        with contextlib.suppress(ValueError):
            return Server.parse(layout.engine.name, version)
        return None

    @property
    def binds_low_ports(self) -> bool | None:
        """Whether the server may bind ports below ``machine.first_port``; None if that is not known.

        The packages' units have it run in a user namespace, in which no capability is one for the host's ports.
        """
        unit = self.unit
        if unit.get("LoadState") == "not-found":  # it will be the package's
            return None if any("PrivateUsers" in each.sets for each in self.dropins) else False
        if unit.get("PrivateUsers") == "yes":
            return False
        if unit.get("NoNewPrivileges") == "yes" and "AmbientCapabilities" in unit:
            return "cap_net_bind_service" in unit["AmbientCapabilities"].split(" ")
        return None

    @property
    def enabled(self) -> bool:
        """Whether the service starts at a boot."""
        return self.unit.get("UnitFileState") in ("enabled", "alias")

    @property
    def exporter_ends(self) -> datetime | None:
        """When the client certificate of its exporter ends; None if there is none."""
        found = Certificate.parse(self.exporter_certificate or "")
        return found.not_after if found else None

    @property
    def starts_with_aof(self) -> bool:
        """Whether redis.conf has AOF on; while a take-over is under way, the redis.conf before it."""
        if self.aof_before is not None:
            return self.aof_before
        return parse(self.conf or "").get("appendonly", ["no"])[-1] == "yes"

    def aof_unwritten(self, layout: Layout) -> bool:
        """Whether AOF is on but its files are not complete: the first rewrite is not done, or they are gone."""
        if self.live.config.get("appendonly") != "yes" or self.live.loading:
            return False
        return self.file(layout.manifest) is None or not self.aof_open

    @property
    def too_busy(self) -> bool:
        """Whether the server is being started, and does not answer: it is too busy, or ends again and again."""
        return self.starting and self.live.reach is Reach.UNREACHED

    def after(self, before: "InstanceState") -> "InstanceState":
        """Return what is so after two looks at a server that is being started.

        systemd starts a server that ends again and again: each look may meet another process of it, or none. Two
        processes that did not answer are no server: the state is as it is between two starts.
        """
        if not (before.too_busy and self.too_busy and before.pid != self.pid):
            return self
        others = tuple(each for each in self.listeners if not each.ours)
        return replace(
            self, pid=0, starting=False, aof_open=False, listeners=others, live=Live(Reach.NOT_RUNNING)
        )

    def file(self, path: str) -> File | None:
        return self.files.get(path) or self.data.get(path)
