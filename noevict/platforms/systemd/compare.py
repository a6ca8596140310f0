"""Compares a host's settings with its state, and makes the plan of what is due. Pure; nothing else decides that."""

from collections.abc import Iterator
from datetime import datetime

from noevict.engines.package_layout import Layout
from noevict.machine import sysctl
from noevict.machine.files import WantedFile, attributes
from noevict.machine.sysctl import SYSCTL
from noevict.pki.certificate import UserCertificate
from noevict.plan.change import LISTENING, MODE, OWNER, Change, How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd import certificate, engine_change
from noevict.platforms.systemd.conflicts import faults
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.preflight import MARKER, clocks, refusals
from noevict.platforms.systemd.wanted import ETC_MODE, Target
from noevict.platforms.systemd.warnings import notices
from noevict.redisconf import diff as conf_diff
from noevict.secrets.store import Secrets
from noevict.server import compare, listening, lost_keys, password_rotation
from noevict.server.compare import BIND, directive_change, shortened
from noevict.server.live import Reach
from noevict.server.writes import Keys
from noevict.settings.model import Settings
from noevict.urgency import Urgency


def make_plan(
    settings: Settings,
    state: InstanceState,
    target: Target,
    secrets: Secrets,
    user_certificate: UserCertificate | None,
    now: datetime,
    keys_before: Keys | None = None,
) -> Plan[Target]:
    """Return the plan. ``user_certificate``: from the files that the settings name, if they do."""
    live = compare.differences(state.live, target)
    signed = tuple(certificate.changes(state, target, secrets, user_certificate, now))
    refused = (
        *refusals(settings, state, target, secrets),
        *engine_change.refusals(state, target, secrets),
        *(clocks(state, now) if signed and user_certificate is None else ()),
    )
    if not state.machine.root:  # what another user sees of a host says nothing about it
        return Plan(target, refused)
    changes = (
        *engine_change.changes(state, target),
        *_packages(state, target.layout),
        *compare.live_changes(state.live, target, live),
        *_listening(state, target, live),
        *_append_only_files(state, target),
        *compare.user_changes(state.live, target, secrets),
        *signed,
        *_files(state, target),
        *_data(state, target.layout),
        *_logs(state, target.layout),
        *_kept(state, target.layout),
        *password_rotation.identity(secrets, state),
        *_kernel(state),
        *_unit(state, target),
        *_restart(state, target, live),
    )
    reported = (
        *notices(settings, state, target, secrets, user_certificate, now),
        *lost_keys.notices(state, keys_before, now),
    )
    lost = tuple(lost_keys.faults(state, target.layout))
    wrong = (*faults(state, target), *lost)
    blocked = bool(state.unwritable or lost)
    urgent_first = tuple(sorted(changes, key=lambda change: change.urgency.rank))
    return Plan(target, refused, reported, wrong, () if refused else urgent_first, blocked=blocked)


def _packages(state: InstanceState, layout: Layout) -> Iterator[Change]:
    for name in ("openssl", layout.package):
        package = state.machine.packages.get(name)
        if package is None or not package.installed:
            found = "not installed" if package is None else package.status
            yield Change(Part.PACKAGE, name, How.PACKAGE, found, "installed")
    yield from _half_upgraded(state, layout)


def _half_upgraded(state: InstanceState, layout: Layout) -> Iterator[Change]:
    """Report an upgrade that ended between a server's two packages, of which the other one has the programs."""
    server, tools = (state.machine.packages.get(name) for name in (layout.package, layout.tools))
    if server is None or not server.installed or tools is None:
        return
    if not tools.installed or tools.version != server.version:
        found = f"half upgraded: {tools.name} {tools.version} is {tools.status}"
        yield Change(Part.PACKAGE, layout.package, How.PACKAGE, found, f"installed with its {layout.tools}")


def _listening(
    state: InstanceState, target: Target, differences: tuple[conf_diff.Difference, ...]
) -> Iterator[Change]:
    """Report addresses that appeared after the server bound its addresses: setting ``bind`` again binds them."""
    sockets = [listener for listener in state.listeners if listener.ours]
    if (
        not state.live.ours
        or not sockets
        or {"bind", "port", "tls-port"} & {each.name for each in differences}
    ):
        return
    addresses = {*(entry.address for entry in state.machine.addresses), *(state.machine.ipv6 - {"any"})}
    missing: dict[str, None] = {}
    for port in {target.live["tls-port"], target.live["port"]} - {"0"}:
        bound = [each.address for each in sockets if str(each.port) == port]
        missing |= dict.fromkeys(
            listening.missing(target.bind, bound, addresses, ipv6="any" in state.machine.ipv6)
        )
    if missing:
        found = f"not listening on {', '.join(missing)}"
        file = target.layout.conf
        yield Change(
            Part.DIRECTIVE, BIND, How.LIVE, shortened(found), "listening", aspect=LISTENING, file=file
        )


def _append_only_files(state: InstanceState, target: Target) -> Iterator[Change]:
    """Report append-only files that a running server lost or never wrote: its next start would not find its keys."""
    if not state.live.ours or target.live["appendonly"] != "yes" or not state.aof_unwritten(target.layout):
        return
    missing = state.file(target.layout.manifest) is None
    yield Change(
        Part.FILE,
        target.layout.manifest,
        How.LIVE,
        "missing" if missing else "not written yet",
        "rewritten",
    )


def _restart(
    state: InstanceState, target: Target, differences: tuple[conf_diff.Difference, ...]
) -> Iterator[Change]:
    yield from compare.restart_changes(state.live, target, differences)
    if not state.live.ours:
        return
    if state.replaced:
        there = "replaced since the server started"
        yield Change(Part.DIRECTORY, target.layout.etc, How.RESTART, there, "in use by the server")
    if state.old_program:
        there = "runs a program that was replaced since it started"
        yield Change(Part.SERVER, target.layout.title, How.RESTART, there, "the installed one")
    yield from compare.lines_to_drop(state.conf, target)


def _files(state: InstanceState, target: Target) -> Iterator[Change]:
    for wanted in target.files:
        found = state.file(wanted.path)
        if found is None:
            yield Change(
                Part.FILE, wanted.path, How.FILE, "missing", "a directory" if wanted.directory else "a file"
            )
            continue
        if wanted.directory != found.is_directory:
            continue  # a fault: see below
        if not found.is_directory and not found.is_regular:
            yield Change(Part.FILE, wanted.path, How.FILE, found.kind, "regular file")
            continue
        yield from attributes(found, wanted)
        if wanted.content is not None and found.sha256 != target.digest(wanted.path):
            yield from _contents(state, target, wanted)
    if state.override != f"root root {ETC_MODE}":
        there, kept = state.override or "none", "kept from upgrades"
        yield Change(Part.DPKG, target.layout.etc, How.FILE, there, kept, aspect="statoverride")
    if state.diversion is None or state.diversion[1] != ":":
        yield Change(Part.DPKG, target.layout.conf, How.FILE, "none", "kept from dpkg", aspect="diversion")


def _data(state: InstanceState, layout: Layout) -> Iterator[Change]:
    """Report data that the server could not read or write at its next start, such as a restore that root made."""
    others = {path: file.owner for path, file in state.data.items() if file.owner != layout.user}
    for path in (layout.rdb, layout.append_only, layout.single_aof):
        owners = [owner for each, owner in others.items() if each == path or each.startswith(f"{path}/")]
        if owners:
            yield Change(Part.ACCESS, path, How.FILE, owners[0], layout.user, aspect=OWNER)


def _logs(state: InstanceState, layout: Layout) -> Iterator[Change]:
    """Report logs that the server cannot write: it continues without them, but would not start again."""
    package = state.machine.packages.get(layout.package)
    if package is None or not package.installed:
        return  # the package brings the directory
    if state.file(layout.logs) is None:
        yield Change(Part.FILE, layout.logs, How.FILE, "missing", "a directory")
    for path in (layout.logs, layout.logfile):
        found = state.file(path)
        # A link to another place, and who else may read the logs, is up to the admin.
        if found is None or found.kind == "symbolic link":
            continue
        if found.owner != layout.user:
            yield Change(Part.ACCESS, path, How.FILE, found.owner, layout.user, aspect=OWNER)
        if not int(found.mode, 8) & 0o200:
            wanted = "writable for its owner"
            yield Change(Part.ACCESS, path, How.FILE, found.mode, wanted, aspect=MODE)


def _kept(state: InstanceState, layout: Layout) -> Iterator[Change]:
    """Report copies for a failed restart. They are out of date once everything is as wanted and verified."""
    for path in layout.unverified:
        if state.file(path) is not None:
            what = "the take-over" if path == layout.takeover else "a change"
            yield Change(Part.FILE, path, How.FILE, f"kept while {what} was not verified", "gone")


def _contents(state: InstanceState, target: Target, wanted: WantedFile) -> Iterator[Change]:
    """Report what differs in a redis.conf of ours, by directive; for other files, only that they differ."""
    text, different = state.conf or "", []
    if wanted.path == target.layout.conf and text.startswith(MARKER):
        different = [
            directive_change(How.FILE, found, target)
            for found in conf_diff.file_differences(
                target.config, text, target.server, target.probed_defaults
            )
        ]
    yield from different or [Change(Part.FILE, wanted.path, How.FILE, "other content", "ours")]


def _kernel(state: InstanceState) -> Iterator[Change]:
    for value in sysctl.differences(state.machine.kernel):
        if value.name in state.machine.kernel_writable:
            yield Change(
                Part.KERNEL, value.title, How.KERNEL, str(value.found), str(value.wanted), file=SYSCTL
            )


def _unit(state: InstanceState, target: Target) -> Iterator[Change]:
    name, unit = target.layout.unit, state.unit
    package = state.machine.packages.get(target.layout.package)
    installed = package is not None and package.installed
    if not installed or (state.predecessor is not None and not state.pid):
        return  # installing it, or replacing the other engine, enables and starts it
    if unit.get("LoadState") == "masked" or unit.get("UnitFileState") == "masked":
        yield Change(Part.UNIT, name, How.UNIT, "masked", "enabled")
    elif not state.enabled:
        yield Change(Part.UNIT, name, How.UNIT, unit.get("UnitFileState") or "disabled", "enabled")
    if unit.get("NeedDaemonReload") == "yes":
        changed = "files changed since systemd read them"
        yield Change(Part.UNIT, name, How.UNIT, changed, "read again", file=target.layout.dropin)
    if state.live.reach is Reach.NOT_RUNNING:
        yield Change(Part.UNIT, name, How.UNIT, "not running", "running", urgency=Urgency.STOPPED)
