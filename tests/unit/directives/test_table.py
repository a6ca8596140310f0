"""The table of directives: names, uses, answers to mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.directives import table
from noevict.directives.kinds import is_safe
from noevict.engines.engine import Server
from noevict.platforms.systemd.wanted import NOFILE

REDIS_7 = Server("redis", (7, 0, 15))
REDIS_8 = Server("redis", (8, 0, 2))
VALKEY_8 = Server("valkey", (8, 1, 1))
VALKEY_9 = Server("valkey", (9, 1, 2))
MEASURED = (REDIS_7, REDIS_8, Server("redis", (8, 0, 6)), VALKEY_8, VALKEY_9)


def server_named(text: str) -> Server:
    """``redis 8.0.2``"""
    return Server.parse("valkey" if text.startswith("valkey") else "redis", text.partition(" ")[2])


@pytest.mark.parametrize(
    ("name", "value", "should_be"),
    [
        ("maxmemori", "1gb", "a directive of redis.conf (did you mean maxmemory?)"),
        ("qqqqqqqqq", "1", "a directive of redis.conf"),
        ("hz", 0, "a whole number from 1 to 500"),
        ("hz", "fast", "a whole number from 1 to 500"),
        ("hz", 10.5, "a whole number from 1 to 500"),
        ("hz", True, "a whole number from 1 to 500"),
        ("acllog-max-len", -1, "a whole number, 0 or more"),
        ("activerehashing", 1, "True or False"),
        ("activerehashing", "on", "True or False"),
        ("activerehashing", None, "True or False"),
        ("client-query-buffer-limit", "1kb", 'a size such as "64mb" of at least 1mb'),
        ("repl-backlog-size", "1.5gb", 'a size such as "64mb" of at least 16kb'),
        ("maxmemory-clients", "101%", 'a size such as "64mb", or a percentage such as "10%"'),
        ("loglevel", "loud", "one of: debug, verbose, notice, warning, nothing"),
        ("unixsocketperm", 888, 'a mode in octal digits such as "770"'),
        ("tls-protocols", "TLSv1.1 TLSv1.2", "some of: TLSv1.2, TLSv1.3"),
        ("notify-keyspace-events", "An", 'letters of "Ag$lshzxetdnKEm" (n not beside A), or ""'),
        ("oom-score-adj-values", "0 200", "three whole numbers from -2000 to 2000"),
        ("latency-tracking-info-percentiles", "101", 'percentiles such as "50 99 99.9", or ""'),
        ("maxmemory", "1gb", "left to the setting redis_maxmemory or redis_maxmemory_percent"),
        ("tls-port", 6380, "left to the setting redis_port"),
        ("port", 6380, "left to the setting redis_plaintext_port"),
        ("dir", "/srv", "left to noevict: data under another name would be left behind"),
        ("DIR", "/srv", "left to noevict: data under another name would be left behind"),
        ("rename-command", "X Y", "left out: redis_users is where commands are taken from users"),
        ("loadmodule", "x.so", "left out: modules are not supported"),
    ],
)
def test_a_mistake_in_redis_config_is_reported_with_what_it_should_be(
    name: str, value: object, should_be: str
) -> None:
    assert table.problem(name, value) == should_be


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("requirepass", "password"),
        ("masterauth", "password"),
        ("primaryauth", "password"),
        ("tls-key-file-pass", "password"),
        ("tls-client-key-file-pass", "password"),
        ("replicaof", "role"),
        ("slaveof", "role"),
        ("masteruser", "role"),
        ("cluster-enabled", "role"),
        ("cluster-slave-no-failover", "role"),
        ("min-slaves-to-write", "role"),
        ("replica-announce-ip", "role"),
    ],
)
def test_passwords_and_roles_are_refused_without_repeating_the_value(name: str, word: str) -> None:
    reported = table.problem(name, "hunter2")
    assert reported is not None
    assert word in reported
    assert "hunter2" not in reported


@pytest.mark.parametrize("evil", ["a\nb", "a\rb", "a\0b", "a\x7fb", "a\tb", 'a"b', "a\\b", "é", "a\u2028b"])
@pytest.mark.parametrize("name", [name for name, row in table.table().items() if row.use == "plain"])
def test_nothing_that_could_end_a_line_or_a_quoted_string_is_taken(name: str, evil: str) -> None:
    assert table.problem(name, evil) is not None


@given(name=st.sampled_from(sorted(table.table())), text=st.text())
def test_a_value_that_could_come_back_changed_is_refused_before_anything_is_rendered(
    name: str, text: str
) -> None:
    assert is_safe(text) or table.problem(name, text) is not None


def test_no_more_clients_are_taken_than_the_unit_gives_the_server_files_for() -> None:
    assert table.problem("maxclients", NOFILE - 32) is None
    assert table.problem("maxclients", NOFILE - 31) == "a whole number from 1 to 65503"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hz", 25),
        ("hz", "25"),
        ("activerehashing", False),
        ("activerehashing", "no"),
        ("repl-backlog-size", "64MB"),
        ("repl-backlog-size", 67108864),
        ("slave-serve-stale-data", True),
        ("io-threads", 200),
        ("dynamic-hz", True),
        ("commandlog-slow-execution-max-len", 5),
        ("latency-tracking-info-percentiles", 99.9),
        ("client-output-buffer-limit", "pubsub 64mb 16mb 90"),
        ("syslog-ident", "cache-1"),
        ("unixsocket", "/run/redis/redis.sock"),
    ],
)
def test_what_any_known_release_takes_is_fine_before_the_release_is_known(name: str, value: object) -> None:
    assert table.problem(name, value) is None


def test_a_release_that_lacks_a_directive_or_takes_less_says_so() -> None:
    assert table.problem("dynamic-hz", True, VALKEY_8) == "a directive that Valkey 8.1.1 knows"
    assert table.problem("io-threads", 200, REDIS_7) == "a whole number from 1 to 128"
    assert table.problem("log-format", "json", VALKEY_8) == "one of: legacy, logfmt"
    assert table.problem("log-format", "json", VALKEY_9) is None


def test_each_server_is_spoken_to_in_its_own_names() -> None:
    names = {
        (name, str(server)): found.name_on(server)
        for name in ("slowlog-max-len", "primaryauth", "bgsave_cpulist", "slave-priority")
        for server in (REDIS_7, REDIS_8, VALKEY_8)
        if (found := table.find(name))
    }
    assert names == {
        ("slowlog-max-len", "Redis 7.0.15"): "slowlog-max-len",
        ("slowlog-max-len", "Redis 8.0.2"): "slowlog-max-len",
        ("slowlog-max-len", "Valkey 8.1.1"): "commandlog-slow-execution-max-len",
        ("primaryauth", "Redis 7.0.15"): "masterauth",
        ("primaryauth", "Redis 8.0.2"): "masterauth",
        ("primaryauth", "Valkey 8.1.1"): "primaryauth",
        ("bgsave_cpulist", "Redis 7.0.15"): "bgsave_cpulist",
        ("bgsave_cpulist", "Redis 8.0.2"): "bgsave-cpulist",
        ("bgsave_cpulist", "Valkey 8.1.1"): "bgsave-cpulist",
        ("slave-priority", "Redis 7.0.15"): "replica-priority",
        ("slave-priority", "Redis 8.0.2"): "replica-priority",
        ("slave-priority", "Valkey 8.1.1"): "replica-priority",
    }


def test_two_names_of_one_directive_are_found_out() -> None:
    assert table.twice(["hz", "slowlog-max-len", "commandlog-slow-execution-max-len"]) == (
        ("slowlog-max-len", "commandlog-slow-execution-max-len"),
    )
    assert table.twice(["hz", "HZ"]) == (("hz", "HZ"),)
    assert table.twice(["hz", "timeout"]) == ()


def test_what_changes_live_is_reported_per_server() -> None:
    assert table.changes_live("maxmemory", REDIS_7)
    assert not table.changes_live("io-threads", VALKEY_8)
    assert table.changes_live("io-threads", VALKEY_9)
    assert not table.changes_live("dir", REDIS_8)
    assert not table.changes_live("no-such-directive", REDIS_8)
    assert not table.known("dynamic-hz", VALKEY_8)
    assert table.known("dynamic-hz", REDIS_8)


@pytest.mark.parametrize(
    ("release", "nearest"),
    [
        ("redis 8.0.2", "redis 8.0.2"),
        ("redis 8.0.99", "redis 8.0.6"),
        ("redis 8.0.5", "redis 8.0.2"),
        ("redis 8.0.0", "redis 8.0.2"),  # none of its minor release is older
        ("redis 7.2.4", "redis 7.0.15"),
        ("redis 8.4.0", "redis 8.0.6"),
        ("redis 6.2.0", "redis 7.0.15"),  # nothing is older
        ("valkey 8.0.1", "valkey 8.1.1"),
        ("valkey 9.0.0", "valkey 8.1.1"),
        ("valkey 9.1.0", "valkey 9.1.2"),
    ],
)
def test_a_release_is_read_as_the_nearest_one_that_was_measured(release: str, nearest: str) -> None:
    assert table.nearest_measured(server_named(release)) == server_named(nearest)


def test_what_came_after_a_release_is_reported_oldest_first() -> None:
    assert table.measured_after(REDIS_7) == (REDIS_8, server_named("redis 8.0.6"))
    assert table.measured_after(server_named("redis 8.0.6")) == ()
    assert table.measured_after(server_named("valkey 8.0.0")) == (VALKEY_8, VALKEY_9)


@pytest.mark.parametrize("server", MEASURED, ids=str)
def test_defaults_are_known_for_every_measured_release(server: Server) -> None:
    found = table.defaults(server)
    assert found is not None
    assert len(found) > 160
    assert found["maxmemory-policy"] == "noeviction"
    assert found["port"] == "6379"
    assert found["requirepass"] == ""
    assert "dir" not in found


def test_another_patch_release_has_the_defaults_of_its_minor_one() -> None:
    assert table.defaults(Server("redis", (8, 0, 99))) == table.defaults(Server("redis", (8, 0, 6)))
    assert table.defaults(Server("redis", (8, 0, 0))) == table.defaults(REDIS_8)


@pytest.mark.parametrize(
    "server", [Server("redis", (7, 2, 4)), Server("redis", (8, 2, 0)), Server("valkey", (8, 0, 1))], ids=str
)
def test_defaults_of_a_minor_release_nobody_measured_are_unknown(server: Server) -> None:
    assert table.defaults(server) is None
    assert table.known("maxmemory", server)


def test_a_probe_stands_in_for_the_defaults_nobody_measured() -> None:
    probed = {
        "hz": "10",
        "slave-priority": "100",
        "replica-priority": "100",
        "dir": "/tmp/x",
        "port": "0",
        "unixsocket": "/tmp/x/s",
        "new-in-this-release": "1",
    }
    assert table.portable(probed, Server("redis", (8, 4, 0))) == {
        "hz": "10",
        "replica-priority": "100",
        "port": "6379",
        "unixsocket": "",
        "new-in-this-release": "1",
    }
