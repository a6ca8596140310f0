"""Finds what is not as wanted but not ours to repair: somebody put it there against our configuration. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from noevict.engines.package_layout import Layout
from noevict.machine import sysctl
from noevict.machine.files import WantedFile
from noevict.machine.found import File
from noevict.machine.sysctl import SYSCTL
from noevict.pki.host_names import is_address
from noevict.platforms.systemd import takeover
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import UNIT, Target, tls_files


def faults(state: InstanceState, target: Target) -> Iterator[str]:
    """Yield the faults. Each fails the host until somebody fixes it there."""
    yield from unwritable(state.unwritable)
    yield from in_the_way((*target.files, *tls_files(target.layout)), state.file)
    yield from not_roots(state, target.layout)
    yield from _overridden(state, target)
    yield from _names_of_others(target)
    if state.file(target.layout.dropin) is not None:
        yield from takeover.other_servers(state, target.layout)
    for value in sysctl.overridden(state.machine.sysctl_later):
        yield (
            f"{SYSCTL}: {value.title} should be {value.wanted}, is {value.found} after a boot: "
            f"overridden by {value.file}; remove that"
        )


def unwritable(paths: Iterable[str]) -> Iterator[str]:
    """Report paths that not even root can write. Nothing else is repaired then, so that no change is half made."""
    for path in paths:
        yield (
            f"{path}: cannot be changed, not even by root: take its immutable bit off (chattr -i) or mount its file "
            "system read-write, then run again"
        )


def in_the_way(files: Iterable[WantedFile], file: Callable[[str], File | None]) -> Iterator[str]:
    """Report a directory in place of a file, or anything else in place of a directory: it may contain others' files.

    ``file`` returns what a look found at a path.
    """
    for wanted in files:
        found = file(wanted.path)
        if found is not None and wanted.directory != found.is_directory:
            kind = "directory" if wanted.directory else "regular file"
            yield f"{wanted.path}: should be a {kind}, is a {found.kind}: move it away, then run again"


def not_roots(state: InstanceState, layout: Layout) -> Iterator[str]:
    """Report a directory ``tls`` that somebody else may have put there, with a key.

    If ``tls`` is a link that belongs to root (``state.tls``), only the server's user could change the directory behind
    it; if anybody else owns that directory, a new one replaces it.
    """
    found = state.file(layout.tls)
    others = {layout.user} if state.tls else {found.owner} - {"root"} if found is not None else set()
    if found is not None and found.is_directory and found.owner in others:
        yield (
            f"{layout.tls}: belongs to {found.owner}, so what is in it is not used: find out why, move it away, then "
            "run again (a new key and certificate are made)"
        )


def _names_of_others(target: Target) -> Iterator[str]:
    """Report names that the host claims and that belong to another host: this one must not answer for it."""
    for name, other in target.claimed:
        if not other:
            yield f"calls itself {name}: no certificate is signed for a wildcard here; rename this host (hostnamectl)"
            continue
        kind, remedy = (
            ("address", "remove it") if is_address(name) else ("name", "rename this host (hostnamectl)")
        )
        yield (
            f"its {kind} {name} belongs to {other} in hosts.yml: no certificate is signed for it here; {remedy}, or if "
            "it is for both add it to this host's redis_tls_names"
        )


def _overridden(state: InstanceState, target: Target) -> Iterator[str]:
    """Report properties of the unit that are not ours although systemd read our drop-in: another one overrides it."""
    layout, unit = target.layout, state.unit
    if not in_force(unit, state.file(layout.dropin), target.digest(layout.dropin)):
        return
    by = overridden_by(unit, layout.dropin)
    if unit.get("ExecStart", "shipped") != "shipped":
        yield (
            f"{layout.unit}: ExecStart should be the package's, is {by} (directives belong in redis_config)"
        )
    yield from takeover.unit_differences(state, layout)
    for name, wanted in UNIT.items():
        if name in unit and unit[name] != wanted:
            yield f"{layout.unit}: {name} should be {wanted}, is {unit[name]}: {by}"


def in_force(unit: Mapping[str, str], dropin: File | None, digest: str) -> bool:
    """Whether systemd has read our drop-in, with that digest, in its present form."""
    ours = dropin is not None and dropin.sha256 == digest
    return ours and unit.get("LoadState") == "loaded" and unit.get("NeedDaemonReload") != "yes"


def overridden_by(unit: Mapping[str, str], dropin: str) -> str:
    """Return which other drop-ins override ours, and what to do about it."""
    others = [path for path in unit.get("DropInPaths", "").split() if path != dropin]
    return f"overridden by {', '.join(others) or 'the unit itself'}; remove that"
