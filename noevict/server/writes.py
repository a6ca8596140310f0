"""Whether a server refuses its clients' writes, why, and what to do about it. Pure.

Memory is compared as Redis does: the buffers of replicas and of the append-only file do not count
(``freeMemoryGetNotCountedMemory`` in evict.c). Refusals of the past are known because Redis counts the errors that it
answers by their first word, among them ``OOM`` and ``MISCONF``, since its start or CONFIG RESETSTAT.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from noevict.messages import one_line
from noevict.server.space import mib

OOM, MISCONF = CODES = ("OOM", "MISCONF")  # memory is full; a save or an AOF write failed
NOEVICTION = "noeviction"
MOST = 1 << 63  # no real count reaches that
LONGEST_UP = 1 << 32  # seconds; no server runs that long
# With very many codes a server counts no new ones (Redis 8), or all of them as one (Valkey): see INFO errorstats.
_GIVEN_UP = "errorstat_ERRORSTATS_"
# A kind of refusal -> the section below docs/runbooks that says what to do.
SECTIONS = {
    "writes": "memory.md#redisoutofmemoryerrors",
    "save": "persistence.md#redissavefailed",
    "aof": "persistence.md#redisaofwritefailed",
}

Info = Mapping[str, object]  # INFO's fields, as text or as redis-py parses them


@dataclass(frozen=True)
class Disk:
    """The disk of a server's data, as a look found it, in bytes. ``free``: for users other than root."""

    free: int
    size: int
    read_only: bool = False
    at: datetime | None = None  # when that was


@dataclass(frozen=True)
class Refusals:
    """How often a server had answered with each of CODES when it was looked at, without unknown codes."""

    at: datetime
    run: str  # the server's run_id
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Keys:
    """How many keys a server had; never 0."""

    at: datetime
    count: int
    missing_since: datetime | None = None  # the first look after ``at`` that found none


@dataclass(frozen=True)
class WriteRefusal:
    """Writes are refused. ``why``: a line, with the command to type; ``about``: the first of SECTIONS that it names."""

    why: str
    about: str


@dataclass(frozen=True)
class Rise:
    """How often writes were refused of late: by code, and since when, in words."""

    counts: Mapping[str, int]
    when: str


def count_refusals(errorstats: Info) -> dict[str, int]:
    """Return how often each of CODES was answered, from INFO errorstats, without codes that are not counted."""
    found = {}
    given_up = any(name.startswith(_GIVEN_UP) for name in errorstats)
    for code in CODES:
        value = errorstats.get(f"errorstat_{code}")
        if isinstance(value, Mapping):
            value = value.get("count")
        count = whole(str(value).removeprefix("count="))
        if count is not None and count < MOST:
            found[code] = count
        elif value is None and not given_up:
            found[code] = 0
    return found


def rise_since(before: Refusals | None, now: Refusals | None, up: int | None) -> Rise | None:
    """Return what was refused between two looks; None if not known. ``up``: seconds since the server started.

    If a counter fell, a restart or CONFIG RESETSTAT set it to 0: all that it counts now is new. If the run_id has
    changed, but the server was up before the first look, it is not the server that was looked at.
    """
    if before is None or now is None:
        return None
    again = before.run != now.run
    if again and (up is None or up >= LONGEST_UP or now.at - timedelta(seconds=up) < before.at):
        return None
    counts = {}
    for code, count in now.counts.items():
        counted = 0 if again else before.counts.get(code)
        if counted is not None:
            counts[code] = count - counted if count >= counted else count
    return Rise(counts, f"since {before.at:%Y-%m-%d %H:%M:%S} UTC") if counts else None


def full(info: Info) -> tuple[int, int] | None:
    """Return bytes in use and maxmemory if memory is full and nothing is evicted for new keys; else None."""
    used, limit = number(info, "used_memory"), number(info, "maxmemory")
    if used is None or not limit or info.get("maxmemory_policy", NOEVICTION) != NOEVICTION:
        return None
    used -= min(used, number(info, "mem_not_counted_for_evict") or 0)
    return (used, limit) if used >= limit else None


def full_after(info: Info, maxmemory: int, policy: str) -> bool:
    """Whether memory is still full once a run has set this maxmemory and policy."""
    return full({**info, "maxmemory": maxmemory, "maxmemory_policy": policy}) is not None


def refused(
    host: str, info: Info, rise: Rise | None, *, read_only: bool = False, misconf: bool = False
) -> WriteRefusal | None:
    """Return why a server refuses writes, or did so of late; None if nothing indicates that.

    ``read_only``: the disk of its data is read-only. ``misconf``: it answers MISCONF now.
    """
    counts = {code: count for code, count in (rise.counts if rise else {}).items() if count}
    memory, disk = full(info), read_only or misconf or MISCONF in counts
    if not (memory or disk or counts):
        return None
    when = rise.when if rise else ""
    reasons = "; ".join(_reasons(info, memory, counts, when, read_only, misconf))
    advice = dict(_advice(host, info, memory=bool(memory or OOM in counts), disk=disk, read_only=read_only))
    now = memory or read_only or misconf or (MISCONF in counts and any(_failed(info)))
    if not now:
        advice = {about: f"If it continues: {what[:1].lower()}{what[1:]}" for about, what in advice.items()}
    why = f"writes {'are' if now else 'were'} refused: {reasons}. {' '.join(advice.values())}"
    return WriteRefusal(why, next(iter(advice)))


def _reasons(
    info: Info,
    memory: tuple[int, int] | None,
    counts: Mapping[str, int],
    when: str,
    read_only: bool,
    misconf: bool,
) -> Iterable[str]:
    if memory:
        yield f"memory is full, {mib(memory[0])} of {mib(memory[1])} MiB with {NOEVICTION}"
    if read_only:
        yield "the disk of its data is mounted read-only"
    if misconf or MISCONF in counts:
        yield from _failed(info)
        if MISCONF not in counts:
            yield f"it answers {MISCONF}"
    for code, count in counts.items():
        commands = "1 command" if count == 1 else f"{count} commands"
        yield f"{commands} got {code} {when}"


def _failed(info: Info) -> Iterable[str]:
    if info.get("aof_last_write_status", "ok") != "ok":
        yield "the last AOF write failed"
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield "the last RDB save failed"


def _advice(host: str, info: Info, *, memory: bool, disk: bool, read_only: bool) -> Iterable[tuple[str, str]]:
    """Yield one of SECTIONS, and what to do in words."""
    limit = f"--limit {shlex.quote(one_line(host))}"
    if memory:
        raised = "Raise its redis_maxmemory or redis_maxmemory_percent, then: pyinfra inventory deploy.py"
        yield "writes", f"{raised} {limit} (docs/runbooks/{SECTIONS['writes']})"
    if disk:
        what = "Mount it read-write" if read_only else "Free space on the disk of its data"
        saves = (
            info.get("aof_last_write_status", "ok") == "ok" and info.get("rdb_last_bgsave_status") == "err"
        )
        about = "save" if saves else "aof"
        verify = f"{what}, then: pyinfra inventory deploys/verify.py {limit}"
        yield about, f"{verify} (docs/runbooks/{SECTIONS[about]})"


def number(info: Info, name: str) -> int | None:
    """Return a field as a whole number, 0 or more; None if it is missing or not such a number."""
    return whole(str(info.get(name)))


def whole(text: str) -> int | None:
    """Parse a number from a server, of 19 digits at most: the text may have any length."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
