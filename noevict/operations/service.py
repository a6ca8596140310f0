"""The service: enabled, started, restarted one host at a time, and put back where that fails."""

import time

import redis

from noevict.client import Client
from noevict.errors import NoevictError
from noevict.operations.live import save, wait_for
from noevict.operations.step import step
from noevict.reach import sentence
from noevict.run import HOST_FAILURES, HostRun
from noevict.scripts import script
from noevict.target import PREVIOUS, START_SECONDS

STOP_SECONDS = 700  # service.sh waits ten minutes for a server that saves as it ends
PROGRESS_SECONDS = 10
UNDER_WAY = {"starting": "loading its data", "stopping": "saving its data before it stops"}
ANSWER_SECONDS = 20  # from ready to the first answer


@step
def enable_service(run: HostRun) -> None:
    """Unmasked, enabled, its files read."""
    enable(run)


def enable(run: HostRun) -> None:
    service(run, "enable")


@step
def start_server(run: HostRun) -> None:
    """A server that is not running."""
    wait_until_ready(run, "start")


@step
def restart_server(run: HostRun) -> None:
    """Where nothing less will do. Nothing is lost: see what is done before."""
    with run.fleet.restarts:
        if run.fleet.restart_failed_on is not None:
            # What that one did not start with is not left here for the next boot.
            _files_back(run)
        stop_after_failure(run)
        if run.found.live.reached:
            before_stopping(run, append_only=run.plan.target.live["appendonly"] == "yes")
        try:
            wait_until_ready(run, "restart")
        except (NoevictError, *HOST_FAILURES) as error:
            run.fleet.restart_failed_on = run.name
            raise NoevictError(*_put_back(run, sentence(error))) from error


def stop_after_failure(run: HostRun) -> None:
    """Raises NoevictError where a server of this run did not come back: no other one is stopped then."""
    if run.fleet.restart_failed_on is not None:
        raise NoevictError(f"not restarted: {run.fleet.restart_failed_on} did not come back; mend that first")


def before_stopping(run: HostRun, *, append_only: bool) -> None:
    """See that a stop loses nothing: loaded, the last save and AOF write fine, and a save as it ends.

    ``append_only``: the next start reads append-only files.
    """
    client = run.client
    wait_for(run, client, lambda info: not info.get("loading"), "loading")
    info = client.info("persistence")
    if info.get("aof_enabled") and info.get("aof_last_write_status") != "ok":
        raise NoevictError(
            "its last AOF write failed: free space on the data's disk, then run again; not restarted"
        )
    if info.get("rdb_last_bgsave_status") != "ok":
        save(run, client)
    if not (append_only and info.get("aof_enabled")) and not client.config_get("save").get("save"):
        # The stop would write nothing that the next start reads.
        client.config_set("save", "3600 1")
        save(run, client)


def wait_until_ready(run: HostRun, verb: str) -> None:
    """Start or restart, wait through loading, and log in as a client would. Raises with the server's last words."""
    state, pid = settled(run, verb)
    if state != "running" or (verb == "restart" and pid == run.found.pid):
        raise NoevictError(f"{run.engine.title} did not {verb}: {last_words(run)}")
    _first_answer(run)


def stop(run: HostRun) -> None:
    """Raises NoevictError where it does not end: it may be saving, and in vain."""
    state, _ = settled(run, "stop")
    if state not in ("stopped", "failed"):
        raise NoevictError(f"{run.engine.title} did not stop: {last_words(run)}")


def settled(run: HostRun, verb: str) -> tuple[str, int]:
    """Do it, and wait until the service is no longer on its way: its state and process."""
    state, pid = service(run, verb, old=run.found.pid if verb == "restart" else 0)
    began = told = time.monotonic()
    while state in UNDER_WAY:
        if time.monotonic() - began > START_SECONDS:
            raise NoevictError(f"is still {state} after {START_SECONDS} s: {last_words(run)}")
        if time.monotonic() - told > PROGRESS_SECONDS:
            run.log(f"{run.engine.title} is {UNDER_WAY[state]}: {time.monotonic() - began:.0f} s")
            told = time.monotonic()
        state, pid = service(run, "state")
    return state, pid


def _first_answer(run: HostRun) -> Client:
    began = time.monotonic()
    while True:
        try:
            client = run.reconnect()
            wait_for(run, client, lambda info: not info.get("loading"), "loading")
            return client
        except (redis.RedisError, OSError) as error:
            if isinstance(error, redis.AuthenticationError) or time.monotonic() - began > ANSWER_SECONDS:
                raise NoevictError(
                    f"{run.engine.title} started, and {sentence(error)}: {last_words(run)}"
                ) from error
        time.sleep(0.2)


def last_words(run: HostRun) -> str:
    """What the server said last that tells why; no line that could hold a password."""
    said = run.shell(
        script("words", unit=run.engine.unit, logfile=run.engine.logfile), what="reading its log"
    )
    return " / ".join(said) or "its log says nothing"


def service(run: HostRun, verb: str, old: int = 0) -> tuple[str, int]:
    """One verb of service.sh: the service's state then, and its process. ``old``: the one that is to end."""
    engine = run.engine
    said = run.shell(
        script("service", package=engine.package, unit=engine.unit, verb=verb, old=old),
        seconds=STOP_SECONDS,
        what=f"systemctl {verb}" if run.found.systemd else f"service {verb}",
    )
    _, state, _, pid = said[-1].split(" ")
    return state, int(pid)


def _put_back(run: HostRun, why: str) -> tuple[str, ...]:
    """The old configuration again, and running. What to tell."""
    try:
        if not _files_back(run):
            return (why, "there is no earlier configuration to put back")
        state, _ = service(run, "restart")
        while state in UNDER_WAY:
            state, _ = service(run, "state")
    except (NoevictError, *HOST_FAILURES) as error:
        return (why, f"and the old configuration could not be put back: {sentence(error)}")
    if state != "running":
        return (
            why,
            f"the old configuration is back, and {run.engine.title} does not start with it: {last_words(run)}",
        )
    return (why, "the old configuration is back, and serves")


def _files_back(run: HostRun) -> bool:
    """The last configuration that worked, in place of the new one. False where there is none."""
    engine = run.engine
    put = script("rollback", conf=engine.conf, acl=engine.aclfile, previous=PREVIOUS)
    return "none" not in run.shell(put, what="putting the old configuration back")
