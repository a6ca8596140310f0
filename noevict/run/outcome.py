"""What monitoring is told of a host once this run is done with it."""

from datetime import UTC, datetime

from noevict.fleet.records import Drift
from noevict.run.instance import InstanceRun
from noevict.run.kept import seen


def record(run: InstanceRun, failure: str | None = None) -> None:
    """Leave it for monitoring. Where only a look was wanted, what differs is no failure of it."""
    looked = run.looked and not run.failure and not run.changed
    differences = len(run.plan.changes) + len(run.plan.faults) if failure and looked else 0
    if differences:
        failure = None
    look = Drift(datetime.now(UTC), "deploy", None if failure else differences, failure)
    if unwritten := run.context.record(run.name, look, seen(run)):
        run.machine.warn(f"for monitoring: {unwritten}")
