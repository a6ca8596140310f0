"""What the page shows of one host: its figures (see health/facts.py), lines, queues and links."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from noevict.monitor.asking.watched import View
from noevict.monitor.health import runbooks
from noevict.monitor.health.facts import Answer, Fact, FactName, Severity, facts, memory, reason, waiting
from noevict.monitor.health.figures import path, span
from noevict.monitor.health.health import Health, Status
from noevict.monitor.web.answers import host_answer
from noevict.pki.validity import RENEW_DAYS
from noevict.urgency import Urgency


@dataclass(frozen=True)
class Reason:
    """Why a host is not healthy; ``about`` as in a Fact."""

    text: str
    about: str


@dataclass(frozen=True)
class Trend:
    """A figure now, and its last hour as the ``d`` of an SVG path, 100 wide and 20 high."""

    label: str
    value: str
    path: str
    severity: Severity = Severity.GOOD


@dataclass(frozen=True)
class Queue:
    """The jobs of a queue, by what happens to them; ``path`` is the last hour of the waiting ones, as in Trend.

    ``abandoned``: jobs wait, and no worker has left its mark.
    """

    name: str
    counts: tuple[tuple[str, int], ...]
    path: str
    abandoned: bool = False


@dataclass(frozen=True)
class Card:
    """What the page shows of one host."""

    name: str
    status: str
    urgency: Urgency
    where: str
    server: str
    reasons: tuple[Reason, ...]
    warning: str
    odd: bool  # something is not as it should be, although the host may be healthy
    percent: float | None  # memory used of maxmemory
    unlimited: bool  # no maxmemory: the kernel kills the server when memory is full
    memory: Trend | None
    trends: tuple[Trend, ...]
    facts: tuple[Fact, ...]
    queues: tuple[Queue, ...]
    queues_failure: str
    watches_queues: bool
    certificate_days: int | None
    runbooks: str  # the base of links to them
    now: datetime  # the time that ages count to

    @cached_property
    def waiting(self) -> int | None:
        """Jobs in all its queues that wait for a worker; None if not known."""
        return sum(queue.counts[0][1] for queue in self.queues) if self.queues else None

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags by which the line above all hosts counts this host, and filters."""
        drift = next(fact for fact in self.facts if fact.name is FactName.DRIFT)
        every = {
            "unhealthy": self.status != Status.HEALTHY,
            "full": self.memory is not None and self.memory.severity is Severity.BAD,
            "no-backup": any(fact.about == "backup" for fact in self.facts),
            "certificate": self.certificate_days is not None and self.certificate_days < RENEW_DAYS,
            "drift": drift.about == "drift",
            "jobs": bool(self.waiting),
        }
        return tuple(tag for tag, has in every.items() if has)

    @cached_property
    def names(self) -> str:
        """The text that a search for this host matches, in lower case."""
        return " ".join(
            (self.name, self.urgency, self.where, self.server, *(each.name for each in self.queues))
        ).lower()

    def runbook(self, about: str) -> str:
        return runbooks.link(about, self.runbooks)

    def value(self, fact: Fact) -> str:
        """Return ``none, 3 h ago``."""
        return fact.dated(fact.text, self._ago)

    def brief(self, fact: Fact) -> str:
        """Return the value for the table: an age only if there is nothing else."""
        return fact.brief or self.value(fact)

    def _ago(self, at: datetime) -> str:
        return f"{span(self.now - at)} ago"


def card(view: View, now: datetime) -> Card:
    """Return a host's card as of now."""
    health, answer = view.health, host_answer(view)
    queues = tuple(_queues(view))
    unlimited = answer["maxMemory"] == 0
    found = tuple(facts(answer))
    host = f"[{view.endpoint.host}]" if ":" in view.endpoint.host else view.endpoint.host
    return Card(
        name=view.name,
        status=str(health.status),
        urgency=health.urgency,
        where=f"{host}:{view.endpoint.port}",
        server=_server(health),
        reasons=tuple(_reasons(health)),
        warning=health.warning or "",
        # A missing backup does not make a host odd: it may be missing everywhere.
        odd=any(fact.severity.is_odd and fact.about != "backup" for fact in found)
        or any(queue.abandoned for queue in queues)
        or unlimited,
        unlimited=unlimited,
        percent=answer["usedMemoryPercent"],
        memory=_memory(view, answer),
        trends=tuple(_trends(view)),
        facts=found,
        queues=queues,
        # For a host that does not answer one reason is enough.
        queues_failure=(health.poll.info and health.poll.queues_failure) or "",
        watches_queues=bool(view.endpoint.queues),
        certificate_days=health.certificate_days,
        runbooks=view.endpoint.runbooks,
        now=now,
    )


def rank(host: Card) -> tuple[int, int, int]:
    """Return a key that sorts the worst first."""
    odd = 2 if host.warning else int(host.odd)
    # In steps, so that hosts with similar figures keep their places.
    return (host.urgency.rank, -odd, -int((host.percent or 0) / 10))


def _server(health: Health) -> str:
    valkey, redis = health.text("valkey_version"), health.text("redis_version")
    return f"Valkey {valkey}" if valkey else f"Redis {redis}" if redis else ""


def _reasons(health: Health) -> Iterator[Reason]:
    for name, check in health.checks.items():
        if check.status is not Status.HEALTHY:
            yield Reason(reason(name, check.detail), _about(name, health))


def _about(check: str, health: Health) -> str:
    """Return the name of a check in runbooks.SECTIONS."""
    if check == "answer" and health.stopped:
        return "stopped"
    return health.checks[check].about or check


def _memory(view: View, answer: Answer) -> Trend | None:
    """Return the memory used; for a host that does not answer, its last hour."""
    line = path(view.lines.get("memory", ()), 100)
    if fact := memory(answer):
        return Trend(fact.label, fact.text, line, fact.severity)
    return Trend("Memory", "not known now", line, Severity.UNKNOWN) if line else None


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


def _queues(view: View) -> Iterator[Queue]:
    for name, states in (view.health.poll.queues or {}).items():
        counts = (
            ("wait", waiting(states)),
            *((state, states[state]) for state in ("active", "delayed", "failed")),
        )
        points = view.lines.get(name, ())
        most = max((point for point in points if point is not None), default=0)
        idle = view.health.poll.workers is not None and not view.health.poll.workers.get(name, True)
        yield Queue(name, counts, path(points, most), abandoned=idle and counts[0][1] > 0)
