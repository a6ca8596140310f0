"""Prepares data on disk before a server starts with it."""

from datetime import UTC, datetime

from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.ssh.shell import SYNC_SECONDS


@host_operation
def prepare_data(run: InstanceRun) -> None:
    """Make sure that a server with AOF on finds the keys of an RDB file. The server is not running.

    The old redis.conf says whether the RDB or the append-only files are newer: this runs before it is replaced.
    """
    seed(run, trust_rdb=not (run.found.starts_with_aof or run.found.empty_rdb))


def seed(run: InstanceRun, *, trust_rdb: bool) -> None:
    """Make an RDB file the base of append-only files, if a start would miss it otherwise.

    ``trust_rdb``: AOF was off when it was written.
    """
    lines = run.machine.shell(
        script("as_user", user=run.layout.user)
        + script(
            "data",
            data=run.layout.data,
            aof="yes" if run.settings.redis_appendonly else "no",
            trust_rdb="yes" if trust_rdb else "no",
            stamp=stamp(),
        ),
        seconds=SYNC_SECONDS,
        what="preparing the data",
    )
    if "seeded" in lines:
        run.machine.log("dump.rdb is the base of the append-only files")


def keep_old_aof(run: InstanceRun) -> None:
    """Keep append-only files that are not in use under another name, and report it."""
    keep = script("as_user", user=run.layout.user) + script(
        "keep_old_aof", data=run.layout.data, stamp=stamp()
    )
    for path in run.machine.shell(keep, seconds=SYNC_SECONDS, what="keeping old AOF files"):
        run.machine.warn(f"append-only files of an earlier time are kept in {path}")


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
