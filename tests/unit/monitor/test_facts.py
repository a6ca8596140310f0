"""The figures of a host in words: what each says, and when it is a warning, bad, or not known."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from noevict.fleet.endpoint import Endpoint
from noevict.fleet.records import Drift, Record
from noevict.monitor.asking.watched import View
from noevict.monitor.health.facts import (
    Answer,
    Fact,
    FactName,
    Severity,
    days_left,
    facts,
    memory,
    reason,
    waiting,
)
from noevict.monitor.health.health import Poll, judge
from noevict.monitor.web.answers import host_answer
from noevict.server.writes import LONGEST_UP, Disk
from tests.unit.monitor.test_health import FINE, NOW, WELL, view

GIB = 1 << 30
HOUR = timedelta(hours=1)
SAVED = NOW - timedelta(minutes=50)
GOOD, WARN, BAD, UNKNOWN = Severity


def answer(
    info: Mapping[str, str | None] | None = None,
    evicted: int = 0,
    record: Record | None = None,
    ends: datetime | None = WELL.certificate_ends,
) -> Answer:
    """Of a host with these fields of INFO in place of others; None: it does not have that one."""
    fields = {**FINE, **(info or {})}
    known = {name: value for name, value in fields.items() if value is not None}
    return host_answer(view(replace(WELL, info=known, certificate_ends=ends), evicted=evicted, record=record))


def of_a_cache(info: Mapping[str, str], evicted: int = 0) -> Answer:
    poll = replace(WELL, info={**FINE, "maxmemory_policy": "allkeys-lru", **info})
    return host_answer(View(Endpoint("cache-1", "10.0.0.5", 6379), judge(poll, evicted, cache=True)))


def named(found: Answer) -> dict[FactName, Fact]:
    return {fact.name: fact for fact in facts(found)}


ALL_OFF = {"aof_enabled": "0", "rdb_last_save_time": "0"}
NO_PERSISTENCE = dict.fromkeys(("aof_enabled", "rdb_last_save_time", "rdb_last_bgsave_status"))
FACTS: dict[str, tuple[Answer, Fact]] = {
    "policy": (answer(), Fact(FactName.POLICY, "noeviction")),
    "another policy": (
        answer({"maxmemory_policy": "volatile-lru"}),
        Fact(FactName.POLICY, "volatile-lru", WARN),
    ),
    "no policy known": (answer({"maxmemory_policy": None}), Fact(FactName.POLICY, "not known", UNKNOWN)),
    "none evicted": (answer(), Fact(FactName.EVICTED, "none lately", short="0")),
    "evicted long ago": (
        answer({"evicted_keys": "1700"}),
        Fact(FactName.EVICTED, "none lately", short="1,700"),
    ),
    "evicted lately": (
        answer({"evicted_keys": "1700"}, 1234),
        Fact(FactName.EVICTED, "1,234 in the last hour", BAD, short="1,700, 1,234 lately"),
    ),
    "evicted by a cache": (
        of_a_cache({"evicted_keys": "7"}, 2),
        Fact(FactName.EVICTED, "2 in the last hour", short="7, 2 lately"),
    ),
    "evictions not known": (answer({"evicted_keys": None}), Fact(FactName.EVICTED, "not known", UNKNOWN)),
    "persistence": (answer(), Fact(FactName.PERSISTENCE, "AOF, RDB", at=SAVED, joint=" ")),
    "AOF only": (answer({"rdb_last_save_time": "0"}), Fact(FactName.PERSISTENCE, "AOF", joint=" ")),
    "RDB only": (answer({"aof_enabled": "0"}), Fact(FactName.PERSISTENCE, "RDB", at=SAVED, joint=" ")),
    "no persistence": (answer(ALL_OFF), Fact(FactName.PERSISTENCE, "none", joint=" ")),
    "AOF off, no save known": (
        answer({**NO_PERSISTENCE, "aof_enabled": "0"}),
        Fact(FactName.PERSISTENCE, "none", joint=" "),
    ),
    "persistence not known": (answer(NO_PERSISTENCE), Fact(FactName.PERSISTENCE, "not known", UNKNOWN)),
    "only a failed save known": (
        answer({**NO_PERSISTENCE, "rdb_last_bgsave_status": "err"}),
        Fact(FactName.PERSISTENCE, "RDB failed", BAD, joint=" "),
    ),
    "AOF write failed": (
        answer({"aof_last_write_status": "err"}),
        Fact(FactName.PERSISTENCE, "AOF failed, RDB", BAD, at=SAVED, joint=" "),
    ),
    "AOF rewrite failed": (
        answer({"aof_last_bgrewrite_status": "err"}),
        Fact(FactName.PERSISTENCE, "AOF failed, RDB", BAD, at=SAVED, joint=" "),
    ),
    "save failed": (
        answer({"rdb_last_bgsave_status": "err"}),
        Fact(FactName.PERSISTENCE, "AOF, RDB failed", BAD, joint=" "),
    ),
    "certificate": (answer(ends=NOW + timedelta(days=14)), Fact(FactName.CERTIFICATE, "14 days")),
    "certificate ends": (
        answer(ends=NOW + timedelta(days=14) - HOUR),
        Fact(FactName.CERTIFICATE, "13 days", BAD),
    ),
    "clients": (answer({"connected_clients": "1234"}), Fact(FactName.CLIENTS, "1,234")),
    "clients not known": (answer(), Fact(FactName.CLIENTS, "not known", UNKNOWN)),
    "up": (answer(), Fact(FactName.UP, "24 h")),
    "up longer than can be": (
        answer({"uptime_in_seconds": str(LONGEST_UP)}),
        Fact(FactName.UP, "not known", UNKNOWN),
    ),
    "up for as long as can be": (
        answer({"uptime_in_seconds": str(LONGEST_UP - 1)}),
        Fact(FactName.UP, f"{(LONGEST_UP - 1) // 86400} d"),
    ),
    "up not known": (answer({"uptime_in_seconds": None}), Fact(FactName.UP, "not known", UNKNOWN)),
    "disk": (
        answer(record=Record(disk=Disk(5 * GIB, 10 * GIB, at=NOW))),
        Fact(FactName.DISK, "5.0 GiB free", GOOD, "disk", at=NOW),
    ),
    "little disk": (
        answer(record=Record(disk=Disk(GIB // 2, 10 * GIB, at=NOW))),
        Fact(FactName.DISK, "512 MiB free", WARN, "disk", at=NOW),
    ),
    "read-only disk": (
        answer(record=Record(disk=Disk(5 * GIB, 10 * GIB, True, NOW))),
        Fact(FactName.DISK, "read-only", BAD, "disk", at=NOW),
    ),
    "no backup": (answer(), Fact(FactName.BACKUP, "none", WARN, "backup")),
    "backup": (answer(record=Record(backup=NOW)), Fact(FactName.BACKUP, "", at=NOW)),
    "no look": (answer(), Fact(FactName.DRIFT, "not looked for yet", UNKNOWN, short="never")),
    "no drift": (answer(record=Record(Drift(NOW, "drift", 0))), Fact(FactName.DRIFT, "none", at=NOW)),
    "one difference": (
        answer(record=Record(Drift(NOW, "drift", 1))),
        Fact(FactName.DRIFT, "1 thing differs", WARN, "drift", "1", NOW),
    ),
    "differences": (
        answer(record=Record(Drift(NOW, "drift", 1200))),
        Fact(FactName.DRIFT, "1,200 things differ", WARN, "drift", "1,200", NOW),
    ),
    "a look failed": (
        answer(record=Record(Drift(NOW, "deploy", None, "no route"))),
        Fact(FactName.DRIFT, "the look failed", WARN, "look", "failed", NOW),
    ),
}


@pytest.mark.parametrize("case", FACTS)
def test_a_figure_has_its_words_and_how_serious_it_is(case: str) -> None:
    found, fact = FACTS[case]
    assert named(found)[fact.name] == fact


MEMORY: dict[str, tuple[Answer, Fact | None]] = {
    "half": (answer(), Fact(FactName.MEMORY, "95.4 of 191 MiB")),
    "80 %": (answer({"used_memory": "160000000"}), Fact(FactName.MEMORY, "153 of 191 MiB")),
    "over 80 %": (answer({"used_memory": "160200000"}), Fact(FactName.MEMORY, "153 of 191 MiB", WARN)),
    "over 90 %": (answer({"used_memory": "181000000"}), Fact(FactName.MEMORY, "173 of 191 MiB", BAD)),
    "a full cache": (of_a_cache({"used_memory": "199000000"}), Fact(FactName.MEMORY, "190 of 191 MiB", WARN)),
    "no maxmemory": (answer({"maxmemory": "0"}), Fact(FactName.MEMORY, "95.4 MiB, no maxmemory", WARN)),
    "maxmemory not known": (answer({"maxmemory": None}), Fact(FactName.MEMORY, "95.4 MiB", UNKNOWN)),
    "not known": (answer({"used_memory": None}), None),
}


@pytest.mark.parametrize("case", MEMORY)
def test_memory_is_serious_from_where_it_is_almost_full(case: str) -> None:
    found, fact = MEMORY[case]
    assert memory(found) == fact


def test_a_host_that_does_not_answer_has_what_is_known_without_it() -> None:
    failed = Poll(NOW, failure="password not accepted", certificate_ends=NOW + timedelta(days=3))
    assert list(named(host_answer(view(failed)))) == ["certificate", "backup", "drift"]
    assert list(named(host_answer(view(replace(failed, certificate_ends=None))))) == ["backup", "drift"]


def test_the_figures_are_in_the_order_of_the_page() -> None:
    assert list(named(answer(record=Record(disk=Disk(1, 2, at=NOW))))) == [
        *("policy", "evicted", "persistence", "certificate", "clients", "up", "disk", "backup", "drift"),
    ]


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (Fact(FactName.DRIFT, "none"), "none"),
        (Fact(FactName.DRIFT, "none", at=NOW), "none, 09:30 ago"),
        (Fact(FactName.PERSISTENCE, "RDB", at=NOW, joint=" "), "RDB 09:30 ago"),
        (Fact(FactName.BACKUP, "", at=NOW, joint="!"), "09:30 ago"),
    ],
)
def test_an_age_follows_the_words(fact: Fact, text: str) -> None:
    assert fact.dated(fact.text, lambda at: f"{at - HOUR:%H:%M} ago") == text


def test_a_figure_has_a_label_for_people() -> None:
    assert [Fact(name, "").label for name in (FactName.UP, FactName.DRIFT)] == ["Up", "Drift"]


def test_there_are_shorter_words_if_there_is_less_room() -> None:
    assert Fact(FactName.DRIFT, "the look failed", short="failed").brief == "failed"
    assert Fact(FactName.DRIFT, "none").brief == "none"


@pytest.mark.parametrize(
    ("days", "text"), [(-1, "expired"), (0, "0 days"), (1, "1 day"), (2, "2 days"), (301, "301 days")]
)
def test_a_certificate_has_whole_days_left(days: int, text: str) -> None:
    assert days_left(days) == text


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("answer", "it failed"),
        ("loading", "it failed"),
        ("writes", "it failed"),
        ("memory", "memory: it failed"),
        ("save", "save: it failed"),
    ],
)
def test_a_reason_has_the_name_of_its_check_if_it_needs_one(check: str, text: str) -> None:
    assert reason(check, "it failed") == text


def test_jobs_wait_for_a_worker_in_three_states() -> None:
    states = {
        "wait": 1,
        "paused": 10,
        "prioritized": 100,
        "active": 1000,
        "delayed": 10000,
        "failed": 1 << 20,
    }
    assert waiting(states) == 111


def test_only_a_warning_and_worse_are_odd() -> None:
    assert [severity for severity in Severity if severity.is_odd] == [WARN, BAD]
