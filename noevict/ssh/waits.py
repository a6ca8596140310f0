"""Waits for work that takes long with large data, as long as it makes progress, and reports how far it is."""

import contextlib
import time
from collections.abc import Callable, Iterator

import gevent

from noevict.errors import NoevictError
from noevict.server.progress import MOST_SECONDS, STILL_SECONDS

REPORT_SECONDS = 5  # until the first line about it; then twice as long each time, up to
REPORT_MOST = 60
POLL_SECONDS = 0.1


class ProgressDeadline:
    """One wait. ``what``: the sentence that is reported ("Redis is loading its data").

    The deadline is for making progress, not for all of the work: no limit would suit everybody's amount of data.
    """

    def __init__(self, what: str, report: Callable[[str], None]) -> None:
        self.what, self._report = what, report
        self._began = self._moved = time.monotonic()
        self._moments = _moments()
        self._next = next(self._moments)
        self._mark: object = None

    def wait(self, mark: object = None, how_far: str = "") -> None:
        """Wait a moment. ``mark`` is something that changes as the work proceeds; None if nothing is known about it.
        ``how_far`` is reported with the seconds.

        Raise NoevictError once there was no progress for STILL_SECONDS, or all of it takes MOST_SECONDS.
        """
        now = time.monotonic()
        if mark not in (None, self._mark):
            self._mark, self._moved = mark, now
        if now - self._moved > STILL_SECONDS:
            raise NoevictError(f"{self.what}: nothing has moved for {STILL_SECONDS} s")
        if now - self._began > MOST_SECONDS:
            raise NoevictError(f"{self.what}: not done after {MOST_SECONDS} s")
        if now - self._began >= self._next:
            self._report(f"{self.what}: {now - self._began:.0f} s{how_far}")
            while now - self._began >= self._next:
                self._next = next(self._moments)
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def reported_meanwhile(what: str, report: Callable[[str], None]) -> Iterator[None]:
    """Report now and then that a block is still at work, if nothing shows how far it is."""

    def keep_reporting() -> None:
        past = 0
        for seconds in _moments():
            gevent.sleep(seconds - past)
            report(f"{what}: {seconds} s")
            past = seconds

    reporter = gevent.spawn(keep_reporting)
    try:
        yield
    finally:
        reporter.kill(block=False)


def _moments() -> Iterator[int]:
    """Yield when to report, in seconds from the beginning: 5, 10, 20, 40, 80, 140, 200, ..."""
    seconds = REPORT_SECONDS
    while True:
        yield seconds
        seconds += min(seconds, REPORT_MOST)
