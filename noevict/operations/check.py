"""The end of every run: the host as its clients see it."""

from collections.abc import Generator
from functools import partial

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from noevict.operations.lock import release_lock
from noevict.run import HostRun
from noevict.verify import verify


@operation()
def verify_host(run: HostRun) -> Generator[FunctionCommand, None, None]:
    """Every run ends here. What is as it should be counts as no change."""
    if not run.pyinfra.is_executing:
        return
    if not run.guard(partial(verify, run)):
        yield failing()
    release_lock(run)
    run.close_client()


@operation()
def refuse_host(run: HostRun) -> Generator[FunctionCommand, None, None]:
    """A host that is left alone fails, with the reasons, and fails alone."""

    def tell(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
        for line in run.failure:
            run.fail(line)
        return False

    yield FunctionCommand(tell, (), {})


def failing() -> FunctionCommand:
    """The command of an operation whose work failed, and told why."""
    return FunctionCommand(_fail, (), {})


def _fail(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
    return False
