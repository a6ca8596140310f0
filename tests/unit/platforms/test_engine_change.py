"""One engine in place of the other: what is due, and what is refused first."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.engines import rdb
from noevict.engines.engine import Server
from noevict.machine.found import File
from noevict.pki.authority import make_ca
from noevict.plan.change import How
from noevict.server.live import Reach
from noevict.settings.model import build_settings
from tests.unit.looks.managed import Managed, fresh, managed

SEVEN = Server("redis", (7, 0, 15))
DATA = "/var/lib/redis"


def before(server: Server = SEVEN) -> Managed:
    """A host that noevict manages with Redis, of that release, with 20,000 keys."""
    host = managed("trixie").but({"server": server}).but_info(db0={"keys": 20000, "expires": 0})
    return host.but_package("redis-server", f"5:{'.'.join(map(str, server.version))}-1")


def change(old: Managed | None = None, **settings: object) -> Managed:
    """The same host, whose settings ask for Valkey; its package is not installed yet."""
    old = old or before()
    host = fresh(**{"redis_engine": "valkey", **settings})
    state = replace(host.state, other_engine=True, candidate="8.1.1+dfsg1-3", predecessor=old.state)
    return replace(host, state=state, secrets=old.secrets, now=old.now)


def reported(host: Managed) -> list[str]:
    return [f"{each.what}: {each.found} → {each.wanted}" for each in host.plan.due(How.ENGINE)]


def test_the_engine_and_its_keys_are_reported_as_one_change() -> None:
    assert change().plan.refusals == ()
    assert reported(change()) == ["the engine: Redis 7.0.15, 20000 keys → Valkey, with all its keys"]
    assert not change().plan.due(How.UNIT)


def test_a_server_that_runs_has_only_the_old_one_to_let_go_of() -> None:
    old = stopped(before())
    host = change(old)
    host = replace(host, state=replace(host.state, pid=77))
    assert reported(host) == ["redis-server.service: managed, not running → released"]


def test_a_server_that_runs_beside_data_that_was_not_handed_over_is_left_alone() -> None:
    """An empty one that systemd started after a change that failed, say: the other has all the keys."""
    host = change(stopped(before(), MANIFEST))
    host = replace(host, state=replace(host.state, pid=77))
    [refusal] = host.plan.refusals
    assert refusal == (
        "Valkey runs, and Redis, which does not, has data in /var/lib/redis that was not handed over: to keep that, "
        "stop valkey-server.service, then run again; to drop it, move it away first"
    )
    assert reported(host) == []


def stopped(host: Managed, *data: str) -> Managed:
    files = {
        f"{DATA}/{name}": File(f"{DATA}/{name}", "regular file", "redis", "redis", "660") for name in data
    }
    live = {"reach": Reach.NOT_RUNNING, "user": "", "server": None, "config": {}, "acl": (), "info": {}}
    return host.but(live, data=files, listeners=(), pid=0)


SIX, EIGHT = Server("redis", (6, 2, 7)), Server("redis", (8, 0, 2))
MANIFEST = "appendonlydir/appendonly.aof.manifest"
Case = tuple[Callable[[], Managed], tuple[str, ...]]
REASONS: Mapping[str, Case] = {
    "an RDB version that it does not read": (
        lambda: change(before(EIGHT)),
        (
            "in RDB version 12, which Valkey 8.1.1 does not read",
            'redis_config = {"aof-use-rdb-preamble": False}',
        ),
    ),
    "the same on disk": (
        lambda: change(stopped(before(EIGHT), MANIFEST).but(rdb={"base": 12})),
        ("RDB version 12, which Valkey 8.1.1 does not read",),
    ),
    "both run": (
        lambda: replace(change(), state=replace(change().state, pid=5)),
        ("runs Redis and Valkey: stop the one",),
    ),
    "a module": (
        lambda: change(before().but_info(modules=[{"name": "mine"}])),
        ("has loaded modules (mine)",),
    ),
    "a replica": (lambda: change(before().but_info(role="slave")), ("is a replica",)),
    "more in use than it would have": (
        lambda: change(before().but_info(used_memory=1601 << 20)),
        ("1600 MiB would be below the 1601 MiB in use",),
    ),
    "data elsewhere": (lambda: change(before().but_config(dir="/mnt")), ("its dir is /mnt, noevict's is",)),
    "keys beyond its databases": (lambda: change(before().but_info(db20={"keys": 1})), ("has keys in db20",)),
    "other secrets": (
        lambda: replace(
            change(before().but({"user": "", "reach": Reach.REFUSED, "why": "WRONGPASS"})),
            secrets=replace(before().secrets, ca=make_ca(before().now)),
        ),
        ("is managed with other secrets",),
    ),
    "our admin refused": (
        lambda: change(before().but({"user": "", "reach": Reach.REFUSED, "why": "WRONGPASS"})),
        ("rejects the password (WRONGPASS)", 'run with redis_engine = "redis" first'),
    ),
    "not running, with data elsewhere": (
        lambda: change(stopped(before()).but(conf="dbfilename jobs.rdb\n")),
        ("its redis.conf says dbfilename jobs.rdb, noevict's is dump.rdb: data there would not be found",),
    ),
    "not running, and AOF is to be off": (
        lambda: change(stopped(before(), MANIFEST), redis_appendonly=False),
        ("redis_appendonly: should be True while it is not running",),
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_cannot_be_done_without_losing_data_is_refused_first(reason: str) -> None:
    host, words = REASONS[reason][0](), REASONS[reason][1]
    plan = host.plan
    assert plan.changes == ()
    assert [word for word in words if word not in "\n".join(plan.refusals)] == [], plan.refusals


FINE: Mapping[str, Callable[[], Managed]] = {
    "append-only files that are commands alone": lambda: change(
        before(EIGHT), redis_config={"aof-use-rdb-preamble": False}
    ),
    "the same on disk": lambda: change(stopped(before(EIGHT), MANIFEST)),
    "nothing on disk": lambda: change(stopped(before())),
    "handed over before": lambda: change(stopped(before(EIGHT)).but(rdb={})),
    "a release of long ago": lambda: change(before(SIX)),
    "a release of long ago on disk": lambda: change(stopped(before(SIX), "dump.rdb").but(rdb={"dump.rdb": 9})),
    "a release that nobody knows yet": lambda: replace(
        change(before(EIGHT)), state=replace(change(before(EIGHT)).state, candidate="")
    ),
    "the port that the old one has": lambda: replace(
        change(), state=replace(change().state, listeners=tuple(
            replace(each, ours=False) for each in before().state.listeners
        ))
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FINE)
def test_what_can_be_done_is_not_refused(case: str) -> None:
    assert FINE[case]().plan.refusals == ()


def test_without_append_only_files_there_is_no_way_around_an_rdb_that_is_not_read() -> None:
    host = change(
        before(EIGHT), redis_appendonly=False, redis_config={"aof-use-rdb-preamble": False}, redis_save="60 1"
    )
    assert "does not read" in "\n".join(host.plan.refusals)


servers = st.builds(
    Server,
    st.sampled_from(["redis", "valkey"]),
    st.tuples(st.integers(8, 30), st.integers(0, 9), st.integers(0, 30)),
)


@given(servers)
def test_every_release_reads_what_it_writes_and_what_both_engines_share(server: Server) -> None:
    assert rdb.reads(server, rdb.written_by(server))
    assert rdb.reads(server, 10)


@given(servers, servers)
def test_neither_engine_reads_what_is_only_for_the_other(one: Server, other: Server) -> None:
    version = rdb.written_by(other)
    if one.engine != other.engine and version > rdb.COMMON:
        assert not rdb.reads(one, version)


def test_settings_name_either_engine() -> None:
    assert build_settings("h", {"redis_engine": "valkey"}).redis_engine == "valkey"
