"""Settings + HostState -> Plan: what is due on a host, in words and in parts. Pure; nothing else decides."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from noevict import acl_live, conf, directives, pki, succession
from noevict.certificates import Certificate, OwnCertificate
from noevict.changes import Change, How
from noevict.conf_reader import parse
from noevict.engine import Engine
from noevict.patience import loading
from noevict.refusals import MARKER, refusals
from noevict.secrets import Secrets
from noevict.settings import Settings
from noevict.state import File, HostState, Live, Reach
from noevict.target import KEPT, KERNEL, UNIT, Target, WantedFile

SHORT = 60
SYSCTL_NAMES = {"overcommit": "vm.overcommit_memory", "somaxconn": "net.core.somaxconn"}


@dataclass(frozen=True)
class Plan:
    """What is due on one host.

    ``refusals``: why nothing is done there. ``faults``: what is not as wanted and not ours to repair; it fails
    the host. ``notices``: said, not acted on.
    """

    target: Target = field(repr=False)
    refusals: tuple[str, ...]
    notices: tuple[str, ...]
    faults: tuple[str, ...]
    changes: tuple[Change, ...]

    def due(self, *how: How) -> tuple[Change, ...]:
        """The changes made in one of these ways."""
        return tuple(change for change in self.changes if change.how in how)

    @property
    def clean(self) -> bool:
        return not (self.changes or self.refusals or self.faults)


def make_plan(
    settings: Settings,
    state: HostState,
    target: Target,
    secrets: Secrets,
    own: OwnCertificate | None,
    now: datetime,
) -> Plan:
    """What is due. ``own``: the user's own certificate files, where the settings name some."""
    refused = (*refusals(settings, state, target, secrets), *succession.refusals(state, target, secrets))
    changes = (
        *succession.changes(state, target),
        *_packages(state, target.engine),
        *_live(state.live, target),
        *_append_only_files(state, target),
        *_users(state.live, target),
        *_certificate(state, target, secrets, own, now),
        *_files(state, target),
        *_kept(state),
        *_kernel(state),
        *_unit(state, target),
        *_restart(state, target),
    )
    notices = tuple(_notices(settings, state, target, secrets, own, now))
    return Plan(target, refused, notices, tuple(_faults(state, target)), () if refused else changes)


def _packages(state: HostState, engine: Engine) -> Iterator[Change]:
    for name in ("openssl", engine.package):
        package = state.packages.get(name)
        if package is None or not package.installed:
            found = "not installed" if package is None else package.status
            yield Change(How.PACKAGE, f"package {name}", found, "installed")


def _ours(live: Live) -> bool:
    """Whether the running server knows our admin: a server of noevict's own making, whatever became of it."""
    return live.reached and live.user == "admin"


def _live(live: Live, target: Target) -> Iterator[Change]:
    if not _ours(live) or live.server is None:
        return
    for found in conf.differences(target.live, live.config, live.server):
        if directives.changes_live(found.name, live.server):
            yield Change(How.LIVE, found.name, _short(found.found), _short(found.wanted))


def _append_only_files(state: HostState, target: Target) -> Iterator[Change]:
    """Files that were removed below a running server: it goes on writing, and its next start would find nothing."""
    wanted_and_on = target.live["appendonly"] == "yes" == state.live.config.get("appendonly")
    if _ours(state.live) and wanted_and_on and state.file(target.engine.manifest) is None:
        yield Change(How.LIVE, target.engine.manifest, "missing", "written anew")


def _restart(state: HostState, target: Target) -> Iterator[Change]:
    live = state.live
    if live.reach is Reach.NOT_RUNNING:
        return
    if not _ours(live):
        # A server of somebody else's, to be taken over, or one that lost our admin: only a restart gives it ours.
        found = "another configuration" if live.reached else live.reach.value
        yield Change(How.RESTART, f"the running {target.engine.title}", found, "ours")
        return
    if live.server is None:
        return
    for found in conf.differences(target.live, live.config, live.server):
        if not directives.changes_live(found.name, live.server):
            yield Change(
                How.RESTART, found.name, _short(found.found), _short(found.wanted), "read at start only"
            )
    if state.replaced:
        what = f"the directory {target.engine.etc}"
        yield Change(How.RESTART, what, "not the one the server started with", "one it can write to")
    if state.conf is not None:
        for name in ("rename-command", "loadmodule"):
            if name in parse(state.conf):
                yield Change(How.RESTART, name, "in redis.conf", "none", "read at start only")


def _users(live: Live, target: Target) -> Iterator[Change]:
    if not _ours(live) or live.catalogue is None:
        return
    for found in acl_live.differences(target.users, live.acl, live.catalogue):
        what = f"user {found.user} {found.what}"
        yield Change(How.LIVE, what, _short(found.found, 2 * SHORT), _short(found.wanted, 2 * SHORT))


def _certificate(
    state: HostState, target: Target, secrets: Secrets, own: OwnCertificate | None, now: datetime
) -> Iterator[Change]:
    path = f"{target.engine.tls}/server.crt"
    found = Certificate.parse(state.certificate or "")
    if state.file(path) is None:
        yield Change(How.CERTIFICATE, path, "none", "a certificate")
    elif own is not None:
        same = (state.certificate or "").strip() == own.chain.strip()
        if not same or _key(state, target, own.certificate) != own.certificate.key_digest:
            yield Change(How.CERTIFICATE, path, "another one", "the one of redis_tls_cert")
    else:
        for problem in pki.problems(found, _key(state, target, found), secrets.ca, target.names, now):
            yield Change(How.CERTIFICATE, path, problem, "a new certificate")
    if (state.ca or "").strip() != target.ca.strip():
        yield Change(
            How.CERTIFICATE, f"{target.engine.tls}/ca.crt", "another one" if state.ca else "none", "the CA"
        )
    served = state.live.certificate
    if (
        found is not None
        and _ours(state.live)
        and served is not None
        and served != found.parsed.public_bytes(Encoding.DER)
    ):
        yield Change(How.CERTIFICATE, "the certificate served", "not the one in the file", "loaded")


def _key(state: HostState, target: Target, certificate: Certificate | None) -> str:
    """The digest of the host's key, "" where it has none. One that cannot be looked at yet counts as the right one."""
    if state.file(f"{target.engine.tls}/server.key") is None:
        return ""
    return state.key_digest or (certificate.key_digest if certificate else "")


def _files(state: HostState, target: Target) -> Iterator[Change]:
    for wanted in target.files:
        found = state.file(wanted.path)
        if found is None:
            # What the certificate's own part makes is named there.
            if wanted.content is not None or wanted.directory:
                yield Change(
                    How.FILE, wanted.path, "missing", "a directory" if wanted.directory else "a file"
                )
            continue
        if wanted.directory != found.is_directory:
            continue  # a fault: see below
        if not found.is_directory and not found.is_regular:
            how = How.CERTIFICATE if wanted.content is None else How.FILE
            yield Change(how, wanted.path, found.kind, "regular file")
            continue
        yield from _attributes(found, wanted)
        if wanted.content is not None and found.sha256 != target.digest(wanted.path):
            yield from _contents(state, target, wanted)
    if state.diversion is None or state.diversion[1] != ":":
        yield Change(How.FILE, f"diversion of {target.engine.conf}", "none", "kept from dpkg")


def _kept(state: HostState) -> Iterator[Change]:
    """What a failed restart would put back. Once everything is as wanted and verified, it is of an earlier time."""
    if state.file(KEPT) is not None:
        yield Change(How.FILE, KEPT, "kept while a change was not verified", "gone")


def _attributes(found: File, wanted: WantedFile) -> Iterator[Change]:
    if (found.owner, found.group) != (wanted.owner, wanted.group):
        yield Change(
            How.FILE, f"{wanted.path} owner", f"{found.owner}:{found.group}", f"{wanted.owner}:{wanted.group}"
        )
    if found.mode != wanted.mode:
        yield Change(How.FILE, f"{wanted.path} mode", found.mode, wanted.mode)


def _contents(state: HostState, target: Target, wanted: WantedFile) -> Iterator[Change]:
    """What differs in a redis.conf of ours, directive by directive; that a file differs, elsewhere."""
    text, different = state.conf or "", []
    if wanted.path == target.engine.conf and wanted.content is not None and text.startswith(MARKER):
        different = [
            Change(How.FILE, f"{wanted.path}: {found.name}", _short(found.found), _short(found.wanted))
            for found in conf.file_differences(target.config, text, target.server, target.fresh)
        ]
    yield from different or [Change(How.FILE, wanted.path, "other content", "ours")]


def _kernel(state: HostState) -> Iterator[Change]:
    if state.kernel_writable:
        for name, found, wanted in _kernel_differences(state):
            yield Change(How.KERNEL, name, str(found), str(wanted))


def _kernel_differences(state: HostState) -> Iterator[tuple[str, int, int]]:
    """(name, found, wanted) of each that is not as wanted; of somaxconn, more is as good."""
    for name, wanted in KERNEL.items():
        found = state.kernel.get(name)
        if found is not None and (found != wanted if name == "overcommit" else found < wanted):
            yield SYSCTL_NAMES[name], found, wanted


def _unit(state: HostState, target: Target) -> Iterator[Change]:
    name, unit = target.engine.unit, state.unit
    package = state.packages.get(target.engine.package)
    installed = package is not None and package.installed
    if not installed or (state.predecessor is not None and not state.pid):
        return  # installing it, or giving it another's place, enables and starts it
    if unit.get("LoadState") == "masked" or unit.get("UnitFileState") == "masked":
        yield Change(How.UNIT, name, "masked", "enabled")
    elif unit.get("UnitFileState") not in ("enabled", "alias"):
        yield Change(How.UNIT, name, unit.get("UnitFileState") or "disabled", "enabled")
    if unit.get("NeedDaemonReload") == "yes":
        yield Change(How.UNIT, name, "files changed since systemd read them", "read again")
    if state.live.reach is Reach.NOT_RUNNING:
        yield Change(How.UNIT, name, "not running", "running")


def _faults(state: HostState, target: Target) -> Iterator[str]:
    yield from _in_the_way(state, target)
    yield from _overridden(state, target)


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
    for name, wanted in UNIT.items():
        if name in state.unit and state.unit[name] != wanted:
            by = ", ".join(others) or "the unit itself"
            yield f"{engine.unit}: {name} should be {wanted}, is {state.unit[name]}: overridden by {by}; remove that"


def _notices(
    settings: Settings,
    state: HostState,
    target: Target,
    secrets: Secrets,
    own: OwnCertificate | None,
    now: datetime,
) -> Iterator[str]:
    if own is not None and own.certificate.not_after - now < timedelta(days=pki.RENEW_DAYS):
        yield f"redis_tls_cert: ends on {own.certificate.not_after:%Y-%m-%d}: get a new one and run again"
    if own is None and (warning := secrets.ca.warning(now)):
        yield warning
    if settings.bind_addresses is None and len(target.bind) == 2:
        yield "no private address here: Redis listens on loopback alone; see redis_bind"
    if not state.kernel_writable:
        wrong = [
            f"{name} is {found}, should be {wanted}" for name, found, wanted in _kernel_differences(state)
        ]
        if wrong:
            yield f"the kernel's settings cannot be written here (a container?): {'; '.join(wrong)}"
    if state.live.loading:
        _, how_far = loading(state.live.info)
        yield f"{target.engine.title} is loading its data{how_far}: nothing is changed before that is done"
    evicted = state.live.number("evicted_keys")
    if evicted and _ours(state.live):
        yield f"{evicted} keys were evicted since this server started: data was lost"


def _short(text: str, most: int = SHORT) -> str:
    text = text or '""'
    return text if len(text) <= most else text[: most - 1] + "…"
