"""Compares a server, and the text of a redis.conf, with what is wanted. Pure; differences have no secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

from noevict.directives.table import defaults, find
from noevict.directives.values import same, side_by_side
from noevict.engines.engine import Server
from noevict.redisconf.parser import parse, together


@dataclass(frozen=True)
class Difference:
    """A directive that is not as wanted. Secrets are never shown: their values are ``set`` or ``not set``."""

    name: str
    wanted: str
    found: str

    @property
    def displayed(self) -> tuple[str, str]:
        """The values found and wanted, for people: sizes are in one unit."""
        found, wanted = side_by_side(self.name, (self.found, self.wanted))
        return found, wanted


def differences(
    wanted_live: Mapping[str, str], live: Mapping[str, str], server: Server
) -> tuple[Difference, ...]:
    """Return how CONFIG GET * (``live``) differs from ``wanted_live``, by name.

    A directive reported under two names counts once. A directive that is not in ``wanted_live`` (a module's, a newer
    release's) is ignored; one that is wanted and not reported is ``not there``.
    """
    found = live_values(live, server)
    return tuple(
        _difference(name, wanted_live[name], found.get(name))
        for name in sorted(wanted_live)
        if name not in found or not same(name, wanted_live[name], found[name])
    )


def live_values(live: Mapping[str, str], server: Server) -> dict[str, str]:
    """Return CONFIG GET * with each directive once, under the name that this server writes."""
    found: dict[str, str] = {}
    for name, value in live.items():
        directive = find(name)
        found.setdefault(directive.name_on(server) if directive else name, value)
    return found


def file_differences(
    wanted: Mapping[str, str], found: str, server: Server, probed_defaults: Mapping[str, str] | None = None
) -> tuple[Difference, ...]:
    """Return how the text of a redis.conf differs from ``wanted`` for this server, by name and meaning.

    A line may be anywhere, with any of its names and in any form; without a line a directive has its default
    (``probed_defaults`` as in ``wanted_live``).
    """
    default = probed_defaults or defaults(server) or {}
    should, lines = {**default, **wanted}, file_values(found, server)
    there = {**default, **lines}
    return tuple(
        _difference(name, should.get(name), lines.get(name))
        for name in sorted(should.keys() | there.keys())
        if name not in should or name not in there or not same(name, should[name], there[name])
    )


def file_values(text: str, server: Server) -> dict[str, str]:
    """Return the value of each directive in the text of a redis.conf, under the name that this server writes."""
    lines = {}
    for name, values in parse(text).items():
        directive = find(name)
        lines[directive.name_on(server) if directive else name] = together(name, values)
    return lines


def displayed(name: str, value: str | None) -> str:
    """Return a value for a report; None is no value. ACL lines have passwords, and an unknown directive may."""
    directive = find(name)
    if directive is None or directive.use == "secret" or directive.name == "user":
        return "set" if value else "not set"
    return "not there" if value is None else value or '""'


def _difference(name: str, wanted: str | None, found: str | None) -> Difference:
    return Difference(name, displayed(name, wanted), displayed(name, found))
