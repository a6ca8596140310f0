"""The table of all directives of redis.conf.

The facts about a directive (kind of value, range, default, whether CONFIG SET takes it) are measured on real servers.
They are in measured.json, which tests/lab/measure_directives.py writes. What noevict does with a directive is in
ownership.py.
"""

import difflib
import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noevict.directives.kinds import Bool, Int, Kind, Memory, Octal, Text, Words, is_safe
from noevict.directives.lists import Bind, BufferLimits, KeyspaceEvents, OomScores, Percentiles, Save
from noevict.directives.ownership import ALIASES, FILE_ONLY, Use, use_of
from noevict.engines.engine import ENGINES, Server

# The names that only Valkey writes.
_VALKEY_NAMES = {
    "masterauth": "primaryauth",
    "masteruser": "primaryuser",
    "slowlog-log-slower-than": "commandlog-execution-slower-than",
    "slowlog-max-len": "commandlog-slow-execution-max-len",
}

_SPECIAL: dict[str, Kind] = {
    "bind": Bind(),
    "client-output-buffer-limit": BufferLimits(),
    "latency-tracking-info-percentiles": Percentiles(),
    "notify-keyspace-events": KeyspaceEvents(),
    "oom-score-adj-values": OomScores(),
    "hz": Int(
        1, 500
    ),  # a server takes any number, and changes it to one of these (CONFIG_MIN_HZ, CONFIG_MAX_HZ)
    "repl-backlog-size": Memory(16384),  # likewise: a smaller one becomes 16kb
    # A server that may not open that many files plus 32 takes fewer clients. 65535 is the unit's LimitNOFILE
    # (platforms/systemd/wanted.py); Redis counts in 32 bits, and starts with a number that overflows them.
    "maxclients": Int(1, 65535 - 32),
    # relative means yes, and yes is what servers report
    "oom-score-adj": Words(("no", "yes", "relative", "absolute"), alike=(("relative", "yes"),)),
    # older protocols are broken, and OpenSSL refuses them now
    "tls-protocols": Words(("TLSv1.2", "TLSv1.3"), many=True, quoted=True),
}
_MANY_WORDS = {"shutdown-on-sigint", "shutdown-on-sigterm"}


@dataclass(frozen=True)
class Measured:
    """A directive on one server."""

    kind: Kind
    default: str | None  # None if it depends on the host
    live: bool  # CONFIG SET takes it; else a restart


@dataclass(frozen=True)
class Directive:
    """A row of the table. ``refusal`` is what a redis_config with it should be; empty if it is plain."""

    name: str
    aliases: tuple[str, ...]
    use: Use
    refusal: str
    measured: Mapping[Server, Measured]

    def name_on(self, server: Server) -> str:
        """Return the name that this server writes, under which differences are reported."""
        if server.engine == "valkey":
            return _VALKEY_NAMES.get(self.name, self.name)
        if self.name.endswith("-cpulist") and server.version < (7, 2, 0):
            return self.name.replace("-", "_")
        return self.name

    def on(self, server: Server) -> Measured | None:
        """Return the facts for this server, or for the nearest measured release; None if it does not know it."""
        return self.measured.get(nearest_measured(server))


@functools.cache
def table() -> Mapping[str, Directive]:
    """Return the whole table: name → directive, sorted by name. Aliases are not keys of it."""
    data = json.loads(Path(__file__).with_name("measured.json").read_text())
    servers = {text: _server(text) for text in data["servers"]}
    names = sorted({*data["directives"], *FILE_ONLY})
    return {name: _directive(name, data["directives"].get(name), servers) for name in names}


def _server(text: str) -> Server:
    title, _, version = text.partition(" ")
    return Server.parse(next(name for name, engine in ENGINES.items() if engine.title == title), version)


def _directive(name: str, cells: dict[str, Any] | None, servers: dict[str, Server]) -> Directive:
    def cell(column: str, text: str) -> str | None:
        value = (cells or {}).get(column)
        return value.get(text) if isinstance(value, dict) else value

    measured = {}
    for text, server in servers.items():
        kind, default = cell("kind", text), cell("default", text)
        if kind is not None:
            measured[server] = Measured(
                _kind(name, kind, default, server), default, live=cell("change", text) == "live"
            )
    aliases = tuple(alias for alias, of in ALIASES.items() if of == name)
    return Directive(name, aliases, *use_of(name), measured)


def _kind(name: str, text: str, default: str | None, server: Server) -> Kind:
    """Make a kind from the measured text: ``int 0 100``, ``words a b``, ``text``, ..."""
    if name == "save":
        return Save(one_line=server.engine == "valkey")
    if name in _SPECIAL:
        return _SPECIAL[name]
    word, *rest = text.split()
    if word == "words":
        return Words(tuple(rest), many=name in _MANY_WORDS)
    if word in {"int", "memory", "percent"}:
        low, high = map(int, rest)
        return Int(low, high) if word == "int" else Memory(low, high, percent=word == "percent")
    others: dict[str, Kind] = {"bool": Bool(), "octal": Octal(), "text": Text(needed=bool(default))}
    return others[word]


@functools.cache
def _measured_servers() -> tuple[Server, ...]:
    return tuple(sorted({server for directive in table().values() for server in directive.measured}))


@functools.cache
def nearest_measured(server: Server) -> Server:
    """Return the measured release of the same engine nearest to a server: of its minor release, else the last one
    before it, else the first one after it."""
    engine = [other for other in _measured_servers() if other.engine == server.engine]
    minor = [other for other in engine if other.version[:2] == server.version[:2]]
    before = [other for other in minor or engine if other <= server]
    return before[-1] if before else (minor or engine)[0]


@functools.cache
def measured_after(server: Server) -> tuple[Server, ...]:
    """Return the measured releases of the same engine that came after it, oldest first."""
    return tuple(other for other in _measured_servers() if other.engine == server.engine and other > server)


def find(name: str) -> Directive | None:
    """Find a directive by any of its names, in any case; None if there is none."""
    lower = name.lower()
    return table().get(ALIASES.get(lower, lower))


def nearest(name: str) -> str | None:
    """Return the known name most similar to an unknown one."""
    close = difflib.get_close_matches(name.lower(), [*table(), *ALIASES], n=1)
    return close[0] if close else None


def known(name: str, server: Server) -> bool:
    """Whether this server knows the directive (by any of its names)."""
    directive = find(name)
    return directive is not None and directive.on(server) is not None


def changes_live(name: str, server: Server) -> bool:
    """Whether CONFIG SET changes it on this server; if not, it takes a restart."""
    directive = find(name)
    measured = directive.on(server) if directive else None
    return measured is not None and measured.live


@functools.cache
def defaults(server: Server) -> Mapping[str, str] | None:
    """Return by directive (as this server writes it) the value that CONFIG GET reports on a new server of this release.

    They are measured, without those that depend on the host (``dir``); every directive is there once, whatever names it
    has. Another patch release of the same minor release is as good; None for a minor release that was not measured.
    """
    if nearest_measured(server).version[:2] != server.version[:2]:
        return None
    rows = ((directive.name_on(server), directive.on(server)) for directive in table().values())
    return {name: measured.default for name, measured in rows if measured and measured.default is not None}


def portable(config: Mapping[str, str], server: Server) -> dict[str, str]:
    """Make ``defaults`` from CONFIG GET * of a new server, for a release that was not measured.

    That server may listen on any port or unix socket; these two get their defaults here.
    """
    found = {}
    for name, value in config.items():
        directive = find(name)
        found[directive.name_on(server) if directive else name] = value
    found.pop("dir", None)
    return found | {"port": "6379", "unixsocket": ""}


def twice(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of names for one directive: a mistake in redis_config."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        directive = find(name)
        if directive and first.setdefault(directive.name, name) != name:
            pairs.append((first[directive.name], name))
    return tuple(pairs)


def text_of(value: object) -> str | None:
    """Return a setting's value in redis.conf's form: True and False are yes and no; None if it cannot be a value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float | str) else None


def problem(name: str, value: object, server: Server | None = None) -> str | None:
    """Return what a value of ``redis_config`` should be, as the end of "should be ..."; None if it is fine.

    Without a server it is fine if any known release takes it, with a server if that release does.
    """
    directive = find(name)
    if directive is None:
        near = nearest(name)
        return "a directive of redis.conf" + (f" (did you mean {near}?)" if near else "")
    if directive.refusal:
        return directive.refusal
    measured = directive.on(server) if server else None
    if server and not measured:
        return f"a directive that {server} knows"
    kinds = [measured.kind] if measured else list(dict.fromkeys(m.kind for m in directive.measured.values()))
    text = text_of(value)
    if text is not None and is_safe(text) and any(_takes(kind, text) for kind in kinds):
        return None
    return kinds[-1].should_be


def _takes(kind: Kind, text: str) -> bool:
    try:
        kind.canonical(text)
    except ValueError:
        return False
    return True
