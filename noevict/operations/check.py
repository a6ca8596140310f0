"""The end of every run: the host as its clients see it."""

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
    """Every run ends here, on each host once its steps are done. What is as it should be counts as no change."""
    if not run.machine.pyinfra.is_executing:
        return
    # A step that failed has told why.
    if not (run.machine.lane.finish() and run.machine.run_safely(partial(_verify, run))):
        yield failing()
    run.machine.release_lock()
    run.close_client()


def refuse_host(run: InstanceRun, *, name: str, looked_for_drift: bool = True) -> None:
    """A host that is left alone fails, with the reasons, and fails alone. ``--dry`` says so by its exit code.

    ``looked_for_drift``: whether that is a look for drift, which failed. What is about the exporter is none.
    """
    command_line.failing.add(run.name)
    _refuse(run=run, looked_for_drift=looked_for_drift, name=name)


@operation()
def _refuse(run: InstanceRun, looked_for_drift: bool) -> Generator[FunctionCommand, None, None]:
    def tell(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
        for line in run.failure:
            run.machine.fail(line)
        if looked_for_drift:
            record(run, run.failure[0])
        return False

    yield FunctionCommand(tell, (), {})


def failing() -> FunctionCommand:
    """The command of an operation whose work failed, and told why."""
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
