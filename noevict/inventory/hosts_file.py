"""Reads hosts.yml: groups of hosts with their data. Every mistake is reported in a line.

The line names the file, the line in it, group or host, and the key. It never shows a value, which may be a password.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noevict.inventory.pyinfra_keys import KEYS, key_problem
from noevict.inventory.strict_yaml import Document, Places, parse
from noevict.messages import displayed, kind, nearest, sentence

# Groups that will get a special meaning later: no Redis server is set up on their hosts.
RESERVED = frozenset(
    {"redis_docker", "redis_cloud", "redis_kubernetes", "redis_sentinel", "redis_cluster", "redis_replicas"}
)
LOCAL = "@local"
# A host's name gets into command lines, file names and certificates: it has nothing that is special to a shell or path.
_HOST = re.compile(r"(?:@ssh/)?[\w:][\w.:%-]{0,252}")
_LEVELS = ("a group's name", "a host's name", "a key's name")

Groups = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class HostsFile:
    """group → host → the host's data, in the file's order, without the parts that ``mistakes`` names."""

    groups: Groups = field(repr=False)
    mistakes: tuple[str, ...]
    label: str = ""
    lines: Mapping[Places, int] = field(
        default_factory=dict, repr=False
    )  # line of a name, by the names that lead to it


def read_hosts_file(path: Path, label: str, settings: Collection[str] = ()) -> HostsFile:
    """Read the file's groups. ``label`` is its name in messages, ``settings`` are names to suggest."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return _only(f"{label}: should be a file with your hosts, got none at {path}")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "text that is not UTF-8"
        return _only(f"{label}: should be a readable text file, got: {why}")
    return parse_hosts(text, label, settings)


def parse_hosts(text: str, label: str, settings: Collection[str] = ()) -> HostsFile:
    """Parse the text of a hosts file; otherwise as ``read_hosts_file``."""
    document = parse(text, _LEVELS)
    reader = _Reader(document, label, settings)
    groups = reader.groups({} if document.value is None else document.value)
    if not (groups or document.mistakes or reader.mistakes):
        reader.report((), "groups with at least one host", "none")
    mistakes = (*(mistake.sentence(label) for mistake in document.mistakes), *reader.mistakes)
    return HostsFile(groups, mistakes, label, document.lines)


def _only(mistake: str) -> HostsFile:
    return HostsFile({}, (mistake,))


class _Reader:
    """Reads groups, hosts and keys: the usable ones, and the mistakes."""

    def __init__(self, document: Document, label: str, settings: Collection[str]) -> None:
        self.mistakes: list[str] = []
        self._label = label
        self._document = document
        self._settings = settings

    def report(self, places: Places, should: str, got: str) -> None:
        known = (self._document.lines.get(places[:depth]) for depth in range(len(places), 0, -1))
        line = next((f":{line}" for line in known if line), "")
        self.mistakes.append(sentence(f"{self._label}{line}", places, should, got))

    def groups(self, tree: object) -> Groups:
        if not isinstance(tree, dict):
            self.report((), "groups, each with its hosts below it", kind(tree))
            return {}
        return {name: self._hosts(name, hosts) for name, hosts in tree.items() if self._is_group(name)}

    def _is_group(self, name: str) -> bool:
        if name in RESERVED:
            self.report(
                (name,), "another name (this one is reserved, and not supported yet)", "it as a group"
            )
        elif not name.isprintable() or not name.strip() or name.startswith("_"):
            self.report((name,), "a group's name, on one line and without a leading _", displayed(name))
        else:
            return True
        return False

    def _hosts(self, group: str, hosts: object) -> dict[str, dict[str, Any]]:
        # A mapping may be empty because mistakes were removed from it, which are reported already.
        if not isinstance(hosts, dict) or not (hosts or self._document.mistakes):
            self.report((group,), "a mapping: a line `name:` for each host", kind(hosts or None))
            return {}
        return {
            host: self._data(group, host, data) for host, data in hosts.items() if self._is_host(group, host)
        }

    def _is_host(self, group: str, host: str) -> bool:
        if host == LOCAL or _HOST.fullmatch(host):
            return True
        should = f'a host name or address (letters, digits, . _ : -), "{LOCAL}" or "@ssh/NAME"'
        self.report((group, host), should, displayed(host))
        return False

    def _data(self, group: str, host: str, data: object) -> dict[str, Any]:
        if data is None:
            return {}
        if not isinstance(data, dict):
            self.report((group, host), "empty, or a mapping of keys and settings", kind(data))
            return {}
        return {key: value for key, value in data.items() if self._is_key((group, host, key), value)}

    def _is_key(self, places: tuple[str, str, str], value: object) -> bool:
        key = places[2]
        if key.startswith("redis_"):
            return True  # settings/ checks these, wherever they come from
        if key not in KEYS:
            hint = nearest(key, (*KEYS, *self._settings))
            self.report(places, f"a pyinfra key or a redis_ setting{hint}", "an unknown name")
        elif should := key_problem(key, value):
            self.report(places, should, kind(value))
        else:
            return True
        return False
