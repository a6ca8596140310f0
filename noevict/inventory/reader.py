"""The one reader of hosts.yml and group_data: the hosts, and the data of each.

Data has pyinfra's precedence: the host's, then its groups' (the last one wins), then ``all``. A test keeps it equal to
``pyinfra inventory debug-inventory --json``. This module does not import pyinfra, which is slow.
"""

import ast
import os
import runpy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noevict.errors import NoevictError
from noevict.inventory.hosts_file import LOCAL, Groups, HostsFile, read_hosts_file
from noevict.inventory.pyinfra_keys import KEYS, key_problem
from noevict.messages import kind, nearest

HOSTS_FILE = "hosts.yml"
HOSTS_VARIABLE = "NOEVICT_HOSTS"
# pyinfra puts every host into a group with the name of the inventory file, and @local into a group `@local`.
FILE_GROUP = "inventory"
_BECOMES_ROOT = ("_sudo", "_doas", "_dzdo", "_su_user")

GroupData = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Host:
    """A host as hosts.yml names it. ``groups``: its groups in hosts.yml, in that order."""

    name: str
    groups: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)  # set for the host itself; may hold an SSH password


@dataclass(frozen=True)
class Inventory:
    """All hosts by name, in the file's order. ``root`` is the directory of ``inventory``."""

    root: Path
    hosts: Mapping[str, Host]
    group_data: Mapping[str, Mapping[str, Any]] = field(repr=False)
    file_groups: tuple[str, ...] = ()  # every group of hosts.yml, in its order
    file: HostsFile = field(default=HostsFile({}, ()), repr=False)

    def data(self, host: str) -> dict[str, Any]:
        """Return all data of a host, without ``--data`` of a pyinfra command line. KeyError for an unknown host."""
        merged: dict[str, Any] = {}
        for group in ("all", *self._pyinfra_groups(self.hosts[host])):
            merged |= self.group_data.get(group, {})
        return merged | dict(self.hosts[host].data)

    def place(self, host: str, key: str) -> str:
        """Return where a host's key is set, ``hosts.yml:5``; "" for a default that is set nowhere."""
        if key in self.hosts[host].data:
            groups = reversed(self.hosts[host].groups)
            line = next(
                (self.file.lines[at] for each in groups if (at := (each, host, key)) in self.file.lines), None
            )
            return f"{self.file.label}:{line}" if line else self.file.label
        for group in reversed(("all", *self._pyinfra_groups(self.hosts[host]))):
            if key in self.group_data.get(group, {}):
                return f"group_data/{group}.py{_line_in(self.root / 'group_data' / f'{group}.py', key)}"
        return ""

    def unused_group_data(self) -> list[str]:
        """Return a line for each group_data file that sets nothing, because no host is in its group.

        It is no mistake: another hosts file (NOEVICT_HOSTS) may have that group. Files whose names begin with ``_``
        are for imports: no group can have such a name.
        """
        used = {"all", *(group for host in self.hosts.values() for group in self._pyinfra_groups(host))}
        return [
            f"group_data/{group}.py: should have the name of a group in {self.file.label}"
            f"{nearest(group, self.file_groups)}, is ignored"
            for group in self.group_data
            if group not in used and not group.startswith("_")
        ]

    def groups(self) -> dict[str, list[str]]:
        """Return the hosts of each group of hosts.yml."""
        return {
            group: [host.name for host in self.hosts.values() if group in host.groups]
            for group in self.file_groups
        }

    def _pyinfra_groups(self, host: Host) -> Iterator[str]:
        yield from (group for group in host.groups if group != "all")
        if FILE_GROUP not in self.file_groups:
            yield FILE_GROUP
        if host.name == LOCAL:
            yield LOCAL


def read_fleet(root: Path, hosts_file: Path | None = None) -> Inventory:
    """Read the hosts of ``hosts_file``, else of the file in $NOEVICT_HOSTS, else of hosts.yml in ``root``.

    Raise NoevictError with all mistakes in it and in group_data.
    """
    fleet, mistakes = scan_fleet(root, hosts_file)
    if mistakes:
        raise NoevictError.collect(mistakes)
    return fleet


def scan_fleet(
    root: Path, hosts_file: Path | None = None, settings: Collection[str] = ()
) -> tuple[Inventory, tuple[str, ...]]:
    """Read as ``read_fleet``, but return the usable part of the fleet and the mistakes, so that more can be found.

    ``settings`` are names to suggest for mistyped ones.
    """
    path = hosts_path(root, hosts_file)
    label = path.name if path.parent == root else str(path)
    found = read_hosts_file(path, label, settings)
    group_data, mistakes = _read_group_data(root / "group_data")
    fleet = Inventory(root, _hosts(found.groups), group_data, tuple(found.groups), found)
    return _with_sudo(fleet), (*found.mistakes, *mistakes)


def client_host(name: str, data: Mapping[str, Any]) -> str:
    """Return the name or address that clients use for a host. Its certificate covers it."""
    if name == LOCAL:
        name = "localhost"
    return str(data.get("redis_address") or data.get("ssh_hostname") or name.removeprefix("@ssh/"))


def hosts_path(root: Path, hosts_file: Path | None = None) -> Path:
    """Return the path of the hosts file."""
    named = os.environ.get(HOSTS_VARIABLE)
    return hosts_file or (Path(named) if named else root / HOSTS_FILE)


def _hosts(groups: Groups) -> dict[str, Host]:
    hosts: dict[str, Host] = {}
    for group, members in groups.items():
        for name, data in members.items():
            known = hosts.get(name, Host(name, (), {}))
            hosts[name] = Host(name, (*known.groups, group), {**known.data, **data})
    return hosts


def _with_sudo(fleet: Inventory) -> Inventory:
    """Change this machine as root, whoever started the command, unless the user has set how."""
    local = fleet.hosts.get(LOCAL)
    if local is None or os.geteuid() == 0 or any(key in fleet.data(LOCAL) for key in _BECOMES_ROOT):
        return fleet
    hosts = {**fleet.hosts, LOCAL: Host(LOCAL, local.groups, {**local.data, "_sudo": True})}
    return replace(fleet, hosts=hosts)


def _read_group_data(directory: Path) -> tuple[GroupData, tuple[str, ...]]:
    """Return the data of each group, from the GROUP.py there, and the mistakes."""
    data: GroupData = {}
    mistakes: list[str] = []
    for path in sorted(directory.glob("*.py")):
        label = f"group_data/{path.name}"
        try:
            data[path.stem] = _run(path)
        # A user's file may fail in any way; SystemExit would end the run without a message.
        except (Exception, SystemExit) as error:
            mistakes.append(f"{label}{_line_of(error, path)}: should be plain Python, got {_cause(error)}")
            continue
        for key, value in data[path.stem].items():
            if key in KEYS and (should := key_problem(key, value)):
                mistakes.append(f"{label}: {key}: should be {should}, got {kind(value)}")
    return data, tuple(mistakes)


def _run(path: Path) -> dict[str, Any]:
    """Run a group_data file and return its names as pyinfra does: those it defines, not those it imports."""
    imported = {
        alias.asname or alias.name.split(".")[0]
        for node in ast.parse(path.read_bytes(), str(path)).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    names = runpy.run_path(str(path))
    exported = names.get("__all__", names.keys() - imported)
    return {key: value for key, value in names.items() if key in exported and not key.startswith("__")}


def _line_in(path: Path, name: str) -> str:
    """Return the line of the last plain ``name = ...`` in the file."""
    lines = [
        node.lineno
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == name
    ]
    return f":{lines[-1]}" if lines else ""


def _line_of(error: BaseException, path: Path) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f":{line}" if line else ""


def _cause(error: BaseException) -> str:
    """Return the kind of error, and its text only if that cannot contain a value."""
    name = type(error).__name__
    return f"{name}: {error.msg}" if isinstance(error, SyntaxError) else name
