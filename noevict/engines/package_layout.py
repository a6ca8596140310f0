"""The names of a server's packages and unit, and the paths of its programs and files on its host."""

from dataclasses import dataclass

from noevict.engines.engine import ENGINES, Engine, EngineName

STATE_DIRECTORY = "/var/lib/noevict"  # what noevict keeps on a machine; only for root
# Debian's package of the exporter, which is also its unit and directory.
EXPORTER = "prometheus-redis-exporter"


@dataclass(frozen=True)
class Layout:
    """The paths and names of a server. All paths are absolute paths on the host.

    ``package``, ``tools``: Debian's; ``tools`` has the programs, and ``package`` depends on exactly its version.
    ``user``: the system user and group that the server runs as. ``modules``: where packages put modules for it.
    ``previous``: only for root, has what is put back if a change fails.
    """

    engine: Engine
    package: str
    tools: str
    unit: str
    user: str
    binary: str
    cli: str
    check_aof: str
    etc: str
    conf: str
    data: str
    logfile: str
    pidfile: str
    modules: str
    previous: str
    exporter: str

    @property
    def title(self) -> str:
        """The server's name for people."""
        return self.engine.title

    @property
    def other(self) -> "Layout":
        """The layout of the other engine, in the same packaging."""
        return LAYOUTS[self.engine.other.name]

    @property
    def aclfile(self) -> str:
        return f"{self.etc}/users.acl"

    @property
    def tls(self) -> str:
        return f"{self.etc}/tls"

    @property
    def rdb(self) -> str:
        return f"{self.data}/dump.rdb"

    @property
    def append_only(self) -> str:
        """The directory of the append-only files."""
        return f"{self.data}/appendonlydir"

    @property
    def manifest(self) -> str:
        """The file that lists the append-only files."""
        return f"{self.append_only}/appendonly.aof.manifest"

    @property
    def single_aof(self) -> str:
        """The append-only file of Redis 6; later releases convert it at a start with AOF on."""
        return f"{self.data}/appendonly.aof"

    @property
    def last_good(self) -> str:
        """The last configuration that worked, until a new one is verified."""
        return f"{self.previous}/good"

    @property
    def takeover(self) -> str:
        """How the host was, until a take-over is verified."""
        return f"{self.previous}/takeover"

    @property
    def unverified(self) -> tuple[str, str]:
        """What is removed once all is verified."""
        return (self.last_good, self.takeover)

    @property
    def exporter_etc(self) -> str:
        """The directory of its exporter's files."""
        return f"/etc/{self.exporter}"

    @property
    def exporter_credentials(self) -> str:
        """Where systemd puts copies of them for the exporter: the files themselves are only for root."""
        return f"/run/credentials/{self.exporter}.service"

    @property
    def logs(self) -> str:
        return self.logfile.rpartition("/")[0]

    @property
    def dropin(self) -> str:
        return dropin_of(self.unit)


def dropin_of(unit: str) -> str:
    """Return the path of noevict's drop-in for a unit of systemd."""
    return f"/etc/systemd/system/{unit}.d/noevict.conf"


def packaged(engine: Engine) -> Layout:
    """Return the layout of Debian's package."""
    name = engine.name
    return Layout(
        engine,
        package=f"{name}-server",
        tools=f"{name}-tools",
        unit=f"{name}-server.service",
        user=name,
        binary=f"/usr/bin/{name}-server",
        cli=f"/usr/bin/{name}-cli",
        check_aof=f"/usr/bin/{name}-check-aof",
        etc=f"/etc/{name}",
        conf=f"/etc/{name}/{name}.conf",
        data=f"/var/lib/{name}",
        logfile=f"/var/log/{name}/{name}-server.log",
        pidfile=f"/run/{name}/{name}-server.pid",
        modules="/usr/lib/redis/modules",
        previous=STATE_DIRECTORY,
        exporter=EXPORTER,
    )


LAYOUTS: dict[EngineName, Layout] = {name: packaged(engine) for name, engine in ENGINES.items()}
