"""Why a running server is left alone: each reason by itself, over what it reports and what is wanted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from noevict.acl.profiles import User
from noevict.engines.engine import Server
from noevict.server.live import Live
from noevict.server.refusals import limits, modules, name_modules, role, unknown_words, unsupported_release
from tests.unit.looks.managed import managed

HOST = managed("trixie")
LIVE, WANTED = HOST.state.live, HOST.target
MIB = 1 << 20


def live(**info: object) -> Live:
    return replace(LIVE, info={**LIVE.info, **info})


STANDALONE = "noevict only manages standalone servers"
CASES: dict[str, tuple[Callable[[Live], Iterator[str]], Live, tuple[str, ...]]] = {
    "a primary": (role, live(role="master"), ()),
    "an unknown role": (role, replace(LIVE, info={}), ()),
    "a replica": (
        role,
        live(role="slave"),
        ("is a replica: noevict never changes roles; make it a primary first, or leave it out of hosts.yml",),
    ),
    "with replicas": (role, live(connected_slaves=2), (f"has 2 replicas: {STANDALONE}",)),
    "a node of a cluster": (role, live(cluster_enabled=1), (f"runs Cluster: {STANDALONE}",)),
    "a supported release": (unsupported_release, LIVE, ()),
    "an unknown release": (unsupported_release, replace(LIVE, server=None), ()),
    "an old release": (
        unsupported_release,
        replace(LIVE, server=Server("redis", (6, 2, 14))),
        ("runs Redis 6.2.14: should be 7.0 or later; upgrade its release first",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_server_is_left_alone_for_its_role_or_release(case: str) -> None:
    asks, found, lines = CASES[case]
    assert tuple(asks(found)) == lines


@pytest.mark.parametrize(
    ("used", "there", "fields", "refused"),
    [
        (1600 * MIB, "0", {}, False),
        (1600 * MIB + 1, "0", {}, True),
        (1601 * MIB, "0", {}, True),
        (1601 * MIB, str(1600 * MIB), {}, False),  # it is full, and nothing changes that
        (1601 * MIB, str(1600 * MIB), {"user": "default"}, True),  # somebody else's
        (1601 * MIB, str(1600 * MIB), {"server": Server("valkey", (8, 1, 1))}, True),  # to be replaced
        (1601 * MIB, str(1600 * MIB), {"server": None}, True),
    ],
)
def test_memory_in_use_must_not_be_more_than_maxmemory(
    used: int, there: str, fields: dict[str, Any], refused: bool
) -> None:
    config = {**LIVE.config, "maxmemory": there}
    found = replace(live(used_memory=used), config=config, **fields)
    assert WANTED.maxmemory == 1600 * MIB
    line = (
        "redis_maxmemory: 1600 MiB would be below the 1601 MiB in use, and every write would fail: give it more, or "
        "delete keys first"
    )
    assert tuple(limits(found, WANTED)) == ((line,) if refused else ())


def test_a_word_of_a_user_that_the_release_does_not_know_is_named() -> None:
    user = User("shop", enabled=True, rules="~* +get +no-such")
    wanted = replace(WANTED, users=(*WANTED.users, user))
    assert tuple(unknown_words(LIVE, WANTED)) == ()
    assert tuple(unknown_words(LIVE, wanted)) == ("redis_users: shop: Redis 8.0.2 does not know +no-such",)
    assert tuple(unknown_words(replace(LIVE, catalogue=None), wanted)) == ()


def test_modules_are_named_but_for_the_servers_own() -> None:
    ours = [{"name": "vectorset"}, {"name": "lua"}]
    for nothing in ([], ours, "nonsense", ["nonsense"]):
        assert tuple(modules(live(modules=nothing))) == ()
    [line] = modules(live(modules=[{"name": "search"}, *ours, {"name": "bf\n"}]))
    assert line.startswith("has loaded modules (bf")
    assert ", search): noevict runs none" in line
    assert "\n" not in line
    assert tuple(name_modules((), "loads")) == ()
