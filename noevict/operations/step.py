"""How a function that changes a host becomes a pyinfra operation."""

from collections.abc import Callable, Generator
from functools import partial, wraps

import redis
from pyinfra.api.arguments_typed import PyinfraOperation
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from noevict.run import HostRun

SEEN_SECONDS = 20  # a host gives a lock up after 90 without a word, of which there is one every 20


def step(work: Callable[[HostRun], object]) -> PyinfraOperation[[HostRun]]:
    """One operation with one command: ``work`` on the host. Where it fails, that host fails, with a line that says why.

    deploy.py calls it only where the plan has a part for it.
    """

    @wraps(work)
    def generate(run: HostRun) -> Generator[FunctionCommand, None, None]:
        def call(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
            run.changed = True
            return run.guard(partial(_work, work, run))

        yield FunctionCommand(call, (), {})

    return operation()(generate)


def _work(work: Callable[[HostRun], object], run: HostRun) -> None:
    # Scripts look for themselves; Redis does not ask who speaks to it.
    run.confirm_lock(since=SEEN_SECONDS)
    try:
        work(run)
    except redis.ConnectionError:
        run.confirm_lock()  # whoever took the lock over has ended the connection
        raise
