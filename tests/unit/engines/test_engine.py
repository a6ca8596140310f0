"""Redis and Valkey as Debian packages them, and a server's release."""

import dataclasses

import pytest

from noevict.engines.engine import ENGINES, EngineName, Server
from noevict.engines.package_layout import LAYOUTS, Layout

REDIS = {
    "title": "Redis",
    "package": "redis-server",
    "tools": "redis-tools",
    "unit": "redis-server.service",
    "user": "redis",
    "binary": "/usr/bin/redis-server",
    "check_aof": "/usr/bin/redis-check-aof",
    "cli": "/usr/bin/redis-cli",
    "etc": "/etc/redis",
    "conf": "/etc/redis/redis.conf",
    "aclfile": "/etc/redis/users.acl",
    "tls": "/etc/redis/tls",
    "data": "/var/lib/redis",
    "rdb": "/var/lib/redis/dump.rdb",
    "append_only": "/var/lib/redis/appendonlydir",
    "manifest": "/var/lib/redis/appendonlydir/appendonly.aof.manifest",
    "single_aof": "/var/lib/redis/appendonly.aof",
    "logs": "/var/log/redis",
    "logfile": "/var/log/redis/redis-server.log",
    "pidfile": "/run/redis/redis-server.pid",
    "dropin": "/etc/systemd/system/redis-server.service.d/noevict.conf",
}
BOTH = {
    "modules": "/usr/lib/redis/modules",
    "previous": "/var/lib/noevict",
    "last_good": "/var/lib/noevict/good",
    "takeover": "/var/lib/noevict/takeover",
    "unverified": ("/var/lib/noevict/good", "/var/lib/noevict/takeover"),
    "exporter": "prometheus-redis-exporter",
    "exporter_etc": "/etc/prometheus-redis-exporter",
    "exporter_credentials": "/run/credentials/prometheus-redis-exporter.service",
}


@pytest.mark.parametrize("name", REDIS)
def test_names_and_places_match_debians_packages(name: str) -> None:
    assert getattr(LAYOUTS["redis"], name) == REDIS[name]
    valkey = REDIS[name].replace("redis", "valkey").replace("Redis", "Valkey")
    assert getattr(LAYOUTS["valkey"], name) == valkey


@pytest.mark.parametrize("name", BOTH)
def test_noevicts_own_places_and_the_exporters_are_the_same_for_both_engines(name: str) -> None:
    assert [getattr(layout, name) for layout in LAYOUTS.values()] == [BOTH[name]] * 2


def test_nothing_that_a_layout_has_is_left_out_here() -> None:
    properties = {name for name, value in vars(Layout).items() if isinstance(value, property)}
    fields = {field.name for field in dataclasses.fields(Layout)}
    assert (properties | fields) - {"other", "engine"} == REDIS.keys() | BOTH.keys()


def test_each_engine_is_the_others_other() -> None:
    assert [engine.other.name for engine in ENGINES.values()] == ["valkey", "redis"]
    assert [layout.other for layout in LAYOUTS.values()] == [LAYOUTS["valkey"], LAYOUTS["redis"]]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("7.0.15", (7, 0, 15)),
        ("5:7.0.15-1~deb12u7", (7, 0, 15)),
        ("12:8.10.2+dfsg1-3", (8, 10, 2)),
        ("255.255.255", (255, 255, 255)),
    ],
)
def test_a_release_is_read_from_the_servers_or_the_packages_version(
    text: str, version: tuple[int, int, int]
) -> None:
    assert Server.parse("redis", text) == Server("redis", version)


@pytest.mark.parametrize(
    "text", ["", "8.0", "8.0.x", "x8.0.1", ":8.0.1", "a:8.0.1", "8-0.1", "8.0-1", ".8.1", "8..1", "8.x.1"]
)
def test_what_has_no_three_numbers_is_no_release(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no release number in '"):
        Server.parse("redis", text)


def test_a_release_is_named_by_its_engines_title() -> None:
    assert str(Server("redis", (8, 0, 2))) == "Redis 8.0.2"
    assert str(Server("valkey", (9, 1, 10))) == "Valkey 9.1.10"


def test_releases_are_ordered_by_their_numbers() -> None:
    assert Server("redis", (7, 0, 15)) < Server("redis", (7, 2, 0)) < Server("redis", (10, 0, 0))


@pytest.mark.parametrize(
    ("engine", "version", "supported"),
    [
        ("redis", (6, 2, 99), False),
        ("redis", (7, 0, 0), True),
        ("redis", (8, 0, 2), True),
        ("valkey", (7, 2, 9), False),
        ("valkey", (8, 0, 0), True),
    ],
)
def test_the_oldest_releases_supported_are_redis_7_0_and_valkey_8_0(
    engine: EngineName, version: tuple[int, int, int], supported: bool
) -> None:
    assert Server(engine, version).supported is supported
