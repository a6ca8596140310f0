"""One host that is asked again and again: its last known state, and its last hour."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from noevict.fleet.endpoint import Endpoint
from noevict.fleet.records import NOTHING, Record
from noevict.monitor.asking.poll import Asker
from noevict.monitor.health.facts import reason, waiting
from noevict.monitor.health.health import Health, Poll, Status, judge, write_refusals
from noevict.monitor.health.history import Evictions, Line
from noevict.server.writes import Refusals, Rise, number, rise_since

LATELY = 60.0  # seconds for which a refused write counts; longer if the host is not asked so often
log = logging.getLogger("noevict")
log.addHandler(logging.NullHandler())  # `noevict serve` says where the log goes


@dataclass(frozen=True)
class View:
    """What is known of a host. ``lines``: an hour of some figures, the oldest first; None if there was none."""

    endpoint: Endpoint
    health: Health
    record: Record = NOTHING
    lines: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.endpoint.name


class Watched:
    """One host and its last known state."""

    def __init__(self, asker: Asker) -> None:
        self.asker, self.endpoint = asker, asker.endpoint
        self.health = judge(Poll(datetime.now(UTC), failure="was not looked at yet"))
        self.asked = 0.0  # when the last poll ended, of time.monotonic(); 0: never
        self.lines = {name: Line() for name in ("memory", "operations", "latency", *self.endpoint.queues)}
        self._evictions = Evictions()
        # How often it had refused writes at the last poll that reported it.
        self._counted: Refusals | None = None
        # When it was polled, and how often it had refused writes since the poll before.
        self._refusals: deque[tuple[float, Mapping[str, int]]] = deque()
        self._under_way: asyncio.Task[None] | None = None

    def poll(self) -> "asyncio.Task[None]":
        """Return the poll under way, or a new one."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._poll())
        return self._under_way

    async def poll_again(self) -> None:
        """Wait for a poll that begins now: the one under way may have been answered before."""
        if self._under_way is not None and not self._under_way.done():
            await asyncio.wait([self._under_way])
        await asyncio.wait([self.poll()])

    async def _poll(self) -> None:
        try:
            self._take(await self.asker.poll(), time.monotonic())
        except Exception as error:  # a server that answers nonsense must not fail the other hosts
            log.exception("%s: polling it", self.endpoint.name)
            failure = f"could not be asked: {type(error).__name__}"
            self._take(Poll(datetime.now(UTC), failure=failure), time.monotonic())

    def _take(self, poll: Poll, now: float) -> None:
        self._evictions.add(now, poll.info)
        before = self.health
        self.health = judge(
            poll,
            self._evictions.lately(now),
            self._refused(poll, now),
            host=self.endpoint.name,
            cache=self.endpoint.cache,
        )
        figures = {
            "memory": self.health.memory_percent,
            "operations": self.health.number("instantaneous_ops_per_sec"),
            "latency": None if poll.seconds is None else poll.seconds * 1000,
        }
        for queue, states in (poll.queues or {}).items():
            figures[queue] = waiting(states)
        for name, line in self.lines.items():
            line.add(now, figures.get(name))
        if before.status is not self.health.status and (
            self.asked or self.health.status is not Status.HEALTHY
        ):
            log.warning("%s: %s", self.endpoint.name, summary(self.health))
        self.asked = now

    def _refused(self, poll: Poll, now: float) -> Rise | None:
        """Count the writes refused in the last minute. None if not known: the first poll is only the baseline."""
        counted = write_refusals(poll)
        if not counted.counts:
            return None
        before, self._counted = self._counted, counted
        rise = rise_since(before, counted, number(poll.info, "uptime_in_seconds"))
        while self._refusals and self._refusals[0][0] <= now - LATELY:
            self._refusals.popleft()
        if before is None or rise is None:
            return None
        self._refusals.append((now, rise.counts))
        long = (counted.at - before.at).total_seconds() > LATELY
        counts = {code: sum(each.get(code, 0) for _, each in self._refusals) for code in rise.counts}
        return Rise(counts, rise.when if long else "in the last minute")


def summary(health: Health) -> str:
    """Return a host's status and the reasons for it, in a line."""
    reasons = [
        reason(name, check.detail)
        for name, check in health.checks.items()
        if check.status is not Status.HEALTHY
    ]
    return f"{health.status}{': ' if reasons else ''}{'; '.join(reasons)}"
