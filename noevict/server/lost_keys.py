"""A server has 0 keys but had some, or data from before its start: did it lose keys, or were they deleted? Pure.

Files do not answer that by themselves. It depends on whether this process ever had keys, or saved; and on whether its
append-only files are older than it, and continue after the time of the file in question.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from noevict.engines.package_layout import Layout
from noevict.machine.found import File, MachineState
from noevict.server.live import Live
from noevict.server.writes import MOST, Keys

EMPTY = 200  # bytes: an RDB without keys has 80 to 150
REPORTED = timedelta(days=7)  # from the first look that found no keys
SLACK = 2  # seconds: file times and the server's uptime are whole seconds


class FoundData(Protocol):
    """The part of what was found on a host that this module needs."""

    @property
    def live(self) -> Live: ...
    @property
    def data(self) -> Mapping[str, File]: ...
    @property
    def keys_beside(self) -> Mapping[str, int | None]: ...
    @property
    def machine(self) -> MachineState: ...
    def file(self, path: str) -> File | None: ...


def beside(state: FoundData, layout: Layout) -> tuple[str, ...]:
    """Return the dump.rdb and directories of kept append-only files whose keys this server may have failed to load.

    The keys in these paths have to be counted: see ``faults``.
    """
    live = state.live
    if not live.reached or live.loading or live.keys or live.number("rdb_last_load_keys_loaded"):
        return ()  # it has keys, or started with some: they were deleted, or expired
    began = _began(state)
    aof = live.config.get("appendonly") == "yes"
    dump, found = state.file(layout.rdb), []
    saved = live.number("rdb_saves")  # a file that it saved itself has only what it had
    if (
        dump is not None
        and dump.size > EMPTY
        and not saved
        and not (aof and _continues(state, layout, began, dump.changed))
    ):
        found.append(dump.path)
    for file in state.data.values():
        kept = _kept_at(file, layout)
        # The server that ran when they were set aside had all of it in memory.
        if kept is not None and aof and began + SLACK > kept and not _continues(state, layout, began, kept):
            found.append(file.path)
    return tuple(found)


def faults(state: FoundData, layout: Layout) -> Iterator[str]:
    """Yield each file and what to do. Nothing else is changed then: a restart, or a save, would overwrite the RDB."""
    for path in beside(state, layout):
        keys = state.keys_beside.get(path)
        if keys == 0:
            continue
        count = "may have some" if keys is None else f"has {keys} that do not expire"
        yield (
            f"has 0 keys, and {path}, from before its start, {count}: copy it to another place now, since the next "
            "save may overwrite it, then see docs/runbooks/persistence.md (a server that started empty); if those keys "
            "were deleted on purpose, remove it, then run again"
        )


def notices(state: FoundData, before: Keys | None, now: datetime) -> Iterator[str]:
    """Report for some days that all keys are gone: files do not show whether that was meant (a replaced host)."""
    live = state.live
    if before is None or not live.ours or live.loading or live.keys:
        return
    if now - (before.missing_since or now) > REPORTED:
        return
    yield (
        f"has 0 keys, had {before.count} on {before.at:%Y-%m-%d %H:%M} UTC: if nobody deleted them, stop its clients "
        "and restore them (docs/life-of-a-host.md)"
    )


def remember(state: FoundData, before: Keys | None, now: datetime) -> Keys | None:
    """Return what the next look compares with; None if there is nothing to compare."""
    live = state.live
    if not live.ours or live.loading or live.keys >= MOST:
        return before
    if live.keys:
        return Keys(now, live.keys)
    return replace(before, missing_since=before.missing_since or now) if before else None


def _began(state: FoundData) -> int:
    """Return when the server's process began; a time after everything else if that is not known."""
    uptime = state.live.info.get("uptime_in_seconds")
    return state.machine.time - uptime if isinstance(uptime, int) else state.machine.time


def _continues(state: FoundData, layout: Layout, began: int, moment: int) -> bool:
    """Whether the server started with append-only files, and they hold what happened after ``moment``."""
    files = [file for path, file in state.data.items() if path.startswith(f"{layout.append_only}/")]
    bases = [file for file in files if ".base." in file.path]
    if not bases or _made_at_start(bases, files, began):
        return False
    return max(file.changed for file in files if not file.path.endswith(".manifest")) >= moment


def _made_at_start(bases: list[File], files: list[File], began: int) -> bool:
    """Whether the server found no append-only files at its start: it then made the first base, an empty one."""
    [*_, base] = bases
    if ".1.base." not in base.path or base.size > EMPTY:
        return False
    written = any(file.size for file in files if file.path.endswith(".incr.aof"))
    return base.changed >= began - SLACK or not written


def _kept_at(file: File, layout: Layout) -> int | None:
    """Return when append-only files were set aside; None for any other file."""
    stamp = file.path.removeprefix(f"{layout.append_only}.kept-")
    if stamp == file.path or not file.is_directory:
        return None
    try:
        return int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return file.changed
