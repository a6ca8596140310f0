"""The service: enabled, started, restarted one host at a time, and put back where that fails."""

import contextlib
from dataclasses import dataclass

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.operations.data.stopping import before_stopping, check_append_only_files, see_start
from noevict.platforms.systemd.wanted import PREVIOUS
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.run.loading import how_far, wait_for_first_answer
from noevict.scripts import script
from noevict.server.progress import ProgressDeadline
from noevict.ssh.shell import HOST_FAILURES, SYNC_SECONDS

UNDER_WAY = {"starting": "loading its data", "stopping": "saving its data before it stops"}


@dataclass(frozen=True)
class UnitState:
    """What service.sh tells: running, starting, stopping, stopped or failed; ``saved``: bytes of a save as it stops."""

    state: str
    pid: int
    saved: int


@host_operation
def enable_service(run: InstanceRun) -> None:
    """Unmasked, enabled, its files read."""
    enable(run)


def enable(run: InstanceRun) -> None:
    service(run, "enable")


@host_operation
def start_server(run: InstanceRun) -> None:
    """A server that is not running."""
    wait_until_ready(run, "start")


@host_operation
def restart_server(run: InstanceRun) -> None:
    """Where nothing less will do. Nothing is lost: see what is done before."""
    with run.context.restarts.turn(run.name):
        if run.context.restart_failed_on is not None and run.undo is None:
            # What that one did not start with is not left here for the next boot.
            _files_back(run)
        stop_after_failure(run)
        before_restart(run)
        try:
            wait_until_ready(run, "restart")
        except (NoevictError, *HOST_FAILURES) as error:
            run.context.restart_failed_on = run.name
            if run.undo is not None:
                raise  # more than the configuration is given back
            raise NoevictError(*_put_back(run, sentence(error))) from error


def before_restart(run: InstanceRun) -> None:
    """Raises what speaks against it. It runs on: what it might not start with is not left here for the next boot."""
    try:
        if run.found.live.reached:
            before_stopping(run, append_only=run.plan.target.live["appendonly"] == "yes")
        else:
            # It does not take our commands, and has append-only files open: see refusals.
            see_start(run)
            check_append_only_files(run)
    except (NoevictError, *HOST_FAILURES):
        if run.undo is None:
            with contextlib.suppress(NoevictError, *HOST_FAILURES):
                _files_back(run)
        raise


def stop_after_failure(run: InstanceRun) -> None:
    """Raises NoevictError where a server of this run did not come back: no other one is stopped then."""
    if run.context.restart_failed_on is not None:
        raise NoevictError(
            f"not restarted: {run.context.restart_failed_on} did not come back; mend that first"
        )


def wait_until_ready(run: InstanceRun, verb: str) -> None:
    """Start or restart, wait through loading, and log in as a client would. Raises with the server's last words."""
    try:
        if settled(run, verb).state != "running":
            raise NoevictError(f"{run.layout.title} did not {verb.rsplit(maxsplit=1)[-1]}")
        wait_for_first_answer(run)
    except NoevictError as error:
        raise NoevictError(f"{error}: {last_words(run)}") from error


def stop(run: InstanceRun) -> None:
    """Raises NoevictError where it does not end: it may be saving, and in vain."""
    if settled(run, "stop").state not in ("stopped", "failed"):
        raise NoevictError(f"{run.layout.title} did not stop: {last_words(run)}")


def settled(run: InstanceRun, verb: str) -> UnitState:
    """Do it, and wait until the service is no longer on its way. Raises NoevictError where that stands still."""
    old = run.found.pid if verb == "restart" else 0
    now, state = service(run, verb, old), ""
    while now.state in UNDER_WAY:
        if now.state != state:
            state, patience = (
                now.state,
                ProgressDeadline(f"{run.layout.title} is {UNDER_WAY[now.state]}", run.machine.log),
            )
        if state == "starting":
            patience.wait(*how_far(run))
        else:
            old = now.pid
            patience.wait(now.saved or None, f", {now.saved >> 20} MiB" if now.saved else "")
        now = service(run, verb, old, again=True)
    return now


def last_words(run: InstanceRun) -> str:
    """What the server said last that tells why; no line that could hold a password."""
    words = script("descriptors", user=run.layout.user) + script(
        "last_log_lines", unit=run.layout.unit, logfile=run.layout.logfile
    )
    try:
        return " / ".join(run.machine.shell(words, what="reading its log")) or "its log says nothing"
    except NoevictError:  # a host that is gone: the first cause is the one to tell
        return "its log could not be read"


def service(run: InstanceRun, verb: str, old: int = 0, *, again: bool = False) -> UnitState:
    """Verbs of service.sh, one after the other. ``old``: the process that is to end. ``again``: they were given, and
    go on."""
    layout = run.layout
    said = run.machine.shell(
        script(
            "service",
            package=layout.package,
            unit=layout.unit,
            user=layout.user,
            data=layout.data,
            pidfile=layout.pidfile,
            verb=verb,
            again="yes" if again else "no",
            old=old,
        ),
        what=f"systemctl {verb}" if run.found.machine.systemd else f"service {verb}",
    )
    _, state, _, pid, _, saved = said[-1].split(" ")
    return UnitState(state, int(pid), int(saved))


def _put_back(run: InstanceRun, why: str) -> tuple[str, ...]:
    """The old configuration again, and running. What to tell."""
    try:
        if not _files_back(run):
            return (why, "there is no earlier configuration to put back")
        state = settled(run, "restart").state
    except (NoevictError, *HOST_FAILURES) as error:
        return (why, f"and the old configuration could not be put back: {sentence(error)}")
    if state != "running":
        return (
            why,
            f"the old configuration is back, and {run.layout.title} does not start with it: {last_words(run)}",
        )
    return (why, "the old configuration is back, and serves")


def _files_back(run: InstanceRun) -> bool:
    """The last configuration that worked, in place of the new one. False where there is none."""
    layout = run.layout
    put = script("rollback", conf=layout.conf, acl=layout.aclfile, previous=PREVIOUS)
    return "none" not in run.machine.shell(
        put, seconds=SYNC_SECONDS, what="putting the old configuration back"
    )
