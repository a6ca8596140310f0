"""How a host is, from what it answered: every reason to be degraded or unhealthy, and any answer at all."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict import monitor
from noevict.fleet.endpoint import Endpoint
from noevict.fleet.records import Drift, Record
from noevict.monitor.asking.watched import View
from noevict.monitor.health.health import (
    FIELDS,
    Poll,
    Status,
    judge,
    parse_info,
    parse_refusals,
    write_refusals,
)
from noevict.monitor.health.history import HOUR, POINTS, STEP, Evictions, Line
from noevict.monitor.web.answers import HTTP_STATUS, fleet_answer, host_answer
from noevict.server.writes import Refusals, Rise, number

WATCH = Path(monitor.__file__).parent
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
FINE = {
    "redis_version": "8.0.2",
    "run_id": "a" * 40,
    "uptime_in_seconds": "86400",
    "loading": "0",
    "async_loading": "0",
    "used_memory": "100000000",
    "maxmemory": "200000000",
    "maxmemory_policy": "noeviction",
    "evicted_keys": "0",
    "rdb_last_bgsave_status": "ok",
    "rdb_last_save_time": "1768470000",
    "rdb_changes_since_last_save": "5",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "role": "master",
}
WELL = Poll(NOW, FINE, 0.0004, NOW + timedelta(days=90))


def view(poll: Poll, name: str = "cache-1", evicted: int = 0, record: Record | None = None) -> View:
    return View(Endpoint(name, "10.0.0.5", 6379), judge(poll, evicted, host=name), record or Record())


@dataclass(frozen=True)
class Case:
    """Something that is not as it should be: in INFO, in the poll, or evicted. ``why`` is in the check's words."""

    id: str
    status: Status
    check: str = ""
    why: str = ""
    info: Mapping[str, str] = field(default_factory=dict)
    poll: Mapping[str, object] = field(default_factory=dict)
    evicted: int = 0


HEALTHY, DEGRADED, UNHEALTHY = Status
SOON = NOW + timedelta(days=13, hours=23)
CASES = (
    Case("well", HEALTHY),
    Case("memory at 90 %", HEALTHY, "memory", "90.0 %", {"used_memory": "180000000"}),
    Case("memory over 90 %", DEGRADED, "memory", "90.5 %", {"used_memory": "181000000"}),
    Case(
        "memory over maxmemory, by what does not count",
        DEGRADED,
        "memory",
        "120.0 %",
        {"used_memory": "240000000", "mem_not_counted_for_evict": "50000000"},
    ),
    Case(
        "a policy set by hand, and full of keys",
        DEGRADED,
        "memory",
        "100.0 %",
        {"used_memory": "200000000", "maxmemory_policy": "allkeys-lru"},
    ),
    Case("no maxmemory", HEALTHY, "", "", {"maxmemory": "0"}),
    Case("a wrong policy", HEALTHY, "", "", {"maxmemory_policy": "volatile-lru"}),
    Case("the last save failed", DEGRADED, "save", "save failed", {"rdb_last_bgsave_status": "err"}),
    Case("the last AOF write failed", DEGRADED, "aof", "AOF write failed", {"aof_last_write_status": "err"}),
    Case(
        "the last AOF rewrite failed", DEGRADED, "aof", "rewrite failed", {"aof_last_bgrewrite_status": "err"}
    ),
    Case(
        "AOF off, and it failed once", HEALTHY, "", "", {"aof_enabled": "0", "aof_last_write_status": "err"}
    ),
    Case("a certificate of 14 days", HEALTHY, poll={"certificate_ends": NOW + timedelta(days=14)}),
    Case("less than 14 days", DEGRADED, "certificate", "ends in 13 days", poll={"certificate_ends": SOON}),
    Case(
        "a day",
        DEGRADED,
        "certificate",
        "in 1 day",
        poll={"certificate_ends": NOW + timedelta(days=1, hours=9)},
    ),
    Case(
        "expired", DEGRADED, "certificate", "expired", poll={"certificate_ends": NOW - timedelta(seconds=1)}
    ),
    Case("an evicted key", DEGRADED, "evictions", "1 key evicted", evicted=1),
    Case("evicted keys", DEGRADED, "evictions", "7 keys evicted", evicted=7),
    Case("loading", UNHEALTHY, "loading", "loading its data", {"loading": "1"}),
    Case(
        "loading, so far", UNHEALTHY, "loading", ", 45.00 %", {"loading": "1", "loading_loaded_perc": "45.00"}
    ),
    Case("loading beside serving", UNHEALTHY, "loading", "loading", {"async_loading": "1"}),
    Case(
        "no answer", UNHEALTHY, "answer", "no answer in 2 s", poll={"failure": "no answer in 2 s", "info": {}}
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_host_is_what_its_worst_check_is(case: Case) -> None:
    poll = replace(replace(WELL, info={**FINE, **case.info}), **case.poll)  # type: ignore[arg-type]
    health = judge(poll, case.evicted)
    assert health.status is case.status
    worse = {name for name, check in health.checks.items() if check.status is not HEALTHY}
    assert worse == ({case.check} if case.status is not HEALTHY else set())
    assert case.why in health.checks[case.check].detail if case.check else True
    assert (health.error is not None) is (case.status is UNHEALTHY)


FULL = {**FINE, "used_memory": "200000000"}
REFUSED = {
    "memory is full": judge(replace(WELL, info=FULL)),
    "12 commands got OOM in the last minute": judge(WELL, 0, Rise({"OOM": 12}, "in the last minute")),
    "3 commands got MISCONF": judge(WELL, 0, Rise({"MISCONF": 3}, "since yesterday")),
    "the last AOF write failed; it answers MISCONF": judge(
        replace(WELL, info={**FINE, "aof_last_write_status": "err"}, misconf=True)
    ),
    "memory is full, 191": judge(replace(WELL, info=FULL), cache=True),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_server_that_refuses_writes_is_unhealthy_before_all_else_that_is_wrong(why: str) -> None:
    health = REFUSED[why]
    assert health.status is UNHEALTHY
    assert health.writes_refused is True
    assert health.error is not None
    assert f" refused: {why}" in health.error
    worse = [name for name, check in health.checks.items() if check.status is not HEALTHY]
    assert worse[0] == "writes"


def test_writes_are_taken_as_far_as_is_known() -> None:
    none = judge(WELL, 0, Rise({"OOM": 0, "MISCONF": 0}, "in the last minute"))
    assert none.checks["writes"].detail == "are taken, none refused in the last minute"
    assert judge(WELL).checks["writes"].detail == "are taken, refusals before this look are not known"
    assert (none.writes_refused, judge(WELL).writes_refused) == (False, False)
    gone = judge(Poll(NOW, failure="no answer in 2 s"))
    loading = judge(replace(WELL, info={**FULL, "loading": "1"}))
    unknown = judge(replace(WELL, info={"role": "master"}))
    assert {gone.writes_refused, loading.writes_refused, unknown.writes_refused} == {None}


def test_a_cache_at_its_maxmemory_that_evicts_is_well_and_one_that_is_none_is_not() -> None:
    info = {**FULL, "maxmemory_policy": "allkeys-lru"}
    assert judge(replace(WELL, info=info), 7, cache=True).status is HEALTHY
    assert judge(replace(WELL, info=info), 7).status is DEGRADED
    refusing = judge(replace(WELL, info=info), 7, Rise({"OOM": 1}, "in the last minute"), cache=True)
    assert refusing.status is UNHEALTHY


def test_refusals_are_read_from_errorstats() -> None:
    assert parse_refusals("# Errorstats\r\nerrorstat_ERR:count=3\r\nerrorstat_OOM:count=5\r\n") == {
        "errorstat_OOM": "5",
        "errorstat_MISCONF": "0",
    }
    assert parse_refusals("# Errorstats\r\nerrorstat_ERRORSTATS_DISABLED:count=1\r\n") == {}
    poll = replace(WELL, info={**FINE, "errorstat_OOM": "5"})
    assert write_refusals(poll) == Refusals(NOW, "a" * 40, {"OOM": 5})


def test_the_worst_of_several_reasons_counts() -> None:
    info = {**FINE, "loading": "1", "rdb_last_bgsave_status": "err"}
    assert judge(replace(WELL, info=info), 5).status is UNHEALTHY


# --- what programs read ---


def test_the_answer_is_in_the_form_that_dashboards_read() -> None:
    answer = host_answer(view(WELL))
    assert list(answer)[:4] == ["status", "timestamp", "evictionPolicy", "writesRefused"]
    assert answer["writesRefused"] is False
    assert {name: answer[name] for name in list(answer)[:3]} == {
        "status": "healthy",
        "timestamp": "2026-01-15T10:30:00.000Z",
        "evictionPolicy": "noeviction",
    }
    assert "warning" not in answer
    assert "error" not in answer
    assert answer["usedMemoryPercent"] == 50.0
    assert answer["certificateDaysLeft"] == 90
    assert answer["latencyMs"] == 0.4
    assert answer["persistence"]["rdbLastSave"] == "2026-01-15T09:40:00.000Z"


def test_another_policy_is_a_warning_in_the_words_that_dashboards_know() -> None:
    wrong = replace(WELL, info={**FINE, "maxmemory_policy": "volatile-lru"})
    words = (
        "Redis eviction policy is 'volatile-lru'. For microservices with job queues, consider using "
        "'noeviction' to prevent data loss."
    )
    answer = host_answer(view(wrong))
    assert (answer["status"], answer["evictionPolicy"], answer["warning"]) == (
        "healthy",
        "volatile-lru",
        words,
    )
    several = fleet_answer([view(WELL, "a"), view(wrong, "b")])
    assert (several["status"], several["evictionPolicy"], several["warning"]) == (
        "healthy",
        "volatile-lru",
        words,
    )


def test_of_several_hosts_the_worst_decides_and_each_is_reported() -> None:
    dead = Poll(NOW, failure="no answer in 2 s")
    full = replace(WELL, info={**FINE, "used_memory": "199000000"})
    refusing = replace(WELL, info=FULL)
    answer = fleet_answer([view(WELL, "a"), view(dead, "b"), view(full, "c")])
    assert (answer["status"], answer["evictionPolicy"]) == ("unhealthy", "noeviction")
    assert answer["error"] == "b: no answer in 2 s"
    assert {name: host["status"] for name, host in answer["hosts"].items()} == {
        "a": "healthy",
        "b": "unhealthy",
        "c": "degraded",
    }
    assert answer["writesRefused"] is None  # of b that is not known
    assert fleet_answer([view(WELL, "a"), view(full, "c")])["writesRefused"] is False
    answer = fleet_answer([view(dead, "b"), view(WELL, "a"), view(refusing, "d")])
    assert (answer["status"], answer["writesRefused"]) == ("unhealthy", True)
    assert "; d: writes are refused: memory is full" in answer["error"]
    assert HTTP_STATUS == {HEALTHY: 200, DEGRADED: 200, UNHEALTHY: 503}


def test_if_nothing_is_known_the_three_keys_are_there_and_say_so() -> None:
    for answer in (
        host_answer(view(Poll(NOW, failure="hangs up"))),
        fleet_answer([view(Poll(NOW, failure="hangs up"))]),
    ):
        assert answer["status"] == "unhealthy"
        assert answer["evictionPolicy"] is None
        assert answer["error"].endswith("hangs up")


def test_what_runs_left_behind_is_reported() -> None:
    look = Drift(NOW, "deploy", 0)
    answer = host_answer(view(WELL, record=Record(look, NOW - timedelta(hours=1))))
    reported = {"at": "2026-01-15T10:30:00.000Z", "by": "deploy", "differences": 0, "failure": None}
    assert (answer["drift"], answer["lastBackup"]) == (reported, "2026-01-15T09:30:00.000Z")


# --- any answer at all ---

WORDS = st.sampled_from(
    [*FINE, "maxmemory", "loading", ":", "\r\n", "#", "-1", "1", "err", "ok", "é", "9" * 30]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS | st.text(max_size=9)).map("".join))
INFO = st.dictionaries(st.sampled_from(sorted(FINE)) | st.text(max_size=9), st.text(max_size=30) | WORDS)
POLLS = st.builds(
    Poll,
    st.just(NOW),
    INFO,
    st.none() | st.floats(0, 2),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.text(),
)


@given(TEXTS)
def test_any_text_is_read_as_info(text: str) -> None:
    for name, value in parse_info(text).items():
        assert "\n" not in name + value
        assert ":" not in name


@given(
    st.dictionaries(
        st.sampled_from(sorted(FIELDS)) | st.text("abc_", min_size=1),
        st.text(st.characters(exclude_categories=["Zl", "Zp", "Cc"]), max_size=300),
    )
)
def test_the_fields_that_are_used_are_read_from_info_and_no_others(fields: dict[str, str]) -> None:
    lines = [f"{name}:{value}" for name, value in fields.items()]
    kept = {name: value[:200] for name, value in fields.items() if name in FIELDS}
    assert parse_info("\r\n".join(["# Section", *lines, ""])) == kept


def test_every_field_of_info_that_monitoring_reads_is_kept() -> None:
    """As its modules name them: number(info, "..."), health.text("..."), info.get("...") and _last(info, "...")."""
    calls = re.compile(r"""\b(?:number|text|info\.get|_last)\((?:[a-z._]*info, )?"([a-z_]+)""")
    modules = ("health/health", "web/answers", "web/card", "health/history", "asking/watched")
    named = {name for each in modules for name in calls.findall((WATCH / f"{each}.py").read_text())}
    assert named - FIELDS == set()
    assert len(named) > 15


@given(st.text(max_size=30) | st.integers().map(str))
def test_a_number_of_info_is_whole_and_not_below_nothing(text: str) -> None:
    found = number({"x": text}, "x")
    assert found is None or (found >= 0 and str(found) == text.lstrip("0").rjust(1, "0"))


@given(POLLS, st.integers(0, 10**9))
def test_any_answer_is_a_status_with_its_reasons_and_can_be_reported(poll: Poll, evicted: int) -> None:
    health = judge(poll, evicted)
    assert health.status is max((check.status for check in health.checks.values()), key=lambda s: s.rank)
    assert poll.failure is None or health.status is UNHEALTHY
    assert (health.status is UNHEALTHY) is (health.error is not None)
    answer = json.loads(json.dumps(host_answer(view(poll, evicted=evicted))))
    assert answer["status"] in {"healthy", "degraded", "unhealthy"}
    assert ("warning" in answer) is (answer["evictionPolicy"] not in {None, "noeviction"})


# --- evictions, from a counter that restarts ---


def reported(evicted: int, run: str = "a", up: int = 86400) -> dict[str, str]:
    return {"evicted_keys": str(evicted), "run_id": run, "uptime_in_seconds": str(up)}


def test_evictions_before_the_first_look_count_if_the_server_is_younger_than_an_hour() -> None:
    old, young = Evictions(), Evictions()
    old.add(10000, reported(50))
    young.add(10000, reported(50, up=1800))
    assert (old.lately(10000), young.lately(10000)) == (0, 50)


def test_evictions_count_for_an_hour_from_when_they_were_seen() -> None:
    seen = Evictions()
    for now, counter in ((0, 10), (5, 10), (10, 13), (1000, 14)):
        seen.add(now, reported(counter))
    assert seen.lately(1000) == 4
    assert seen.lately(HOUR + 9) == 4
    assert seen.lately(HOUR + 10) == 1
    assert seen.lately(HOUR + 1000) == 0


def test_a_restart_and_a_reset_of_the_counter_lose_no_eviction_and_invent_none() -> None:
    seen = Evictions()
    seen.add(0, reported(100))
    seen.add(5, reported(102))
    seen.add(10, reported(0, run="b", up=3))
    assert seen.lately(10) == 2
    seen.add(15, reported(7, run="b", up=8))
    seen.add(20, reported(1, run="b", up=13))  # CONFIG RESETSTAT, and one more
    assert seen.lately(20) == 2 + 7 + 1
    seen.add(25, reported(5, run="c", up=1))
    assert seen.lately(25) == 15
    seen.add(30, {})  # no answer
    assert seen.lately(30) == 15


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 9)), max_size=30))
def test_of_a_counter_that_only_rises_the_rise_of_the_last_hour_is_reported(
    steps: list[tuple[int, int]],
) -> None:
    seen, now, counter, rises = Evictions(), 0, 0, []
    seen.add(0, reported(0))
    for passed, rise in steps:
        now, counter = now + passed, counter + rise
        rises.append((now, rise))
        seen.add(now, reported(counter))
    assert seen.lately(now) == sum(rise for at, rise in rises if at > now - HOUR)


# --- an hour of a figure ---


def test_a_line_holds_the_highest_of_each_step_of_the_last_hour() -> None:
    line = Line()
    for now, value in ((0, 1), (STEP / 2, 3), (STEP, 2), (STEP * 3, None)):
        line.add(now, value)
    assert line.points(STEP * 3)[-4:] == [3, 2, None, None]
    assert len(line.points(STEP * 3)) == POINTS
    assert line.points(STEP * (POINTS + 1))[:2] == [None, None]
    assert set(line.points(10 * HOUR)) == {None}


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 1000, width=32)), min_size=1, max_size=40))
def test_a_line_shows_what_was_seen_in_the_last_hour_and_nothing_else(
    steps: list[tuple[float, float]],
) -> None:
    line, now, seen = Line(), 0.0, []
    for passed, value in steps:
        now += passed
        line.add(now, value)
        seen.append((now, value))
    points = line.points(now)
    assert points[-1] is not None
    for age, point in enumerate(reversed(points)):
        step = int(now / STEP) - age
        inside = [value for at, value in seen if int(at / STEP) == step]
        assert point == (max(inside) if inside else None)
