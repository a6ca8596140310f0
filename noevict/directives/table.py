"""Every directive of redis.conf: the table.

What a directive is (kind of value, range, default, whether CONFIG SET takes it) is measured on real servers and
lies in directives.json, which tests/lab/measure_directives.py writes. What noevict does with it stands in
directive_uses.
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

# The names Valkey writes where it has some of its own.
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
    ),  # a server takes any number, and makes one of these of it (CONFIG_MIN_HZ, CONFIG_MAX_HZ)
    "repl-backlog-size": Memory(16384),  # the same: a smaller one becomes 16kb
    # A server with fewer files than that and 32 of its own takes fewer clients. 65535 is the unit's LimitNOFILE
    # (target.py); Redis counts in 32 bits, and starts with a number that overflows them.
    "maxclients": Int(1, 65535 - 32),
    # relative is yes under another name, the one that servers tell
    "oom-score-adj": Words(("no", "yes", "relative", "absolute"), alike=(("relative", "yes"),)),
    # older protocols are broken, and OpenSSL refuses them by now
    "tls-protocols": Words(("TLSv1.2", "TLSv1.3"), many=True, quoted=True),
}
_MANY_WORDS = {"shutdown-on-sigint", "shutdown-on-sigterm"}


@dataclass(frozen=True)
class Measured:
    """A directive on one server."""

    kind: Kind
    default: str | None  # None where it depends on the host
    live: bool  # CONFIG SET takes it; else a restart


@dataclass(frozen=True)
class Directive:
    """A row of the table. ``refusal`` is what a redis_config with it should be; empty where it is plain."""

    name: str
    aliases: tuple[str, ...]
    use: Use
    refusal: str
    measured: Mapping[Server, Measured]

    def name_on(self, server: Server) -> str:
        """The name that this server writes, and that differences are reported under."""
        if server.engine == "valkey":
            return _VALKEY_NAMES.get(self.name, self.name)
        if self.name.endswith("-cpulist") and server.version < (7, 2, 0):
            return self.name.replace("-", "_")
        return self.name

    def on(self, server: Server) -> Measured | None:
        """What it is on this server, or on the measured release nearest to it; None where it is unknown."""
        return self.measured.get(nearest_measured(server))


@functools.cache
def table() -> Mapping[str, Directive]:
    """The whole table: name → directive, sorted by name. Aliases are not keys of it."""
    data = json.loads(Path(__file__).with_name("table.json").read_text())
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
    """From the measured text: ``int 0 100``, ``words a b``, ``text``, ..."""
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
    """The measured release of the same engine nearest to a server: of its own minor release, else the last one
    before it, else the first after it."""
    engine = [other for other in _measured_servers() if other.engine == server.engine]
    minor = [other for other in engine if other.version[:2] == server.version[:2]]
    before = [other for other in minor or engine if other <= server]
    return before[-1] if before else (minor or engine)[0]


@functools.cache
def measured_after(server: Server) -> tuple[Server, ...]:
    """The measured releases of the same engine that came after it, oldest first."""
    return tuple(other for other in _measured_servers() if other.engine == server.engine and other > server)


def find(name: str) -> Directive | None:
    """The directive of any of its names, in any case; None where there is none."""
    lower = name.lower()
    return table().get(ALIASES.get(lower, lower))


def nearest(name: str) -> str | None:
    """The known name most like an unknown one."""
    close = difflib.get_close_matches(name.lower(), [*table(), *ALIASES], n=1)
    return close[0] if close else None


def known(name: str, server: Server) -> bool:
    """Whether this server knows the directive (by any of its names)."""
    directive = find(name)
    return directive is not None and directive.on(server) is not None


def changes_live(name: str, server: Server) -> bool:
    """Whether CONFIG SET changes it on this server; False: a restart."""
    directive = find(name)
    measured = directive.on(server) if directive else None
    return measured is not None and measured.live


@functools.cache
def defaults(server: Server) -> Mapping[str, str] | None:
    """Directive (as this server writes it) → the value CONFIG GET tells on a fresh server of this release.

    Measured; without what depends on the host (``dir``), every directive once, whatever names it has. Another
    patch release of the same minor one is as good; None for a minor release that was not measured.
    """
    if nearest_measured(server).version[:2] != server.version[:2]:
        return None
    rows = ((directive.name_on(server), directive.on(server)) for directive in table().values())
    return {name: measured.default for name, measured in rows if measured and measured.default is not None}


def portable(config: Mapping[str, str], server: Server) -> dict[str, str]:
    """``defaults`` from the CONFIG GET * of a fresh server, for a release that was not measured.

    The fresh server may listen on any port or unix socket; those two are given their defaults here.
    """
    found = {}
    for name, value in config.items():
        directive = find(name)
        found[directive.name_on(server) if directive else name] = value
    found.pop("dir", None)
    return found | {"port": "6379", "unixsocket": ""}


def twice(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of names that are one directive: a mistake in redis_config."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        directive = find(name)
        if directive and first.setdefault(directive.name, name) != name:
            pairs.append((first[directive.name], name))
    return tuple(pairs)


def text_of(value: object) -> str | None:
    """A setting's value as redis.conf says it: True and False are yes and no; None where it is no value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float | str) else None


def problem(name: str, value: object, server: Server | None = None) -> str | None:
    """What a value of ``redis_config`` should be, as the end of "should be ..."; None where it is fine.

    Without a server it is fine where any known release takes it, with one where that release does.
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
