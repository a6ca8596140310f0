"""Replaces one engine's server by the other's, with all its keys: what is due, and what prevents it. Pure.

The host was managed with the other engine, and ``state.predecessor`` is the look at that one.
"""

from collections.abc import Iterator

from noevict.engines import rdb
from noevict.engines.engine import Server
from noevict.engines.package_layout import Layout
from noevict.plan.change import Change, How, Part
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.other_fleets import other_ca
from noevict.platforms.systemd.preflight import left_behind, role_in_file
from noevict.platforms.systemd.takeover import elsewhere, missed_data
from noevict.platforms.systemd.wanted import Target
from noevict.secrets.store import Secrets
from noevict.server.live import Live, Reach
from noevict.server.refusals import limits, modules, role

PREAMBLE = "aof-use-rdb-preamble"


def changes(state: InstanceState, target: Target) -> Iterator[Change]:
    """Yield the changes; none if there is no predecessor."""
    old = state.predecessor
    if old is None:
        return
    layout = target.layout.other
    if state.pid:
        yield Change(Part.ENGINE, layout.unit, How.ENGINE, "managed, not running", "released")
        return
    found = str(old.live.server or old.release(layout) or layout.title)
    keys = f", {old.live.keys} keys" if old.live.reached else ", not running"
    yield Change(Part.ENGINE, "", How.ENGINE, found + keys, f"{target.layout.title}, with all its keys")


def refusals(state: InstanceState, target: Target, secrets: Secrets) -> Iterator[str]:
    """Yield why the new server cannot replace the other one; nothing if there is no predecessor."""
    old = state.predecessor
    if old is None:
        return
    layout = target.layout.other
    yield from other_ca(old, target, secrets)
    if state.pid and old.pid:
        yield f"runs {layout.title} and {target.layout.title}: stop the one that should not continue, then run again"
    elif state.pid and left_data(old, layout):
        yield (
            f"{target.layout.title} runs, and {layout.title}, which does not, has data in {layout.data} that was not "
            f"handed over: to keep that, stop {target.layout.unit}, then run again; to drop it, move it away first"
        )
    elif old.live.reached:
        yield from role(old.live)
        yield from limits(old.live, target)
        yield from modules(old.live)
        yield from missed_data(old.live, layout, target)
        yield from _unreadable(state, target, written=_to_be_written(old.live, target))
    elif old.live.reach is not Reach.NOT_RUNNING:
        yield (
            f"{layout.title}, whose data should move, {old.live.reach.value} ({old.live.why}): "
            f'run with redis_engine = "{layout.engine.name}" first'
        )
    elif there := tuple(elsewhere(old, layout, ours=True)):
        yield from there
    elif left_data(old, layout):
        yield from role_in_file(old)
        yield from left_behind(old, layout, target)
        yield from _unreadable(
            state, target, written=old.rdb.get("base" if old.starts_with_aof else "dump.rdb")
        )


def _to_be_written(live: Live, target: Target) -> int | None:
    """Return the RDB version in which a running server hands over its data; None if it hands over only commands."""
    if live.server is None or (moves_append_only(live, target) and target.live.get(PREAMBLE) == "no"):
        return None
    return rdb.written_by(live.server)


def moves_append_only(live: Live, target: Target) -> bool:
    """Whether a running server hands over its append-only files; if not, it hands over an RDB."""
    return live.config.get("appendonly") == "yes" == target.live["appendonly"]


def has_data(old: InstanceState, layout: Layout) -> bool:
    """Whether the old server has data to hand over: it runs, or left some."""
    return bool(old.pid) or left_data(old, layout)


def left_data(old: InstanceState, layout: Layout) -> bool:
    """Whether a server that does not run still has data to hand over."""
    return old.file(layout.manifest if old.starts_with_aof else layout.rdb) is not None


def _unreadable(state: InstanceState, target: Target, written: int | None) -> Iterator[str]:
    new: Server | None = state.release(target.layout)
    if written is None or new is None or rdb.reads(new, written):
        return
    title = target.layout.other.title
    yield (
        f"redis_engine: {title}'s data is in RDB version {written}, which {new} does not read. It reads append-only "
        f'files that consist of commands: set redis_config = {{"{PREAMBLE}": False}} too (and redis_appendonly = '
        f"True), while {title} runs, and run again"
    )
