"""Records the outcome of a run on a host, for monitoring."""

from datetime import UTC, datetime

from noevict.fleet.records import Drift
from noevict.run.instance import InstanceRun
from noevict.run.kept import seen


def record(run: InstanceRun, failure: str | None = None) -> None:
    """Record the outcome for monitoring. If the run changed nothing, differences are drift, and not a failure."""
    looked = run.looked and not run.failure and not run.changed
    differences = len(run.plan.changes) + len(run.plan.faults) if failure and looked else 0
    if differences:
        failure = None
    look = Drift(datetime.now(UTC), "deploy", None if failure else differences, failure)
    if unwritten := run.context.record(run.name, look, seen(run)):
        run.machine.warn(f"for monitoring: {unwritten}")
