"""Verifies a host as a client sees it: over TLS, with CA and host name checked, with a password."""

import time
from collections.abc import Callable, Iterator

from noevict.client.client import rewrite
from noevict.errors import NoevictError
from noevict.plan.change import Change, Part
from noevict.platforms.systemd import steps
from noevict.run.instance import InstanceRun
from noevict.run.kept import last_refusals, writes_refused
from noevict.run.loading import wait_until_loaded
from noevict.server import exposure
from noevict.server.password_rotation import is_finishing, left_over

RETRY_SECONDS = 1  # clients whose writes are refused try again within this time


def verify(run: InstanceRun, finish: Callable[[InstanceRun], object]) -> str:
    """Verify a host as its clients see it, once its server has loaded its data.

    Check that CONFIG REWRITE works; that every directive, the users, files, the unit and all else are as wanted; that
    persistence works; and that there is no other way in. A run that changed something looks again first; if it only
    changed what Redis itself reports, it asks only Redis, over a connection made under the lock. ``finish`` is called
    at the end, for the passwords.

    Return why the server refuses writes, "" if it accepts them: this fails the run, but the run is finished all the
    same. Raise NoevictError with a line for each thing that is wrong: name, wanted, found.
    """
    if run.machine.duplicate_of:  # found by the look at the other host
        raise NoevictError(*run.machine.duplicate_of)
    looks = run.changed and not steps.changes_only_redis(run.plan)
    if looks:
        rewrite(run.connected())
        run.look_again()
    elif run.changed:
        run.ask_again()
    wait_until_loaded(run)
    if not looks and run.plan.clean:
        # Only if all is as wanted: CONFIG REWRITE would write a live value changed by hand into the file.
        rewrite(run.client)
    refused = still_refused(run)
    wrong = [
        *(
            f"{change.what}: should be {change.wanted}, is {change.found}"
            for change in run.plan.changes
            if change.path not in run.layout.unverified
            and not (run.machine.lock and _made_by_verification(run, change))
        ),
        *run.plan.refusals,
        *run.plan.faults,
        *_ways_in(run),
        *exposure.failed_writes(run.found.live),
    ]
    if run.machine.lock and steps.ends_takeover(run.plan, run.found):
        # Whatever else is wrong: the host is managed from now on, and nothing earlier is put back.
        run.machine.shell(f"rm -f {run.layout.takeover}", what="ending the take-over")
    if wrong:
        raise NoevictError.collect(filter(None, (refused, *wrong)))
    if run.machine.lock:
        finish(run)
    if run.machine.lock and any(run.found.file(path) is not None for path in run.layout.unverified):
        run.machine.shell(f"rm -rf {' '.join(run.layout.unverified)}", what="cleaning up")
    if not refused:
        run.machine.log(summary(run))
    for notice in run.plan.notices:
        run.machine.warn(notice)
    return refused


def still_refused(run: InstanceRun) -> str:
    """Return why the server refuses writes; "" if it accepts them.

    Refusals from before a change of this run (a larger maxmemory, for example) count only if they continue.
    """
    if run.changed and writes_refused(run):
        run.refused_before = last_refusals(run)
        time.sleep(RETRY_SECONDS)
        run.ask_again()
    return writes_refused(run)


def _made_by_verification(run: InstanceRun, change: Change) -> bool:
    """Return whether the verification makes this change itself, because noevict has logged in with a new password."""
    left = (
        left_over(run.secrets, run.found) and change.part is Part.FILE and change.path == run.layout.aclfile
    )
    return bool(left) or is_finishing(change)


def _ways_in(run: InstanceRun) -> Iterator[str]:
    found, settings = run.found, run.settings
    return exposure.ways_in(
        found.live,
        found.listeners,
        title=run.layout.title,
        host=run.endpoint.host,
        port=settings.redis_port,
        plaintext_port=settings.redis_plaintext_port,
    )


def summary(run: InstanceRun) -> str:
    live, target = run.found.live, run.plan.target
    return (
        f"verified: {live.server}, maxmemory {target.maxmemory >> 20} MiB, {live.config['maxmemory-policy']}, "
        f"{live.keys} keys, TLS on port {run.settings.redis_port}"
    )
