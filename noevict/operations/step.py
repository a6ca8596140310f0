"""How a function that changes a host becomes a pyinfra operation."""

from collections.abc import Callable, Generator
from functools import partial, wraps
from typing import Protocol, TypeVar

import redis
from pyinfra.api.arguments_typed import PyinfraOperation
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from noevict.shell import SEEN_SECONDS


class Subject(Protocol):
    """What is changed on one host: its Redis (a HostRun), or what stands beside it."""

    changed: bool

    def guard(self, work: Callable[[], object]) -> bool: ...
    def confirm_lock(self, since: float = 0) -> None: ...


S = TypeVar("S", bound=Subject)


def step(work: Callable[[S], object]) -> PyinfraOperation[[S]]:
    """One operation with one command: ``work`` on the host. Where it fails, that host fails, with a line that says why.

    deploy.py calls it only where the plan has a part for it.
    """

    @wraps(work)
    def generate(run: S) -> Generator[FunctionCommand, None, None]:
        def call(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra hands these two by name
            run.changed = True
            return run.guard(partial(_work, work, run))

        yield FunctionCommand(call, (), {})

    return operation()(generate)


def _work(work: Callable[[S], object], run: S) -> None:
    # Scripts look for themselves; Redis does not ask who speaks to it.
    run.confirm_lock(since=SEEN_SECONDS)
    try:
        work(run)
    except redis.ConnectionError:
        run.confirm_lock()  # whoever took the lock over has ended the connection
        raise
