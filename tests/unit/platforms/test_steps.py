"""Which steps of a run a plan takes: none on a host that is as wanted, and for each change those that make it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from noevict.machine.found import File
from noevict.plan.change import How
from noevict.plan.plan import Plan
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from noevict.server.live import Reach
from tests.unit.looks.captured import MANAGED
from tests.unit.looks.deviations import ALL, CONF, CRT, TLS
from tests.unit.looks.managed import Managed, fresh, managed
from tests.unit.platforms.test_preflight import DATA, foreign, stopped

DUMP = f"{DATA}/dump.rdb"
STEPS: dict[str, Callable[[Plan[Target], InstanceState], object]] = {
    "install": lambda plan, _: steps.installs_server(plan),
    "test": lambda plan, _: steps.tests_candidate(plan),
    "access": lambda plan, _: steps.access_due(plan),
    "files": lambda plan, _: steps.writes_files(plan),
    "live": steps.sets_live,
    "tools": lambda plan, _: steps.missing_tools(plan),
    "write AOF": steps.writes_append_only_files,
    "old AOF aside": steps.sets_old_aof_aside,
    "save": lambda plan, _: steps.turns_aof_off(plan),
    "only redis": lambda plan, _: steps.changes_only_redis(plan),
    "start": steps.starts_server,
    "keep down": lambda _, found: steps.may_come_up(found),
    "data": steps.prepares_data,
}
# A deviation of ALL -> the steps, but for those that How itself names (certificate, unit, restart).
TAKES: dict[str, set[str]] = {
    "package: openssl was never there": {"tools"},
    "package: the server was removed, its configuration stays": {"data", "install"},
    "package: an upgrade ended before the programs' package was configured": {"data", "install"},
    "file: redis.conf": {"test", "files"},
    "file: users.acl": {"test", "files"},
    "file: redis.conf gone": {"test", "files"},
    "file: redis.conf's mode": {"test", "files"},
    "file: the drop-in": {"files"},
    "file: the data directory's owner": {"access"},
    "file: the RDB file's owner": {"access"},
    "file: a log that its owner cannot write": {"access"},
    "file: no statoverride": {"files"},
    "file: no diversion": {"files"},
    "kernel: overcommit": {"files"},
    "unit: disabled": set(),
    "unit: stopped": {"data", "start", "keep down"},
    "certificate: gone": set(),
    "live: maxmemory-policy": {"live", "only redis"},
    "live: a port without TLS": {"live"},
    "live: AOF off": {"live", "write AOF"},
    "live: what a start alone reads": {"test"},
    "user: a user added": {"live"},
    "server: a module in the file": {"test", "files"},
    "server: the append-only files removed below it": {"live", "write AOF"},
}


def with_dump(host: Managed) -> Managed:
    return host.but_file(DUMP, owner="redis", group="redis", mode="640")


def taken(host: Managed) -> set[str]:
    plan = host.plan
    return {name for name, asks in STEPS.items() if asks(plan, host.state)}


@pytest.mark.parametrize("name", MANAGED)
def test_a_host_that_is_as_wanted_takes_no_step(name: str) -> None:
    assert taken(with_dump(managed(name))) == set()


def test_a_fresh_host_gets_files_and_the_package_and_nothing_is_tested_before_there_is_a_server() -> None:
    assert taken(fresh()) == {"install", "files"}
    assert taken(with_dump(fresh())) == {"install", "files", "data"}


@pytest.mark.parametrize("case", TAKES)
def test_a_change_takes_the_steps_that_make_it(case: str) -> None:
    change, _ = ALL[case]
    assert taken(change(with_dump(managed("trixie")))) == TAKES[case]


def test_append_only_files_are_written_if_they_are_wanted_and_not_complete() -> None:
    off = managed("trixie").but_config(appendonly="no")
    assert taken(off) == {"live", "write AOF"}
    assert taken(foreign().but_set(redis_takeover=True)) >= {"live", "write AOF"}
    assert taken(managed("trixie").but(aof_open=False)) == {"live", "write AOF"}
    unwanted = managed("trixie", redis_appendonly=False)
    assert unwanted.state.live.config["appendonly"] == "no"
    assert taken(unwanted) == set()


def test_what_an_empty_server_elsewhere_would_load_with_our_start_is_set_aside() -> None:
    def with_data(host: Managed, *names: str) -> Managed:
        found = (File(f"{DATA}/{name}", "regular file", "redis", "redis", "660") for name in names)
        return host.but(data={file.path: file for file in found})

    elsewhere = foreign().but_set(redis_takeover=True).but_config(dir="/srv/r").but_info(db0={"keys": 0})
    assert "write AOF" not in taken(elsewhere)
    old = with_data(elsewhere, "appendonlydir/x", "dump.rdb")
    assert "old AOF aside" in taken(old)
    assert "old AOF aside" not in taken(with_data(elsewhere, "dump.rdb", "appendonlydirs"))
    assert "old AOF aside" not in taken(old.but_info(db0={"keys": 1}))
    assert "old AOF aside" not in taken(old.but_set(redis_takeover=True, redis_appendonly=False))


def test_a_server_saves_before_it_stops_writing_append_only_files_and_for_nothing_else() -> None:
    host = managed("trixie", redis_appendonly=False)
    assert taken(host.but_config(appendonly="yes")) == {"live", "save"}
    assert taken(host.but_config(hz="50")) == {"live", "only redis"}
    assert taken(managed("trixie").but_config(appendonly="no")) == {"live", "write AOF"}


def test_nothing_is_set_on_a_server_of_somebody_else_but_its_persistence() -> None:
    plan = foreign().but_set(redis_takeover=True).but_config(hz="50").plan
    assert (bool(plan.due(How.RESTART)), plan.due(How.LIVE)) == (True, ())


def test_owners_and_modes_are_due_by_themselves_for_what_is_not_written_whole() -> None:
    host = managed("trixie").but_file(CONF, mode="644").but_file(CRT, mode="600").but_file(TLS, mode="700")
    host = host.but_file("/etc/redis", mode="755")
    assert [change.path for change in steps.access_due(host.plan)] == ["/etc/redis"]


def test_owners_and_modes_are_those_that_are_wanted_and_modes_of_data_stay() -> None:
    host = managed("trixie").but_file("/etc/redis", mode="755").but_file(CONF, mode="644")
    dump = File(DUMP, "regular file", "root", "root", "600")
    log = File(host.layout.logfile, "regular file", "redis", "adm", "440")
    files = {
        **host.state.files,
        log.path: log,
        host.layout.logs: replace(log, path=host.layout.logs, mode="550"),
    }
    assert set(steps.owners_and_modes(host.but(files=files, data={DUMP: dump}).plan)) == {
        "root redis 3770 /etc/redis",
        f"redis redis - {DUMP}",
        "redis adm 2750 /var/log/redis",
        "redis adm 640 /var/log/redis/redis-server.log",
    }


def test_files_are_written_whole_and_a_directory_is_only_made() -> None:
    def written(host: Managed) -> list[str]:
        return [file.path for file in steps.files_to_write(host.plan)]

    host = managed("trixie")
    assert written(host.but_file(CONF, mode="644").but_file("/etc/redis", mode="755")) == [CONF]
    assert written(host.but_file(CRT, mode="600")) == []
    layout, files = host.layout, host.state.files
    without = host.but(files={path: file for path, file in files.items() if path not in (layout.logs, CONF)})
    assert written(without) == [CONF, layout.logs]
    [logs] = [file for file in steps.files_to_write(without.plan) if file.path == layout.logs]
    assert (logs.owner, logs.group, logs.mode, logs.directory) == ("redis", "adm", "2750", True)


def test_a_first_rewrite_is_waited_for_if_a_start_now_would_find_data() -> None:
    def waits(host: Managed) -> bool:
        return steps.waits_for_first_rewrite(host.plan, host.state)

    host = managed("trixie").but(aof_open=False)
    assert not waits(host)
    for info in ({"aof_rewrite_in_progress": 1}, {"aof_rewrite_scheduled": 1}):
        assert waits(host.but_info(**info))
    under_way = host.but_info(aof_rewrite_in_progress=1)
    assert not waits(under_way.but_info(aof_rewrites_consecutive_failures=1))
    assert not waits(under_way.but_config(appendonly="no"))
    gone = under_way.but(data={})
    assert not waits(gone)  # the file says yes: a start would find no data
    assert waits(gone.but(conf=(host.state.conf or "").replace("appendonly yes", "appendonly no")))


def test_only_a_server_of_ours_that_serves_tls_loads_a_certificate() -> None:
    host = managed("trixie")
    assert steps.loads_certificate(host.state)
    assert not steps.loads_certificate(host.but({"user": "default"}).state)
    assert not steps.loads_certificate(host.but_config(tls_cert_file="").state)
    assert not steps.loads_certificate(stopped(host).state)


def test_a_takeover_ends_once_the_server_has_started_with_our_configuration() -> None:
    def ends(host: Managed) -> bool:
        return steps.ends_takeover(host.plan, host.state)

    host, path = managed("trixie"), managed("trixie").layout.takeover
    marked = host.but(files={**host.state.files, path: File(path, "regular file", "root", "root", "600")})
    assert (ends(host), ends(marked)) == (False, True)
    assert not ends(marked.but({"user": "default"}))
    assert not ends(marked.but_config(databases="3"))
    assert ends(marked.but_config(hz="50"))


def test_one_change_that_others_can_see_is_enough_for_another_look() -> None:
    host = managed("trixie").but_config(hz="50")
    assert steps.changes_only_redis(host.plan)
    assert not steps.changes_only_redis(host.but_config(bind="127.0.0.1").plan)
    assert not steps.changes_only_redis(host.but_file(CONF, mode="644").plan)


def test_only_a_server_that_does_not_run_and_that_systemd_may_start_is_kept_down() -> None:
    host = stopped(managed("trixie"))
    assert steps.may_come_up(host.state)
    masked = {**host.state.unit, "LoadState": "masked"}
    assert not steps.may_come_up(host.but(unit=masked).state)
    assert not steps.may_come_up(stopped(managed("init")).state)
    assert not steps.may_come_up(fresh().state)
    for reach in set(Reach) - {Reach.NOT_RUNNING}:
        assert not steps.may_come_up(managed("trixie").but({"reach": reach}).state)


def test_a_configuration_is_kept_for_a_start_that_fails() -> None:
    host = managed("trixie")

    def kept(of: Managed) -> str:
        return steps.keeps_configuration(of.plan, of.state)

    ours = host.state.conf or ""
    assert kept(host) == kept(foreign()) == "yes"
    assert kept(stopped(host, conf=ours)) == "stopped"
    assert kept(stopped(foreign())) == "yes"  # given back as a whole
    gone = {name: each for name, each in host.state.machine.packages.items() if name != "redis-server"}
    assert kept(stopped(host, conf=ours).but(packages=gone)) == "no"
    assert kept(fresh()) == "no"


def test_a_server_that_replaces_another_engines_starts_in_that_step() -> None:
    old = managed("valkey").state
    waits = with_dump(stopped(managed("trixie"), conf=managed("trixie").state.conf or ""))
    assert {"start", "data"} <= taken(waits)
    assert taken(waits.but(predecessor=old)).isdisjoint(("start", "data"))
    new = with_dump(fresh())
    assert {"install", "data"} <= taken(new)
    assert "data" not in taken(new.but(predecessor=old))


def test_what_the_look_finds_outside_of_redis_is_looked_for_again() -> None:
    host = managed("trixie")
    others = {"appendonly": "no", "bind": "127.0.0.1", "port": "6400", "tls-port": "6380"}
    for name, value in others.items():
        plan = host.but_config(**{name.replace("-", "_"): value}).plan
        assert [change.directive for change in plan.changes] == [name]
        assert not steps.changes_only_redis(plan)


def test_a_configuration_that_is_put_back_says_where_the_data_is_by_now() -> None:
    def data(host: Managed) -> dict[str, str]:
        return steps.data_directives(host.plan, host.state)

    now = {
        "dir": DATA,
        "dbfilename": "dump.rdb",
        "appenddirname": "appendonlydir",
        "appendfilename": "appendonly.aof",
    }
    host, ours = managed("trixie"), managed("trixie").state.conf or ""
    assert data(host) == {"appendonly": "yes", **now}
    assert data(managed("trixie", redis_appendonly=False)) == {"appendonly": "no", **now}
    assert data(stopped(host, conf=ours)) == {"appendonly": "yes", **now}
    # It is not known what these have done with their data.
    assert data(host.but({"reach": Reach.MUTE})) == data(host.but({"user": "default"})) == {}
    assert data(stopped(host, conf=f"{ours}\ndir /srv/redis\n")) == {}
