"""The lock: one run at a time on a host, and only on a host that is still as it was looked at."""

import dataclasses
import os
import socket
from typing import Any

import gevent

from noevict import commands
from noevict.errors import NoevictError
from noevict.loading import wait_until_loaded
from noevict.operations.step import step
from noevict.reach import sentence
from noevict.run import HOST_FAILURES, HostRun
from noevict.scripts import script
from noevict.state import HostState
from noevict.wording import one_line

BEAT_SECONDS = 20  # lock.sh gives a silent owner up after 90


@step
def lock_host(run: HostRun) -> None:
    """Take the host's lock, see that nothing changed since the look, and write what is new in the secrets."""
    if run.twin:
        raise NoevictError(*run.twin)
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
    try:
        program = commands.open_program(run.pyinfra, run.host, script("lock", who=who), run.arguments)
        answer = commands.read_line(program) or commands.read_line(program, "stderr")
    except commands.GONE as error:
        raise NoevictError(f"its lock could not be taken: {sentence(error)}") from error
    if answer != "locked":
        commands.close(program)
        if not answer.startswith("held"):
            why = commands.refusal_of_sudo([answer]) or one_line(answer) or "it hung up"
            raise NoevictError(f"its lock could not be taken: {why}")
        holder = one_line(answer.removeprefix("held").strip())
        raise NoevictError(f"is being changed by {holder or 'another run'}: wait for it, then run again")
    run.lock = program
    gevent.spawn(_beat, program)


def release_lock(run: HostRun) -> None:
    if run.lock is not None:
        commands.close(run.lock)
        run.lock = None


def _beat(program: commands.Program) -> None:
    while True:
        gevent.sleep(BEAT_SECONDS)
        try:
            commands.write(program, b"\n")
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
