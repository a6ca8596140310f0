"""The lock: one run at a time on a host, and only on a host that is still as it was looked at."""

import contextlib
import dataclasses
from typing import Any

import redis

from noevict.errors import NoevictError
from noevict.operations.passwords import note_generation
from noevict.operations.takeover import begin_takeover, takes_over
from noevict.platforms.systemd.found import HostState
from noevict.run.instance import HostRun
from noevict.run.loading import is_loading, wait_until_loaded
from noevict.run.step import step
from noevict.ssh.lock import Lock


@step
def lock_host(run: HostRun) -> None:
    """Take the host's lock, see that nothing changed since the look, and write what is new in the secrets."""
    if run.twin:
        raise NoevictError(*run.twin)
    before = run.found
    wait_until_loaded(run)  # for hours, perhaps: nobody is kept out meanwhile
    take_lock(run)
    run.look_again()
    if is_loading(run.found):
        raise NoevictError(f"{run.layout.title} has begun to load its data again: run again once it has")
    different = changed_fields(before, run.found)
    if different:
        raise NoevictError(f"changed since looked at ({', '.join(different)}): run again")
    managed = [other.name for other in run.others() if other.managed]
    run.fleet.save_secrets(managed)
    run.make_plan()
    if run.plan.refusals:
        raise NoevictError(*run.plan.refusals)
    if takes_over(run):
        begin_takeover(run)
    note_generation(run)


def take_lock(run: HostRun) -> None:
    """Held until this process ends or ``run.release_lock``. Raises NoevictError where another run holds it."""
    run.lock = Lock.take(run.pyinfra, run.host, run.arguments)
    if run.lock.silent:
        run.log(f"takes over the lock of {run.lock.silent}, which fell silent")
        _end_connections(run)


def _end_connections(run: HostRun) -> None:
    """Those of the run that lost the lock: what it sends when it wakes up is not to arrive."""
    if run.found.live.user == "admin":
        with contextlib.suppress(redis.RedisError, OSError):
            run.client.execute_command("CLIENT KILL", "USER", "admin", "SKIPME", "yes")


def changed_fields(before: HostState, after: HostState) -> list[str]:
    """The names of what differs between two looks, of the fields that count."""
    found = (*different(before, after), *different(before.live, after.live))
    return [name for name in found if name != "live"]


def different(before: Any, after: Any) -> list[str]:
    """The names of what differs between two of one dataclass, of the fields that count."""
    return [
        field.name
        for field in dataclasses.fields(before)
        if field.compare and getattr(before, field.name) != getattr(after, field.name)
    ]
