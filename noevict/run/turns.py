"""Turns to restart: only a few hosts restart at a time, and no host keeps the others waiting for ever."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.lock import BoundedSemaphore

from noevict.errors import NoevictError

# Loading 100 GB takes about half this time. A host that waits for its turn holds its lock.
TURN_SECONDS = 3600


class RestartTurns:
    """One run's turns, ``at_once`` of them."""

    def __init__(self, at_once: int) -> None:
        self._free = BoundedSemaphore(at_once)
        self._began: dict[str, float] = {}  # host -> when its turn began

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Wait for a turn, and keep it for the block.

        Raise NoevictError when every turn has been taken for TURN_SECONDS. Hosts that have a turn continue.
        """
        while not self._free.acquire(timeout=max(0.0, left := self._left())):
            if left <= 0:
                slow = ", ".join(self._began)
                minutes = TURN_SECONDS // 60
                raise NoevictError(
                    f"not restarted: {slow} has not finished its restart after {minutes} minutes: run again once it has"
                )
        self._began[host] = time.monotonic()
        try:
            yield
        finally:
            del self._began[host]
            self._free.release()

    def _left(self) -> float:
        """Return the seconds until the turn that began last has taken too long."""
        return TURN_SECONDS + max(self._began.values(), default=0.0) - time.monotonic()
