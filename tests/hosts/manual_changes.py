"""Changes hosts by hand, as people do, and shows whether a host is as it was."""

import fcntl
import os
import re
import shlex
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from noevict.pki import authority
from noevict.secrets.store import Secrets
from tests.hosts.deployment import admin, wait_for
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host

# Before a command for the server, a path, and one of OTHERS; any other command is the shell's.
REDIS, IMMUTABLE, MUTABLE, CERTIFICATE = "redis: ", "immutable: ", "mutable: ", "certificate: "
# Of ioctl_iflags(2): what chattr and lsattr do, which not every host has.
GET_FLAGS, SET_FLAGS, IMMUTABLE_FLAG = 0x80086601, 0x40086602, 0x10


def with_names(text: str, engine: EngineName) -> str:
    """With the engine's own names: CONF (its redis.conf), ETC, DATA, ENGINE, SERVER (the package), UNIT, TITLE."""
    names = LAYOUTS[engine]
    words = {
        "CONF": names.conf,
        "ETC": names.etc,
        "DATA": names.data,
        "ENGINE": engine,
        "SERVER": names.package,
        "UNIT": names.unit,
        "TITLE": names.title,
    }
    return re.sub(rf"\b({'|'.join(words)})\b", lambda found: words[found[1]], text)


def apply_changes(
    checkout: Checkout, host: Host, commands: Sequence[str], engine: EngineName = "redis"
) -> None:
    """Each command, as root on the host; behind "redis: " as user admin of its server, behind "immutable: " and
    "mutable: " the bit of a file, behind "certificate: " how the one in place, and loaded, should be."""
    for command in commands:
        reported = with_names(command, engine)
        if reported.startswith(REDIS):
            with admin(checkout, host) as client:
                client.execute_command(*shlex.split(reported.removeprefix(REDIS)))
        elif reported.startswith((IMMUTABLE, MUTABLE)):
            set_immutable(host, reported.partition(": ")[2], on=reported.startswith(IMMUTABLE))
        elif reported.startswith(CERTIFICATE):
            place_certificate(checkout, host, engine, reported.removeprefix(CERTIFICATE))
        else:
            host.run(reported)


def set_immutable(host: Host, path: str, *, on: bool) -> None:
    """As ``chattr +i`` and ``chattr -i``."""
    opened = os.open(f"/proc/{host.leader}/root{path}", os.O_RDONLY)
    try:
        [flags] = struct.unpack("i", fcntl.ioctl(opened, GET_FLAGS, bytes(4)))
        changed_operations = flags | IMMUTABLE_FLAG if on else flags & ~IMMUTABLE_FLAG
        fcntl.ioctl(opened, SET_FLAGS, struct.pack("i", changed_operations))
    finally:
        os.close(opened)


def place_certificate(checkout: Checkout, host: Host, engine: EngineName, how: str) -> None:
    """One that is not as wanted, and its CA, in place and loaded: "expired", "for other names", "of another CA"."""
    secrets = Secrets.load(checkout.secrets)
    assert secrets is not None
    now, tls = datetime.now(UTC), LAYOUTS[engine].tls
    ca = authority.make_ca(now) if how == "of another CA" else secrets.ca
    names = ["other.example.com"] if how == "for other names" else [host.address, host.name, "localhost"]
    request = host.run(f"openssl req -new -key {tls}/server.key -subj /CN=mine").stdout
    began, days = (now - timedelta(minutes=30), 0) if how == "expired" else (now, 90)
    with admin(checkout, host) as client:
        client.ping()  # before the certificate is one that this client would refuse
        host.write(f"{tls}/server.crt", authority.sign_request(ca, request, names, began, days))
        host.write(f"{tls}/ca.crt", ca.certificate_pem)
        client.config_set("tls-cert-file", f"{tls}/server.crt")


def install_foreign(host: Host, *conf: str, engine: EngineName = "redis") -> None:
    """The distribution's package with its own configuration, and these lines added to it."""
    names = LAYOUTS[engine]
    host.ssh(f"apt-get update -q && apt-get install -qy {names.package}", timeout=120)
    # From outside, as clients of such servers come.
    lines = ("bind * -::*", "protected-mode no", *conf)
    host.run(f"cat >>{names.conf}", input="".join(f"{line}\n" for line in lines))
    host.run(f"systemctl restart {names.unit}")
    wait_for(f"{host}: the distribution's server answers", lambda: _answers(host))


def _answers(host: Host) -> bool:
    try:
        with plaintext_client(host) as client:
            return bool(client.ping())
    except (redis.AuthenticationError, redis.BusyLoadingError):
        return True
    except redis.ConnectionError:
        return False


@contextmanager
def plaintext_client(host: Host, password: str | None = None, **options: Any) -> Iterator["redis.Redis"]:
    """A client of old: no TLS, at most a password without a user's name."""
    standing: dict[str, Any] = {
        "host": host.address,
        "password": password,
        "decode_responses": True,
        "socket_timeout": 10,
        "socket_connect_timeout": 10,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    with redis.Redis(**(standing | options)) as client:
        yield client


def fill(client: "redis.Redis", count: int) -> None:
    """``count`` strings in database 0, one of each other type beside them, and a key in database 9."""
    client.mset({f"string:{number}": f"value {number}" for number in range(count)})
    client.rpush("list", *range(100))
    client.hset("hash", mapping={"one": "1"})
    client.sadd("set", "one")
    client.zadd("sorted", {"one": 1.5})
    client.xadd("stream", {"one": "1"}, id="1-1")
    client.set("expires", "later", ex=86400)
    client.move("expires", 9)


def assert_filled(client: "redis.Redis", count: int) -> None:
    """All that ``fill`` put there is there, value by value."""
    names = [f"string:{number}" for number in range(count)]
    assert client.mget(names) == [f"value {number}" for number in range(count)]
    assert client.lrange("list", 0, -1) == [str(number) for number in range(100)]
    assert client.hgetall("hash") == {"one": "1"}
    assert client.smembers("set") == {"one"}
    assert client.zscore("sorted", "one") == 1.5
    assert client.xlen("stream") == 1
    assert client.info("keyspace")["db9"]["keys"] == client.info("keyspace")["db9"]["expires"] == 1


def gets_misconf(client: "redis.Redis") -> bool:
    """Whether a write is refused because the server could not save."""
    try:
        client.set("more", "x" * 1_000_000)
    except redis.ResponseError as error:
        return "MISCONF" in str(error)
    return False


def file_states(host: Host) -> set[str]:
    """Every file and directory that a run could change, with its inode, time, owner and mode."""
    below = (
        "/etc /var/lib/dpkg/status /var/lib/dpkg/diversions /var/lib/noevict /var/lib/redis /var/lib/valkey"
    )
    # What the server itself writes changes by itself: of its data the names are enough, and dump.rdb comes by itself
    # 300 seconds after a hundred writes.
    query = r"-name dump.rdb -o -path '/var/lib/[rv]*' -printf '%p %u %m\n' -o -printf '%p %i %T@ %u %m\n'"
    found = host.run(f"find {below} -path /etc/ssl -prune -o {query} 2>/dev/null || true")
    return set(found.stdout.splitlines())


def process_identity(host: Host, engine: EngineName) -> str:
    """Another one after each start of the server; without a MainPID while it is down."""
    query = f"systemctl show {LAYOUTS[engine].unit} -p MainPID,ExecMainStartTimestampMonotonic"
    return host.run(f"{query} | grep -v =0 || true").stdout


def wait_until_loaded(checkout: Checkout, host: Host) -> None:
    """Wait until its managed server answers and has loaded its data."""

    def loaded() -> bool:
        try:
            with admin(checkout, host) as client:
                return not client.info("persistence")["loading"]
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    wait_for(f"{host} serves", loaded)


def lines_about(done: Result, host: Host) -> list[str]:
    """Return the lines of a run about that host, without colours and padding."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    return re.findall(rf"^ *\[{re.escape(host.name)}\] +(.*?) *$", text, re.MULTILINE)


def changed_operations(done: Result, host: Host) -> list[str]:
    """Return the operations that changed something on the host, in order."""
    return [each["name"] for each in done.json["results"]["operations"] if host.name in each["success"]]
