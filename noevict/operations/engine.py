"""Replaces one engine's server by the other's, with all its keys; if that fails, the old server is put back."""

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.operations.data.directories import seed, stamp
from noevict.operations.data.persistence import save, wait_for
from noevict.operations.data.stopping import before_stopping
from noevict.operations.packages import install
from noevict.operations.service import (
    enable,
    last_log_lines,
    left_stopped,
    service,
    settle,
    stop,
    stop_after_failure,
    try_again,
    wait_until_ready,
)
from noevict.operations.uninstall import release_server
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.engine_change import PREAMBLE, has_data, moves_append_only
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.ssh.shell import HOST_FAILURES

COPY_SECONDS = 3600  # if the two data directories are on two disks
PAUSE_MILLISECONDS = 10_000  # writes wait while the keys are counted and the server is asked to stop


@host_operation
def change_engine(run: InstanceRun) -> None:
    """Have the old server save and stop, start the new one with its data, and stop managing the old one."""
    old = run.predecessor
    if old is None:
        raise NoevictError("changed since it was looked at (other_engine): run again")
    if not run.found.pid:
        with run.context.restarts.turn(run.name):
            stop_after_failure(run)
            run.undo = None  # from here on, a failure puts the old server back with its data
            _replace(run, old)
    release_server(old)


def _replace(run: InstanceRun, old: InstanceRun) -> None:
    aof = old.found.starts_with_aof
    if old.found.live.reached:
        aof = _make_ready(run, old)
    moved, keys = stamp(), {}
    hands_over = has_data(old.found, old.layout)
    try:
        if old.found.pid:
            keys = _stop(old)
        service(old, "disable")
        if hands_over:
            _hand_over(run, old, aof, moved)
        if steps.installs_server(run.plan):
            install(run)
        else:
            enable(run)
            wait_until_ready(run, "start")
    except (NoevictError, *HOST_FAILURES) as error:
        run.context.restart_failed_on = run.name
        lines = _restore_old(run, old, sentence(error), moved if hands_over else None)
        raise NoevictError(*lines) from error
    _compare(run, keys)


def _make_ready(run: InstanceRun, old: InstanceRun) -> bool:
    """Have the old server save all in a form that the new one reads. Return whether that is append-only files."""
    client, wanted = old.client, run.plan.target.live
    aof = moves_append_only(old.found.live, run.plan.target)
    wait_for(old, client, lambda info: not info.get("loading"), "loading")
    if aof:
        client.config_set(PREAMBLE, wanted[PREAMBLE])
    else:
        save(old, client)
    before_stopping(old, append_only=aof, must_rewrite=True)
    return aof


def _stop(old: InstanceRun) -> dict[str, tuple[int, int]]:
    """Pause writes, count the keys, and stop the server, which saves them.

    Return database -> (number of keys, number of those that may expire).
    """
    client = old.client
    client.client_pause(PAUSE_MILLISECONDS, all=False)
    space = client.info("keyspace")
    stop(old)
    return {name: (entry["keys"], entry["expires"]) for name, entry in space.items()}


def _hand_over(run: InstanceRun, old: InstanceRun, aof: bool, moved: str) -> None:
    kind = "aof" if aof else "rdb"
    source, target = old.layout.data, run.layout.data
    lines = run.machine.shell(
        script("as_user", user=run.layout.user)
        + script("hand_over", source=source, target=target, old=old.layout.user, kind=kind, stamp=moved),
        seconds=COPY_SECONDS,
        what=f"handing the data of {old.layout.title} over",
    )
    if kind == "rdb":
        seed(run, trust_rdb=True)
    for line in lines:
        word, _, path = line.partition(" ")
        whose = old.layout.title if word == "moved" else run.layout.title
        run.machine.log(f"the data that {whose} had is kept in {path}")


def _restore_old(run: InstanceRun, old: InstanceRun, why: str, moved: str | None) -> tuple[str, ...]:
    """Put the old server back, with its data. Return the lines to report.

    ``moved``: the stamp of its data that is kept. None if it did not run and had no data to hand over: then it is put
    back as it was.
    """
    try:
        now = service(run, "state").state
        if now == "running":
            # It may have served clients already.
            data = "" if moved is None else ", with the data handed over"
            return (why, f"{run.layout.title} is running{data}: fix the cause, then run again")
        if now != "stopped":  # systemd would start one that failed again, on the data's port
            stop(run)
        service(run, "disable")
        if moved is None:
            return _leave_old(old, why)
        source, target = old.layout.data, run.layout.data
        back = script("hand_back", source=source, target=target, old=old.layout.user, stamp=moved)
        run.machine.shell(script("as_user", user=run.layout.user) + back, what="giving the data back")
        enable(old)
        state = settle(old, "start").state
    except (NoevictError, *HOST_FAILURES) as error:
        return (why, f"and {old.layout.title} could not be put back: {sentence(error)}", *left_stopped(old))
    if state != "running":
        return (
            why,
            f"{old.layout.title} has its data again, but does not start with it: {last_log_lines(old)}",
        )
    return (why, f"{old.layout.title} runs again, with its data")


def _leave_old(old: InstanceRun, why: str) -> tuple[str, ...]:
    """Leave an old server that has no data as it was before: enabled or not, failing or stopped."""
    if old.found.enabled:
        enable(old)
    return try_again(old, (why,)) if old.failing else (why, f"{old.layout.title} is stopped, as before")


def _compare(run: InstanceRun, before: dict[str, tuple[int, int]]) -> None:
    """Raise NoevictError if keys are missing, other than those that may have expired."""
    after = run.client.info("keyspace")
    for name, (keys, expires) in before.items():
        found = after.get(name, {}).get("keys", 0)
        if found < keys - expires:
            raise NoevictError(
                f"{name} has {found} keys, had {keys} before: the earlier data is kept, see above; stop "
                f"{run.layout.title} before more is written"
            )
