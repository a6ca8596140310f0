"""The end of every run: the host as its clients see it."""

from collections.abc import Generator
from datetime import UTC, datetime
from functools import partial

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from noevict.client import sentence
from noevict.errors import NoevictError
from noevict.operations.lock import release_lock
from noevict.run import HostRun
from noevict.verify import verify
from noevict.watch.records import Drift


@operation()
def verify_host(run: HostRun) -> Generator[FunctionCommand, None, None]:
    """Every run ends here. What is as it should be counts as no change."""
    if not run.pyinfra.is_executing:
        return
    if not run.guard(partial(_verify, run)):
        yield failing()
    release_lock(run)
    run.close_client()


@operation()
def refuse_host(run: HostRun) -> Generator[FunctionCommand, None, None]:
    """A host that is left alone fails, with the reasons, and fails alone."""

    def tell(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
        for line in run.failure:
            run.fail(line)
        _record(run, run.failure[0])
        return False

    yield FunctionCommand(tell, (), {})


def failing() -> FunctionCommand:
    """The command of an operation whose work failed, and told why."""
    return FunctionCommand(_fail, (), {})


def _verify(run: HostRun) -> None:
    try:
        verify(run)
    except NoevictError as error:
        _record(run, error.lines[0])
        raise
    except Exception as error:
        _record(run, sentence(error))
        raise
    _record(run)


def _record(run: HostRun, failure: str | None = None) -> None:
    """For monitoring. Where only a look was wanted, what differs is no failure of it."""
    looked = run.looked and not run.failure and not run.changed
    differences = len(run.plan.changes) + len(run.plan.faults) if failure and looked else 0
    if differences:
        failure = None
    look = Drift(datetime.now(UTC), "deploy", None if failure else differences, failure)
    exporter = {run.name: run.found.exporter_ends} if run.looked else None
    if unwritten := run.fleet.record(run.name, look, exporter):
        run.warn(f"for monitoring: {unwritten}")


def _fail(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
    return False
