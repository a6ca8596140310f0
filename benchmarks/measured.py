"""Commands measured side by side: what each costs, the medians of interleaved rounds, and the targets beside them.

Rounds are interleaved, so that whatever else the machine does falls on all alike.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.lab.checkout import Checkout, Result
from tests.lab.command_cost import Cost

SECONDS = 1800  # that a command may take


def _nothing() -> None:
    pass


def _succeeded(done: Result) -> bool:
    return done.returncode == 0


@dataclass(frozen=True)
class Case:
    """A command, run once a round, in the first ``rounds`` of them if given. ``before``: outside the timing.

    ``fine``: whether it did what it is measured for.
    """

    name: str
    checkout: Checkout
    command: tuple[str, ...]
    before: Callable[[], object] = _nothing
    fine: Callable[[Result], bool] = _succeeded
    rounds: int | None = None

    def measure(self) -> Cost:
        """Raise SystemExit with the command's output if it is not fine."""
        self.before()
        done, cost = self.checkout.measure(*self.command, timeout=SECONDS)
        if not self.fine(done):
            raise SystemExit(f"{self.name}: not what was to be measured: {done}")
        return cost


def interleaved(cases: Sequence[Case], rounds: int) -> dict[str, Cost]:
    """By the case's name: the medians of its rounds, the largest memory of all of them."""
    costs: dict[str, list[Cost]] = {case.name: [] for case in cases}
    for number in range(rounds):
        for case in cases:
            if case.rounds is None or number < case.rounds:
                costs[case.name].append(case.measure())
    return {name: median(each) for name, each in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak for cost in costs),
    )


@dataclass(frozen=True)
class Target:
    """``found`` must be at most ``limit``, or at least ``limit`` if ``least``."""

    what: str
    found: float
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        return self.found >= self.limit if self.least else self.found <= self.limit

    def row(self) -> str:
        bound = "≥" if self.least else "≤"
        unit = f" {self.unit}" if self.unit else ""
        answer = "met" if self.met else "**not met**"
        return f"| {self.what} | {self.found:.2f}{unit} | {bound} {self.limit:g}{unit} | {answer} |"


def table_of(targets: Sequence[Target]) -> list[str]:
    return ["| target | found | | |", "|---|---|---|---|", *(target.row() for target in targets)]
