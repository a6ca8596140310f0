"""Judges by a server's answers whether it is healthy, degraded or unhealthy, and why. Pure: the time is an argument.

The reasons, the worst first:

==========  ==============================================================================================
unhealthy   no answer in time, a password or certificate not accepted, still loading, writes refused:
            clients cannot work
degraded    memory over 90 % of maxmemory, the last save or AOF write failed, less than 14 days of the
            certificate left, keys evicted in the last hour: clients cannot work for long, or lose data (for a
            cache, which should evict, neither memory nor evictions count)
healthy     everything else; an eviction policy other than ``noeviction`` is a warning in itself
==========  ==============================================================================================
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from noevict.messages import one_line
from noevict.server.writes import CODES, NOEVICTION, Refusals, Rise, count_refusals, number, refused
from noevict.urgency import Urgency, urgency

MEMORY_PERCENT = 90
LITTLE_PERCENT = 10  # of the data's disk are free
CERTIFICATE_DAYS = 14
_LONGEST = 60  # characters of a value from a server

Info = Mapping[str, str]  # INFO's fields, as text
# The sections of INFO that we ask for, and the fields of them that we keep: a server may send many more.
SECTIONS = ("server", "clients", "memory", "persistence", "stats", "replication")
FIELDS = frozenset(
    {
        *("redis_version", "valkey_version", "run_id", "uptime_in_seconds", "role"),
        *("connected_clients", "blocked_clients", "rejected_connections", "instantaneous_ops_per_sec"),
        *("used_memory", "mem_not_counted_for_evict", "maxmemory", "maxmemory_policy", "evicted_keys"),
        *("loading", "async_loading", "loading_loaded_perc"),
        *("rdb_last_save_time", "rdb_last_bgsave_status", "rdb_changes_since_last_save"),
        *("aof_enabled", "aof_last_write_status", "aof_last_bgrewrite_status"),
    }
)
REFUSALS = {code: f"errorstat_{code}" for code in CODES}  # their fields: a number, if it is known
_LONGEST_KEPT = 200  # characters of a field's value


class Status(enum.StrEnum):
    """How well a host is. The worst of several is their ``max`` by ``rank``."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"

    @property
    def rank(self) -> int:
        return list(Status).index(self)


@dataclass(frozen=True)
class Poll:
    """The result of asking a host once. ``failure``: why it gave no answer, in a line; ``info`` may be there even so.

    ``queues`` is None if they were not read; if they should have been, ``queues_failure`` says why.
    """

    at: datetime
    info: Info = field(default_factory=dict)
    seconds: float | None = None  # from PING to PONG
    certificate_ends: datetime | None = None
    failure: str | None = None
    queues: Mapping[str, Mapping[str, int]] | None = None  # queue -> state -> jobs
    queues_failure: str | None = None
    workers: Mapping[str, bool] | None = None  # queue -> whether the mark of a worker that runs is there
    misconf: bool = False  # PING was refused with MISCONF, as writes are
    stopped: bool = False  # nothing listens there


@dataclass(frozen=True)
class Check:
    """The result of one check, with its details in words. ``about``: its runbook, if it is not the check's name."""

    status: Status
    detail: str
    about: str = ""


@dataclass(frozen=True)
class Health:
    """The health of a host. ``checks`` are by name; ``status`` is the worst of them."""

    poll: Poll
    status: Status
    checks: Mapping[str, Check]
    evicted_lately: int  # keys, in the last hour

    @property
    def error(self) -> str | None:
        """Why the host is unhealthy, in a line."""
        return next((each.detail for each in self.checks.values() if each.status is Status.UNHEALTHY), None)

    @property
    def stopped(self) -> bool | None:
        """Whether nothing listens there; None if not known."""
        return True if self.poll.stopped else False if self.poll.info else None

    @property
    def writes_refused(self) -> bool | None:
        """Whether clients' writes are refused; None if not known."""
        check = self.checks.get("writes")
        return None if check is None else check.status is Status.UNHEALTHY

    @property
    def urgency(self) -> Urgency:
        return urgency(self.status, stopped=self.poll.stopped, refuses_writes=bool(self.writes_refused))

    @property
    def policy(self) -> str | None:
        """maxmemory-policy; None if not known."""
        policy = self.poll.info.get("maxmemory_policy")
        return policy and one_line(policy)[:_LONGEST]

    @property
    def warning(self) -> str | None:
        """The warning about the eviction policy, in the words that users' dashboards know."""
        if self.policy in {None, NOEVICTION}:
            return None
        return (
            f"Redis eviction policy is '{self.policy}'. For microservices with job queues, consider using "
            "'noeviction' to prevent data loss."
        )

    @property
    def memory_percent(self) -> float | None:
        """Used memory in percent of maxmemory; None if there is no maxmemory."""
        return memory_percent(self.poll.info)

    @property
    def certificate_days(self) -> int | None:
        """Whole days that the served certificate has left; below 0 once it has ended."""
        ends = self.poll.certificate_ends
        return None if ends is None else (ends - self.poll.at) // timedelta(days=1)

    def number(self, name: str) -> int | None:
        """Return a field of INFO."""
        return number(self.poll.info, name)

    def text(self, name: str) -> str | None:
        """Return a field of INFO, as a line of text that can be shown."""
        value = self.poll.info.get(name)
        return None if value is None else one_line(value)[:_LONGEST]


def judge(
    poll: Poll, evicted_lately: int = 0, rise: Rise | None = None, *, host: str = "HOST", cache: bool = False
) -> Health:
    """Judge a host by its answers, with so many keys evicted in the last hour.

    ``rise``: writes refused of late, None if not known. ``cache``: the host is meant to evict.
    """
    evicts = cache and poll.info.get("maxmemory_policy", NOEVICTION) != NOEVICTION
    found = _checks(poll, evicted_lately, _writes(poll, rise, host), evicts=evicts)
    checks = {name: check for name, check in found if check}
    status = max((check.status for check in checks.values()), key=lambda status: status.rank)
    return Health(poll, status, checks, evicted_lately)


def parse_refusals(text: str) -> dict[str, str]:
    """Return the REFUSALS of a reply to INFO errorstats, without those that are not known."""
    fields = {name: value for name, _, value in (line.partition(":") for line in text.splitlines())}
    return {REFUSALS[code]: str(count) for code, count in count_refusals(fields).items()}


def write_refusals(poll: Poll) -> Refusals:
    """Return how often the server had refused writes when it was asked."""
    counts = {code: number(poll.info, field) for code, field in REFUSALS.items()}
    known = {code: count for code, count in counts.items() if count is not None}
    return Refusals(poll.at, poll.info.get("run_id", ""), known)


def parse_info(text: str) -> dict[str, str]:
    """Return the FIELDS of an INFO reply. Anything else in the text is left out, and raises no error."""
    fields = (line.partition(":") for line in text.splitlines())
    return {name: value[:_LONGEST_KEPT] for name, colon, value in fields if colon and name in FIELDS}


def is_little(free: int, size: int) -> bool:
    """Whether little of a disk is free. Both are bytes."""
    return 100 * free < LITTLE_PERCENT * size


def memory_percent(info: Info) -> float | None:
    used, most = number(info, "used_memory"), number(info, "maxmemory")
    return 100 * used / most if used is not None and most else None


def _checks(
    poll: Poll, evicted: int, writes: Check | None, *, evicts: bool
) -> Iterator[tuple[str, Check | None]]:
    info = poll.info
    yield "answer", _answer(poll)
    if info:
        yield "loading", _loading(info)
        yield "writes", writes
        yield "memory", _memory(info, evicts=evicts)
        yield "save", _last(info, "rdb_last_bgsave_status", "the last RDB save")
        yield "aof", _aof(info)
        yield "evictions", _evictions(evicted, evicts=evicts)
    if poll.certificate_ends:
        yield "certificate", _certificate(poll.certificate_ends - poll.at)


def _answer(poll: Poll) -> Check:
    if poll.failure is not None:
        return Check(Status.UNHEALTHY, poll.failure)
    return Check(Status.HEALTHY, "answers")


def _loading(info: Info) -> Check:
    if info.get("loading", "0") == "0" and info.get("async_loading", "0") == "0":
        return Check(Status.HEALTHY, "has its data")
    done = info.get("loading_loaded_perc", "")
    far = f", {done} %" if done.replace(".", "", 1).isdecimal() and len(done) < 10 else ""
    return Check(Status.UNHEALTHY, f"is loading its data{far}")


def _writes(poll: Poll, rise: Rise | None, host: str) -> Check | None:
    """Return None if nothing is known. While it loads its data it takes no write: ``loading`` reports that."""
    info = poll.info
    if _loading(info).status is not Status.HEALTHY or (rise is None and "used_memory" not in info):
        return None
    if found := refused(host, info, rise, misconf=poll.misconf):
        return Check(Status.UNHEALTHY, found.why, found.about)
    counted = f"none refused {rise.when}" if rise else "refusals before this look are not known"
    return Check(Status.HEALTHY, f"are taken, {counted}")


def _memory(info: Info, *, evicts: bool) -> Check | None:
    percent = memory_percent(info)
    if percent is None:
        return None
    status = Status.DEGRADED if percent > MEMORY_PERCENT and not evicts else Status.HEALTHY
    return Check(status, f"{percent:.1f} % of maxmemory used")


def _last(info: Info, name: str, what: str) -> Check | None:
    status = info.get(name)
    if status is None:
        return None
    fine = status == "ok"
    return Check(Status.HEALTHY if fine else Status.DEGRADED, f"{what} {'went well' if fine else 'failed'}")


def _aof(info: Info) -> Check | None:
    """Judge the last AOF write, and the last rewrite if it failed; None if AOF is off."""
    if info.get("aof_enabled", "0") == "0":
        return None
    written = _last(info, "aof_last_write_status", "the last AOF write")
    rewritten = _last(info, "aof_last_bgrewrite_status", "the last AOF rewrite")
    failed = (check for check in (written, rewritten) if check and check.status is not Status.HEALTHY)
    return next(failed, written)


def _evictions(evicted: int, *, evicts: bool) -> Check:
    if not evicted:
        return Check(Status.HEALTHY, "none in the last hour")
    keys = "1 key" if evicted == 1 else f"{evicted} keys"
    return Check(Status.HEALTHY if evicts else Status.DEGRADED, f"{keys} evicted in the last hour")


def _certificate(left: timedelta) -> Check:
    days = left // timedelta(days=1)
    if days < 0:
        return Check(Status.DEGRADED, "has expired")
    ends = f"ends in {days} days" if days != 1 else "ends in 1 day"
    return Check(Status.DEGRADED if left < timedelta(days=CERTIFICATE_DAYS) else Status.HEALTHY, ends)
