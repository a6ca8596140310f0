"""The drifts that noevict promises to see and repair: what is done by hand, and what is then reported to differ."""

from dataclasses import dataclass, field

from noevict.engines.engine import EngineName, Server
from tests.hosts.directive_drifts import all_at_start, all_lines, all_live

Kind = tuple[str, EngineName]  # a host's release of Debian, and its server
KINDS: dict[Kind, Server] = {
    ("bookworm", "redis"): Server("redis", (7, 0, 15)),
    ("trixie", "redis"): Server("redis", (8, 0, 2)),
    ("trixie", "valkey"): Server("valkey", (8, 1, 1)),
}
INTRUDER = "intruder on nopass sanitize-payload ~* &* +@all"


@dataclass(frozen=True)
class Drift:
    """``manual_changes`` as ``apply_changes`` takes it. ``reported``: what differs, by name, and nothing else.

    ``restarts``: whether the server is a new process once it is repaired. ``kept``: keys set by hand with it.
    ``kind``: the host it is for; without one, any.
    """

    id: str
    manual_changes: tuple[str, ...]
    reported: tuple[str, ...]
    restarts: bool = False
    kept: dict[str, str] = field(default_factory=dict)
    kind: Kind | None = None


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
    Drift(
        "a plaintext port, restarted",
        ("sed -i 's/^port .*/port 6380/' CONF", "systemctl restart UNIT"),
        ("CONF: port", "port"),
    ),
    Drift(
        "an include, restarted",
        ("echo 'hz 50' >ETC/mine.conf", "echo 'include ETC/mine.conf' >>CONF", "systemctl restart UNIT"),
        ("CONF: include", "hz"),
    ),
    Drift(
        "a command renamed",
        ("""echo 'rename-command FLUSHALL ""' >>CONF""", "systemctl restart UNIT"),
        ("CONF: rename-command", "rename-command"),
        restarts=True,
    ),
    *(
        Drift(
            f"{command} renamed",
            (f"echo 'rename-command {command} mine' >>CONF", "systemctl restart UNIT"),
            ("CONF: rename-command", "the running TITLE"),
            restarts=True,
        )
        for command in ("AUTH", "INFO", "ACL")
    ),
    Drift(
        "CONFIG renamed",
        ("echo 'rename-command CONFIG mine' >>CONF", "systemctl restart UNIT"),
        ("CONF: rename-command", "the running TITLE"),
        restarts=True,
    ),
    *(Drift(f"every directive of {server}", *all_live(server), kind=kind) for kind, server in KINDS.items()),
    *(
        Drift(f"every directive of a start of {server}", *all_at_start(server), restarts=True, kind=kind)
        for kind, server in KINDS.items()
    ),
)
USERS = (
    Drift("a user", (f"redis: ACL SETUSER {INTRUDER}",), ("user intruder",)),
    Drift(
        "a user, saved",
        (f"redis: ACL SETUSER {INTRUDER}", "redis: ACL SAVE"),
        ("user intruder", "ETC/users.acl"),
    ),
    Drift("app widened", ("redis: ACL SETUSER app +@all",), ("user app commands",)),
    Drift("app gone", ("redis: ACL DELUSER app",), ("user app",)),
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
    Drift("admin's rights", ("redis: ACL SETUSER admin -config",), ("the running TITLE",), restarts=True),
    Drift("app's password", ("redis: ACL SETUSER app resetpass >other",), ("user app passwords",)),
    Drift("a second password", ("redis: ACL SETUSER admin >other",), ("user admin passwords",)),
    Drift(
        "admin's password",
        ("redis: ACL SETUSER admin resetpass >other",),
        ("the running TITLE",),
        restarts=True,
    ),
    Drift(
        "all of app",
        ("redis: ACL SETUSER app reset on nopass ~mine:* &mine:* +get (~* +set)", "redis: ACL SAVE"),
        (
            *(f"user app {what}" for what in ("passwords", "keys", "channels", "commands", "selectors")),
            "ETC/users.acl",
        ),
    ),
    Drift("app off", ("redis: ACL SETUSER app off",), ("user app state",)),
    Drift(
        "all users gone",
        ("redis: ACL DELUSER app exporter health", "redis: ACL SETUSER default reset"),
        (
            *(f"user {name}" for name in ("app", "exporter", "health")),
            *(f"user default {what}" for what in ("keys", "channels", "commands")),
        ),
    ),
)
DROPIN = "/etc/systemd/system/UNIT.d/noevict.conf"
SYSCTL = "/etc/sysctl.d/60-noevict.conf"
EACH_FILE = (
    *("CONF", "ETC/users.acl", "ETC/tls/ca.crt", "ETC/tls/server.crt", "ETC/tls/server.key"),
    *(DROPIN, SYSCTL),
)
OTHER_OWNERS = {
    **dict.fromkeys(EACH_FILE, "daemon:daemon"),
    "ETC": "root:root",
    "ETC/tls": "daemon:daemon",
    "DATA": "root",
    "/etc/systemd/system/UNIT.d": "admin:admin",
}
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
        "every owner",
        tuple(f"chown {owner} {path}" for path, owner in OTHER_OWNERS.items()),
        tuple(f"{path} owner" for path in OTHER_OWNERS),
    ),
    Drift(
        "every mode",
        tuple(f"chmod 777 {path}" for path in OTHER_OWNERS),
        tuple(f"{p} mode" for p in OTHER_OWNERS),
    ),
    Drift(
        "no rights for anybody",
        tuple(f"chmod 0 {path}" for path in OTHER_OWNERS),
        tuple(f"{path} mode" for path in OTHER_OWNERS),
    ),
    Drift(
        "every file a link",
        tuple(f"mv {path} /root/mine-{n} && ln -s /root/mine-{n} {path}" for n, path in enumerate(EACH_FILE)),
        EACH_FILE,
    ),
    Drift(
        "every file a link to nothing",
        tuple(f"ln -sf /nowhere {path}" for path in EACH_FILE),
        (*EACH_FILE, "UNIT"),
    ),
    Drift(
        "every file gone",
        tuple(f"rm {path}" for path in EACH_FILE),
        (*(path for path in EACH_FILE if path != "ETC/tls/server.key"), "UNIT"),
    ),
    Drift(
        "every file garbage",
        tuple(f"head -c 4096 /dev/urandom >{path}" for path in EACH_FILE),
        (*(path for path in EACH_FILE if path != "ETC/tls/server.key"), "UNIT"),
    ),
    Drift(
        "every file empty",
        tuple(f"truncate -s 0 {path}" for path in EACH_FILE),
        (*(path for path in EACH_FILE if path != "ETC/tls/server.key"), "UNIT"),
    ),
    Drift(
        "every line of redis.conf",
        *all_lines(KINDS["trixie", "redis"]),
        kind=("trixie", "redis"),
    ),
    Drift(
        "all of etc gone",
        ("rm -r ETC",),
        (
            "ETC",
            "CONF",
            "ETC/users.acl",
            "ETC/tls",
            "ETC/tls/server.crt",
            "ETC/tls/ca.crt",
            "the directory ETC",
        ),
        restarts=True,
    ),
    Drift(
        "data of another's",
        ("redis: SAVE", "chown -R root:root DATA"),
        ("DATA owner", "DATA/dump.rdb owner", "DATA/appendonlydir owner"),
    ),
    Drift(
        "data of another's, restarted",
        ("chown root DATA/appendonlydir/*", "systemctl restart UNIT || true"),
        ("DATA/appendonlydir owner", "UNIT"),
        restarts=True,
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
    Drift("certificate expired", ("certificate: expired",), ("ETC/tls/server.crt",)),
    Drift("certificate for other names", ("certificate: for other names",), ("ETC/tls/server.crt",)),
    Drift(
        "certificate of another CA", ("certificate: of another CA",), ("ETC/tls/server.crt", "ETC/tls/ca.crt")
    ),
    Drift(
        "certificate replaced, not loaded",
        ("cp -a ETC/tls/server.crt /root", "certificate: for other names", "cp -a /root/server.crt ETC/tls"),
        ("the certificate served",),
    ),
)
SYSTEM = (
    Drift("stopped", ("systemctl stop UNIT",), ("UNIT",), restarts=True),
    Drift("disabled", ("systemctl disable UNIT",), ("UNIT",)),
    Drift("masked", ("systemctl mask UNIT",), ("UNIT",)),
    Drift("stopped and masked", ("systemctl stop UNIT", "systemctl mask UNIT"), ("UNIT",), restarts=True),
    Drift("masked until the next boot", ("systemctl mask --runtime UNIT",), ("UNIT",)),
    Drift("stopped and disabled", ("systemctl disable --now UNIT",), ("UNIT",), restarts=True),
    Drift(
        "failed, at its start limit",
        (
            "echo nonsense 1 >>CONF",
            "for i in $(seq 30); do systemctl restart UNIT; [ $(systemctl is-active UNIT) = failed ] && break; done",
            "[ $(systemctl is-active UNIT) = failed ]",
        ),
        ("CONF: nonsense", "UNIT"),
        restarts=True,
    ),
    Drift("logs of root", ("chown root: /var/log/ENGINE",), ("/var/log/ENGINE owner",)),
    Drift(
        "log of root",
        ("chown root: /var/log/ENGINE/SERVER.log", "chmod 600 /var/log/ENGINE/SERVER.log"),
        ("/var/log/ENGINE/SERVER.log owner",),
    ),
    Drift("no logs", ("rm -r /var/log/ENGINE",), ("/var/log/ENGINE",)),
    Drift("drop-in edited", (f"sed -i s/65535/1000/ {DROPIN}", "systemctl daemon-reload"), (DROPIN,)),
    Drift("drop-in not read", (f"sed -i s/65535/1000/ {DROPIN}",), (DROPIN, "UNIT")),
    Drift(
        "drop-in gone", ("rm -r /etc/systemd/system/UNIT.d",), ("/etc/systemd/system/UNIT.d", DROPIN, "UNIT")
    ),
    Drift("kernel's file", ("echo >/etc/sysctl.d/60-noevict.conf",), ("/etc/sysctl.d/60-noevict.conf",)),
    Drift("kernel's backlog", ("sysctl -w net.core.somaxconn=128",), ("net.core.somaxconn",)),
    # The machine's own value cannot be changed in a host of the lab: a file in its place can.
    Drift(
        "kernel's overcommit",
        (
            "echo 2 >/root/overcommit",
            "mount --bind /root/overcommit /proc/sys/vm/overcommit_memory",
        ),
        ("vm.overcommit_memory",),
    ),
    Drift("package removed", ("apt-get remove -qy SERVER",), ("package SERVER",), restarts=True),
    Drift("openssl removed", ("dpkg --force-depends --remove openssl",), ("package openssl",)),
)
DRIFTS = (*SERVER, *USERS, *FILES, *CERTIFICATES, *SYSTEM)
