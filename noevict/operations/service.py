"""The service: enables and starts it, restarts one host at a time, and puts the configuration back if that fails."""

import contextlib
from dataclasses import dataclass
from functools import partial

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.operations.data.stopping import before_stopping, check_append_only_files, check_start
from noevict.platforms.systemd import steps
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.run.loading import how_far, wait_for_first_answer
from noevict.scripts import script
from noevict.ssh.shell import HOST_FAILURES, SYNC_SECONDS
from noevict.ssh.waits import ProgressDeadline

UNDER_WAY = {"starting": "loading its data", "stopping": "saving its data before it stops"}
DOWN = ("stopped", "failed")  # until somebody starts it


@dataclass(frozen=True)
class UnitState:
    """What service.sh prints: ``state`` is its WORD; ``saved``: bytes saved while it stops."""

    state: str
    pid: int
    saved: int


@host_operation
def enable_service(run: InstanceRun) -> None:
    """Unmask and enable the service, and have systemd read its files."""
    enable(run)


def enable(run: InstanceRun) -> None:
    service(run, "enable")


@host_operation
def start_server(run: InstanceRun) -> None:
    """Start a server that is not running. If that fails, its configuration is put back."""
    protect_configuration(run)
    wait_until_ready(run, "start")


@host_operation
def restart_server(run: InstanceRun) -> None:
    """Restart the server, if nothing less is enough. ``before_restart`` sees that nothing is lost."""
    with run.context.restarts.turn(run.name):
        if run.context.restart_failed_on is not None and run.undo is None:
            # The other host did not start with this configuration: it is not left here for the next boot.
            _restore_files(run)
        stop_after_failure(run)
        before_restart(run)
        try:
            wait_until_ready(run, "restart")
        except (NoevictError, *HOST_FAILURES) as error:
            run.context.restart_failed_on = run.name
            if run.undo is not None:
                raise  # give_back puts back more than the configuration
            raise NoevictError(*_restore(run, sentence(error))) from error


def before_restart(run: InstanceRun) -> None:
    """Check that a restart is safe. If not, raise why: the server runs on, and has its old configuration for a boot."""
    try:
        if run.found.live.reached:
            before_stopping(run, append_only=run.plan.target.live["appendonly"] == "yes")
        else:
            # It does not accept our commands, and has append-only files open: see preflight.
            check_start(run)
            check_append_only_files(run)
    except (NoevictError, *HOST_FAILURES):
        if run.undo is None:
            with contextlib.suppress(NoevictError, *HOST_FAILURES):
                _restore_files(run)
        raise


def stop_after_failure(run: InstanceRun) -> None:
    """Raise NoevictError if a server of this run did not come back: no other server is stopped then."""
    if run.context.restart_failed_on is not None:
        raise NoevictError(
            f"not restarted: {run.context.restart_failed_on} did not come back; fix that first"
        )


def wait_until_ready(run: InstanceRun, verb: str) -> None:
    """Start or restart, wait until it has loaded, and log in as a client would. Raise with its last log lines."""
    try:
        if settle(run, verb).state != "running":
            raise NoevictError(f"{run.layout.title} did not {verb.rsplit(maxsplit=1)[-1]}")
        wait_for_first_answer(run)
    except NoevictError as error:
        raise NoevictError(f"{error}: {last_log_lines(run)}") from error


def keep_down(run: InstanceRun) -> None:
    """Stop a server that does not run, and the one that it replaces, if systemd tries to start them.

    It would come up with its old configuration while files and data change. Raise NoevictError if it runs by now.
    """
    waits = run.predecessor or run
    for each in (run, run.predecessor):
        if each is None or run.found.pid or not steps.may_come_up(each.found):
            continue
        state = service(each, "state").state
        if state == "running" or (state not in DOWN and not hold(each)):
            raise NoevictError("changed since it was looked at (it is running now): run again")
        if state in ("retrying", "starting"):
            each.failing = True
            each.machine.log(
                f"{each.layout.title}, which systemd tries to start, is stopped while it is changed"
            )
            if each is waits:
                run.undo = partial(try_again, each)


def try_again(run: InstanceRun, why: tuple[str, ...]) -> tuple[str, ...]:
    """Have systemd try to start the server as before, after a step that failed. Return the lines to report."""
    try:
        service(run, "start")
    except (NoevictError, *HOST_FAILURES) as error:
        failed = f"and {run.layout.title} was not started again: {sentence(error)}"
        return (*why, failed, *left_stopped(run))
    return (*why, f"systemd tries to start {run.layout.title}, as before")


def left_stopped(run: InstanceRun) -> tuple[str, ...]:
    """Return the line about a server that systemd tried to start before this run stopped it; nothing if it did not."""
    line = (
        f"{run.layout.title}, which systemd tried to start, may be stopped now: fix the cause, then run again"
    )
    return (line,) if run.failing else ()


def protect_configuration(run: InstanceRun) -> None:
    """From now on, a step that fails puts the configuration of a server that did not run back.

    By now the data on disk is prepared for the new one (``prepare_data``).
    """
    if steps.keeps_configuration(run.plan, run.found) == "stopped":
        run.undo = partial(put_back, run)


def put_back(run: InstanceRun, why: tuple[str, ...]) -> tuple[str, ...]:
    """Put the configuration of a server that did not run back as it was. Return the lines to report.

    It is stopped first: systemd may try to start it at any moment, with either configuration.
    """
    try:
        if not hold(run):
            return why  # it may have served clients by now, and it starts with the new one
        back = _restore_files(run)
    except (NoevictError, *HOST_FAILURES) as error:
        failed = f"and the old configuration could not be put back: {sentence(error)}"
        return (*why, failed, *left_stopped(run))
    if back and not run.failing:
        return (*why, f"the old configuration is back, and {run.layout.title} is stopped, as before")
    why = (*why, "the old configuration is back") if back else why
    return try_again(run, why) if run.failing else why


def stop(run: InstanceRun) -> None:
    """Stop the server. Raise NoevictError if it does not end: its last save may be failing."""
    _check_down(run, settle(run, "stop"))


def hold(run: InstanceRun) -> bool:
    """Stop a server that does not run, so that systemd does not start it. Return False, and do nothing, if it runs."""
    now = settle(run, "hold")
    if now.state == "running":
        return False
    _check_down(run, now)
    return True


def _check_down(run: InstanceRun, now: UnitState) -> None:
    if now.state not in DOWN:
        raise NoevictError(f"{run.layout.title} did not stop: {last_log_lines(run)}")


def settle(run: InstanceRun, verb: str) -> UnitState:
    """Run the verb, and wait until the service has settled. Raise NoevictError if it makes no progress."""
    old = run.found.pid if verb == "restart" else 0
    now, state = service(run, verb, old), ""
    while now.state in UNDER_WAY:
        if now.state != state:
            state, deadline = (
                now.state,
                ProgressDeadline(f"{run.layout.title} is {UNDER_WAY[now.state]}", run.machine.log),
            )
        if state == "starting":
            deadline.wait(*how_far(run))
        else:
            old = now.pid
            deadline.wait(now.saved or None, f", {now.saved >> 20} MiB" if now.saved else "")
        now = service(run, verb, old, again=True)
    return now


def last_log_lines(run: InstanceRun) -> str:
    """Return the server's last log lines that say why it failed, without any that could hold a password."""
    log = script("descriptors", user=run.layout.user) + script(
        "last_log_lines", unit=run.layout.unit, logfile=run.layout.logfile
    )
    try:
        return " / ".join(run.machine.shell(log, what="reading its log")) or "its log says nothing"
    except NoevictError:  # the host is gone: the first cause is reported
        return "its log could not be read"


def service(run: InstanceRun, verb: str, old: int = 0, *, again: bool = False) -> UnitState:
    """Run verbs of service.sh, one after the other, and return the service's state.

    ``old``: the process that has to end. ``again``: only wait for verbs that were given before.
    """
    layout = run.layout
    lines = run.machine.shell(
        script("as_user", user=layout.user)
        + script("main_pid", unit=layout.unit, user=layout.user, pidfile=layout.pidfile)
        + script(
            "service",
            package=layout.package,
            unit=layout.unit,
            user=layout.user,
            data=layout.data,
            binary=layout.binary,
            conf=layout.conf,
            pidfile=layout.pidfile,
            verb=verb,
            again="yes" if again else "no",
            old=old,
        ),
        what=f"systemctl {verb}" if run.found.machine.systemd else f"service {verb}",
    )
    _, state, _, pid, _, saved = lines[-1].split(" ")
    return UnitState(state, int(pid), int(saved))


def _restore(run: InstanceRun, why: str) -> tuple[str, ...]:
    """Put the old configuration back and start with it. Return the lines to report."""
    try:
        if not _restore_files(run):
            return (why, "there is no earlier configuration to put back")
        state = settle(run, "restart").state
    except (NoevictError, *HOST_FAILURES) as error:
        return (why, f"and the old configuration could not be put back: {sentence(error)}")
    if state != "running":
        return (
            why,
            f"the old configuration is back, but {run.layout.title} does not start with it: {last_log_lines(run)}",
        )
    return (why, f"{run.layout.title} runs again, with its old configuration")


def _restore_files(run: InstanceRun) -> bool:
    """Put the last configuration that worked back in place, but not its users. Return False if there is none."""
    layout = run.layout
    data = steps.data_directives(run.plan, run.found)
    lines = "\n".join(f"{name} {value}" for name, value in data.items())
    put = script("rollback", conf=layout.conf, acl="", previous=layout.previous, lines=lines)
    return "none" not in run.machine.shell(
        put, seconds=SYNC_SECONDS, what="putting the old configuration back"
    )
