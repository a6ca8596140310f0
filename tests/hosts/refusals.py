"""What noevict leaves alone on a host, each reported in one line that says what to do."""

from dataclasses import dataclass, field
from typing import Any

from noevict.engines.engine import EngineName

OTHER = "timeout 10 sh -c 'until ss -Hltn sport = :PORT | grep -q .; do sleep 0.05; done'"  # it listens


@dataclass(frozen=True)
class Refusal:
    """A host that is as it should not be.

    ``start``: "bare", "foreign" (the distribution's server) or "managed" (by noevict). ``conf``: lines of the foreign
    redis.conf; ``manual_changes``: what is done before the run, as ``apply_changes`` takes it. ``reported``: how the
    line begins.
    """

    id: str
    reported: str
    start: str = "foreign"
    conf: tuple[str, ...] = ()
    manual_changes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    suite: str = "trixie"
    engine: EngineName = "redis"


def listen(program: str, port: int) -> tuple[str, ...]:
    """Commands: a program of somebody else's on that port, and the wait until it listens."""
    return (f"systemd-run -q {program}", OTHER.replace("PORT", str(port)))


WINDOWS = r"sed -i 's/$/\r/' CONF"
HTTP = "python3 -m http.server"
REPLICA = "ENGINE-server --port 7000 --dir /tmp --replicaof 127.0.0.1 6379 --replica-announce-ip 127.0.0.1"
REFUSALS = (
    Refusal("a replica", "is a replica: noevict never changes roles;", conf=("replicaof 192.0.2.1 6379",)),
    Refusal(
        "a replica that is stopped",
        "is a replica by its redis.conf (replicaof): noevict never changes roles;",
        conf=("replicaof 192.0.2.1 6379",),
        manual_changes=("systemctl stop UNIT",),
        suite="bookworm",
    ),
    Refusal(
        "a primary with a replica",
        "has 1 replicas: noevict only manages standalone servers",
        manual_changes=(
            f"systemd-run -q {REPLICA}",
            "timeout 20 sh -c 'until ENGINE-cli info replication | grep -q state=online; do sleep 0.05; done'",
        ),
        suite="bookworm",
    ),
    Refusal(
        "a managed server made a replica",
        "is a replica: noevict never changes roles;",
        start="managed",
        manual_changes=("redis: REPLICAOF 192.0.2.1 6379",),
        engine="valkey",
    ),
    Refusal(
        "Sentinel",
        "runs Sentinel: noevict only manages standalone servers;",
        manual_changes=("apt-get install -qy redis-sentinel",),
    ),
    Refusal("Cluster", "runs Cluster: noevict only manages standalone servers", conf=("cluster-enabled yes",),
            engine="valkey"),
    Refusal("its port in use", "port 6379 is in use on 0.0.0.0 by a program that is not redis-server.service:",
            start="bare", manual_changes=listen(f"{HTTP} 6379", 6379)),
    Refusal(
        "its plaintext port in use",
        "port 7000 is in use on 127.0.0.1 by a program that is not redis-server.service:",
        start="managed",
        manual_changes=listen(f"{HTTP} 7000 -b 127.0.0.1", 7000),
        settings={"redis_plaintext_port": 7000},
        suite="bookworm",
    ),
    Refusal(
        "another server on its port",
        "port 6379 is in use on 0.0.0.0 by a program that is not redis-server.service:",
        manual_changes=("systemctl disable --now UNIT", *listen("ENGINE-server --protected-mode no", 6379)),
        suite="bookworm",
    ),
    Refusal(
        "less memory than is in use",
        "redis_maxmemory: 10 MiB would be below the ",
        start="managed",
        manual_changes=("redis: SETRANGE big 20000000 x",),
        settings={"redis_maxmemory": "10mb"},
    ),
    Refusal("Valkey on Debian 12", 'redis_engine: should be "redis": Debian 12 has no Valkey', start="bare",
            suite="bookworm", engine="valkey"),
    Refusal(
        "an old release",
        "should run Debian 12 or later, or Ubuntu 24.04 or later, runs debian 11",
        start="bare",
        manual_changes=("printf 'ID=debian\\nVERSION_ID=11\\nVERSION_CODENAME=bullseye\\n' >/etc/os-release",),
    ),
    Refusal(
        "another distribution",
        "should run Debian 12 or later, or Ubuntu 24.04 or later, runs fedora 43",
        start="bare",
        manual_changes=("printf 'ID=fedora\\nVERSION_ID=43\\n' >/etc/os-release",),
    ),
    Refusal("not root", "should be reached as root, or as a user with sudo:", start="bare",
            settings={"ssh_user": "admin"}),
    Refusal(
        "data elsewhere",
        "its dir is /srv/data, noevict's is /var/lib/redis: its data would not be found;",
        manual_changes=("mkdir -m 777 /srv/data", "ENGINE-cli config set dir /srv/data", "ENGINE-cli set key value"),
        conf=("enable-protected-configs yes",),
        settings={"redis_takeover": True},
    ),
    Refusal(
        "data behind a link",
        "its dir is /srv/data, noevict's is /var/lib/redis: its data would not be found;",
        start="managed",
        manual_changes=("redis: SET key value", "mv DATA /srv/data", "ln -s /srv/data DATA"),
        suite="bookworm",
    ),
    Refusal(
        "stopped, with data elsewhere",
        "its redis.conf says dir /srv/data, noevict's is /var/lib/redis: data there would not be found;",
        manual_changes=("systemctl stop UNIT", "echo 'dir /srv/data/' >>CONF"),
        settings={"redis_takeover": True},
    ),
    Refusal(
        "keys in a database beyond",
        "has keys in db20, and would have 16 databases: set redis_config databases",
        conf=("databases 32",),
        manual_changes=("ENGINE-cli -n 20 set key value",),
        settings={"redis_takeover": True},
        suite="bookworm",
    ),
    Refusal("a unix socket alone", "Redis is running but could not be looked at: it listens on no TCP port",
            manual_changes=("printf 'port 0\\nunixsocket /run/redis/s\\n' >>CONF", "systemctl restart UNIT")),
    Refusal(
        "AOF to be off while it is stopped",
        "redis_appendonly: should be True while it is not running: its keys are in append-only files;",
        start="managed",
        manual_changes=("redis: SET key value", "systemctl stop UNIT"),
        settings={"redis_appendonly": False},
        engine="valkey",
    ),
    Refusal(
        "AOF to be off while it is stopped, by a file with line ends of Windows",
        "redis_appendonly: should be True while it is not running: its keys are in append-only files;",
        conf=("appendonly yes",),
        manual_changes=("ENGINE-cli set key value", "systemctl stop UNIT", WINDOWS),
        settings={"redis_appendonly": False, "redis_takeover": True},
    ),
    Refusal(
        "Cluster that is stopped, by a file with line ends of Windows",
        "runs Cluster by its redis.conf: noevict only manages standalone servers",
        conf=("cluster-enabled yes",),
        manual_changes=("systemctl stop UNIT", WINDOWS),
        suite="bookworm",
    ),
)  # fmt: skip
