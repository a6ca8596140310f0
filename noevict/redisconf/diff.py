"""How a server, and the text of a redis.conf, differ from what is wanted. Pure; no value of these is a secret."""

from collections.abc import Mapping
from dataclasses import dataclass

from noevict.directives.table import defaults, find
from noevict.directives.values import same, side_by_side
from noevict.engines.engine import Server
from noevict.redisconf.parser import parse, together


@dataclass(frozen=True)
class Difference:
    """A directive that is not as wanted. Values are never a secret: those are ``set`` or ``not set``."""

    name: str
    wanted: str
    found: str

    @property
    def displayed(self) -> tuple[str, str]:
        """What is found and what is wanted, for people: sizes in one unit."""
        found, wanted = side_by_side(self.name, (self.found, self.wanted))
        return found, wanted


def differences(
    wanted_live: Mapping[str, str], live: Mapping[str, str], server: Server
) -> tuple[Difference, ...]:
    """What CONFIG GET * (``live``) tells unlike ``wanted_live``, by name.

    A directive told under two names counts once. One that is not in ``wanted_live`` (a module's, a newer
    release's) is left alone; one that is wanted and not told is ``not there``.
    """
    found = told(live, server)
    return tuple(
        _difference(name, wanted_live[name], found.get(name))
        for name in sorted(wanted_live)
        if name not in found or not same(name, wanted_live[name], found[name])
    )


def told(live: Mapping[str, str], server: Server) -> dict[str, str]:
    """CONFIG GET *, each directive once, under the name that this server writes."""
    found: dict[str, str] = {}
    for name, value in live.items():
        directive = find(name)
        found.setdefault(directive.name_on(server) if directive else name, value)
    return found


def file_differences(
    wanted: Mapping[str, str], found: str, server: Server, fresh: Mapping[str, str] | None = None
) -> tuple[Difference, ...]:
    """What the text of a redis.conf says to this server unlike ``wanted``, by name and meaning; secrets hidden.

    A line may stand anywhere, under any of its names and in any form; without a line a directive has its default
    (``fresh`` as in ``wanted_live``).
    """
    standing = fresh or defaults(server) or {}
    should, says = {**standing, **wanted}, said(found, server)
    there = {**standing, **says}
    return tuple(
        _difference(name, should.get(name), says.get(name))
        for name in sorted(should.keys() | there.keys())
        if name not in should or name not in there or not same(name, should[name], there[name])
    )


def said(text: str, server: Server) -> dict[str, str]:
    """Of the text of a redis.conf: directive (as this server writes it) → what its lines say."""
    lines = {}
    for name, values in parse(text).items():
        directive = find(name)
        lines[directive.name_on(server) if directive else name] = together(name, values)
    return lines


def shown(name: str, value: str | None) -> str:
    """A value in a report; None is no value. ACL lines hold passwords, and an unknown directive may."""
    directive = find(name)
    if directive is None or directive.use == "secret" or directive.name == "user":
        return "set" if value else "not set"
    return "not there" if value is None else value or '""'


def _difference(name: str, wanted: str | None, found: str | None) -> Difference:
    return Difference(name, shown(name, wanted), shown(name, found))
