"""The drifts that noevict promises to see and repair: what is done by hand, and what is then told to differ."""

from dataclasses import dataclass, field

INTRUDER = "intruder on nopass sanitize-payload ~* &* +@all"


@dataclass(frozen=True)
class Drift:
    """``by_hand`` as tests.hosts.by_hand.do takes it. ``told``: what differs, by name, and nothing else.

    ``restarts``: whether the server is another process once it is repaired. ``kept``: keys set by hand with it.
    """

    id: str
    by_hand: tuple[str, ...]
    told: tuple[str, ...]
    restarts: bool = False
    kept: dict[str, str] = field(default_factory=dict)


SERVER = (
    Drift("policy", ("redis: CONFIG SET maxmemory-policy volatile-lru",), ("maxmemory-policy",)),
    Drift("memory", ("redis: CONFIG SET maxmemory 1gb",), ("maxmemory",)),
    Drift(
        "AOF off",
        ("redis: CONFIG SET appendonly no", "redis: SET after off"),
        ("appendonly",),
        kept={"after": "off"},
    ),
    Drift("hz, rewritten", ("redis: CONFIG SET hz 77", "redis: CONFIG REWRITE"), ("CONF: hz", "hz")),
    Drift("a plaintext port", ("redis: CONFIG SET port 6380",), ("port",)),
    Drift("another TLS port", ("redis: CONFIG SET tls-port 6390",), ("tls-port",)),
    Drift("plaintext for TLS", ("redis: CONFIG SET tls-port 0 port 6379",), ("tls-port", "port")),
    Drift("client certificates", ("redis: CONFIG SET tls-auth-clients yes",), ("tls-auth-clients",)),
    Drift("no snapshots", ('redis: CONFIG SET save ""',), ("save",)),
    Drift(
        "a new address",
        ("ip address add 10.99.99.1/24 dev host0",),
        ("bind", "CONF: bind", "ETC/tls/server.crt"),
    ),
    Drift("every address", ("redis: CONFIG SET bind *",), ("bind",)),
    Drift(
        "databases, restarted",
        ("sed -i 's/^databases .*/databases 32/' CONF", "systemctl restart UNIT"),
        ("CONF: databases", "databases"),
        restarts=True,
    ),
)
USERS = (
    Drift("a user", (f"redis: ACL SETUSER {INTRUDER}",), ("user intruder user",)),
    Drift(
        "a user, saved",
        (f"redis: ACL SETUSER {INTRUDER}", "redis: ACL SAVE"),
        ("user intruder user", "ETC/users.acl"),
    ),
    Drift("app widened", ("redis: ACL SETUSER app +@all",), ("user app commands",)),
    Drift("app gone", ("redis: ACL DELUSER app",), ("user app user",)),
    Drift(
        "default on",
        ("redis: ACL SETUSER default on nopass ~* &* +@all",),
        ("user default state", "user default passwords"),
    ),
    Drift(
        "requirepass",
        ("redis: CONFIG SET requirepass open-sesame",),
        ("requirepass", "user default passwords"),
    ),
    Drift("admin gone", ("redis: ACL DELUSER admin",), ("the running TITLE",), restarts=True),
)
FILES = (
    Drift("conf edited", ("sed -i 's/^maxmemory .*/maxmemory 1gb/' CONF",), ("CONF: maxmemory",)),
    Drift(
        "conf broken, restarted",
        ("echo nonsense 1 >>CONF", "systemctl restart UNIT || true"),
        ("CONF: nonsense", "UNIT"),
        restarts=True,
    ),
    Drift(
        "the package's conf, restarted",
        ("cp CONF.debian CONF", "systemctl restart UNIT"),
        ("CONF", "the running TITLE"),
        restarts=True,
    ),
    Drift("conf gone", ("rm CONF",), ("CONF",)),
    Drift("conf with a comment", ("echo '# mine' >>CONF",), ("CONF",)),
    Drift("conf a link", ("mv CONF /root/mine", "ln -s /root/mine CONF"), ("CONF",)),
    Drift("acl edited", (f"echo 'user {INTRUDER}' >>ETC/users.acl",), ("ETC/users.acl",)),
    Drift("acl gone", ("rm ETC/users.acl",), ("ETC/users.acl",)),
    Drift(
        "acl a link", ("mv ETC/users.acl /root/mine", "ln -s /root/mine ETC/users.acl"), ("ETC/users.acl",)
    ),
    Drift(
        "owners and modes",
        (
            "chown root CONF",
            "chmod 644 ETC/users.acl",
            "chmod 644 ETC/tls/server.key",
            "chmod 777 ETC",
            "chgrp root DATA",
        ),
        ("CONF owner", "ETC/users.acl mode", "ETC/tls/server.key mode", "ETC mode", "DATA owner"),
    ),
    Drift("no diversion", ("dpkg-divert --local --no-rename --remove CONF",), ("diversion of CONF",)),
    Drift("AOF files gone", ("rm -r DATA/appendonlydir",), ("DATA/appendonlydir/appendonly.aof.manifest",)),
)
CERTIFICATES = (
    Drift("certificate gone", ("rm ETC/tls/server.crt",), ("ETC/tls/server.crt",)),
    Drift("key gone", ("rm ETC/tls/server.key",), ("ETC/tls/server.crt",)),
    Drift("CA gone", ("rm ETC/tls/ca.crt",), ("ETC/tls/ca.crt",)),
    Drift("all of tls gone", ("rm -r ETC/tls",), ("ETC/tls", "ETC/tls/server.crt", "ETC/tls/ca.crt")),
    Drift(
        "certificate a link",
        ("mv ETC/tls/server.crt /root/mine", "ln -s /root/mine ETC/tls/server.crt"),
        ("ETC/tls/server.crt",),
    ),
    Drift(
        "another key",
        ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ETC/tls/server.key",),
        ("ETC/tls/server.crt",),
    ),
)
DROPIN = "/etc/systemd/system/UNIT.d/noevict.conf"
SYSTEM = (
    Drift("stopped", ("systemctl stop UNIT",), ("UNIT",), restarts=True),
    Drift("disabled", ("systemctl disable UNIT",), ("UNIT",)),
    Drift("masked", ("systemctl mask UNIT",), ("UNIT",)),
    Drift("stopped and masked", ("systemctl stop UNIT", "systemctl mask UNIT"), ("UNIT",), restarts=True),
    Drift("drop-in edited", (f"sed -i s/65535/1000/ {DROPIN}", "systemctl daemon-reload"), (DROPIN,)),
    Drift("drop-in not read", (f"sed -i s/65535/1000/ {DROPIN}",), (DROPIN, "UNIT")),
    Drift(
        "drop-in gone", ("rm -r /etc/systemd/system/UNIT.d",), ("/etc/systemd/system/UNIT.d", DROPIN, "UNIT")
    ),
    Drift("kernel's file", ("echo >/etc/sysctl.d/60-noevict.conf",), ("/etc/sysctl.d/60-noevict.conf",)),
    Drift("package removed", ("apt-get remove -qy SERVER",), ("package SERVER",), restarts=True),
    Drift("openssl removed", ("dpkg --force-depends --remove openssl",), ("package openssl",)),
)
DRIFTS = (*SERVER, *USERS, *FILES, *CERTIFICATES, *SYSTEM)

ZZ = "/etc/systemd/system/UNIT.d/zz.conf"


@dataclass(frozen=True)
class Contradiction:
    """What somebody put there against noevict: reported, left where it is, and the host fails until it is gone.

    ``told``: words of the line about it; ``undo``: how they take it back.
    """

    id: str
    by_hand: tuple[str, ...]
    told: str
    undo: tuple[str, ...]


CONTRADICTIONS = (
    Contradiction(
        "a drop-in over ours",
        (f"printf '[Service]\\nLimitNOFILE=1000\\n' >{ZZ}", "systemctl daemon-reload"),
        f"UNIT: LimitNOFILE should be 65535, is 1000: overridden by {ZZ}; remove that",
        (f"rm {ZZ}", "systemctl daemon-reload"),
    ),
    Contradiction(
        "a drop-in over ours, not read yet",
        (f"printf '[Service]\\nRestartSec=100ms\\n' >{ZZ}",),
        f"UNIT: RestartUSec should be 3s, is 100ms: overridden by {ZZ}; remove that",
        (f"rm {ZZ}", "systemctl daemon-reload"),
    ),
    Contradiction(
        "a directory for redis.conf",
        ("rm CONF", "mkdir CONF"),
        "CONF: should be a regular file, is a directory: move it away, then run again",
        ("rmdir CONF",),
    ),
)
