"""Whether a server refuses writes: by its memory, its disk, and what it counted since it was looked at last."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from noevict.server.writes import (
    SECTIONS,
    Disk,
    Refusals,
    Rise,
    count_refusals,
    full,
    full_after,
    number,
    refused,
    rise_since,
    whole,
)

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
MIB = 1 << 20
WELL = {
    "used_memory": 100 * MIB,
    "maxmemory": 200 * MIB,
    "maxmemory_policy": "noeviction",
    "mem_not_counted_for_evict": 0,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
}


@pytest.mark.parametrize(
    ("errorstats", "counts"),
    [
        ({}, {"OOM": 0, "MISCONF": 0}),
        ({"errorstat_OOM": "count=12"}, {"OOM": 12, "MISCONF": 0}),
        ({"errorstat_OOM": {"count": 12}, "errorstat_MISCONF": {"count": 3}}, {"OOM": 12, "MISCONF": 3}),
        (
            {"errorstat_OOM": f"count={1 << 63}", "errorstat_MISCONF": f"count={(1 << 63) - 1}"},
            {"MISCONF": (1 << 63) - 1},
        ),
        ({"errorstat_OOM": "many", "errorstat_MISCONF": {"count": -1}}, {}),
        # Redis 8 with more than 128 codes, and Valkey: what is not listed is not known.
        ({"errorstat_ERRORSTATS_DISABLED": "count=1"}, {}),
        ({"errorstat_ERRORSTATS_OVERFLOW": "count=9", "errorstat_OOM": "count=2"}, {"OOM": 2}),
    ],
)
def test_what_is_not_counted_is_not_known(
    errorstats: Mapping[str, object], counts: Mapping[str, int]
) -> None:
    assert count_refusals(errorstats) == counts


def look(run: str = "a", at: datetime = NOW, **counts: int) -> Refusals:
    return Refusals(at, run, counts)


@pytest.mark.parametrize(
    ("before", "now", "up", "counts"),
    [
        (look(OOM=5), look(OOM=5, at=NOW + HOUR), 86400, {"OOM": 0}),
        (look(OOM=5), look(OOM=7, at=NOW + HOUR), 86400, {"OOM": 2}),
        # CONFIG RESETSTAT: it fell, and what it has now came since.
        (look(OOM=5), look(OOM=0, at=NOW + HOUR), 86400, {"OOM": 0}),
        (look(OOM=5), look(OOM=2, at=NOW + HOUR), 86400, {"OOM": 2}),
        # A restart since, whatever the counter.
        (look(OOM=5), look("b", OOM=0, at=NOW + HOUR), 60, {"OOM": 0}),
        (look(OOM=5), look("b", OOM=9, at=NOW + HOUR), 60, {"OOM": 9}),
        # Another server of that name: of another hosts.yml.
        (
            look(OOM=5),
            look("b", OOM=9, at=NOW + HOUR),
            3600,
            {"OOM": 9},
        ),  # it started as the other was looked at
        (look(OOM=5), look("b", OOM=9, at=NOW + HOUR), 3601, None),
        (look(OOM=5), look("b", OOM=9, at=NOW + HOUR), 86400, None),
        (look(OOM=5), look("b", OOM=9, at=NOW + HOUR), None, None),
        (look(OOM=5), look("b", OOM=9, at=NOW + HOUR), 10**15, None),  # no date is so old
        # No server has run for 136 years: one that says so is not believed.
        (look(at=LONG_AGO, OOM=5), look("b", OOM=9), (1 << 32) - 1, {"OOM": 9}),
        (look(at=LONG_AGO, OOM=5), look("b", OOM=9), 1 << 32, None),
        # A code that was not known then, or is not now.
        (look(OOM=5), look(OOM=5, MISCONF=3, at=NOW + HOUR), 86400, {"OOM": 0}),
        (look(), look(OOM=5, at=NOW + HOUR), 86400, None),
        (look(OOM=5), look(at=NOW + HOUR), 86400, None),
        (None, look(OOM=5), 86400, None),
        (look(OOM=5), None, 86400, None),
    ],
)
def test_only_what_came_since_the_last_look_counts(
    before: Refusals | None, now: Refusals | None, up: int | None, counts: dict[str, int] | None
) -> None:
    rise = rise_since(before, now, up)
    assert (rise and dict(rise.counts)) == counts
    assert rise is None or rise.when.startswith("since ")


def test_since_when_it_was_refused_is_reported_in_utc() -> None:
    rise = rise_since(look(OOM=5), look(OOM=7, at=NOW + HOUR), 86400)
    assert rise
    assert rise.when == "since 2026-01-15 10:30:00 UTC"


@pytest.mark.parametrize(
    ("text", "number_"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 19, 10**19 - 1),
        ("9" * 20, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1e3", None),
        ("\u0661", None),  # a digit, and none of ASCII's
        ("²", None),
    ],
)
def test_a_number_of_a_servers_is_whole_and_not_without_end(text: str, number_: int | None) -> None:
    assert whole(text) == number_
    assert number({"field": text}, "field") == number_
    assert number({}, "field") is None


@pytest.mark.parametrize(
    ("info", "is_full"),
    [
        ({}, False),
        ({"used_memory": 200 * MIB - 1}, False),
        ({"used_memory": 200 * MIB}, True),
        ({"used_memory": str(200 * MIB), "maxmemory": str(200 * MIB)}, True),
        # What replicas and the append-only file have in their buffers does not count: evict.c.
        ({"used_memory": 201 * MIB, "mem_not_counted_for_evict": 2 * MIB}, False),
        ({"used_memory": 203 * MIB, "mem_not_counted_for_evict": 2 * MIB}, True),
        ({"used_memory": 1, "mem_not_counted_for_evict": 2 * MIB, "maxmemory": 1}, False),
        # A cache makes room; without a limit there is none to reach.
        ({"used_memory": 201 * MIB, "maxmemory_policy": "allkeys-lru"}, False),
        ({"used_memory": 201 * MIB, "maxmemory": 0}, False),
        ({"used_memory": "no number"}, False),
        ({"used_memory": 200 * MIB, "mem_not_counted_for_evict": None}, True),
        ({"used_memory": 200 * MIB, "maxmemory_policy": None}, False),
    ],
)
def test_memory_is_full_if_redis_would_refuse_a_write(info: Mapping[str, object], is_full: bool) -> None:
    assert (full({**WELL, **info}) is not None) is is_full
    assert bool(refused("a", {**WELL, **info}, None)) is is_full


def test_a_server_that_reports_no_policy_has_its_default() -> None:
    assert full({"used_memory": 7, "maxmemory": 5}) == (7, 5)
    assert full({"used_memory": 7, "maxmemory": 5, "mem_not_counted_for_evict": 1}) == (6, 5)
    assert not Disk(1, 2).read_only


RAISE = (
    "aise its redis_maxmemory or redis_maxmemory_percent, then: pyinfra inventory deploy.py --limit cache-1 "
    "(docs/runbooks/memory.md#redisoutofmemoryerrors)"
)
VERIFY = "pyinfra inventory deploys/verify.py --limit cache-1 (docs/runbooks/persistence.md#"
LATE = "in the last minute"


@pytest.mark.parametrize(
    ("info", "rise", "how", "reported"),
    [
        ({}, None, {}, ""),
        ({}, Rise({"OOM": 0, "MISCONF": 0}, LATE), {}, ""),
        (
            {"used_memory": 200 * MIB},
            Rise({"OOM": 1}, LATE),
            {},
            f"memory is full, 200 of 200 MiB with noeviction; 1 command got OOM in the last minute. R{RAISE}",
        ),
        (
            {"used_memory": 210 * MIB + 1},
            None,
            {},
            f"memory is full, 211 of 200 MiB with noeviction. R{RAISE}",
        ),
        (
            {"used_memory": 200 * MIB, "aof_last_write_status": "err"},
            Rise({"MISCONF": 2}, LATE),
            {},
            "memory is full, 200 of 200 MiB with noeviction; the last AOF write failed; "
            f"2 commands got MISCONF in the last minute. R{RAISE} "
            f"Free space on the disk of its data, then: {VERIFY}redisaofwritefailed)",
        ),
        (
            {"aof_last_write_status": "err", "rdb_last_bgsave_status": "err"},
            Rise({"MISCONF": 2}, LATE),
            {"misconf": True},
            "the last AOF write failed; the last RDB save failed; 2 commands got MISCONF in the last minute. "
            f"Free space on the disk of its data, then: {VERIFY}redisaofwritefailed)",
        ),
        (
            {},  # whatever it was, it is over
            Rise({"MISCONF": 2}, LATE),
            {},
            "2 commands got MISCONF in the last minute. "
            f"If it continues: free space on the disk of its data, then: {VERIFY}redisaofwritefailed)",
        ),
        (
            {"rdb_last_bgsave_status": "err"},
            Rise({"OOM": 2}, LATE),
            {},
            f"2 commands got OOM in the last minute. If it continues: r{RAISE}",
        ),
        (
            {},
            Rise({"OOM": 12, "MISCONF": 0}, LATE),
            {},
            f"12 commands got OOM in the last minute. If it continues: r{RAISE}",
        ),
        (
            {"maxmemory_policy": "volatile-lru"},  # and no key may go
            Rise({"OOM": 12}, LATE),
            {},
            f"12 commands got OOM in the last minute. If it continues: r{RAISE}",
        ),
        (
            {"aof_last_write_status": "err"},
            Rise({"MISCONF": 2}, LATE),
            {},
            "the last AOF write failed; 2 commands got MISCONF in the last minute. "
            f"Free space on the disk of its data, then: {VERIFY}redisaofwritefailed)",
        ),
        (
            {"rdb_last_bgsave_status": "err"},
            None,
            {"misconf": True},
            "the last RDB save failed; it answers MISCONF. "
            f"Free space on the disk of its data, then: {VERIFY}redissavefailed)",
        ),
        (
            {},
            None,
            {"read_only": True},
            "the disk of its data is mounted read-only. "
            f"Mount it read-write, then: {VERIFY}redisaofwritefailed)",
        ),
    ],
)
def test_why_and_what_to_type_is_one_line(
    info: Mapping[str, object], rise: Rise | None, how: dict[str, bool], reported: str
) -> None:
    found = refused("cache-1", {**WELL, **info}, rise, **how)
    are = "were" if "If it continues" in reported else "are"
    assert (found.why if found else "") == (f"writes {are} refused: {reported}" if reported else "")
    if found:
        assert SECTIONS[found.about] in found.why


def test_a_server_that_reports_nothing_of_its_saves_has_not_failed_any() -> None:
    found = refused("cache-1", {}, None, misconf=True)
    assert found
    assert found.why.startswith("writes are refused: it answers MISCONF. Free space on the disk")
    assert found.about == "aof"
    failed = refused("cache-1", {"rdb_last_bgsave_status": "err"}, None, misconf=True)
    assert failed
    assert failed.about == "save"


def test_what_to_do_has_a_section_of_its_own() -> None:
    assert SECTIONS == {
        "writes": "memory.md#redisoutofmemoryerrors",
        "save": "persistence.md#redissavefailed",
        "aof": "persistence.md#redisaofwritefailed",
    }


def test_a_failed_save_for_which_nothing_is_refused_is_no_refusal() -> None:
    assert refused("a", {**WELL, "rdb_last_bgsave_status": "err"}, Rise({"MISCONF": 0}, LATE)) is None


def test_a_name_of_a_host_is_one_word_of_the_command_to_type() -> None:
    found = refused("a b; c", {**WELL, "used_memory": 200 * MIB}, None)
    assert found
    assert "--limit 'a b; c' (" in found.why


@pytest.mark.parametrize(
    ("maxmemory", "policy", "still"),
    [
        (100 * MIB, "noeviction", True),  # what is due is about something else
        (101 * MIB, "noeviction", False),
        (99 * MIB, "allkeys-lru", False),
        (99 * MIB, "noeviction", True),
    ],
)
def test_a_full_memory_is_full_after_a_run_that_gives_it_neither_more_nor_a_policy_that_evicts(
    maxmemory: int, policy: str, still: bool
) -> None:
    info = {**WELL, "maxmemory": 100 * MIB}
    assert full_after(info, maxmemory, policy) is still
    assert full_after({**info, "maxmemory_policy": "allkeys-lru"}, maxmemory, policy) is still
