"""The history that monitoring needs: evictions of the last hour, and an hour of a few figures."""

from array import array
from collections import deque
from math import nan

from noevict.monitor.health.health import Info
from noevict.server.writes import number

HOUR = 3600.0
STEP = 30.0  # seconds for one point of a line
POINTS = int(HOUR / STEP)


class Evictions:
    """Counts the keys evicted in the last hour, from a counter that a restart, or CONFIG RESETSTAT, sets back.

    Times are seconds of a clock that only goes forward.
    """

    def __init__(self) -> None:
        self._run, self._counted, self._seen = "", 0, -HOUR
        self._rises: deque[tuple[float, int]] = deque()

    def add(self, now: float, info: Info) -> None:
        """Add what INFO reports now. The first time, all evictions count if the server started within this hour."""
        counter, run = number(info, "evicted_keys"), info.get("run_id", "")
        if counter is None:
            return
        if run == self._run:
            new = counter - self._counted if counter >= self._counted else counter
        else:
            up = number(info, "uptime_in_seconds")
            new = counter if now - self._seen < HOUR or (up is not None and up < HOUR) else 0
        if new:
            self._rises.append((now, new))
        self._run, self._counted, self._seen = run, counter, now

    def lately(self, now: float) -> int:
        """Return how many keys were evicted in the hour before now."""
        while self._rises and self._rises[0][0] <= now - HOUR:
            self._rises.popleft()
        return sum(keys for _, keys in self._rises)


class Line:
    """An hour of one figure: the highest value in each STEP; nan if there was none."""

    def __init__(self) -> None:
        self._points = array("f", [nan] * POINTS)
        self._step = 0

    def add(self, now: float, value: float | None) -> None:
        """Add a value; ``now`` as for Evictions."""
        self._move(now)
        if value is not None:
            last = self._points[self._step % POINTS]
            self._points[self._step % POINTS] = value if last != last else max(last, value)  # noqa: PLR0124 - nan

    def points(self, now: float) -> list[float | None]:
        """Return the hour before now, the oldest first."""
        self._move(now)
        ordered = (self._points[(self._step + 1 + n) % POINTS] for n in range(POINTS))
        return [None if value != value else value for value in ordered]  # noqa: PLR0124 - nan

    def _move(self, now: float) -> None:
        step = int(now / STEP)
        for passed in range(max(self._step, step - POINTS) + 1, step + 1):
            self._points[passed % POINTS] = nan
        self._step = max(step, self._step)
