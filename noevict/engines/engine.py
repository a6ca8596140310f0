"""Redis and Valkey: what their Debian packages name and place, and a server's version."""

import re
from dataclasses import dataclass
from typing import Literal

EngineName = Literal["redis", "valkey"]
Version = tuple[int, int, int]


@dataclass(frozen=True)
class Engine:
    """One of the two servers, as Debian packages it. All paths are absolute paths on the host."""

    name: EngineName
    title: str
    oldest: Version  # the oldest release supported

    @property
    def other(self) -> "Engine":
        """The other one of the two."""
        return ENGINES["valkey" if self.name == "redis" else "redis"]

    @property
    def package(self) -> str:
        return f"{self.name}-server"

    @property
    def tools(self) -> str:
        """The package that has the programs, the server's too; the server's own depends on its very version."""
        return f"{self.name}-tools"

    @property
    def unit(self) -> str:
        return f"{self.name}-server.service"

    @property
    def user(self) -> str:
        """The system user and group the server runs as."""
        return self.name

    @property
    def binary(self) -> str:
        return f"/usr/bin/{self.name}-server"

    @property
    def cli(self) -> str:
        return f"/usr/bin/{self.name}-cli"

    @property
    def etc(self) -> str:
        return f"/etc/{self.name}"

    @property
    def conf(self) -> str:
        return f"{self.etc}/{self.name}.conf"

    @property
    def aclfile(self) -> str:
        return f"{self.etc}/users.acl"

    @property
    def tls(self) -> str:
        return f"{self.etc}/tls"

    @property
    def data(self) -> str:
        return f"/var/lib/{self.name}"

    @property
    def rdb(self) -> str:
        return f"{self.data}/dump.rdb"

    @property
    def append_only(self) -> str:
        """The directory of the append-only files."""
        return f"{self.data}/appendonlydir"

    @property
    def manifest(self) -> str:
        """What names the append-only files."""
        return f"{self.append_only}/appendonly.aof.manifest"

    @property
    def single_aof(self) -> str:
        """The append-only file as Redis 6 had it; later releases make theirs of it at a start with AOF on."""
        return f"{self.data}/appendonly.aof"

    @property
    def logs(self) -> str:
        return f"/var/log/{self.name}"

    @property
    def logfile(self) -> str:
        return f"{self.logs}/{self.name}-server.log"

    @property
    def pidfile(self) -> str:
        return f"/run/{self.name}/{self.name}-server.pid"

    @property
    def dropin(self) -> str:
        return f"/etc/systemd/system/{self.unit}.d/noevict.conf"


ENGINES: dict[EngineName, Engine] = {
    "redis": Engine("redis", "Redis", (7, 0, 0)),
    "valkey": Engine("valkey", "Valkey", (8, 0, 0)),
}


@dataclass(frozen=True, order=True)
class Server:
    """A server's engine and release, e.g. ``Server("valkey", (8, 1, 1))``."""

    engine: EngineName
    version: Version

    def __str__(self) -> str:
        return f"{ENGINES[self.engine].title} {'.'.join(map(str, self.version))}"

    @classmethod
    def parse(cls, engine: EngineName, version: str) -> "Server":
        """From a version as the server or its Debian package tells it: ``5:7.0.15-1~deb12u7`` is 7.0.15.

        Raises ValueError where there are no three numbers in it.
        """
        found = re.match(r"(?:\d+:)?(\d+)\.(\d+)\.(\d+)", version)
        if not found:
            raise ValueError(f"no release number in {version!r}")
        return cls(engine, (int(found[1]), int(found[2]), int(found[3])))

    @property
    def supported(self) -> bool:
        return self.version >= ENGINES[self.engine].oldest
