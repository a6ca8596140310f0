"""redis.conf as noevict renders it, against real servers of every release."""

import re
from pathlib import Path

import pytest
import redis

from noevict.directives import table, values
from noevict.redisconf.diff import Difference
from tests.lab.servers import Binary, free_port
from tests.server import directive_values
from tests.server.conftest import StartServer
from tests.server.managed_server import Managed, Settings, start_managed

EXTRAS: dict[str, bool | int | float | str] = {
    "slowlog-max-len": 1000,
    "hash-max-ziplist-entries": 256,
    "client-output-buffer-limit": "replica 1gb 256mb 120",
    "notify-keyspace-events": "Exg",
    "tcp-keepalive": 120,
    "maxmemory-clients": "512MB",
    "list-max-listpack-size": -1,
    "proc-title-template": "{title} {listen-addr}",
    "replica-serve-stale-data": False,
    "hz": 25,
    "tls-ciphers": "",
    "unixsocketperm": 770,
}

CASES = {
    "defaults": ({}, True),
    "init-script": ({}, False),
    "no-aof": ({"redis_appendonly": False}, True),
    "no-rdb": ({"redis_save": ""}, True),
    "one-save-point": ({"redis_save": "900 1"}, True),
    "fsync-always": ({"redis_appendfsync": "always", "redis_tls_auth_clients": "optional"}, True),
    "extras": ({"redis_config": EXTRAS}, True),
}


@pytest.fixture
def managed(binary: Binary, start_server: StartServer, tls_files: Path, short_path: Path) -> Managed:
    """Each release with the default settings."""
    return start_managed(start_server, binary, short_path, tls_files, Settings())


@pytest.mark.parametrize("case", CASES)
def test_the_rendered_file_starts_is_what_config_get_returns_and_survives_config_rewrite(
    case: str, binary: Binary, start_server: StartServer, tls_files: Path, short_path: Path
) -> None:
    asked, systemd = CASES[case]
    wished = Settings(**asked)
    server = start_managed(start_server, binary, short_path, tls_files, wished, systemd=systemd)
    assert server.differences() == ()
    assert server.rewritten() == server.text
    server.running.restart()
    assert server.differences() == ()
    assert server.rewritten() == server.text


def test_a_plaintext_port_answers_beside_tls(
    binary: Binary, start_server: StartServer, tls_files: Path, short_path: Path
) -> None:
    wished = Settings(redis_plaintext_port=free_port())
    server = start_managed(start_server, binary, short_path, tls_files, wished)
    assert server.running.port == wished.redis_plaintext_port
    assert server.running.redis.ping()
    assert server.differences() == ()
    assert server.rewritten() == server.text


def test_every_directive_the_server_reports_is_in_the_table_and_has_a_default(managed: Managed) -> None:
    reported = managed.running.redis.config_get("*")
    server = managed.running.server
    found = table.defaults(server)
    assert found is not None
    unknown = [name for name in reported if table.find(name) is None]
    assert unknown == []
    names = {directive.name_on(server) for name in reported if (directive := table.find(name))}
    assert names <= reported.keys()
    assert names - found.keys() == {"dir"}


def test_a_fresh_server_has_the_same_defaults(binary: Binary, start_server: StartServer) -> None:
    fresh = start_server(binary, f"port {free_port()}\n").redis.config_get("*")
    again = "a new minor release: python -m tests.lab.measure_directives"
    assert table.portable(fresh, binary.server) == table.defaults(binary.server), again


def test_the_old_and_the_new_name_of_a_directive_are_one(managed: Managed) -> None:
    reported = managed.running.redis.config_get("*")
    pairs = [
        (name, directive.name_on(managed.running.server))
        for name in reported
        if (directive := table.find(name)) and directive.name_on(managed.running.server) != name
    ]
    assert len(pairs) > 15
    for name, modern in pairs:
        assert reported[name] == reported[modern], (name, modern)


def _other_value(name: str, managed: Managed) -> str:
    """Some value that is not the wanted one."""
    server = managed.running.server
    directive = table.find(name)
    assert directive is not None
    measured = directive.on(server)
    assert measured is not None
    for candidate in directive_values.edges(directive.name, measured.kind):
        canonical = measured.kind.canonical(candidate)
        if not values.same(name, canonical, managed.live[name]):
            return canonical
    raise AssertionError(name)


def test_what_is_changed_by_hand_is_that_difference_and_gone_when_set_back(managed: Managed) -> None:
    server, client = managed.running.server, managed.running.redis
    changed = {
        name: _other_value(name, managed)
        for name in managed.live
        if table.changes_live(name, server)
        and directive_values.is_tried(name, server)
        and name != "activedefrag"
    }
    assert len(changed) > 80
    for name, value in changed.items():
        client.config_set(name, value)
        assert managed.differences() == (
            Difference(name, managed.live[name] or '""', client.config_get(name)[name] or '""'),
        )
        assert managed.rewritten() != managed.text, name
        client.config_set(name, managed.live[name])
        assert managed.differences() == ()
        # What REWRITE appended is a default now, and stays in the file: the next run puts the file back.
        managed.running.conf.write_text(managed.text)
        assert managed.rewritten() == managed.text, name


def test_a_password_set_by_hand_is_a_difference_that_does_not_show_it(managed: Managed) -> None:
    name = "primaryauth" if managed.running.server.engine == "valkey" else "masterauth"
    managed.running.redis.config_set(name, "hunter2")
    assert managed.differences() == (Difference(name, "not set", "set"),)


def test_changes_live_is_what_config_set_says(managed: Managed) -> None:
    server = managed.running.server
    for name, value in managed.live.items():
        if name != "rdma-bind":  # not built in
            assert table.changes_live(name, server) == _takes(managed, name, value), name


def _takes(managed: Managed, name: str, value: str) -> bool:
    try:
        managed.running.redis.config_set(name, value)
    except redis.ResponseError as refused:
        if re.search("immutable|protected", str(refused)):
            return False
        raise
    return True
