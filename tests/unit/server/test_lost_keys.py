"""A server with 0 keys beside data: a fault if it lost them, none if they were deleted."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from noevict.machine.found import File
from noevict.platforms.systemd.compare import make_plan
from noevict.server import lost_keys
from noevict.server.live import Reach
from noevict.server.writes import Keys
from tests.unit.looks.managed import Managed, managed

DATA = "/var/lib/redis"
AOF, DUMP = f"{DATA}/appendonlydir", f"{DATA}/dump.rdb"
NOW = managed("trixie").state.machine.time
BEGAN = NOW - 100  # the server's process
BEFORE, LONG_BEFORE, SINCE = BEGAN - 50, BEGAN - 500, BEGAN + 50

Files = Mapping[str, tuple[int, int]]  # path -> size, when it was changed
BORN = {f"{AOF}/appendonly.aof.1.base.rdb": (88, BEGAN), f"{AOF}/appendonly.aof.1.incr.aof": (0, BEGAN)}
BORN_BEFORE = {path: (size, LONG_BEFORE) for path, (size, _) in BORN.items()}


def host(files: Files, *, appendonly: str = "yes", **info: int) -> Managed:
    """With these in its data directory."""
    bare = managed("trixie")
    entries = {
        path: File(
            path,
            "directory" if "kept" in path else "regular file",
            "redis",
            "redis",
            "640",
            None,
            size,
            changed,
        )
        for path, (size, changed) in files.items()
    }
    manifest = bare.state.data[f"{AOF}/appendonly.aof.manifest"]
    asked = bare.but_info(uptime_in_seconds=100, **info).but_config(appendonly=appendonly)
    return replace(asked, state=replace(asked.state, data={manifest.path: manifest, **entries}))


def kept_at(moment: int) -> str:
    """The directory of append-only files that were set aside then."""
    return f"{AOF}.kept-{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M%SZ}"


def suspected(found: Managed) -> tuple[str, ...]:
    return lost_keys.beside(found.state, found.layout)


FIRST, AFTER = f"{AOF}/appendonly.aof.1.base.rdb", f"{AOF}/appendonly.aof.1.incr.aof"
KEPT = kept_at(BEFORE)
LOST = {
    "an RDB that is a byte larger than one without keys": host({**BORN, DUMP: (201, BEFORE)}),
    "a first base of that size, written as it began": host(
        {FIRST: (200, BEGAN - 2), AFTER: (90, BEGAN + 50), DUMP: (5000, BEFORE)}
    ),
    "append-only files that end a second before the RDB": host(
        {f"{AOF}/appendonly.aof.2.base.rdb": (88, BEFORE - 1), DUMP: (5000, BEFORE)}
    ),
    "a first base of long ago and nothing after it": host(
        {FIRST: (88, LONG_BEFORE), AFTER: (0, BEGAN + 50), f"{AOF}/x": (7, SINCE), DUMP: (5000, BEFORE)}
    ),
    "an RDB of before its start, append-only files made at it": host({**BORN, DUMP: (5000, BEFORE)}),
    "the same, restarted once more": host({**BORN_BEFORE, DUMP: (5000, BEFORE)}),
    "append-only files that end before the RDB": host(
        {f"{AOF}/appendonly.aof.2.base.rdb": (88, LONG_BEFORE), DUMP: (5000, BEFORE)}
    ),
    "no append-only files that it could have read": host({DUMP: (5000, BEFORE)}),
    "an RDB that a server without AOF did not load": host({DUMP: (5000, BEFORE)}, appendonly="no"),
    "the same beside append-only files that it does not read": host(
        {f"{AOF}/appendonly.aof.2.base.rdb": (88, SINCE), DUMP: (5000, BEFORE)}, appendonly="no"
    ),
}


@pytest.mark.parametrize("found", LOST.values(), ids=LOST)
def test_an_rdb_that_was_not_loaded_is_a_fault_and_nothing_is_changed_beside_it(found: Managed) -> None:
    assert suspected(found) == (DUMP,)
    plan = replace(found, state=replace(found.state, keys_beside={DUMP: 20_000})).plan
    [fault] = [each for each in plan.faults if "has 0 keys" in each]
    assert fault.startswith(
        f"has 0 keys, and {DUMP}, from before its start, has 20000 that do not expire: copy it "
    )
    assert plan.blocked
    assert not plan.clean


def test_one_that_cannot_be_read_is_a_fault_and_one_without_keys_is_none() -> None:
    found = host({**BORN, DUMP: (5000, BEFORE)})
    [unknown] = lost_keys.faults(replace(found.state, keys_beside={DUMP: None}), found.layout)
    assert "may have some" in unknown
    assert list(lost_keys.faults(found.state, found.layout)) == [unknown]  # was not counted
    assert list(lost_keys.faults(replace(found.state, keys_beside={DUMP: 0}), found.layout)) == []


GOES_ON = {
    f"{AOF}/appendonly.aof.1.base.rdb": (88, LONG_BEFORE),
    f"{AOF}/appendonly.aof.1.incr.aof": (90, BEFORE),
}
DELETED = {
    "it has keys": host({**BORN, DUMP: (5000, BEFORE)}).but_info(db3={"keys": 1, "expires": 0}),
    "it is loading": host({**BORN, DUMP: (5000, BEFORE)}, loading=1),
    "it started with some": host({**BORN, DUMP: (5000, BEFORE)}, rdb_last_load_keys_loaded=1),
    "it saved since": host({**BORN, DUMP: (5000, BEFORE)}, rdb_saves=1),
    "an RDB without keys": host({**BORN, DUMP: (200, BEFORE)}),
    "a first base that was written before it began": host(
        {FIRST: (88, BEGAN - 3), AFTER: (90, BEFORE), DUMP: (5000, BEFORE)}
    ),
    "a first base that has keys": host({FIRST: (201, BEGAN), DUMP: (5000, BEFORE)}),
    "one of many files after a first base of long ago": host(
        {
            FIRST: (88, LONG_BEFORE),
            AFTER: (90, BEFORE),
            f"{AOF}/a.2.incr.aof": (0, BEGAN),
            DUMP: (5000, BEFORE),
        }
    ),
    "append-only files that end with the RDB": host(
        {f"{AOF}/appendonly.aof.2.base.rdb": (88, BEFORE), DUMP: (5000, BEFORE)}
    ),
    "it could not be looked at": host({**BORN, DUMP: (5000, BEFORE)}).but({"reach": Reach.UNREACHED}),
    "append-only files that go on after the RDB": host({**GOES_ON, DUMP: (5000, BEFORE - 1)}),
    "the same, rewritten": host(
        {f"{AOF}/appendonly.aof.2.base.rdb": (88, BEFORE), DUMP: (5000, LONG_BEFORE)}
    ),
    "no RDB": host(BORN),
}


@pytest.mark.parametrize("found", DELETED.values(), ids=DELETED)
def test_keys_that_were_deleted_are_no_fault(found: Managed) -> None:
    assert suspected(found) == ()
    assert found.plan.faults == ()


def test_files_kept_by_a_run_that_the_server_did_not_survive_are_a_fault() -> None:
    found = host({**BORN, KEPT: (80, LONG_BEFORE)})
    assert suspected(found) == (KEPT,)
    assert suspected(host({**BORN_BEFORE, KEPT: (80, LONG_BEFORE)})) == (KEPT,)
    plan = replace(found, state=replace(found.state, keys_beside={KEPT: None})).plan
    [fault] = [each for each in plan.faults if "has 0 keys" in each]
    assert fault.startswith(f"has 0 keys, and {KEPT}, from before its start, may have some: ")


def test_files_kept_from_a_server_that_went_on_are_no_fault() -> None:
    assert suspected(host({**BORN, kept_at(SINCE): (80, LONG_BEFORE)})) == ()
    assert suspected(host({**BORN, KEPT: (80, LONG_BEFORE)}, appendonly="no")) == ()
    later = {f"{AOF}/appendonly.aof.1.incr.aof": (90, BEFORE + 1)}
    assert suspected(host({**GOES_ON, **later, KEPT: (80, LONG_BEFORE)})) == ()
    assert suspected(host({**BORN, kept_at(BEGAN + 1): (80, LONG_BEFORE)})) == (kept_at(BEGAN + 1),)
    assert suspected(host({**BORN, kept_at(BEGAN + 2): (80, LONG_BEFORE)})) == ()
    named = f"{AOF}.kept-by-hand"
    assert suspected(host({**BORN, named: (80, SINCE)})) == ()
    assert suspected(host({**BORN, named: (80, BEFORE)})) == (named,)


def test_a_file_beside_the_data_is_not_taken_for_a_directory_of_kept_ones() -> None:
    found = host({**BORN, KEPT: (80, LONG_BEFORE)})
    file = replace(found.state.data[KEPT], kind="regular file")
    assert suspected(replace(found, state=replace(found.state, data={**found.state.data, KEPT: file}))) == ()


def test_a_directory_of_another_name_beside_the_data_is_none_of_kept_ones() -> None:
    assert suspected(host({**BORN, f"{DATA}/kept-by-somebody": (80, BEFORE)})) == ()


def test_of_two_files_the_one_that_has_keys_is_a_fault() -> None:
    found = host({**BORN, DUMP: (5000, BEFORE), KEPT: (80, LONG_BEFORE)})
    assert suspected(found) == (DUMP, KEPT)
    counted = replace(found.state, keys_beside={DUMP: 0, KEPT: 7})
    [fault] = lost_keys.faults(counted, found.layout)
    assert f"{KEPT}, from before its start, has 7 that" in fault


def test_a_server_that_reports_no_uptime_began_after_everything() -> None:
    found = host({**BORN, kept_at(NOW + 1): (80, LONG_BEFORE)}).but_info(uptime_in_seconds="long")
    assert suspected(found) == (kept_at(NOW + 1),)
    assert suspected(found.but_info(uptime_in_seconds=100)) == ()


def test_the_time_in_the_name_of_kept_files_is_in_utc_wherever_noevict_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert suspected(host({**BORN, kept_at(BEGAN + 1): (80, LONG_BEFORE)})) == (kept_at(BEGAN + 1),)
        assert suspected(host({**BORN, kept_at(BEGAN + 2): (80, LONG_BEFORE)})) == ()
    finally:
        monkeypatch.undo()
        time.tzset()


HAD = Keys(datetime(2026, 1, 15, 10, 30, tzinfo=UTC), 31_081)
REPORTED = (
    "has 0 keys, had 31081 on 2026-01-15 10:30 UTC: if nobody deleted them, stop its clients and restore them "
    "(docs/life-of-a-host.md)"
)


def reported(found: Managed, before: Keys | None = HAD, days: float = 1) -> list[str]:
    """What a plan says of its keys."""
    plan = make_plan(
        found.settings, found.state, found.target, found.secrets, None, HAD.at + timedelta(days=days), before
    )
    return [each for each in plan.notices if "0 keys" in each]


def test_a_fall_to_no_keys_is_reported_with_both_numbers_and_the_date() -> None:
    empty = host(BORN)
    assert reported(empty) == reported(empty, days=365) == [REPORTED]  # whenever it was looked at before
    assert reported(empty, before=None) == []
    assert reported(empty.but_info(db3={"keys": 1, "expires": 0})) == []
    assert reported(host(BORN, loading=1)) == []
    assert reported(empty.but({"user": "default"})) == []


def test_it_is_reported_for_a_week_from_the_first_look_that_found_none() -> None:
    empty, first = host(BORN), HAD.at + timedelta(days=14)
    missing = lost_keys.remember(empty.state, HAD, first)
    assert missing == replace(HAD, missing_since=first)
    assert lost_keys.remember(empty.state, missing, first + timedelta(days=3)) == missing
    assert reported(empty, missing, days=21) == [REPORTED]
    assert reported(empty, missing, days=21.1) == []


def test_what_is_not_known_of_its_keys_leaves_what_was_and_keys_that_are_back_end_it() -> None:
    later = HAD.at + timedelta(days=1)
    missing = replace(HAD, missing_since=later)
    for unknown in (host(BORN, loading=1), host(BORN).but({"user": "default"})):
        assert lost_keys.remember(unknown.state, HAD, later) == HAD
    lying = host(BORN).but_info(db3={"keys": 1 << 63, "expires": 0})  # no record could hold it
    assert lost_keys.remember(lying.state, HAD, later) == HAD
    back = host(BORN).but_info(db3={"keys": 1, "expires": 0})
    assert lost_keys.remember(back.state, missing, later) == Keys(later, 1)
    assert lost_keys.remember(host(BORN).state, None, later) is None
