"""What is due, of a server or of what stands beside it: ``--dry``, reports and operations read it."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from noevict.plan.change import Change, How

WantedT = TypeVar("WantedT")


@dataclass(frozen=True)
class Plan(Generic[WantedT]):
    """What is due on one host, and what it was made from: ``target``.

    ``refusals``: why nothing is done there. ``faults``: what is not as wanted and not ours to repair; it fails
    the host. ``notices``: said, not acted on. ``blocked``: there is a fault beside which nothing can be repaired.
    """

    target: WantedT = field(repr=False)
    refusals: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    blocked: bool = False

    def due(self, *how: How) -> tuple[Change, ...]:
        """The changes made in one of these ways."""
        return tuple(change for change in self.changes if change.how in how)

    @property
    def clean(self) -> bool:
        return not (self.changes or self.refusals or self.faults)
