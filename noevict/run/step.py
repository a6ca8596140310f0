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
from pyinfra.context import ctx_host

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.run.instance import InstanceRun
from noevict.run.machine import MachineRun
from noevict.run.outcome import record
from noevict.ssh.lane import LONGEST
from noevict.ssh.shell import HOST_FAILURES, SEEN_SECONDS


class Subject(Protocol):
    """What is changed on one machine: a server (an InstanceRun), or what stands beside it."""

    changed: bool
    undo: Callable[[tuple[str, ...]], tuple[str, ...]] | None

    @property
    def machine(self) -> MachineRun: ...


S = TypeVar("S", bound=Subject)


def step(work: Callable[[S], object]) -> PyinfraOperation[[S]]:
    """One operation with one command: ``work`` on the host. Where it fails, that host fails, with a line that says why.

    deploy.py calls it only where the plan has a part for it. If it takes long, the other hosts go on without this one,
    whose own next steps wait; the operation that comes last must wait for all of them (``Lane.finish``).
    """
    return _operation(work, LONGEST)


def last_step(work: Callable[[S], object]) -> PyinfraOperation[[S]]:
    """As ``step``, where no operation comes after it."""
    return _operation(work, None)


def _operation(work: Callable[[S], object], longest: float | None) -> PyinfraOperation[[S]]:
    @wraps(work)
    def generate(run: S) -> Generator[FunctionCommand, None, None]:
        def call(state: State, host: Host) -> bool:
            run.changed = True
            alone, behind = len(list(state.inventory.get_active_hosts())) == 1, run.machine.lane.behind
            fine = run.machine.lane.take(partial(_do, work, run, host), None if alone else longest)
            if fine is None and not behind:
                run.machine.log("this takes long: the other hosts go on without this one")
            return fine is not False

        yield FunctionCommand(call, (), {})

    return operation()(generate)


def _do(work: Callable[[S], object], run: S, host: Host) -> bool:
    """The work, and its end if it fails: nothing more is done on that host."""
    with ctx_host.use(host):
        if run.machine.guard(partial(_work, work, run)):
            return True
        if isinstance(run, InstanceRun):
            record(run, run.machine.reasons[0])
        run.machine.release_lock()
        return False


def _work(work: Callable[[S], object], run: S) -> None:
    # Scripts look for themselves; Redis does not ask who speaks to it.
    run.machine.confirm_lock(since=SEEN_SECONDS)
    try:
        try:
            work(run)
        except redis.ConnectionError:
            run.machine.confirm_lock()  # whoever took the lock over has ended the connection
            raise
    except Exception as error:  # whatever it is: a take-over that fails gives the host back
        undo, run.undo = run.undo, None
        if undo is None:
            raise
        why: tuple[str, ...] = (f"answered what makes no sense: {error!r}",)
        if isinstance(error, NoevictError):
            why = error.lines
        elif isinstance(error, HOST_FAILURES):
            why = (sentence(error),)
        raise NoevictError(*undo(why)) from error
