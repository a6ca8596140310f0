"""Which steps of a run a plan takes: none on a host that is as wanted, and for each change those that make it."""

from collections.abc import Callable

import pytest

from noevict.plan.plan import Plan
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from tests.unit.looks.captured import MANAGED
from tests.unit.looks.deviations import ALL, CONF, CRT, TLS
from tests.unit.looks.managed import Managed, fresh, managed

DUMP = "/var/lib/redis/dump.rdb"
STEPS: dict[str, Callable[[Plan[Target], InstanceState], object]] = {
    "install": lambda plan, _: steps.installs_server(plan),
    "test": lambda plan, _: steps.tests_candidate(plan),
    "access": lambda plan, _: steps.access_due(plan),
    "files": lambda plan, _: steps.writes_files(plan),
    "live": steps.sets_live,
    "only redis": lambda plan, _: steps.changes_only_redis(plan),
    "start": steps.starts_server,
    "data": steps.prepares_data,
}
# A deviation of ALL -> the steps, but for those that How itself names (certificate, unit, restart).
TAKES: dict[str, set[str]] = {
    "package: openssl was never there": set(),
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
    "unit: stopped": {"data", "start"},
    "certificate: gone": set(),
    "live: maxmemory-policy": {"live", "only redis"},
    "live: a port without TLS": {"live"},
    "live: AOF off": {"live"},
    "live: what a start alone reads": {"test"},
    "user: a user added": {"live"},
    "server: a module in the file": {"test", "files"},
    "server: the append-only files removed below it": {"live"},
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


def test_owners_and_modes_are_due_by_themselves_for_what_is_not_written_whole() -> None:
    host = managed("trixie").but_file(CONF, mode="644").but_file(CRT, mode="600").but_file(TLS, mode="700")
    host = host.but_file("/etc/redis", mode="755")
    assert [change.path for change in steps.access_due(host.plan)] == ["/etc/redis"]


def test_one_change_that_others_can_see_is_enough_for_another_look() -> None:
    host = managed("trixie").but_config(hz="50")
    assert steps.changes_only_redis(host.plan)
    assert not steps.changes_only_redis(host.but_config(bind="127.0.0.1").plan)
    assert not steps.changes_only_redis(host.but_file(CONF, mode="644").plan)
