"""The lock: one run at a time on a host, and only on a host that is still as it was looked at."""

import contextlib
import dataclasses
import os
import socket
from typing import Any

import gevent

from noevict.errors import NoevictError
from noevict.loading import wait_until_loaded
from noevict.operations.step import step
from noevict.run import HOST_FAILURES, HostRun
from noevict.scripts import script
from noevict.state import HostState
from noevict.streams import Program, open_program

BEAT_SECONDS = 20  # lock.sh gives a silent owner up after 90


@step
def lock_host(run: HostRun) -> None:
    """Take the host's lock, see that nothing changed since the look, and write what is new in the secrets."""
    take_lock(run)
    before = run.found
    run.look_again()
    wait_until_loaded(run)
    different = changed_fields(before, run.found)
    if different:
        raise NoevictError(f"changed since looked at ({', '.join(different)}): run again")
    managed = [other.name for other in run.others() if other.managed]
    run.fleet.save_secrets(managed)
    run.make_plan()
    if run.plan.refusals:
        raise NoevictError(*run.plan.refusals)


def take_lock(run: HostRun) -> None:
    """Held until this process ends or ``release_lock``. Raises NoevictError where another run holds it."""
    who = f"{os.environ.get('USER', 'somebody')} at {socket.gethostname()} (process {os.getpid()})"
    program = open_program(run.pyinfra, run.host, script("lock", who=who), run.arguments)
    answer = program.read_line()
    if answer != "locked":
        program.close()
        holder = answer.removeprefix("held ").strip()
        raise NoevictError(f"is being changed by {holder or 'another run'}: wait for it, then run again")
    run.lock = program
    gevent.spawn(_beat, program)


def release_lock(run: HostRun) -> None:
    if run.lock is not None:
        with contextlib.suppress(*HOST_FAILURES):
            run.lock.close()
        run.lock = None


def _beat(program: Program) -> None:
    while True:
        gevent.sleep(BEAT_SECONDS)
        try:
            program.write(b"\n")
        except (*HOST_FAILURES, ValueError):
            return


def changed_fields(before: HostState, after: HostState) -> list[str]:
    """The names of what differs between two looks, of the fields that count."""
    pairs: list[tuple[Any, Any]] = [(before, after), (before.live, after.live)]
    return [
        field.name
        for one, other in pairs
        for field in dataclasses.fields(one)
        if field.compare and field.name != "live" and getattr(one, field.name) != getattr(other, field.name)
    ]
