"""What ``health`` and ``exporter`` may do, on each server: all that monitoring asks, and nothing else."""

from hashlib import sha256
from pathlib import Path

import pytest
import redis

from noevict.acl.profiles import render_acl, wanted_users
from noevict.companions.exporter.wanted import WITHHELD
from tests.lab.servers import Binary, Running
from tests.server.conftest import StartServer
from tests.server.permitted_commands import catalogue_of, dry_run

PASSWORDS = {name: f"password-of-{name}" for name in ("admin", "app", "exporter", "health")}
MAY = {
    "health": {"ping", "info"},
    "exporter": {
        *("ping", "info", "select", "type", "memory|usage"),
        *("client|list", "client|setname", "config|get"),
        *("slowlog|len", "latency|latest", "latency|histogram"),
        *("strlen", "llen", "scard", "zcard", "hlen", "xlen", "pfcount"),
    },
}
# As the exporter asks: of itself, and with --check-single-keys. SLOWLOG GET 1, which it asks too, is WITHHELD.
ASKED = """CLIENT SETNAME redis_exporter;CONFIG GET *;INFO ALL;LATENCY LATEST;LATENCY HISTOGRAM;SLOWLOG LEN
CLIENT LIST;SELECT 0;TYPE list;LLEN list;ZCARD zset;SCARD set;HLEN hash;XLEN stream;STRLEN text
PFCOUNT log;MEMORY USAGE list"""


@pytest.fixture
def managed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Running:
    """A server with the users that every host has; its own client is admin."""
    acl = tmp_path / "users.acl"
    digests = {name: sha256(password.encode()).hexdigest() for name, password in PASSWORDS.items()}
    acl.write_text(render_acl(wanted_users({}, digests, binary.server)))
    admin = {"username": "admin", "password": PASSWORDS["admin"]}
    return start_server(binary, None, "--aclfile", str(acl), client=admin)


def as_user(server: Running, name: str) -> "redis.Redis":
    return server.client(username=name, password=PASSWORDS[name], single_connection_client=True)


@pytest.mark.parametrize("user", MAY)
def test_a_monitoring_user_may_what_it_asks_and_nothing_else(managed: Running, user: str) -> None:
    assert dry_run(managed, catalogue_of(managed), user)() == MAY[user]


REFUSED = (
    *(("health", "GET job"), ("exporter", "SET job x"), ("exporter", "UNLINK job")),
    # The exporter answers whoever reaches its port.
    *(("exporter", "GET job"), ("exporter", "SCAN 0"), ("exporter", "LRANGE job 0 -1")),
)


def test_the_health_user_sees_no_key_and_the_exporter_changes_and_reads_none(managed: Running) -> None:
    managed.redis.set("job", "secret")
    for user, command in REFUSED:
        with pytest.raises(redis.exceptions.NoPermissionError):
            as_user(managed, user).execute_command(*command.split())
    assert managed.redis.get("job") == "secret"


def test_nothing_that_monitoring_asks_is_in_the_acl_log(managed: Running) -> None:
    managed.redis.lpush("list", 1)
    managed.redis.zadd("zset", {"a": 1})
    managed.redis.sadd("set", 1)
    managed.redis.hset("hash", "a", "1")
    managed.redis.xadd("stream", {"a": 1})
    managed.redis.set("text", "1")
    managed.redis.pfadd("log", 1)
    health, exporter = as_user(managed, "health"), as_user(managed, "exporter")
    managed.redis.acl_log_reset()  # redis-py begins with CLIENT SETINFO
    assert health.execute_command("PING")
    assert health.info("everything")["maxmemory_policy"] == "noeviction"
    for command in ASKED.replace("\n", ";").split(";"):
        exporter.execute_command(*command.split())
    assert managed.redis.acl_log() == []


def test_the_arguments_of_slow_commands_are_withheld_from_the_exporter(managed: Running) -> None:
    managed.redis.config_set(
        "slowlog-log-slower-than" if managed.server.engine == "redis" else "commandlog-execution-slower-than",
        0,
    )
    as_user(managed, "app").set("job", "a secret of somebody's")
    exporter = as_user(managed, "exporter")
    assert exporter.slowlog_len()
    managed.redis.acl_log_reset()
    for command in ("SLOWLOG GET 1", "COMMANDLOG GET 1 slow"):
        with pytest.raises(redis.exceptions.ResponseError, match=r"no permissions|unknown command"):
            exporter.execute_command(*command.split())
    assert WITHHELD in {entry["object"] for entry in managed.redis.acl_log()}
