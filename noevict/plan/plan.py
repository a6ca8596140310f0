"""The plan: what is due for a server or a companion. ``--dry``, reports and operations all read it."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from noevict.plan.change import Change, How

WantedT = TypeVar("WantedT")


@dataclass(frozen=True)
class Plan(Generic[WantedT]):
    """What is due on one host, and the ``target`` that it leads to.

    ``refusals``: why nothing is done there. ``faults``: things that are not as wanted and not ours to repair; they fail
    the host. ``notices``: only reported. ``blocked``: there is a fault because of which nothing can be repaired.
    """

    target: WantedT = field(repr=False)
    refusals: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    blocked: bool = False

    def due(self, *how: How) -> tuple[Change, ...]:
        """Return the changes made in one of these ways."""
        return tuple(change for change in self.changes if change.how in how)

    @property
    def clean(self) -> bool:
        return not (self.changes or self.refusals or self.faults)
