"""Starts saves and rewrites of append-only files, which a server does in a child process, and waits for them."""

import contextlib
from collections.abc import Callable

import redis

from noevict.client.client import Client
from noevict.errors import NoevictError
from noevict.run.instance import InstanceRun
from noevict.server.progress import Info, is_saving, saving
from noevict.ssh.waits import ProgressDeadline


def turn_aof_on(run: InstanceRun, client: Client, begun: Callable[[], object] = lambda: None) -> None:
    """Set ``appendonly yes`` and wait until the first rewrite is done. Raise NoevictError if it fails.

    ``begun`` is called once the rewrite has begun.
    """
    before = _persistence(run, client)
    _begin(client, "CONFIG SET", "appendonly", "yes")
    begun()
    wait_until_written(run, client, before)


def rewrite_aof(run: InstanceRun, client: Client) -> None:
    """Rewrite the append-only files from all that is in memory. Raise NoevictError if that fails."""
    wait_until_idle(run, client)
    before = _persistence(run, client)
    _begin(client, "BGREWRITEAOF")
    wait_until_written(run, client, before)


def wait_until_written(run: InstanceRun, client: Client, before: Info) -> None:
    """Wait for a rewrite that began after ``before``, an INFO persistence: then the files hold everything.

    Raise NoevictError if writing them fails.
    """

    def grew(info: Info, name: str) -> bool:
        return int(info.get(name, 0)) > int(before.get(name, 0))

    def done(info: Info) -> bool:
        # A first rewrite that failed is scheduled again at once, for ever: only the counter shows the failure.
        failed = grew(info, "aof_rewrites_consecutive_failures")
        if not failed and (info.get("aof_rewrite_scheduled") or info.get("aof_rewrite_in_progress")):
            return False
        began = grew(info, "aof_rewrites")
        wrong = info.get("aof_last_bgrewrite_status") != "ok" or info.get("aof_last_write_status") != "ok"
        if failed or (began and wrong):
            raise NoevictError(
                "writing the append-only files failed: see the server's log; its data is as it was"
            )
        return began and bool(info.get("aof_enabled"))

    wait_for(run, client, done, "writing the append-only files")


def save(run: InstanceRun, client: Client) -> None:
    """Save an RDB of all current data. Raise NoevictError if that fails."""
    wait_until_idle(run, client)
    before = client.info("persistence").get("rdb_saves", 0)
    try:
        _begin(client, "BGSAVE")
    except redis.ResponseError as error:
        if not is_saving(client.info("persistence")):
            raise NoevictError(f"BGSAVE is refused: {error}") from error
        save(run, client)  # the server began another save in between
        return
    wait_until_idle(run, client)
    info = client.info("persistence")
    if info.get("rdb_last_bgsave_status") != "ok" or info.get("rdb_saves", 1) == before:
        raise NoevictError(
            "BGSAVE failed: free space on the data's disk, then run again; nothing was restarted"
        )


def wait_until_idle(run: InstanceRun, client: Client) -> None:
    """Wait until no child of the server writes: a stop would cut it off, or wait for it for ever."""
    wait_for(run, client, lambda info: not is_saving(info), "saving the data")


def wait_for(run: InstanceRun, client: Client, done: Callable[[Info], bool], what: str) -> None:
    """Poll INFO persistence until ``done`` is true of it. Raise NoevictError if there is no more progress."""
    deadline = ProgressDeadline(f"{run.layout.title} is {what}", run.machine.log)
    while True:
        try:
            info: Info = client.info("persistence")
            if done(info):
                return
            deadline.wait(*saving(info))
        except redis.TimeoutError:
            deadline.wait()


def _persistence(run: InstanceRun, client: Client) -> Info:
    """Return INFO persistence of a server that may be too busy to answer at once."""
    found: dict[str, object] = {}

    def answered(info: Info) -> bool:
        found.update(info)
        return True

    wait_for(run, client, answered, "busy")
    return found


def _begin(client: Client, *command: str) -> None:
    """Send a command that makes Redis fork before it answers: at a terabyte, the fork outlasts the timeout."""
    with contextlib.suppress(redis.TimeoutError):
        client.execute_command(*command)
