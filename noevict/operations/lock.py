"""Locks a host: one run at a time, and only if the host has not changed since the look."""

import contextlib
import dataclasses
from typing import Any

import redis

from noevict.errors import NoevictError
from noevict.operations.passwords import note_generation
from noevict.operations.service import keep_down
from noevict.operations.takeover import begin_takeover
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.preflight import takes_over
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.run.loading import is_loading, wait_until_loaded
from noevict.ssh.lock import Lock


@host_operation
def lock_host(run: InstanceRun) -> None:
    """Take the lock, check that nothing changed since the look, and save secrets. A server that is down stays so."""
    if run.machine.duplicate_of:
        raise NoevictError(*run.machine.duplicate_of)
    before = run.found
    wait_until_loaded(run)  # perhaps for hours: without the lock, so that nobody is kept out
    take_lock(run)
    run.look_again()
    if is_loading(run.found):
        raise NoevictError(f"{run.layout.title} has begun to load its data again: run again once it has")
    different = changed_fields(before, run.found)
    if different:
        raise NoevictError(f"changed since it was looked at ({', '.join(different)}): run again")
    run.context.save_secrets(run.context.managed)
    run.make_plan()
    if run.plan.refusals:
        raise NoevictError(*run.plan.refusals)
    keep_down(run)
    if takes_over(run.found, run.layout):
        begin_takeover(run)
    note_generation(run)


def take_lock(run: InstanceRun) -> None:
    """Take the lock, until ``run.machine.release_lock`` or this process ends. Raise NoevictError if it is taken."""
    machine = run.machine
    machine.lock = Lock.take(machine.pyinfra, machine.host, machine.arguments)
    if machine.lock.silent:
        machine.log(f"takes over the lock of {machine.lock.silent}, which fell silent")
        _end_connections(run)


def _end_connections(run: InstanceRun) -> None:
    """Close the connections of the run that lost the lock: what it sends when it wakes up must not arrive."""
    if run.found.live.user == "admin":
        with contextlib.suppress(redis.RedisError, OSError):
            run.client.execute_command("CLIENT KILL", "USER", "admin", "SKIPME", "yes")


def changed_fields(before: InstanceState, after: InstanceState) -> list[str]:
    """Return the names of the compared fields that differ between two looks."""
    names = [
        *(name for name in different(before, after) if name not in ("machine", "live")),
        *different(before.machine, after.machine),
        *different(before.live, after.live),
    ]
    if before.starting or before.live.loading:  # it may have had only some of its ports open
        return [name for name in names if name != "listeners"]
    return names


def different(before: Any, after: Any) -> list[str]:
    """Return the names of the compared fields that differ between two objects of one dataclass."""
    return [
        field.name
        for field in dataclasses.fields(before)
        if field.compare and getattr(before, field.name) != getattr(after, field.name)
    ]
