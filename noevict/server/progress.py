"""Waiting for what large data takes: to be loaded, saved, written. As long as it moves, and never without a word."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent

from noevict.errors import NoevictError

STILL_SECONDS = 1800  # without a move: saving one key of 100 GB takes about as long
MOST_SECONDS = 86400  # whatever moves: a terabyte takes hours; a server that lies takes for ever
TELL_SECONDS = 5  # to the first line about it; then twice as long each time, up to
TELL_MOST = 60
POLL_SECONDS = 0.1

Info = Mapping[str, Any]  # INFO persistence


class Patience:
    """One wait. ``what``: the sentence told about it ("Redis is loading its data").

    Its bound is on standing still, not on the whole: a limit that is enough for one's data is too short for another's.
    """

    def __init__(self, what: str, tell: Callable[[str], None]) -> None:
        self.what, self._tell = what, tell
        self._began = self._moved = time.monotonic()
        self._moments = _moments()
        self._next = next(self._moments)
        self._mark: object = None

    def wait(self, mark: object = None, how_far: str = "") -> None:
        """A moment. ``mark`` is something that changes while the work goes on, None where nothing is known of it;
        ``how_far`` is told with the seconds.

        Raises NoevictError once nothing has moved for STILL_SECONDS, or all of it takes MOST_SECONDS.
        """
        now = time.monotonic()
        if mark not in (None, self._mark):
            self._mark, self._moved = mark, now
        if now - self._moved > STILL_SECONDS:
            raise NoevictError(f"{self.what}: nothing has moved for {STILL_SECONDS} s")
        if now - self._began > MOST_SECONDS:
            raise NoevictError(f"{self.what}: not done after {MOST_SECONDS} s")
        if now - self._began >= self._next:
            self._tell(f"{self.what}: {now - self._began:.0f} s{how_far}")
            while now - self._began >= self._next:
                self._next = next(self._moments)
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def told_meanwhile(what: str, tell: Callable[[str], None]) -> Iterator[None]:
    """For a block that cannot tell how far it is: a line about it now and then."""

    def tell_on() -> None:
        past = 0
        for seconds in _moments():
            gevent.sleep(seconds - past)
            tell(f"{what}: {seconds} s")
            past = seconds

    teller = gevent.spawn(tell_on)
    try:
        yield
    finally:
        teller.kill(block=False)


def _moments() -> Iterator[int]:
    """When to tell, in seconds from the beginning: 5, 10, 20, 40, 80, 140, 200, ..."""
    seconds = TELL_SECONDS
    while True:
        yield seconds
        seconds += min(seconds, TELL_MOST)


def loading(info: Info) -> tuple[object, str]:
    """How far a server is with loading its data: ``mark`` and ``how_far`` of ``Patience.wait``."""
    loaded, total = info.get("loading_loaded_bytes", 0), info.get("loading_total_bytes")
    if not total:
        return loaded, ""
    return loaded, f", {loaded >> 20} of {total >> 20} MiB"


def saving(info: Info) -> tuple[object, str]:
    """How far a server is with an RDB or new append-only files."""
    saved, total = info.get("current_save_keys_processed", 0), info.get("current_save_keys_total")
    mark = (saved, total, info.get("current_fork_perc"), info.get("aof_rewrite_in_progress"))
    return mark, f", {saved} of {total} keys" if total else ""


def is_saving(info: Info) -> bool:
    """Whether a child of the server writes, or is to, what a stop would cut off."""
    names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
    return any(info.get(name) for name in names)
