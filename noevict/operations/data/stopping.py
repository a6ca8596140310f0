"""Prepares a stop of a server: so that it loses nothing, and the server can start again."""

from noevict.errors import NoevictError
from noevict.operations.data.append_only import measure_room, no_room
from noevict.operations.data.persistence import rewrite_aof, save, wait_until_idle
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.server.space import SLACK, Room

CHECK_SECONDS = 3600  # redis-check-aof reads all files: 100 GB in a quarter of an hour


def before_stopping(run: InstanceRun, *, append_only: bool, must_rewrite: bool = False) -> None:
    """Make sure that a stop loses nothing and is short: no client is served while a server saves.

    ``append_only``: the next start reads append-only files. They are rewritten, so that it reads nothing that was
    damaged meanwhile, and no long list of commands. If there is no room for that, they are only checked; with
    ``must_rewrite`` this raises instead. Raise NoevictError if the server might not start again with all its keys.
    """
    client = run.client
    wait_until_idle(run, client)
    dump = run.found.file(run.layout.rdb)
    # If a save fails because there is no room, the server refuses all writes.
    _check_disk(measure_room(run), SLACK + (dump.size if dump else 0))
    info = client.info("persistence")
    if info.get("aof_enabled") and info.get("aof_last_write_status") != "ok":
        raise NoevictError(
            "its last AOF write failed: free space on the data's disk, then run again; not restarted"
        )
    written = append_only and bool(info.get("aof_enabled"))
    saves = bool(client.config_get("save").get("save"))
    if run.undo is not None and not run.found.starts_with_aof and not saves:
        # If the take-over fails, the server's own configuration starts from an RDB.
        client.config_set("save", "3600 1")
        saves = True
    full = no_room(run, client) if written else ""
    # Save in the background now, instead of at the stop.
    sooner = written and saves and not full and _reads_append_only_files(run)
    if not written and not saves:
        # Without this, the stop would write nothing that the next start reads.
        client.config_set("save", "3600 1")
    if info.get("rdb_last_bgsave_status") != "ok" or sooner or not (written or saves):
        save(run, client)
    if written:
        full = full or no_room(run, client)
        if not full:
            rewrite_aof(run, client)
        elif must_rewrite:
            raise NoevictError(f"{full}, then run again; not stopped")
        else:
            run.machine.log(f"the append-only files are checked, and not rewritten: {full}")
            check_append_only_files(run)
    _check_disk(measure_room(run), SLACK)
    check_start(run)  # with the files that were just written
    if sooner:
        client.config_set("shutdown-on-sigterm", "nosave")


def check_start(run: InstanceRun) -> None:
    """Try to read and write what a start does, as the server's user. Raise NoevictError if any of it fails."""
    layout = run.layout
    text = script("as_user", user=layout.user) + script(
        "may_start",
        unit=layout.unit,
        conf=layout.conf,
        acl=layout.aclfile,
        tls=layout.tls,
        data=layout.data,
        logfile=layout.logfile,
    )
    run.machine.shell(
        text,
        what=f"{layout.title} would not start again, and is not stopped: the check of what a start needs",
    )


def check_append_only_files(run: InstanceRun) -> None:
    """Check append-only files with the server's own program. Raise NoevictError if a start would not load them."""
    layout = run.layout
    text = script("as_user", user=layout.user) + script(
        "check_aof", check=layout.check_aof, manifest=layout.manifest, seconds=CHECK_SECONDS
    )
    what = (
        f"{layout.title} would not start again with all its keys, and is not stopped: give it room to rewrite its "
        "append-only files (BGREWRITEAOF), then run again; checking them"
    )
    run.machine.shell(text, seconds=3 * CHECK_SECONDS + 60, what=what)


def _check_disk(room: Room, needed: int) -> None:
    """Raise NoevictError if a server that stops now might not start again."""
    for path, free in room.disk.items():
        if free < needed:
            raise NoevictError(
                f"the disk of {path} has {free >> 10} KiB free, a restart needs {needed >> 10}: free space, then "
                "run again; not restarted"
            )


def _reads_append_only_files(run: InstanceRun) -> bool:
    """Return whether the configuration that is put back after a failed restart starts with append-only files."""
    return run.found.starts_with_aof and run.found.file(run.layout.last_good) is None
