"""A lane for each host: its steps run one after the other, and no other host waits long for any of them.

pyinfra runs each operation on all hosts before it begins the next operation. A host that loads its data for hours
would delay all the others, and they would keep their locks all that time.
"""

from collections.abc import Callable

import gevent

LONGEST = 60.0  # seconds for which the other hosts wait for one step of this one


class Lane:
    """One host's steps in one run."""

    def __init__(self) -> None:
        self._last: gevent.Greenlet[..., bool] | None = None

    def take(self, work: Callable[[], bool], longest: float | None = LONGEST) -> bool | None:
        """Run ``work`` after the steps before it; after a step that returned False, no step runs.

        Return its result; None if that is unknown after ``longest`` seconds (None: no limit), or if an earlier step
        still runs: ``work`` then waits for that step, and the caller does not.
        """
        before, behind = self._last, self.behind

        def in_turn() -> bool:
            return (before is None or before.get()) and work()

        self._last = gevent.spawn(in_turn)
        return self._last.get() if longest is None else _wait(self._last, 0 if behind else longest)

    @property
    def behind(self) -> bool:
        """Return whether a step still runs."""
        return self._last is not None and not self._last.ready()

    def finish(self) -> bool:
        """Wait for all steps. Return whether all succeeded."""
        return self._last is None or self._last.get()


def _wait(step: "gevent.Greenlet[..., bool]", seconds: float) -> bool | None:
    step.join(seconds)
    return step.get() if step.ready() else None
