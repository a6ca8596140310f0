"""Turns AOF on or off for a server that has data, so that it starts with that data even if it dies meanwhile."""

import redis

from noevict.client.client import Client
from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.operations.data.directories import stamp
from noevict.operations.data.persistence import save, turn_aof_on, wait_until_written
from noevict.platforms.systemd import steps
from noevict.run.instance import InstanceRun
from noevict.scripts import packed, script
from noevict.server.space import Room, lacking
from noevict.ssh.shell import SYNC_SECONDS


def write_append_only_files(run: InstanceRun) -> None:
    """Turn AOF on, or wait for a first rewrite that an earlier run began. The configuration is still as found.

    Raise NoevictError if there is no room or the rewrite fails. AOF is off then: a server with AOF on that cannot
    write it refuses all writes, and tries again for ever. AOF stays on only if redis.conf cannot be changed, or if an
    earlier run began the rewrite.
    """
    on = run.found.live.config.get("appendonly") == "yes"
    try:
        if steps.waits_for_first_rewrite(run.plan, run.found):
            wait_until_written(run, run.client, {})
            _write_file(run, "yes")
        else:
            _turn_on(run, run.client, on=on)
    except (NoevictError, redis.ResponseError) as error:
        now = "AOF is on:" if _is_on(run.client) else "AOF is off now:" if on else "AOF stays off:"
        raise NoevictError(f"{now} {sentence(error)}") from error


def turn_aof_off(run: InstanceRun) -> None:
    """Save an RDB, and turn AOF off. Raise NoevictError if the save fails; AOF stays on then.

    The file changes before the server does: a start that still read the append-only files would miss all that was
    written since, and its next save would overwrite the RDB that has it.
    """
    save(run, run.client)
    _turn_off(run, run.client, write=True)


def _turn_on(run: InstanceRun, client: Client, *, on: bool) -> None:
    """Turn AOF on so that a start at any moment finds all data from when the save began, or what it found before."""
    saved = False
    try:
        _check_room(run, client)
        since = int(client.time()[0])
        save(run, client)
        saved = True
        # From now on a start loads the RDB, which later saves renew. AOF is never turned off while the file says yes.
        _write_file(run, "no")
        if on:
            client.config_set("appendonly", "no")
        _check_room(run, client, _make_base(run, since))
        # From now on a start finds the same data as the base of append-only files, and later the full files.
        turn_aof_on(run, client, lambda: _write_file(run, "yes"))
    except (NoevictError, redis.ResponseError):
        _turn_off(run, client, write=saved or on)
        raise
    _base(run, written=True)


def _turn_off(run: InstanceRun, client: Client, *, write: bool) -> None:
    """Turn AOF off. ``write``: for the next start too, which has an RDB as new as any append-only files."""
    if write:
        _write_file(run, "no")
    if _is_on(client):
        client.config_set("appendonly", "no")


def _is_on(client: Client) -> bool:
    return bool(client.config_get("appendonly").get("appendonly") == "yes")


def _write_file(run: InstanceRun, value: str) -> None:
    """Write ``appendonly`` into a configuration of ours, for the next start.

    CONFIG REWRITE would also write all values that were changed by hand.
    """
    if run.found.live.ours:
        layout = run.layout
        whole = packed(run.plan.target.text(layout.conf)) if run.managed else ""
        text = script("descriptors", user=layout.user) + script(
            "appendonly", user=layout.user, conf=layout.conf, value=value, whole=whole
        )
        run.machine.shell(text, seconds=SYNC_SECONDS, what=f"writing appendonly {value}")


def _check_room(run: InstanceRun, client: Client, size: int | None = None) -> None:
    """Raise NoevictError if there is no room for a copy of all data (``size`` bytes, if known)."""
    if size is not None and run.found.live.config.get("aof-use-rdb-preamble") != "yes":
        size = None  # commands take more than an RDB
    if why := no_room(run, client, size):
        raise NoevictError(f"{why}, then run again")


def no_room(run: InstanceRun, client: Client, size: int | None = None) -> str:
    """Return why there is no room for a copy of all data; "" if there is room."""
    info = {**client.info("memory"), **client.info("persistence")}
    return lacking(measure_room(run), run.layout.data, info, run.found.memory, size)


def measure_room(run: InstanceRun) -> Room:
    return Room.parse(run.machine.shell(script("free_space", data=run.layout.data), what="looking for room"))


def _make_base(run: InstanceRun, since: int) -> int:
    """Make the RDB that was saved the base of append-only files. Return its size in bytes."""
    size = 0
    for line in _base(run, since=since):
        word, _, rest = line.partition(" ")
        if word == "kept":
            run.machine.warn(f"append-only files of an earlier time are kept in {rest}")
        else:
            size = int(rest)
    return size


def _base(run: InstanceRun, *, since: int = 0, written: bool = False) -> list[str]:
    text = script("as_user", user=run.layout.user) + script(
        "base",
        data=run.layout.data,
        dump=run.found.live.config.get("dbfilename", "dump.rdb"),
        since=since,
        stamp=stamp(),
        written="yes" if written else "no",
    )
    return run.machine.shell(text, seconds=SYNC_SECONDS, what="preparing the append-only files")
