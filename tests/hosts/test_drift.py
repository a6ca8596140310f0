"""What differs from the settings is seen by --dry and `noevict drift`, repaired by the next run, and then clean.

Each drift has a host of its own; all hosts go through each step together.
"""

from dataclasses import dataclass, field

import pytest

from noevict.engine import EngineName
from tests.hosts.by_hand import assert_filled, changed, do, files, fill, said
from tests.hosts.conftest import Boot
from tests.hosts.deployed import DEPLOY, admin, changes, deploy, run_id
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host

KEYS = 100
ACL_LINE = "user intruder on nopass sanitize-payload ~* &* +@all"


@dataclass(frozen=True)
class Drift:
    """``by_hand`` as tests.hosts.by_hand.do takes it; ``named``: all that is told to differ, and nothing else."""

    id: str
    by_hand: tuple[str, ...]
    named: tuple[str, ...]
    restarts: bool = False
    kept: dict[str, str] = field(default_factory=dict)  # keys that were set after it


DRIFTS = (
    # The running server
    Drift("the policy set by hand", ("redis: CONFIG SET maxmemory-policy volatile-lru",), ("maxmemory-policy",)),
    Drift("less memory", ("redis: CONFIG SET maxmemory 1gb",), ("maxmemory",)),
    Drift(
        "AOF switched off",
        ("redis: CONFIG SET appendonly no", "redis: SET after off"),
        ("appendonly",),
        kept={"after": "off"},
    ),
    Drift(
        "hz set and written to the file",
        ("redis: CONFIG SET hz 77", "redis: CONFIG REWRITE"),
        ("ETC/SERVER.conf: hz", "hz"),
    ),
    Drift("a port without TLS opened", ("redis: CONFIG SET port 6380",), ("port",)),
    Drift("TLS moved to another port", ("redis: CONFIG SET tls-port 6390",), ("tls-port",)),
    Drift("TLS off, plaintext instead", ("redis: CONFIG SET tls-port 0 port 6379",), ("tls-port", "port")),
    Drift("certificates asked of clients", ("redis: CONFIG SET tls-auth-clients yes",), ("tls-auth-clients",)),
    Drift("snapshots off", ('redis: CONFIG SET save ""',), ("save",)),
    Drift("another address bound", ("redis: CONFIG SET bind *",), ("bind",)),
    Drift(
        "a directive that only a start reads",
        ("sed -i 's/^databases .*/databases 32/' ETC/SERVER.conf", "systemctl restart UNIT"),
        ("ETC/SERVER.conf: databases", "databases"),
        restarts=True,
    ),
    # Users
    Drift("a user added", (f"redis: ACL SETUSER {ACL_LINE[5:]}",), ("user intruder user",)),
    Drift(
        "a user added and saved",
        (f"redis: ACL SETUSER {ACL_LINE[5:]}", "redis: ACL SAVE"),
        ("user intruder user", "ETC/users.acl"),
    ),
    Drift("app may do anything", ("redis: ACL SETUSER app +@all",), ("user app commands",)),
    Drift("app removed", ("redis: ACL DELUSER app",), ("user app user",)),
    Drift(
        "default on without a password",
        ("redis: ACL SETUSER default on nopass ~* &* +@all",),
        ("user default state", "user default passwords", "user default keys", "user default channels",
         "user default commands"),
    ),  # fmt: skip
    Drift("requirepass set", ("redis: CONFIG SET requirepass open-sesame",), ("user default passwords",)),
    Drift("admin removed", ("redis: ACL DELUSER admin",), ("the running TITLE",), restarts=True),
    # Files
    Drift("redis.conf edited", ("sed -i 's/^maxmemory .*/maxmemory 1gb/' ETC/SERVER.conf",), ("ETC/SERVER.conf: maxmemory",)),
    Drift("redis.conf gone", ("rm ETC/SERVER.conf",), ("ETC/SERVER.conf",)),
    Drift("a comment in redis.conf", ("echo '# mine' >>ETC/SERVER.conf",), ("ETC/SERVER.conf",)),
    Drift("a link in place of redis.conf",
        ("mv ETC/SERVER.conf /root/mine", "ln -s /root/mine ETC/SERVER.conf"), ("ETC/SERVER.conf",)),
    Drift("users.acl edited", (f"echo '{ACL_LINE}' >>ETC/users.acl",), ("ETC/users.acl",)),
    Drift("users.acl gone", ("rm ETC/users.acl",), ("ETC/users.acl",)),
    Drift("a link in place of users.acl",
        ("mv ETC/users.acl /root/mine", "ln -s /root/mine ETC/users.acl"), ("ETC/users.acl",)),
    Drift("owners and modes",
        ("chown root ETC/SERVER.conf", "chmod 644 ETC/users.acl", "chmod 644 ETC/tls/server.key", "chmod 777 ETC",
         "chgrp root DATA"),
        ("ETC/SERVER.conf owner", "ETC/users.acl mode", "ETC/tls/server.key mode", "ETC mode", "DATA owner")),
    Drift("the diversion removed", ("dpkg-divert --local --no-rename --remove ETC/SERVER.conf",),
        ("diversion of ETC/SERVER.conf",)),
    Drift("the append-only files gone", ("rm -r DATA/appendonlydir",), ("DATA/appendonlydir/appendonly.aof.manifest",)),
    # Certificates
    Drift("the certificate gone", ("rm ETC/tls/server.crt",), ("ETC/tls/server.crt",)),
    Drift("the key gone", ("rm ETC/tls/server.key",), ("ETC/tls/server.crt",)),
    Drift("the CA's certificate gone", ("rm ETC/tls/ca.crt",), ("ETC/tls/ca.crt",)),
    Drift("all of tls/ gone", ("rm -r ETC/tls",), ("ETC/tls", "ETC/tls/server.crt", "ETC/tls/ca.crt")),
    Drift("a link in place of the certificate",
        ("mv ETC/tls/server.crt /root/mine", "ln -s /root/mine ETC/tls/server.crt"), ("ETC/tls/server.crt",)),
    Drift("the key of another certificate",
        ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ETC/tls/server.key",), ("ETC/tls/server.crt",)),
    # The system
    Drift("the service stopped", ("systemctl stop UNIT",), ("UNIT",), restarts=True),
    Drift("the service disabled", ("systemctl disable UNIT",), ("UNIT",)),
    Drift("the service masked", ("systemctl mask UNIT",), ("UNIT",)),
    Drift("the service stopped and masked", ("systemctl stop UNIT", "systemctl mask UNIT"), ("UNIT",), restarts=True),
    Drift("the drop-in edited",
        ("sed -i s/65535/1000/ /etc/systemd/system/UNIT.d/noevict.conf", "systemctl daemon-reload"),
        ("/etc/systemd/system/UNIT.d/noevict.conf",)),
    Drift("the drop-in gone", ("rm -r /etc/systemd/system/UNIT.d",),
        ("/etc/systemd/system/UNIT.d", "/etc/systemd/system/UNIT.d/noevict.conf", "UNIT")),
    Drift("the kernel's file edited", ("echo vm.overcommit_memory=0 >/etc/sysctl.d/60-noevict.conf",),
        ("/etc/sysctl.d/60-noevict.conf",)),
    Drift("the package removed", ("apt-get remove -qy SERVER",), ("package SERVER",), restarts=True),
    Drift("openssl removed", ("dpkg --force-depends --remove openssl",), ("package openssl",)),
)  # fmt: skip
ENGINES_OF: tuple[tuple[str, EngineName], ...] = (("bookworm", "redis"), ("trixie", "redis"), ("trixie", "valkey"))


@dataclass
class Seen:
    """A drift's host, and what each step showed."""

    drift: Drift
    engine: EngineName
    host: Host
    before: str = ""  # run_id

    def name(self, text: str) -> str:
        """The text of a Drift with the engine's own names."""
        for word, own in (
            ("ETC", f"/etc/{self.engine}"),
            ("DATA", f"/var/lib/{self.engine}"),
            ("UNIT", f"{self.engine}-server.service"),
            ("SERVER.conf", f"{self.engine}.conf"),
            ("SERVER", f"{self.engine}-server"),
            ("TITLE", self.engine.title()),
        ):
            text = text.replace(word, own)
        return text
