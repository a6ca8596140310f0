"""Turns a function that changes a host into a pyinfra operation."""

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

from noevict.errors import NoevictError
from noevict.run.instance import InstanceRun
from noevict.run.machine import MachineRun
from noevict.run.outcome import record
from noevict.ssh.lane import LONGEST
from noevict.ssh.shell import SEEN_SECONDS, explain


class Subject(Protocol):
    """What an operation changes on one machine: a server (an InstanceRun), or a companion of one."""

    changed: bool
    undo: Callable[[tuple[str, ...]], tuple[str, ...]] | None

    @property
    def machine(self) -> MachineRun: ...


S = TypeVar("S", bound=Subject)


def host_operation(work: Callable[[S], object]) -> PyinfraOperation[[S]]:
    """Make a pyinfra operation that does ``work`` on the host. If the work fails, that host fails, and a line says why.

    deploy.py calls it only if the plan has a part for it. If it takes long, the other hosts continue without this one,
    whose next operations wait; the last operation of a deploy has to wait for all of them (``Lane.finish``).
    """
    return _operation(work, LONGEST)


def last_host_operation(work: Callable[[S], object]) -> PyinfraOperation[[S]]:
    """Make a pyinfra operation as ``host_operation`` does, for the last one of a deploy."""
    return _operation(work, None)


def _operation(work: Callable[[S], object], longest: float | None) -> PyinfraOperation[[S]]:
    @wraps(work)
    def generate(run: S) -> Generator[FunctionCommand, None, None]:
        def call(state: State, host: Host) -> bool:
            run.changed = True
            alone, behind = len(list(state.inventory.get_active_hosts())) == 1, run.machine.lane.behind
            fine = run.machine.lane.take(partial(_do, work, run, host), None if alone else longest)
            if fine is None and not behind:
                run.machine.log("this takes long: the other hosts continue without this one")
            return fine is not False

        yield FunctionCommand(call, (), {})

    return operation()(generate)


def _do(work: Callable[[S], object], run: S, host: Host) -> bool:
    """Do the work. If it fails, nothing more is done on that host."""
    with ctx_host.use(host):
        if run.machine.run_safely(partial(_work, work, run)):
            return True
        if isinstance(run, InstanceRun):
            record(run, run.machine.reasons[0])
        run.machine.release_lock()
        return False


def _work(work: Callable[[S], object], run: S) -> None:
    # A script checks the lock itself; Redis does not know of it.
    run.machine.confirm_lock(since=SEEN_SECONDS)
    try:
        try:
            work(run)
        except redis.ConnectionError:
            run.machine.confirm_lock()  # whoever took the lock has closed the connection
            raise
    except Exception as error:  # of any kind: a take-over that fails gives the host back
        undo, run.undo = run.undo, None
        if undo is None:
            raise
        raise NoevictError(*undo(explain(error))) from error
