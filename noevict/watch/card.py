"""What the page shows of one host, in words and figures that are ready to be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from noevict.watch.health import NOEVICTION, Health, Status
from noevict.watch.history import POINTS
from noevict.watch.watched import View

WAITING = ("wait", "paused", "prioritized")  # all of them wait for a worker
SOON = timedelta(days=30)  # a certificate is renewed from then on
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Fact:
    """``tone``: ``good``, ``warn``, ``bad``, or nothing."""

    label: str
    value: str
    tone: str = ""


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
    where: str
    server: str
    reasons: tuple[str, ...]
    warning: str
    odd: bool  # something is not as it should be, though it is healthy perhaps
    percent: float | None  # memory used of maxmemory
    unlimited: bool  # no maxmemory: the kernel kills the server where memory is full
    memory: Trend | None
    trends: tuple[Trend, ...]
    facts: tuple[Fact, ...]
    queues: tuple[Queue, ...]
    queues_failure: str


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
        where=f"{host}:{view.target.port}",
        server=_server(health),
        reasons=tuple(_reasons(health)),
        warning=health.warning or "",
        odd=any(fact.tone for fact in facts) or any(queue.abandoned for queue in queues) or unlimited,
        unlimited=unlimited,
        percent=health.memory_percent,
        memory=_memory(view),
        trends=tuple(_trends(view)),
        facts=facts,
        queues=queues,
        queues_failure=health.poll.queues_failure or "",
    )


def rank(shown: Card) -> tuple[int, int, int]:
    """By which the worst comes first."""
    odd = 2 if shown.warning else int(shown.odd)
    # In steps: hosts that are much alike stay where they are.
    return (-Status(shown.status).rank, -odd, -int((shown.percent or 0) / 10))


def size(number: int) -> str:
    """``1.2 GiB``."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 100 or not unit else f"{value:.1f} {_UNITS[unit]}"


def span(time: timedelta) -> str:
    """``3 h``: whole, and at least ``0 s``."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def path(points: Sequence[float | None], most: float) -> str:
    """A line through them, 100 wide and 20 high, with gaps; a point alone is a short dash."""
    parts, before = [], False
    for number, value in enumerate(points):
        if value is None:
            before = False
            continue
        x, y = 100 * number / POINTS, 20 - 19 * min(1.0, value / most if most else 0.0)
        parts.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}{'' if before else 'h.8'}")
        before = True
    return "".join(parts)


def _server(health: Health) -> str:
    valkey, redis = health.text("valkey_version"), health.text("redis_version")
    return f"Valkey {valkey}" if valkey else f"Redis {redis}" if redis else ""


def _reasons(health: Health) -> Iterator[str]:
    for name, check in health.checks.items():
        if check.status is not Status.HEALTHY:
            about = "" if name in {"answer", "loading"} else f"{name}: "
            yield f"{about}{check.detail}"


def _memory(view: View) -> Trend | None:
    """Of a host that does not answer, how it was before."""
    used, most = view.health.number("used_memory"), view.health.number("maxmemory")
    line = path(view.lines.get("memory", ()), 100)
    if used is None:
        return Trend("Memory", "not known now", line) if line else None
    of = f"{size(used)} of {size(most)}" if most else f"{size(used)}, no maxmemory"
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
    yield Fact(
        "Evicted", f"{evicted:,} in the last hour" if evicted else "none lately", "bad" if evicted else ""
    )
    yield _persistence(health)
    days = health.certificate_days
    if days is not None:
        bad = health.checks["certificate"].status is not Status.HEALTHY
        yield Fact("Certificate", "expired" if days < 0 else f"{days} days", "bad" if bad else "")
    clients = health.number("connected_clients")
    up = health.number("uptime_in_seconds")
    yield Fact("Clients", "not known" if clients is None else f"{clients:,}")
    yield Fact("Up", "not known" if up is None else span(timedelta(seconds=up)))


def _persistence(health: Health) -> Fact:
    kinds = ["AOF"] if health.number("aof_enabled") else []
    saved = health.number("rdb_last_save_time")
    if saved and saved < 1 << 36:
        ago = health.poll.at.timestamp() - saved
        kinds.append(f"RDB {span(timedelta(seconds=ago))} ago")
    failed = [name for name in ("save", "aof") if name in health.checks and health.checks[name].status.rank]
    words = " failed, ".join("AOF" if name == "aof" else "RDB" for name in failed)
    return Fact(
        "Persistence", f"{words} failed" if failed else " + ".join(kinds) or "none", "bad" if failed else ""
    )


def _recorded(view: View, now: datetime) -> Iterator[Fact]:
    backup, drift = view.record.backup, view.record.drift
    yield Fact("Backup", f"{span(now - backup)} ago" if backup else "none on record")
    if drift is None:
        yield Fact("Drift", "not looked for yet")
        return
    ago = f"{span(now - drift.at)} ago"
    if drift.failure is not None:
        yield Fact("Drift", f"the look failed, {ago}", "warn")
    elif drift.differences:
        things = "1 thing differs" if drift.differences == 1 else f"{drift.differences} things differ"
        yield Fact("Drift", f"{things}, {ago}", "warn")
    else:
        yield Fact("Drift", f"none, {ago}")


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
