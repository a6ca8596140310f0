"""Redis servers of one host, side by side: the one that noevict manages, and others in the package's own unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis

from noevict.secrets.store import Secrets
from tests.hosts.deployment import deploy, wait_for
from tests.lab.checkout import Checkout
from tests.lab.host import Host

MANAGED = "/etc/redis/redis.conf"
DEBIAN = "/etc/redis/redis.conf.debian"  # where noevict has dpkg put the package's own
TLS = "/etc/redis/tls"


@dataclass(frozen=True)
class Contestant:
    """A server. ``name``: of its instance of redis-server@.service, "" for the one that noevict manages; ``base``:
    the file its configuration is made of; ``lines``: what is changed in it."""

    title: str
    name: str
    port: int
    tls: bool
    base: str = MANAGED
    lines: Mapping[str, str] | None = None

    @property
    def users(self) -> bool:
        """Whether it has noevict's users; else there is no password at all."""
        return self.base == MANAGED

    @property
    def unit(self) -> str:
        return f"redis-server@{self.name}" if self.name else "redis-server"

    def conf(self, text: str) -> str:
        """Its redis.conf, made from the one of ``base``: places of its own, then its changes. The last line wins."""
        places = {
            "port": "0" if self.tls else str(self.port),
            "tls-port": str(self.port) if self.tls else "0",
            "dir": f"/var/lib/redis/{self.name}",
            "pidfile": f"/run/redis-{self.name}/redis-server.pid",
            "logfile": f"/var/log/redis/redis-{self.name}.log",
        }
        added = {**places, **(self.lines or {})}
        kept = [line for line in text.splitlines() if line.partition(" ")[0] not in added]
        return "\n".join([*kept, *(f"{name} {value}" for name, value in added.items())]) + "\n"


STOCK = Contestant(
    "stock", "stock", 6380, tls=False, base=DEBIAN, lines={"bind": "* -::*", "protected-mode": "no"}
)
STOCK_TLS_AOF = Contestant(
    "stock + TLS + AOF",
    "stock-tls-aof",
    6381,
    tls=True,
    base=DEBIAN,
    lines={
        **(STOCK.lines or {}),
        "tls-cert-file": f"{TLS}/server.crt",
        "tls-key-file": f"{TLS}/server.key",
        "tls-ca-cert-file": f"{TLS}/ca.crt",
        "tls-auth-clients": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
    },
)
NOEVICT = Contestant("noevict", "", 6379, tls=True)


@dataclass(frozen=True)
class Ring:
    """A host that noevict provisioned, and the contestants on it."""

    checkout: Checkout
    host: Host

    @classmethod
    def on(cls, checkout: Checkout, host: Host) -> "Ring":
        checkout.list_hosts([host])
        deploy(checkout)
        return cls(checkout, host)

    def start(self, contestant: Contestant) -> None:
        """Beside the one that noevict manages. It answers when this returns."""
        path, data = f"/etc/redis/redis-{contestant.name}.conf", f"/var/lib/redis/{contestant.name}"
        self.host.run(f"install -d -o redis -g redis -m 750 {data}")
        self.host.write(path, contestant.conf(self.host.read(contestant.base)))
        self.host.run(f"chown redis:redis {path} && chmod 640 {path} && systemctl restart {contestant.unit}")
        with self.client(contestant) as client:
            wait_for(f"{contestant.title} answers", client.ping)

    def stop(self, contestant: Contestant) -> None:
        self.host.run(f"systemctl stop {contestant.unit}")

    def way(self, contestant: Contestant, user: str) -> dict[str, Any]:
        """How a client gets in: host, port, and if there are some ca, username and password."""
        way: dict[str, Any] = {"host": self.host.address, "port": contestant.port}
        if contestant.tls:
            way["ca"] = str(self.checkout.secrets / "ca.crt")
        secrets = Secrets.load(self.checkout.secrets)
        if contestant.users and secrets:
            way |= {"username": user, "password": secrets.known_host(self.host.name).password(user)}
        return way

    def client(self, contestant: Contestant) -> "redis.Redis":
        """As the user that may everything."""
        way = self.way(contestant, "admin")
        tls = {"ssl": True, "ssl_ca_certs": way.pop("ca")} if contestant.tls else {}
        return redis.Redis(**way, **tls, decode_responses=True, socket_timeout=60)

    def reset(self, contestant: Contestant) -> None:
        """No key, and an empty AOF: every load finds the same server, and leaves none with work to do."""
        with self.client(contestant) as client:
            client.flushall()
            quiet = partial(
                wait_for, f"{contestant.title}: nothing in the background", lambda: idle(client), 120
            )
            quiet()
            if client.config_get("appendonly")["appendonly"] == "yes":
                client.bgrewriteaof()
                quiet()

    def cpu(self, contestant: Contestant) -> float:
        """Seconds that the server has used, all its threads together."""
        with self.client(contestant) as client:
            info = client.info("cpu")
        return float(info["used_cpu_user"] + info["used_cpu_sys"])


def idle(client: "redis.Redis") -> bool:
    info = client.info("persistence")
    busy = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
    return not any(info[name] for name in busy)
