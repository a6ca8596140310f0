"""Plans what is due for a host's exporter, by comparing what was found with what is wanted. Pure."""

from collections.abc import Iterator
from datetime import datetime

from noevict.companions.exporter.found import COMMAND, FoundExporter
from noevict.companions.exporter.wanted import (
    BINARY,
    CERTIFICATE,
    DROPIN,
    HANDED,
    PACKAGE,
    UNIT,
    WantedExporter,
)
from noevict.machine.files import attributes
from noevict.pki import validity
from noevict.pki.certificate import Certificate
from noevict.plan.change import Change, How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd.conflicts import in_force, in_the_way, overridden_by, unwritable
from noevict.secrets.store import Secrets
from noevict.server.password_rotation import OLDER

# Bytes of one word of a process' environment (MAX_ARG_STRLEN), its name aside.
LONGEST_WORD = (128 << 10) - 64


def make_plan(
    found: FoundExporter, target: WantedExporter, secrets: Secrets, now: datetime, older: tuple[str, ...] = ()
) -> Plan[WantedExporter]:
    """Compare and return the plan. ``older``: users of Redis whose older password nobody needs any more."""
    refused = tuple(_refusals(found, target))
    wrong = tuple(_faults(found, target))
    signed = tuple(_certificate(found, secrets, now))
    changes = (
        *_package(found),
        *signed,
        *_files(found, target),
        *_unit(found),
        *_restart(found, target, signed=bool(signed), overridden=bool(wrong)),
        *(
            Change(Part.USER, user, How.LIVE, "still accepted", "not accepted any more", aspect=OLDER)
            for user in older
        ),
    )
    return Plan(target, refused, tuple(_notices(found, target)), wrong, () if refused else changes)


def _refusals(found: FoundExporter, target: WantedExporter) -> Iterator[str]:
    if not found.systemd:
        yield f"monitoring needs systemd, which hands {PACKAGE} its password, and does not run here"
    if found.busy:
        yield f"port {target.port} is in use by a program that is not {UNIT}: stop it, or set redis_exporter_port"
    if max(map(len, target.environment.values())) > LONGEST_WORD:
        yield (
            f"redis_queues: should be fewer, or have shorter names: the {len(target.keys)} keys of these are more than "
            f"{PACKAGE} can take"
        )
    yield from unwritable(found.unwritable)
    yield from in_the_way(target.files, found.files.get)


def _faults(found: FoundExporter, target: WantedExporter) -> Iterator[str]:
    """Yield what overrides our drop-in although systemd reads it. Values may be passwords, and are not shown."""
    if not in_force(found.unit, found.files.get(DROPIN), target.digest(DROPIN)):
        return
    by = overridden_by(found.unit, DROPIN)
    for name in sorted(target.environment.keys() | found.loaded.keys()):
        if found.loaded.get(name) != target.environment.get(name):
            yield f"{UNIT}: {name} should be {target.environment.get(name, 'left out')}, is {by}"
    if found.unit.get("EnvironmentFiles"):
        yield f"{UNIT}: should read no EnvironmentFile: {by}"
    if found.starts != COMMAND:
        yield f"{UNIT}: should start {BINARY} without arguments: {by}"


def _notices(found: FoundExporter, target: WantedExporter) -> Iterator[str]:
    if target.loopback:
        yield (
            f"{PACKAGE} listens only on loopback, as Redis does: Prometheus can reach it only from this host "
            "(redis_bind sets the addresses)"
        )
    if found.arguments:
        yield f"ARGS in /etc/default/{PACKAGE} were set by somebody: they stay there, but are no longer read"


def _package(found: FoundExporter) -> Iterator[Change]:
    if not found.installed:
        status = found.package.status if found.package else "not installed"
        yield Change(Part.PACKAGE, PACKAGE, How.PACKAGE, status, "installed")


def _certificate(found: FoundExporter, secrets: Secrets, now: datetime) -> Iterator[Change]:
    """Yield what is due for the exporter's client certificate: Redis may ask for one, now or later."""
    if found.certificate is None:
        yield Change(Part.CERTIFICATE, CERTIFICATE, How.CERTIFICATE, "none", "a certificate")
        return
    parsed = Certificate.parse(found.certificate)
    problems = validity.problems(parsed, found.key_digest, secrets.ca.certificate, (), now)
    if parsed is not None and validity.outlives(parsed):
        problems += (f"was made for more than {validity.DAYS} days",)
    for problem in problems:
        yield Change(Part.CERTIFICATE, CERTIFICATE, How.CERTIFICATE, problem, "a new certificate")


def _files(found: FoundExporter, target: WantedExporter) -> Iterator[Change]:
    for wanted in target.files:
        there = found.files.get(wanted.path)
        if there is None:
            if wanted.placed or wanted.directory:
                yield Change(
                    Part.FILE,
                    wanted.path,
                    How.FILE,
                    "missing",
                    "a directory" if wanted.directory else "a file",
                )
            continue
        if not (there.is_directory or there.is_regular):
            yield Change(Part.FILE, wanted.path, How.FILE, there.kind, "regular file")
            continue
        yield from attributes(there, wanted)
        if wanted.placed and there.sha256 != target.digest(wanted.path):
            yield Change(Part.FILE, wanted.path, How.FILE, "other content", "ours")


def _unit(found: FoundExporter) -> Iterator[Change]:
    unit = found.unit
    if not found.installed:
        return  # installing it enables and starts it
    if "masked" in (unit.get("LoadState"), unit.get("UnitFileState")):
        yield Change(Part.UNIT, UNIT, How.UNIT, "masked", "enabled")
    elif unit.get("UnitFileState") != "enabled":
        yield Change(Part.UNIT, UNIT, How.UNIT, unit.get("UnitFileState") or "disabled", "enabled")
    if unit.get("NeedDaemonReload") == "yes":
        yield Change(Part.UNIT, UNIT, How.UNIT, "files changed since systemd read them", "read again")
    if unit.get("SubState") != "running":
        yield Change(Part.UNIT, UNIT, How.UNIT, "not running", "running")


def _restart(
    found: FoundExporter, target: WantedExporter, *, signed: bool, overridden: bool
) -> Iterator[Change]:
    """Yield what only a restart changes. If somebody's drop-in overrides ours, a restart would change nothing."""
    if not found.pid or overridden:
        return
    for name in sorted(target.environment.keys() | found.environment.keys()):
        if found.environment.get(name) != target.environment.get(name):
            wanted = "set" if name in target.environment else "left out"
            yield Change(Part.ENVIRONMENT, name, How.RESTART, "another", wanted, "read at start only")
    if found.started != COMMAND:
        yield Change(Part.ARGUMENTS, PACKAGE, How.RESTART, "some", "none", "read at start only")
    for path in HANDED:
        digest = target.digest(path) or _sha256(found, path)
        if found.handed.get(path.rpartition("/")[2]) != digest or (path == CERTIFICATE and signed):
            yield Change(
                Part.CREDENTIAL, path, How.RESTART, "another one in use", "in use", "read at start only"
            )


def _sha256(found: FoundExporter, path: str) -> str | None:
    there = found.files.get(path)
    return there.sha256 if there is not None else None
