"""``noevict status --watch``: the fleet on a terminal, drawn again with every answer, until ctrl-c."""

import asyncio
import signal
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from noevict.fleet import records
from noevict.fleet.access import Access
from noevict.fleet.endpoint import read_endpoints
from noevict.monitor.asking.fleet import Monitor
from noevict.monitor.asking.watched import View
from noevict.monitor.terminal.status import Screen
from noevict.monitor.web.answers import fleet_answer

PAUSE = 0.25  # seconds between two pictures at least, however many answers come
AGES = 1.0  # seconds without an answer after which it is drawn even so: ages grow


class Picture:
    """What is known now, the worst first, cut to the terminal's height."""

    def __init__(self, fleet: Monitor) -> None:
        self._now, self._interval = datetime.now(UTC), fleet.interval
        self._screen = Screen(fleet_answer(fleet.views()), self._now)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or options.max_height
        lines = console.render_lines(self._screen, options.update(height=None), pad=False)
        fitting = lines if len(lines) < height else lines[: height - 2]
        yield Text.assemble(
            (f"{self._now.astimezone():%H:%M:%S}", "bold"),
            "  ",
            self._screen.summary(),
            (f"  every {self._interval:g} s; ctrl-c ends", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
        for line in fitting:
            yield from line
            yield Segment.line()
        if fitting is not lines:
            yield Text(f"{len(lines) - len(fitting)} more lines", "dim")


def watch(root: Path, only: Collection[str], interval: float, console: Console) -> list[View]:
    """Draw the fleet until SIGINT or SIGTERM, and return what is known then.

    Raise NoevictError for mistakes, before anything is drawn.
    """
    access, endpoints = Access(root), read_endpoints(root, only)
    for endpoint in endpoints:
        access.check(endpoint)
    return asyncio.run(_watch(Monitor(endpoints, access, records.locate(root), interval), console))


async def _watch(fleet: Monitor, console: Console) -> list[View]:
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    with Live(Text("asking all hosts"), console=console, screen=True, auto_refresh=False) as live:
        live.refresh()
        tasks = [asyncio.create_task(each) for each in (_ask_and_draw(fleet, live), end.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    fleet.close()
    return fleet.views()


async def _ask_and_draw(fleet: Monitor, live: Live) -> None:
    await fleet.first_look()
    async with asyncio.TaskGroup() as group:
        group.create_task(fleet.run())
        while True:
            live.update(Picture(fleet), refresh=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(fleet.news(), AGES)
            await asyncio.sleep(PAUSE)
