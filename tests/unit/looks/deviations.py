"""Things that are not as wanted on a provisioned host, one at a time, and what exactly is then due."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from noevict.machine.found import File, Package
from noevict.machine.sysctl import SYSCTL
from noevict.pki.authority import make_ca
from noevict.pki.certificate import Certificate
from noevict.server.live import Reach
from tests.unit.looks.managed import Managed, managed

CONF, ACL, TLS = "/etc/redis/redis.conf", "/etc/redis/users.acl", "/etc/redis/tls"
UNIT = "redis-server.service"
LOGS = "/var/log/redis"
DROPIN = f"/etc/systemd/system/{UNIT}.d/noevict.conf"
OTHER = "0" * 64

# What is changed on the host called trixie -> what is due then, and nothing else.
Cases = Mapping[str, tuple[Callable[[Managed], Managed], tuple[tuple[str, str, str, str], ...]]]


def package(name: str, wanted: str, status: str) -> Callable[[Managed], Managed]:
    return lambda host: host.but(
        packages={**host.state.machine.packages, name: Package(name, wanted, status, "5:8.0.2-3")}
    )


def data_of(owner: str, name: str) -> Callable[[Managed], Managed]:
    """With a file of that owner among the data."""
    path = f"/var/lib/redis/{name}"
    found = File(path, "regular file", owner, "redis", "660")
    return lambda host: host.but(data={**host.state.data, path: found})


PACKAGES: Cases = {
    "openssl was never there": (
        lambda host: host.but(
            packages={k: v for k, v in host.state.machine.packages.items() if k != "openssl"}
        ),
        (("package", "package openssl", "not installed", "installed"),),
    ),
    "the server was removed, its configuration stays": (
        package("redis-server", "deinstall", "config-files"),
        (("package", "package redis-server", "config-files", "installed"),),
    ),
    "an installation was interrupted": (
        package("redis-server", "install", "half-configured"),
        (("package", "package redis-server", "half-configured", "installed"),),
    ),
    "an upgrade ended before the programs' package was configured": (
        package("redis-tools", "install", "unpacked"),
        (
            (
                "package",
                "package redis-server",
                "half upgraded: redis-tools 5:8.0.2-3 is unpacked",
                "installed with its redis-tools",
            ),
        ),
    ),
    "an upgrade ended before the programs' package was unpacked": (
        lambda host: package("redis-tools", "install", "installed")(host).but_package(
            "redis-server", "5:8.0.6-1"
        ),
        (
            (
                "package",
                "package redis-server",
                "half upgraded: redis-tools 5:8.0.2-3 is installed",
                "installed with its redis-tools",
            ),
        ),
    ),
    "both packages of one version": (
        lambda host: package("redis-tools", "install", "installed")(host).but_package(
            "redis-server", "5:8.0.2-3"
        ),
        (),
    ),
    "a package on hold is as good": (package("redis-server", "hold", "installed"), ()),
    "somebody upgraded it": (
        lambda host: host.but(
            packages={
                **host.state.machine.packages,
                "redis-server": Package("redis-server", "install", "installed", "5:8.0.6-1"),
            }
        ),
        (),
    ),
}
FILES: Cases = {
    "redis.conf": (
        lambda host: host.but_file(CONF, sha256=OTHER).but(
            conf=str(host.state.conf).replace("noeviction\n", "lfu\n")
        ),
        (("file", f"{CONF}: maxmemory-policy", "lfu", "noeviction"),),
    ),
    "a comment in redis.conf": (
        lambda host: host.but_file(CONF, sha256=OTHER),
        (("file", CONF, "other content", "ours"),),
    ),
    "redis.conf cannot be read": (
        lambda host: host.but_file(CONF, sha256=None),
        (("file", CONF, "other content", "ours"),),
    ),
    "users.acl": (lambda host: host.but_file(ACL, sha256=OTHER), (("file", ACL, "other content", "ours"),)),
    "the drop-in": (
        lambda host: host.but_file(DROPIN, sha256=OTHER),
        (("file", DROPIN, "other content", "ours"),),
    ),
    "the kernel's file": (
        lambda host: host.but_file(SYSCTL, sha256=OTHER),
        (("file", SYSCTL, "other content", "ours"),),
    ),
    "what an interrupted run kept": (
        lambda host: host.but_file("/var/lib/noevict/good", kind="directory"),
        (("file", "/var/lib/noevict/good", "kept while a change was not verified", "gone"),),
    ),
    "redis.conf gone": (lambda host: host.but_file(CONF, gone=True), (("file", CONF, "missing", "a file"),)),
    "users.acl gone": (lambda host: host.but_file(ACL, gone=True), (("file", ACL, "missing", "a file"),)),
    "the drop-in gone": (
        lambda host: host.but_file(DROPIN, gone=True),
        (("file", DROPIN, "missing", "a file"),),
    ),
    "the TLS directory gone": (
        lambda host: host.but_file(TLS, gone=True),
        (("certificate", TLS, "missing", "a directory"),),
    ),
    "the TLS directory as it was before there were links": (
        lambda host: host.but(tls=""),
        (("certificate", TLS, "a directory", "a link to one"),),
    ),
    "the TLS directory another's": (
        lambda host: host.but_file(TLS, owner="daemon"),
        (("certificate", f"{TLS} owner", "daemon:redis", "root:redis"),),
    ),
    "no statoverride": (
        lambda host: host.but(override=""),
        (("file", "statoverride of /etc/redis", "none", "kept from upgrades"),),
    ),
    "somebody else's statoverride": (
        lambda host: host.but(override="redis redis 2770"),
        (("file", "statoverride of /etc/redis", "redis redis 2770", "kept from upgrades"),),
    ),
    "redis.conf a link": (
        lambda host: host.but_file(CONF, kind="symbolic link"),
        (("file", CONF, "symbolic link", "regular file"),),
    ),
    "the certificate a link": (
        lambda host: host.but_file(f"{TLS}/server.crt", kind="symbolic link"),
        (("certificate", f"{TLS}/server.crt", "symbolic link", "regular file"),),
    ),
    "an empty file": (lambda host: host.but_file(ACL, kind="regular empty file"), ()),
    "redis.conf's owner": (
        lambda host: host.but_file(CONF, owner="root"),
        (("file", f"{CONF} owner", "root:redis", "redis:redis"),),
    ),
    "redis.conf's group": (
        lambda host: host.but_file(CONF, group="adm"),
        (("file", f"{CONF} owner", "redis:adm", "redis:redis"),),
    ),
    "redis.conf's mode": (
        lambda host: host.but_file(CONF, mode="644"),
        (("file", f"{CONF} mode", "644", "640"),),
    ),
    "owner and mode": (
        lambda host: host.but_file(ACL, owner="admin", group="admin", mode="666"),
        (
            ("file", f"{ACL} owner", "admin:admin", "redis:redis"),
            ("file", f"{ACL} mode", "666", "640"),
        ),
    ),
    "the key's mode": (
        lambda host: host.but_file(f"{TLS}/server.key", mode="644"),
        (("certificate", f"{TLS}/server.key mode", "644", "640"),),
    ),
    "the directory's mode": (
        lambda host: host.but_file("/etc/redis", mode="755"),
        (("file", "/etc/redis mode", "755", "3770"),),
    ),
    "the data directory's owner": (
        lambda host: host.but(
            data={
                **host.state.data,
                "/var/lib/redis": File("/var/lib/redis", "directory", "root", "root", "750"),
            }
        ),
        (("file", "/var/lib/redis owner", "root:root", "redis:redis"),),
    ),
    "the RDB file's owner": (
        data_of("root", "dump.rdb"),
        (("file", "/var/lib/redis/dump.rdb owner", "root", "redis"),),
    ),
    "the owner of one of many append-only files": (
        data_of("root", "appendonlydir/appendonly.aof.7.incr.aof"),
        (("file", "/var/lib/redis/appendonlydir owner", "root", "redis"),),
    ),
    "the owner of what is not the server's": (data_of("root", "lost+found"), ()),
    "no diversion": (
        lambda host: host.but(diversion=None),
        (("file", f"diversion of {CONF}", "none", "kept from dpkg"),),
    ),
    "a diversion of a package's": (
        lambda host: host.but(diversion=(f"{CONF}.other", "some-package")),
        (("file", f"diversion of {CONF}", "none", "kept from dpkg"),),
    ),
    "a log that its owner cannot write": (
        lambda host: host.but_file(f"{LOGS}/redis-server.log", owner="redis", mode="400"),
        (("file", f"{LOGS}/redis-server.log mode", "400", "writable for its owner"),),
    ),
    "a log that others can read": (
        lambda host: host.but_file(f"{LOGS}/redis-server.log", owner="redis", mode="644"),
        (),
    ),
    "a directory of logs that its owner cannot write": (
        lambda host: host.but_file(LOGS, mode="2550"),
        (("file", f"{LOGS} mode", "2550", "writable for its owner"),),
    ),
    "logs that an admin keeps elsewhere": (
        lambda host: host.but_file(LOGS, kind="symbolic link", owner="root", mode="777"),
        (),
    ),
    "a log that leads to another file": (
        lambda host: host.but_file(f"{LOGS}/redis-server.log", kind="symbolic link", mode="444"),
        (),
    ),
    "touched, no more": (lambda host: host.but_file(CONF, changed=1, size=1), ()),
}
BOTH = frozenset({"overcommit", "somaxconn"})  # that the kernel lets us set
KERNEL: Cases = {
    "overcommit": (
        lambda host: host.but(kernel={"overcommit": 0, "somaxconn": 4096}, kernel_writable=BOTH),
        (("kernel", "vm.overcommit_memory", "0", "1"),),
    ),
    "never overcommit": (
        lambda host: host.but(kernel={"overcommit": 2, "somaxconn": 4096}, kernel_writable=BOTH),
        (("kernel", "vm.overcommit_memory", "2", "1"),),
    ),
    "somaxconn": (
        lambda host: host.but(kernel={"overcommit": 1, "somaxconn": 128}, kernel_writable=BOTH),
        (("kernel", "net.core.somaxconn", "128", "4096"),),
    ),
    "more is as good": (
        lambda host: host.but(kernel={"overcommit": 1, "somaxconn": 65535}, kernel_writable=BOTH),
        (),
    ),
    "not there": (lambda host: host.but(kernel={}, kernel_writable=BOTH), ()),
    "the one that can be set here": (
        lambda host: host.but(
            kernel={"overcommit": 0, "somaxconn": 128}, kernel_writable=frozenset({"somaxconn"})
        ),
        (("kernel", "net.core.somaxconn", "128", "4096"),),
    ),
}


def unit(live: Reach | None = None, **properties: str) -> Callable[[Managed], Managed]:
    def change(host: Managed) -> Managed:
        reported = None if live is None else {"reach": live, "user": "", "server": None, "certificate": None}
        return host.but(reported, unit={**host.state.unit, **properties})

    return change


UNITS: Cases = {
    "disabled": (unit(UnitFileState="disabled"), (("unit", UNIT, "disabled", "enabled"),)),
    "enabled until the next boot": (
        unit(UnitFileState="enabled-runtime"),
        (("unit", UNIT, "enabled-runtime", "enabled"),),
    ),
    "no state": (unit(UnitFileState=""), (("unit", UNIT, "disabled", "enabled"),)),
    "masked": (unit(UnitFileState="masked", LoadState="masked"), (("unit", UNIT, "masked", "enabled"),)),
    "masked until the next boot": (
        unit(UnitFileState="masked-runtime", LoadState="masked"),
        (("unit", UNIT, "masked", "enabled"),),
    ),
    "not reloaded": (
        unit(NeedDaemonReload="yes"),
        (("unit", UNIT, "files changed since systemd read them", "read again"),),
    ),
    "stopped": (
        unit(Reach.NOT_RUNNING, ActiveState="inactive", SubState="dead"),
        (("unit", UNIT, "not running", "running"),),
    ),
    "stopped, disabled, masked": (
        unit(Reach.NOT_RUNNING, UnitFileState="masked", LoadState="masked"),
        (("unit", UNIT, "not running", "running"), ("unit", UNIT, "masked", "enabled")),
    ),
}


def certificate(pem: str | None, **state: object) -> Callable[[Managed], Managed]:
    return lambda host: host.but(certificate=pem, **state)


def later(**time: int) -> Callable[[Managed], Managed]:
    """On the controller's clock and the host's."""
    passed = timedelta(**time)
    return lambda host: replace(
        host.but(time=host.state.machine.time + int(passed.total_seconds())), now=host.now + passed
    )


STARTS = Certificate.parse(managed("trixie").state.certificate or "").not_before  # type: ignore[union-attr]
CRT, KEY = f"{TLS}/server.crt", f"{TLS}/server.key"
CERTIFICATES: Cases = {
    "gone": (
        lambda host: host.but_file(CRT, gone=True).but(certificate=None),
        (("certificate", CRT, "none", "a certificate"),),
    ),
    "cannot be read": (
        certificate("garbage"),
        (("certificate", CRT, "cannot be read", "a new certificate"),),
    ),
    "empty": (certificate(None), (("certificate", CRT, "cannot be read", "a new certificate"),)),
    "its key gone": (
        lambda host: host.but_file(KEY, gone=True).but(key_digest=None),
        (("certificate", CRT, "has no key", "a new certificate"),),
    ),
    "another key": (
        lambda host: host.but(key_digest=OTHER),
        (("certificate", CRT, "does not match its key", "a new certificate"),),
    ),
    "31 days before its end": (later(days=397 - 31), ()),
    "29 days before its end": (
        later(days=397 - 29, hours=-2),
        (("certificate", CRT, "expires in 29 days", "a new certificate"),),
    ),
    "expired": (later(days=400), (("certificate", CRT, "has expired", "a new certificate"),)),
    "not valid yet": (
        later(days=-1),
        (("certificate", CRT, f"is not valid before {STARTS:%Y-%m-%d %H:%M} UTC", "a new certificate"),),
    ),
    "a new name": (
        lambda host: host.but_set(redis_tls_names=("cache.example.com",)),
        (("certificate", CRT, "does not cover cache.example.com", "a new certificate"),),
    ),
    "the CA's file gone": (
        lambda host: host.but_file(f"{TLS}/ca.crt", gone=True).but(ca=None),
        (("certificate", f"{TLS}/ca.crt", "none", "the CA"),),
    ),
    "another CA's file": (
        lambda host: host.but(ca=make_ca(host.now).certificate_pem),
        (("certificate", f"{TLS}/ca.crt", "another one", "the CA"),),
    ),
    "a second CA in the file": (
        lambda host: host.but(ca=(host.state.ca or "") + make_ca(host.now).certificate_pem),
        (("certificate", f"{TLS}/ca.crt", "another one", "the CA"),),
    ),
    "another one is served": (
        lambda host: host.but({"certificate": b"another"}),
        (("certificate", "the certificate served", "not the one in the file", "loaded"),),
    ),
}
LIVE: Cases = {
    "maxmemory-policy": (
        lambda host: host.but_config(maxmemory_policy="volatile-lru"),
        (("live", "maxmemory-policy", "volatile-lru", "noeviction"),),
    ),
    "maxmemory": (
        lambda host: host.but_config(maxmemory="0"),
        (("live", "maxmemory", "0", "1600mb"),),
    ),
    "what no setting names": (lambda host: host.but_config(hz="50"), (("live", "hz", "50", "10"),)),
    "a port without TLS": (lambda host: host.but_config(port="6380"), (("live", "port", "6380", "0"),)),
    "AOF off": (lambda host: host.but_config(appendonly="no"), (("live", "appendonly", "no", "yes"),)),
    "no RDB": (lambda host: host.but_config(save=""), (("live", "save", '""', "3600 1 300 100 60 10000"),)),
    "a password that is not reported": (
        lambda host: host.but_config(requirepass="(set)"),
        (("live", "requirepass", "set", "not set"),),
    ),
    "what a start alone reads": (
        lambda host: host.but_config(databases="32"),
        (("restart", "databases", "32", "16"),),
    ),
    "what a newer release has": (lambda host: host.but_config(some_new_directive="1"), ()),
    "the same otherwise written": (lambda host: host.but_config(appendonly="YES", maxmemory="1600mb"), ()),
}
USERS: Cases = {
    "a user added": (
        lambda host: host.but_acl("user eve on nopass sanitize-payload ~* resetchannels +@all"),
        (("live", "user eve", "not in the settings", "deleted"),),
    ),
    "a user gone": (
        lambda host: host.but_acl(without="app"),
        (("live", "user app", "missing", "created"),),
    ),
    "default on without a password": (
        lambda host: host.but_acl(line_of(host, "default").replace(" off ", " on nopass ")),
        (
            ("live", "user default state", "on", "off"),
            ("live", "user default passwords", "any, or none (nopass)", "none"),
        ),
    ),
    "another password": (
        lambda host: host.but_acl(line_of(host, "app").replace(host.secrets.digest("app"), OTHER)),
        (("live", "user app passwords", "another", "its own"),),
    ),
    "one command more": (
        lambda host: host.but_acl(f"{line_of(host, 'app')} +flushall"),
        (("live", "user app commands", "flushall allowed", "flushall refused"),),
    ),
    "a password more": (
        lambda host: host.but_acl(f"{line_of(host, 'app')} #{OTHER}"),
        (("live", "user app passwords", "1 more", "its own"),),
    ),
}


def line_of(host: Managed, user: str) -> str:
    return next(line for line in host.state.live.acl if line.startswith(f"user {user} "))


RESTARTS: Cases = {
    "the password is refused": (
        lambda host: host.but(
            {"reach": Reach.REFUSED, "user": "", "server": None, "certificate": None}, aof_open=True
        ),
        (("restart", "the running Redis", "rejects the password", "ours"),),
    ),
    "open, and our admin is gone": (
        lambda host: host.but({"user": "default", "open": True}).but_acl(without="admin"),
        (("restart", "the running Redis", "another configuration", "ours"),),
    ),
    "a command renamed in the file": (
        lambda host: host.but_file(CONF, sha256=OTHER).but(
            conf=f"{host.state.conf}rename-command (hidden)\n"
        ),
        (
            ("file", f"{CONF}: rename-command", "(hidden)", "not there"),
            ("restart", "rename-command", "in redis.conf", "none"),
        ),
    ),
    "a module in the file": (
        lambda host: host.but_file(CONF, sha256=OTHER).but(conf=f"{host.state.conf}loadmodule /x.so\n"),
        (
            ("file", f"{CONF}: loadmodule", "/x.so", "not there"),
            ("restart", "loadmodule", "in redis.conf", "none"),
        ),
    ),
    "the append-only files removed below it": (
        lambda host: host.but(data={"/var/lib/redis": host.state.data["/var/lib/redis"]}),
        (("live", "/var/lib/redis/appendonlydir/appendonly.aof.manifest", "missing", "rewritten"),),
    ),
    "a first rewrite that is not done": (
        lambda host: host.but(aof_open=False),
        (
            (
                "live",
                "/var/lib/redis/appendonlydir/appendonly.aof.manifest",
                "not written yet",
                "rewritten",
            ),
        ),
    ),
    "append-only files that a server that loads its data has not opened yet": (
        lambda host: host.but_info(loading=1).but(aof_open=False),
        (),
    ),
}
ALL = {
    f"{part}: {name}": case
    for part, cases in {
        "package": PACKAGES,
        "file": FILES,
        "kernel": KERNEL,
        "unit": UNITS,
        "certificate": CERTIFICATES,
        "live": LIVE,
        "user": USERS,
        "server": RESTARTS,
    }.items()
    for name, case in cases.items()
}
