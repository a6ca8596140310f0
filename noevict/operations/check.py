"""The end of every run: verifies the host as its clients see it."""

from collections.abc import Generator
from functools import partial

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.operations.passwords import finish_passwords
from noevict.run import command_line
from noevict.run.instance import InstanceRun
from noevict.run.outcome import record
from noevict.run.verify import verify


@operation()
def verify_host(run: InstanceRun) -> Generator[FunctionCommand, None, None]:
    """Verify the host once its other operations are done. Every run ends with this; it counts as no change."""
    if not run.machine.pyinfra.is_executing:
        return
    # An operation that failed has reported why.
    if not (run.machine.lane.finish() and run.machine.run_safely(partial(_verify, run))):
        yield failing()
    run.machine.release_lock()
    run.close_client()


def refuse_host(run: InstanceRun, *, name: str, looked_for_drift: bool = True) -> None:
    """Fail only this host, with its reasons, and do nothing on it. ``--dry`` then ends with exit code 1.

    ``looked_for_drift``: whether to record this as a failed look for drift. A run for the exporter is no such look.
    """
    command_line.failing.add(run.name)
    _refuse(run=run, looked_for_drift=looked_for_drift, name=name)


@operation()
def _refuse(run: InstanceRun, looked_for_drift: bool) -> Generator[FunctionCommand, None, None]:
    def report(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
        for line in run.failure:
            run.machine.fail(line)
        if looked_for_drift:
            record(run, run.failure[0])
        return False

    yield FunctionCommand(report, (), {})


def failing() -> FunctionCommand:
    """Return a command that fails, for an operation whose work failed and reported why."""
    return FunctionCommand(_fail, (), {})


def _verify(run: InstanceRun) -> None:
    try:
        refused = verify(run, finish_passwords)
        if (key := run.secrets.host) is not None and (unwritten := run.context.record_id(run.name, key.id)):
            run.machine.warn(f"for `noevict url`: {unwritten}")
    except NoevictError as error:
        record(run, error.lines[0])
        raise
    except Exception as error:
        record(run, sentence(error))
        raise
    record(run)
    if refused:
        raise NoevictError(refused)


def _fail(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
    return False
