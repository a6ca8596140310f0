"""Writes what Prometheus reads on the controller: targets.json (file_sd) and alerts.yml, in the state directory."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from noevict.companions.exporter.alerts import RULES, render_alerts, runbooks_of, target_labels
from noevict.companions.exporter.wanted import WantedExporter, bracketed
from noevict.errors import NoevictError
from noevict.fleet import records
from noevict.inventory.hosts_file import LOCAL
from noevict.private_files import locked, make_trusted_directory, write_private
from noevict.run.instance import InstanceRun

TARGETS, ALERTS = "targets.json", "alerts.yml"
READABLE = 0o644  # Prometheus runs as another user


def write_for_prometheus(
    run: InstanceRun, target: WantedExporter, groups: Mapping[str, tuple[str, ...]]
) -> None:
    """Write the host's entry in targets.json, and the alert rules. Nothing is written if nothing differs.

    ``groups``: every host of hosts.yml and its groups there. Entries of other hosts stay, unless those are no longer in
    hosts.yml. Raise NoevictError.
    """
    directory = records.place(run.context.root) / "prometheus"
    make_trusted_directory(directory.parent)
    directory.mkdir(mode=0o755, exist_ok=True)
    with locked(directory):
        file = directory / TARGETS
        text = with_entry(_read(file), entry(run, target, groups.get(run.name, ())), run.name, groups)
        _write(file, text)
        rules = render_alerts(RULES.read_text("utf-8"), runbooks_of(run.context.settings))
        _write(directory / ALERTS, rules)


def entry(run: InstanceRun, target: WantedExporter, groups: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the host's entry for file_sd; None if its exporter can only be reached on the host itself."""
    if target.loopback and run.name != LOCAL:
        return None
    address = f"{bracketed(target.listen or run.endpoint.host)}:{target.port}"
    more = {"engine": run.layout.engine.name, "groups": ",".join(groups)}
    return {"targets": [address], "labels": target_labels(run.name, run.settings) | more}


def with_entry(text: str, new: dict[str, Any] | None, host: str, known: Iterable[str]) -> str:
    """Return targets.json with this host's entry replaced, and without hosts that are not ``known``.

    Text that noevict did not write is dropped: every run writes what it knows.
    """
    try:
        entries = {each["labels"]["host"]: each for each in json.loads(text)}
    except (ValueError, TypeError, KeyError):
        entries = {}
    entries = {name: each for name, each in entries.items() if name in set(known) and name != host}
    if new is not None:
        entries[host] = new
    return json.dumps([entries[name] for name in sorted(entries)], indent=2, ensure_ascii=False) + "\n"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    except OSError as error:
        raise NoevictError(f"{file}: cannot be read: {error.strerror}") from None


def _write(file: Path, text: str) -> None:
    if _read(file) != text:
        write_private(file, text, READABLE)
