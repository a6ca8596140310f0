"""What is not as wanted on a host and not ours to repair: somebody put it there against us. Pure."""

from collections.abc import Iterator

from noevict import kernel
from noevict.state import HostState
from noevict.target import SYSCTL, UNIT, Target


def faults(state: HostState, target: Target) -> Iterator[str]:
    """Each fails the host, until somebody there puts it right."""
    yield from _unwritable(state)
    yield from _in_the_way(state, target)
    yield from _overridden(state, target)
    for value in kernel.overridden(state):
        yield (
            f"{SYSCTL}: {value.title} should be {value.wanted}, is {value.found} after a boot: "
            f"overridden by {value.file}; remove that"
        )


def _unwritable(state: HostState) -> Iterator[str]:
    """Not even by root: nothing is repaired beside it, so that no change is made by half."""
    for path in state.unwritable:
        yield (
            f"{path}: cannot be changed, not even by root: take its immutable bit off (chattr -i) or mount its file "
            "system read-write, then run again"
        )


def _in_the_way(state: HostState, target: Target) -> Iterator[str]:
    """A directory in place of a file, or anything else in place of a directory: it may hold what is not ours."""
    for wanted in target.files:
        found = state.file(wanted.path)
        if found is not None and wanted.directory != found.is_directory:
            kind = "directory" if wanted.directory else "regular file"
            yield f"{wanted.path}: should be a {kind}, is a {found.kind}: move it away, then run again"


def _overridden(state: HostState, target: Target) -> Iterator[str]:
    """Properties of the unit that are not ours although our drop-in is read: somebody's drop-in overrides it."""
    engine = target.engine
    dropin = state.file(engine.dropin)
    if (
        dropin is None
        or dropin.sha256 != target.digest(engine.dropin)
        or state.unit.get("NeedDaemonReload") == "yes"
        or state.unit.get("LoadState") != "loaded"
    ):
        return
    others = [path for path in state.unit.get("DropInPaths", "").split() if path != engine.dropin]
    if state.unit.get("ExecStart", "shipped") != "shipped":
        by = ", ".join(others) or "the unit itself"
        yield (
            f"{engine.unit}: ExecStart should be the package's, is another: overridden by {by}; remove that "
            "(directives belong into redis_config)"
        )
    for name, wanted in UNIT.items():
        if name in state.unit and state.unit[name] != wanted:
            by = ", ".join(others) or "the unit itself"
            yield f"{engine.unit}: {name} should be {wanted}, is {state.unit[name]}: overridden by {by}; remove that"
