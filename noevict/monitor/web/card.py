"""What the page shows of one host, in words and figures that are ready to be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from noevict.monitor.asking.watched import View
from noevict.monitor.health import runbooks
from noevict.monitor.health.figures import path, size, sizes, span
from noevict.monitor.health.health import Health, Status, is_little
from noevict.server.writes import LONGEST_UP, NOEVICTION
from noevict.urgency import Urgency

SENTENCES = frozenset({"answer", "loading", "writes"})  # checks that need no name before their words
WAITING = ("wait", "paused", "prioritized")  # all of them wait for a worker
SOON = timedelta(days=30)  # a certificate is renewed from then on


@dataclass(frozen=True)
class Fact:
    """``tone``: ``warn``, ``bad``, or nothing; ``about``: what the runbook calls it (see runbooks.SECTIONS).

    ``short``: the value in the table, where there is less room.
    """

    label: str
    value: str
    tone: str = ""
    about: str = ""
    short: str = ""


@dataclass(frozen=True)
class Reason:
    """Why a host is as it is; ``about`` as of a Fact."""

    text: str
    about: str


@dataclass(frozen=True)
class Trend:
    """A figure as it is now, and its last hour: the ``d`` of an SVG path, 100 wide and 20 high."""

    label: str
    value: str
    path: str


@dataclass(frozen=True)
class Queue:
    """Jobs in a queue, by what happens to them; ``path`` is the last hour of those that wait, as in Trend.

    ``abandoned``: jobs wait, and no worker has left its mark.
    """

    name: str
    counts: tuple[tuple[str, int], ...]
    path: str
    abandoned: bool = False


@dataclass(frozen=True)
class Card:
    """One host."""

    name: str
    status: str
    urgency: Urgency
    where: str
    server: str
    reasons: tuple[Reason, ...]
    warning: str
    odd: bool  # something is not as it should be, though it is healthy perhaps
    percent: float | None  # memory used of maxmemory
    full: bool  # so much of it that somebody has to see to it: of a cache never
    unlimited: bool  # no maxmemory: the kernel kills the server where memory is full
    memory: Trend | None
    trends: tuple[Trend, ...]
    facts: tuple[Fact, ...]
    queues: tuple[Queue, ...]
    queues_failure: str
    watches_queues: bool
    certificate_days: int | None
    runbooks: str  # the base of links to them

    @cached_property
    def waiting(self) -> int | None:
        """Jobs in all its queues that wait for a worker; None where that is not known."""
        return sum(queue.counts[0][1] for queue in self.queues) if self.queues else None

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """By which the line above all hosts counts it, and shows it."""
        drift = next(fact for fact in self.facts if fact.label == "Drift")
        every = {
            "unhealthy": self.status != Status.HEALTHY,
            "full": self.full,
            "no-backup": any(fact.about == "backup" for fact in self.facts),
            "certificate": self.certificate_days is not None and self.certificate_days < SOON.days,
            "drift": drift.about == "drift",
            "jobs": bool(self.waiting),
        }
        return tuple(tag for tag, has in every.items() if has)

    @cached_property
    def names(self) -> str:
        """What somebody may search it by, in small letters."""
        return " ".join(
            (self.name, self.urgency, self.where, self.server, *(each.name for each in self.queues))
        ).lower()

    def runbook(self, about: str) -> str:
        return runbooks.link(about, self.runbooks)


def card(view: View, now: datetime) -> Card:
    """A host as it is now."""
    health = view.health
    queues = tuple(_queues(view))
    unlimited = health.number("maxmemory") == 0
    facts = (*_facts(health), *_recorded(view, now))
    host = f"[{view.target.host}]" if ":" in view.target.host else view.target.host
    return Card(
        name=view.name,
        status=str(health.status),
        urgency=health.urgency,
        where=f"{host}:{view.target.port}",
        server=_server(health),
        reasons=tuple(_reasons(health)),
        warning=health.warning or "",
        # That there is no backup does not set it apart from others: it may be so everywhere.
        odd=any(fact.tone and fact.about != "backup" for fact in facts)
        or any(queue.abandoned for queue in queues)
        or unlimited,
        unlimited=unlimited,
        percent=health.memory_percent,
        full="memory" in health.checks and health.checks["memory"].status is not Status.HEALTHY,
        memory=_memory(view),
        trends=tuple(_trends(view)),
        facts=facts,
        queues=queues,
        # A host that does not answer says so once.
        queues_failure=(health.poll.info and health.poll.queues_failure) or "",
        watches_queues=bool(view.target.queues),
        certificate_days=health.certificate_days,
        runbooks=view.target.runbooks,
    )


def rank(shown: Card) -> tuple[int, int, int]:
    """By which the worst comes first."""
    odd = 2 if shown.warning else int(shown.odd)
    # In steps: hosts that are much alike stay where they are.
    return (shown.urgency.rank, -odd, -int((shown.percent or 0) / 10))


def _server(health: Health) -> str:
    valkey, redis = health.text("valkey_version"), health.text("redis_version")
    return f"Valkey {valkey}" if valkey else f"Redis {redis}" if redis else ""


def _reasons(health: Health) -> Iterator[Reason]:
    for name, check in health.checks.items():
        if check.status is not Status.HEALTHY:
            yield Reason(f"{'' if name in SENTENCES else f'{name}: '}{check.detail}", _about(name, health))


def _about(check: str, health: Health) -> str:
    """What the runbook calls it."""
    if check == "answer" and health.stopped:
        return "stopped"
    return health.checks[check].about or check


def _memory(view: View) -> Trend | None:
    """Of a host that does not answer, how it was before."""
    used, most = view.health.number("used_memory"), view.health.number("maxmemory")
    line = path(view.lines.get("memory", ()), 100)
    if used is None:
        return Trend("Memory", "not known now", line) if line else None
    of = sizes(used, most) if most else f"{size(used)}, no maxmemory"
    return Trend("Memory", of, line)


def _trends(view: View) -> Iterator[Trend]:
    operations, seconds = view.health.number("instantaneous_ops_per_sec"), view.health.poll.seconds
    for name, label, value in (
        ("operations", "Operations", "" if operations is None else f"{operations:,}/s"),
        ("latency", "Latency", "" if seconds is None else f"{seconds * 1000:.1f} ms"),
    ):
        points = view.lines.get(name, ())
        most = max((point for point in points if point is not None), default=0)
        if value:
            yield Trend(label, value, path(points, most))


def _facts(health: Health) -> Iterator[Fact]:
    if not health.poll.info:
        return
    policy = health.policy or "not known"
    yield Fact("Policy", policy, "" if policy == NOEVICTION else "warn")
    evicted = health.evicted_lately
    lately = f"{evicted:,} in the last hour" if evicted else "none lately"
    tone = "bad" if health.checks["evictions"].status is not Status.HEALTHY else ""
    yield Fact("Evicted", lately, tone, short=f"{evicted:,}" if evicted else "none")
    yield _persistence(health)
    days = health.certificate_days
    if days is not None:
        bad = health.checks["certificate"].status is not Status.HEALTHY
        yield Fact("Certificate", "expired" if days < 0 else f"{days} days", "bad" if bad else "")
    clients = health.number("connected_clients")
    up = health.number("uptime_in_seconds")
    yield Fact("Clients", "not known" if clients is None else f"{clients:,}")
    yield Fact("Up", "not known" if up is None or up >= LONGEST_UP else span(timedelta(seconds=up)))


def _persistence(health: Health) -> Fact:
    kinds = ["AOF"] if health.number("aof_enabled") else []
    saved = health.number("rdb_last_save_time")
    if saved and saved < 1 << 36:
        ago = health.poll.at.timestamp() - saved
        kinds.append(f"RDB {span(timedelta(seconds=ago))} ago")
    failed = [name for name in ("save", "aof") if name in health.checks and health.checks[name].status.rank]
    words = " failed, ".join("AOF" if name == "aof" else "RDB" for name in failed)
    if failed:
        return Fact("Persistence", f"{words} failed", "bad")
    return Fact("Persistence", " + ".join(kinds) or "none", short=" + ".join(kind[:3] for kind in kinds))


def _recorded(view: View, now: datetime) -> Iterator[Fact]:
    backup, drift, disk = view.record.backup, view.record.drift, view.record.disk
    if disk and disk.at:
        tone = "bad" if disk.read_only else "warn" if is_little(disk.free, disk.size) else ""
        found = "read-only" if disk.read_only else f"{size(disk.free)} free"
        yield Fact("Disk", f"{found}, {span(now - disk.at)} ago", tone, "disk", found)
    yield Fact("Backup", f"{span(now - backup)} ago") if backup else Fact("Backup", "none", "warn", "backup")
    if drift is None:
        yield Fact("Drift", "not looked for yet", short="never")
        return
    ago = f"{span(now - drift.at)} ago"
    if drift.failure is not None:
        yield Fact("Drift", f"the look failed, {ago}", "warn", "look", "failed")
    elif drift.differences:
        things = "1 thing differs" if drift.differences == 1 else f"{drift.differences} things differ"
        yield Fact("Drift", f"{things}, {ago}", "warn", "drift", f"{drift.differences:,}")
    else:
        yield Fact("Drift", f"none, {ago}", short="none")


def _queues(view: View) -> Iterator[Queue]:
    for name, states in (view.health.poll.queues or {}).items():
        counts = (
            ("wait", sum(states[state] for state in WAITING)),
            *((state, states[state]) for state in ("active", "delayed", "failed")),
        )
        points = view.lines.get(name, ())
        most = max((point for point in points if point is not None), default=0)
        idle = view.health.poll.workers is not None and not view.health.poll.workers.get(name, True)
        yield Queue(name, counts, path(points, most), abandoned=idle and counts[0][1] > 0)
