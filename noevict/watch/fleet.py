"""All hosts asked every few seconds, and what is known of each, for whoever wants to know."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from noevict.watch import records
from noevict.watch.dial import Resolver, Turns
from noevict.watch.health import Health, Poll, Status, judge
from noevict.watch.history import Evictions, Line
from noevict.watch.poll import Asker
from noevict.watch.reasons import SECONDS
from noevict.watch.records import NOTHING, Record
from noevict.watch.targets import Access, Target, read_targets

INTERVAL = 5.0
CONNECTING = 64  # at once: a handshake is a few milliseconds of work here
PATIENCE = 0.25  # seconds that somebody who asks waits for an answer of now
STALE = 1.0  # seconds after which an answer is asked for anew for whoever asks
# Younger ones too, so many a second: a flood of questions is answered from memory.
ANEW, ANEW_AT_ONCE = 50, 200

log = logging.getLogger("noevict")
log.addHandler(logging.NullHandler())  # who is to read it says where


@dataclass(frozen=True)
class View:
    """What is known of a host. ``lines``: an hour of some figures, the oldest first; None where there was none."""

    target: Target
    health: Health
    record: Record = NOTHING
    lines: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.target.name


class Watched:
    """One host: how it is, as last seen."""

    def __init__(self, asker: Asker) -> None:
        self.asker, self.target = asker, asker.target
        self.health = judge(Poll(datetime.now(UTC), failure="was not looked at yet"))
        self.asked = 0.0  # when the last poll ended, of time.monotonic(); 0: never
        self.lines = {name: Line() for name in ("memory", "operations", "latency", *self.target.queues)}
        self._evictions = Evictions()
        self._under_way: asyncio.Task[None] | None = None

    def poll(self) -> "asyncio.Task[None]":
        """The poll under way, or a new one."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._poll())
        return self._under_way

    async def poll_anew(self) -> None:
        """One that begins now: the one under way may have been answered before."""
        if self._under_way is not None and not self._under_way.done():
            await asyncio.wait([self._under_way])
        await asyncio.wait([self.poll()])

    async def _poll(self) -> None:
        try:
            poll = await self.asker.poll()
        except Exception as error:  # a server that answers nonsense is its own failure alone
            log.exception("%s: polling it", self.target.name)
            poll = Poll(datetime.now(UTC), failure=f"could not be asked: {type(error).__name__}")
        self._take(poll, time.monotonic())

    def _take(self, poll: Poll, now: float) -> None:
        self._evictions.add(now, poll.info)
        before, self.health = self.health, judge(poll, self._evictions.lately(now))
        figures = {
            "memory": self.health.memory_percent,
            "operations": self.health.number("instantaneous_ops_per_sec"),
            "latency": None if poll.seconds is None else poll.seconds * 1000,
        }
        for queue, states in (poll.queues or {}).items():
            figures[queue] = states["wait"] + states["paused"] + states["prioritized"]
        for name, line in self.lines.items():
            line.add(now, figures.get(name))
        if before.status is not self.health.status and (
            self.asked or self.health.status is not Status.HEALTHY
        ):
            log.warning("%s: %s", self.target.name, summary(self.health))
        self.asked = now


class Credit:
    """So many a second, and so many at once after a pause."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._most, self._left, self._at = rate, most, most, time.monotonic()

    def take(self, wanted: int) -> bool:
        """Whether there is that much left; then it is taken."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < wanted:
            return False
        self._left -= wanted
        return True


class Fleet:
    """Every host of ``targets``, asked from ``run`` on."""

    def __init__(
        self, targets: Sequence[Target], access: Access, state: Path, interval: float = INTERVAL
    ) -> None:
        self.interval = interval
        resolver, turns = Resolver(), Turns(CONNECTING)
        self.hosts = {target.name: Watched(Asker(target, access, resolver, turns)) for target in targets}
        self._state, self._records_of = state, -1
        self._records: Mapping[str, Record] = {}
        self._news, self.ended = asyncio.Event(), asyncio.Event()
        self._credit = Credit(ANEW, max(ANEW_AT_ONCE, 2 * len(targets)))

    async def first_look(self) -> None:
        """Every host asked once, or nearly: where very many are dead, the last of them are not waited for."""
        await asyncio.wait([host.poll() for host in self.hosts.values()], timeout=SECONDS + PATIENCE)

    async def run(self) -> None:
        """Ask, without end. The hosts take turns, so that their answers do not come all at once."""
        async with asyncio.TaskGroup() as group:
            for number, host in enumerate(self.hosts.values()):
                group.create_task(self._keep_asking(host, (number + 1) / len(self.hosts)))

    async def refresh(self, names: Collection[str]) -> None:
        """Look again at these hosts, for somebody who asks now; PATIENCE at most.

        Who did not answer last time is not asked: it would not this time either.
        """
        hosts = [host for name in names if (host := self.hosts[name]).health.poll.info]
        if not self._credit.take(len(hosts)):
            hosts = [host for host in hosts if time.monotonic() - host.asked > STALE]
        if hosts:
            await asyncio.wait([asyncio.create_task(host.poll_anew()) for host in hosts], timeout=PATIENCE)

    def view(self, name: str) -> View:
        return self.views([name])[0]

    def views(self, names: Collection[str] | None = None) -> list[View]:
        """Of all hosts or some, in the order of hosts.yml."""
        records_, now = self._read_records(), time.monotonic()
        return [
            View(
                host.target,
                host.health,
                records_.get(name, NOTHING),
                {what: line.points(now) for what, line in host.lines.items()},
            )
            for name, host in self.hosts.items()
            if names is None or name in names
        ]

    @property
    def late(self) -> list[str]:
        """Hosts that were not asked for so long that something is wrong with us."""
        allowed = 3 * self.interval + 2 * SECONDS
        return [
            name
            for name, host in self.hosts.items()
            if time.monotonic() - host.asked > allowed or not host.asked
        ]

    async def news(self) -> None:
        """Returns with the next answer of any host, or the end."""
        await self._news.wait()

    def end(self) -> None:
        """Whoever waits for news goes."""
        self.ended.set()
        self._news.set()

    def close(self) -> None:
        for host in self.hosts.values():
            host.asker.close()

    async def _keep_asking(self, host: Watched, turn: float) -> None:
        due = time.monotonic() + self.interval * turn
        while True:
            await asyncio.sleep(due - time.monotonic())
            await asyncio.wait([host.poll()])
            self._news.set()
            self._news = asyncio.Event()
            due = max(due + self.interval, time.monotonic())

    def _read_records(self) -> Mapping[str, Record]:
        """Again where one was replaced: the directory's time tells."""
        try:
            changed = self._state.stat().st_mtime_ns
        except OSError:
            changed = 0
        if changed != self._records_of:
            # Of a change just now another may follow within what a file's time tells apart.
            settled = time.time_ns() - changed > 1_000_000_000
            self._records_of, self._records = changed if settled else -1, records.read(self._state)
        return self._records


def summary(health: Health) -> str:
    """How a host is, and why, in a line."""
    reasons = [
        f"{name}: {check.detail}"
        for name, check in health.checks.items()
        if check.status is not Status.HEALTHY
    ]
    return f"{health.status}{': ' if reasons else ''}{'; '.join(reasons)}"


def look_once(root: Path, only: Collection[str] = ()) -> list[View]:
    """All hosts, or some, asked once. Raises NoevictError for mistakes; a host that fails is a View of its own."""
    access, targets = Access(root), read_targets(root, only)

    async def look() -> list[View]:
        fleet = Fleet(targets, access, records.locate(root))
        await asyncio.wait([host.poll() for host in fleet.hosts.values()])
        fleet.close()
        return fleet.views()

    return asyncio.run(look())
