"""What a run keeps about a host in ``state/``, and whether its server refuses writes now or has since then."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from noevict.run.instance import InstanceRun
from noevict.server import lost_keys
from noevict.server.writes import Refusals, count_refusals, full_after, refused, rise_since


def last_refusals(run: InstanceRun) -> Refusals | None:
    """Return how many writes the server had refused at the last look; None if it is not ours or was not reached."""
    live = run.state.live if run.state else None
    if live is None or not live.ours:
        return None
    return Refusals(datetime.now(UTC), live.run_id, count_refusals(live.info))


def writes_refused(run: InstanceRun) -> str:
    """Return why the server refuses writes, by the last look, and what to do (one line); "" if it accepts them."""
    now = last_refusals(run)
    if now is None or run.found.live.loading:
        return ""
    live = run.found.live
    rise = rise_since(run.refused_before, now, live.number("uptime_in_seconds"))
    found = refused(run.name, live.info, rise, read_only=_has_read_only_disk(run))
    return found.why if found else ""


def refused_after(run: InstanceRun) -> bool:
    """Return whether a server that refuses writes will still do so after the changes due, as far as a look shows.

    After a change, earlier refusals no longer count: see ``noevict.run.verify.still_refused``.
    """
    target = run.plan.target
    full = full_after(run.found.live.info, target.maxmemory, target.live["maxmemory-policy"])
    return full or _has_read_only_disk(run) or not run.plan.changes


def _has_read_only_disk(run: InstanceRun) -> bool:
    return run.found.disk is not None and run.found.disk.read_only


def seen(run: InstanceRun) -> dict[str, Any]:
    """Return fields of the host's Record, by the last look. Unknown ones are left out, and so stay unchanged."""
    if not run.looked:
        return {}
    now = datetime.now(UTC)
    disk = run.found.disk and replace(run.found.disk, at=now)
    keys = lost_keys.remember(run.found, run.keys_before, now)
    known = {"refusals": last_refusals(run), "disk": disk, "keys": keys}
    return {
        "exporter_ends": run.found.exporter_ends,
        **{name: value for name, value in known.items() if value},
    }
