"""Asks all hosts every few seconds, and keeps what is known of each."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from noevict.fleet import records
from noevict.fleet.access import Access
from noevict.fleet.endpoint import Endpoint, read_endpoints
from noevict.fleet.records import NOTHING, Record
from noevict.messages import one_line
from noevict.monitor.asking.dial import Resolver, Turns
from noevict.monitor.asking.poll import Asker
from noevict.monitor.asking.reasons import SECONDS
from noevict.monitor.asking.roster import Roster
from noevict.monitor.asking.watched import View, Watched, log
from noevict.monitor.health.health import judge, write_refusals
from noevict.server.writes import rise_since

INTERVAL = 5.0
ROSTER_SECONDS = 2.0  # between two checks whether hosts.yml has changed
CONNECTING = 64  # at once: a handshake is a few milliseconds of work here
PATIENCE = 0.25  # seconds that a caller waits for a current answer
DEAD_SECONDS = 60.0  # polling that is this late counts as dead
STALE = 1.0  # seconds after which a host is polled again for a caller
# So many of these polls a second, and at once: a flood of requests is answered from memory.
REFRESHES, REFRESHES_AT_ONCE = 50, 200


class Credit:
    """Limits a rate: so many a second, and so many at once after a pause."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._most, self._left, self._at = rate, most, most, time.monotonic()

    def take(self, wanted: int) -> bool:
        """Take that much if it is left. Return whether it was."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < wanted:
            return False
        self._left -= wanted
        return True


class Monitor:
    """Asks every host of ``endpoints`` once ``run`` starts; with a ``roster``, the hosts that it then names."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        access: Access,
        state: Path,
        interval: float = INTERVAL,
        roster: Roster | None = None,
    ) -> None:
        self.interval = interval
        self._access, self._resolver, self._turns = access, Resolver(), Turns(CONNECTING)
        self.hosts = {endpoint.name: self._watched(endpoint) for endpoint in endpoints}
        self._roster = roster
        self._state, self._records_of = state, -1
        self._records: Mapping[str, Record] = {}
        self._news, self.ended = asyncio.Event(), asyncio.Event()
        self._died: str | None = None
        self._credit = Credit(REFRESHES, max(REFRESHES_AT_ONCE, 2 * len(endpoints)))

    async def first_look(self) -> None:
        """Ask every host once. If very many hosts are dead, do not wait for the last of them."""
        await asyncio.wait([host.poll() for host in self.hosts.values()], timeout=SECONDS + PATIENCE)

    async def run(self) -> None:
        """Ask the hosts without end. They take turns, so that their answers do not come all at once."""
        tasks: dict[Watched, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                for number, host in enumerate(self.hosts.values()):
                    if host not in tasks:
                        turn = (number + 1) / len(self.hosts)
                        tasks[host] = group.create_task(self._keep_asking(host, turn))
                for host in tasks.keys() - set(self.hosts.values()):
                    tasks.pop(host).cancel()
                    host.asker.close()
                await asyncio.sleep(ROSTER_SECONDS)
                if self._roster is not None and (endpoints := self._roster.changed()):
                    await self._take(endpoints)

    async def refresh(self, names: Collection[str]) -> None:
        """Poll these hosts again for a caller, and wait for PATIENCE at most.

        A host that did not answer last time is not polled: it would not answer this time either.
        """
        hosts = [host for name in names if (host := self.hosts[name]).health.poll.info]
        if not self._credit.take(len(hosts)):
            hosts = [host for host in hosts if time.monotonic() - host.asked > STALE]
        if hosts:
            await asyncio.wait([asyncio.create_task(host.poll_again()) for host in hosts], timeout=PATIENCE)

    def view(self, name: str) -> View:
        return self.views([name])[0]

    def views(self, names: Collection[str] | None = None) -> list[View]:
        """Return the views of all hosts, or of some, in the order of hosts.yml."""
        records_, now = self._read_records(), time.monotonic()
        return [
            View(
                host.endpoint,
                host.health,
                records_.get(name, NOTHING),
                {what: line.points(now) for what, line in host.lines.items()},
            )
            for name, host in self.hosts.items()
            if names is None or name in names
        ]

    @property
    def late(self) -> list[str]:
        """Return the hosts that were not asked for so long that something is wrong with this service."""
        return self._not_asked_for(3 * self.interval + 2 * SECONDS)

    @property
    def failure(self) -> str | None:
        """Why polling has ended, in a line; None while it runs."""
        if self._died is None and self.hosts:
            allowed = 3 * self.interval + 2 * SECONDS + DEAD_SECONDS
            if len(self._not_asked_for(allowed)) == len(self.hosts):
                return f"polling hangs: no host was asked for {allowed:g} s"
        return self._died

    def polling_ended(self, task: "asyncio.Task[None]") -> None:
        """Note that ``run`` ended although nobody cancelled it."""
        if not task.cancelled():
            error = task.exception()
            log.error("polling ended", exc_info=error)
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            self._died = one_line(f"polling ended: {type(error).__name__}: {error}")

    async def news(self) -> None:
        """Wait for the next answer of any host, or for the end."""
        await self._news.wait()

    def end(self) -> None:
        """Wake up everybody who waits for news."""
        self.ended.set()
        self._news.set()

    def close(self) -> None:
        for host in self.hosts.values():
            host.asker.close()

    def _not_asked_for(self, seconds: float) -> list[str]:
        now = time.monotonic()
        return [name for name, host in self.hosts.items() if now - host.asked > seconds or not host.asked]

    def _watched(self, endpoint: Endpoint) -> Watched:
        return Watched(Asker(endpoint, self._access, self._resolver, self._turns))

    async def _take(self, endpoints: Sequence[Endpoint]) -> None:
        """Watch these hosts from now on. A host that did not change keeps its history; a new one is polled first."""
        hosts = {}
        for endpoint in endpoints:
            known = self.hosts.get(endpoint.name)
            hosts[endpoint.name] = known if known and known.endpoint == endpoint else self._watched(endpoint)
        new = [host.poll() for host in hosts.values() if not host.asked]
        if new:
            await asyncio.wait(new, timeout=SECONDS + PATIENCE)
        self.hosts = hosts

    async def _keep_asking(self, host: Watched, turn: float) -> None:
        due = time.monotonic() + self.interval * turn
        while True:
            await asyncio.sleep(due - time.monotonic())
            await asyncio.wait([host.poll()])
            self._news.set()
            self._news = asyncio.Event()
            due = max(due + self.interval, time.monotonic())

    def _read_records(self) -> Mapping[str, Record]:
        """Read the records again if the directory's mtime shows that one was replaced."""
        try:
            changed = self._state.stat().st_mtime_ns
        except OSError:
            changed = 0
        if changed != self._records_of:
            # After a change just now another one may follow that has the same mtime.
            settled = time.time_ns() - changed > 1_000_000_000
            with suppress(OSError):  # keep what was read before
                self._records_of, self._records = changed if settled else -1, records.read(self._state)
        return self._records


def look_once(root: Path, only: Collection[str] = ()) -> list[View]:
    """Ask all hosts, or some, once. Raise NoevictError for mistakes; a host that fails has a View that says so."""
    access, endpoints = Access(root), read_endpoints(root, only)

    async def ask_all() -> list[View]:
        fleet = Monitor(endpoints, access, records.locate(root))
        await asyncio.wait([host.poll() for host in fleet.hosts.values()])
        fleet.close()
        return [_since_last_look(view) for view in fleet.views()]

    return asyncio.run(ask_all())


def _since_last_look(view: View) -> View:
    """Judge the host by the writes refused since a run last looked at it, if that is known."""
    health, endpoint = view.health, view.endpoint
    rise = rise_since(view.record.refusals, write_refusals(health.poll), health.number("uptime_in_seconds"))
    if rise is None:
        return view
    judged = judge(health.poll, health.evicted_lately, rise, host=endpoint.name, cache=endpoint.cache)
    return replace(view, health=judged)
