"""Records that runs leave for monitoring: when a host was last looked at for drift, last backed up, and more.

There is one file for each host, ``HOST.json`` in the state directory of its hosts file (``locate``):

    {"drift": {"at": TIME, "by": "drift" or "deploy", "differences": N or null, "failure": "..." or null},
     "keys": {"at": TIME, "count": N, "missing_since": TIME or null},
     "backup": {"at": TIME}, "exporter": {"certificate_ends": TIME},
     "refusals": {"at": TIME, "run": "run_id of the server", "counts": {"OOM": N, "MISCONF": N}},
     "disk": {"at": TIME, "free": BYTES, "size": BYTES, "read_only": BOOL}}

TIME is ISO 8601 in UTC. If a host could not be looked at, or is left alone, ``failure`` says why, and ``differences``
is null. ``keys`` is from the last look that found any, with the time of the first look since then that found none. A
part that is not known yet is left out. Files are replaced whole; one that cannot be parsed counts as empty.
"""

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

from noevict.errors import NoevictError
from noevict.inventory.hosts_file import read_hosts_file
from noevict.inventory.reader import HOSTS_FILE, hosts_path
from noevict.messages import one_line
from noevict.private_files import locked, make_trusted_directory, write_private
from noevict.server.writes import CODES, Disk, Keys, Refusals


@dataclass(frozen=True)
class Drift:
    """A look for drift: by ``noevict drift``, or by the verification at the end of a deploy."""

    at: datetime
    by: Literal["drift", "deploy"]
    differences: int | None  # None if the look failed
    failure: str | None = None


@dataclass(frozen=True)
class Record:
    """What is recorded of one host; None if nothing is yet."""

    drift: Drift | None = None
    backup: datetime | None = None
    exporter_ends: datetime | None = None  # when the client certificate of its exporter ends
    refusals: Refusals | None = None  # how many writes it had refused by then
    disk: Disk | None = None  # of its data
    keys: Keys | None = None  # how many it had when it last had any


NOTHING = Record()
READABLE = 0o644  # `noevict serve` may run as another user, who can enter the directory


def locate(root: Path) -> Path:
    """Return the state directory: $NOEVICT_STATE, else ``state`` in ``root``, beside ``inventory`` and hosts.yml.

    Another hosts file ($NOEVICT_HOSTS) has one beside it: ``fleets/staging.state`` for ``fleets/staging.yml``,
    ``staging.yaml.state`` for ``staging.yaml``, ``staging.hosts.state`` for ``staging``.
    """
    elsewhere = os.environ.get("NOEVICT_STATE")
    if elsewhere:
        return Path(elsewhere).expanduser().absolute()
    hosts = hosts_path(root)
    if _is_default(root, hosts):
        return (root / "state").absolute()
    name = hosts.stem if hosts.suffix == ".yml" else hosts.name if hosts.suffix else f"{hosts.name}.hosts"
    return hosts.with_name(f"{name}.state").absolute()


def place(root: Path) -> Path:
    """Return ``locate``, for writing. Raise NoevictError as long as ``unclaimed`` returns something."""
    if question := unclaimed(root):
        raise NoevictError(question)
    return locate(root)


def unclaimed(root: Path) -> str | None:
    """Return what to do about records of these hosts in ``state``, where earlier releases kept all records.

    Only a person knows which hosts file they belong to. None if there are none, or once the hosts file has a state
    directory.
    """
    directory, old, hosts = locate(root), (root / "state").absolute(), hosts_path(root)
    if os.environ.get("NOEVICT_STATE") or directory == old or directory.exists():
        return None
    named = {name for group in read_hosts_file(hosts, hosts.name).groups.values() for name in group}
    if not (there := sorted(named & read(old).keys())):
        return None
    return (
        f"{directory}: should hold what is recorded of {', '.join(there)}, which earlier releases kept in {old}: "
        f"`cp -a {shlex.quote(str(old))} {shlex.quote(str(directory))}` keeps that, "
        f"`mkdir -m 700 {shlex.quote(str(directory))}` starts without them"
    )


def _is_default(root: Path, hosts: Path) -> bool:
    default = root / HOSTS_FILE
    with suppress(OSError):
        return hosts.samefile(default)
    return hosts.absolute() == default.absolute()


def read(directory: Path) -> dict[str, Record]:
    """Return records by host. Empty if there are none, or none that this user may read."""
    found = {}
    for path in directory.glob("*.json"):
        if record := _read_one(path):
            found[unquote(path.stem)] = record
    return found


def read_one(directory: Path, host: str) -> Record:
    """Return a host's record; NOTHING if there is none, or none that this user may read."""
    return _read_one(_path(directory, host)) or NOTHING


def write_drift(
    directory: Path, looks: Mapping[str, Drift], seen: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Record looks by host. ``seen``: host -> other fields of its Record that the look found.

    Raise NoevictError if they cannot be written.
    """
    seen = seen or {}
    _update(directory, {host: {"drift": look, **seen.get(host, {})} for host, look in looks.items()})


def write_exporter(directory: Path, ends: Mapping[str, datetime | None]) -> None:
    """Record by host when its exporter's client certificate ends; None if it has none. Raise as ``write_drift``."""
    _update(directory, {host: {"exporter_ends": end} for host, end in ends.items()})


def write_backup(directory: Path, hosts: Iterable[str], at: datetime) -> None:
    """Record when the hosts' data was backed up. Raise NoevictError if that cannot be written."""
    _update(directory, {host: {"backup": at} for host in hosts})


def _update(directory: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    make_trusted_directory(directory)
    with locked(directory):
        for host, change in changes.items():
            path = _path(directory, host)
            record = replace(_read_one(path) or NOTHING, **change)
            text = json.dumps(_written(record)) + "\n"
            # This is written for every host of every run, so do not wait for the disk.
            write_private(path, text, READABLE, through_links=False, sync=False)


def _path(directory: Path, host: str) -> Path:
    return directory / f"{quote(host, safe='@')}.json"


def _written(record: Record) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if record.drift:
        failure = None if record.drift.failure is None else one_line(record.drift.failure)
        parts["drift"] = {**asdict(record.drift), "at": record.drift.at.isoformat(), "failure": failure}
    if record.keys:
        missing = record.keys.missing_since
        parts["keys"] = {
            "at": record.keys.at.isoformat(),
            "count": record.keys.count,
            "missing_since": missing and missing.isoformat(),
        }
    if record.backup:
        parts["backup"] = {"at": record.backup.isoformat()}
    if record.exporter_ends:
        parts["exporter"] = {"certificate_ends": record.exporter_ends.isoformat()}
    if record.refusals:
        parts["refusals"] = {**asdict(record.refusals), "at": record.refusals.at.isoformat()}
    if record.disk and record.disk.at:
        parts["disk"] = {**asdict(record.disk), "at": record.disk.at.isoformat()}
    return parts


def _read_one(path: Path) -> Record | None:
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        drift, backup, exporter, refusals, disk, keys = map(
            parts.get, ("drift", "backup", "exporter", "refusals", "disk", "keys")
        )
        return Record(
            _drift(drift) if drift else None,
            _time(backup["at"]) if backup else None,
            _time(exporter["certificate_ends"]) if exporter else None,
            _refusals(refusals) if refusals else None,
            _disk(disk) if disk else None,
            _keys(keys) if keys else None,
        )
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _drift(part: Mapping[str, Any]) -> Drift:
    by, differences, failure = part["by"], part["differences"], part["failure"]
    if (
        by not in {"drift", "deploy"}
        or not isinstance(differences, int | None)
        or isinstance(differences, bool)
    ):
        raise ValueError(part)
    return Drift(_time(part["at"]), by, differences, None if failure is None else one_line(str(failure)))


def _keys(part: Mapping[str, Any]) -> Keys:
    missing = part.get("missing_since")  # an earlier release had no such field
    return Keys(_time(part["at"]), _size(part["count"]), _time(missing) if missing else None)


def _refusals(part: Mapping[str, Any]) -> Refusals:
    counts = {code: _size(count) for code, count in part["counts"].items() if code in CODES}
    return Refusals(_time(part["at"]), str(part["run"]), counts)


def _disk(part: Mapping[str, Any]) -> Disk:
    return Disk(_size(part["free"]), _size(part["size"]), part["read_only"] is True, _time(part["at"]))


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(value)
    return value


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
