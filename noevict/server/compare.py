"""Compares a running server of ours with what it should have, whatever platform runs it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding

from noevict.acl import diff as acl_diff
from noevict.acl.profiles import User
from noevict.directives import table
from noevict.engines.package_layout import Layout
from noevict.pki.certificate import Certificate
from noevict.plan.change import Change, How, Part
from noevict.redisconf import diff as conf_diff
from noevict.redisconf.parser import parse
from noevict.secrets.store import Secrets
from noevict.server import listening, password_rotation
from noevict.server.live import Live, Reach

SHORT = 60  # characters of a value that are displayed
BIND = "bind"
READ_AT_START = "read at start only"


class WantedServer(Protocol):
    """The part of the wanted state that this module needs."""

    @property
    def layout(self) -> Layout: ...
    @property
    def live(self) -> Mapping[str, str]: ...  # directive -> value: what CONFIG GET should say
    @property
    def bind(self) -> tuple[str, ...]: ...
    @property
    def maxmemory(self) -> int: ...  # bytes
    @property
    def leased(self) -> tuple[str, ...]: ...
    @property
    def users(self) -> tuple[User, ...]: ...


def differences(live: Live, wanted: WantedServer) -> tuple[conf_diff.Difference, ...]:
    """Return the directives of a running server of ours that are not as wanted."""
    if not live.ours or live.server is None:
        return ()
    return conf_diff.differences(wanted.live, live.config, live.server)


def live_changes(
    live: Live, wanted: WantedServer, different: tuple[conf_diff.Difference, ...]
) -> Iterator[Change]:
    """Yield the directives that the running server can change."""
    for found in different:
        if live.server is not None and table.changes_live(found.name, live.server):
            why = listening.opens(found.found, wanted) if found.name == BIND else ""
            yield directive_change(How.LIVE, found, wanted, why)


def restart_changes(
    live: Live, wanted: WantedServer, different: tuple[conf_diff.Difference, ...]
) -> Iterator[Change]:
    """Yield what only a restart of the running server changes."""
    if not live.ours and live.reach is not Reach.NOT_RUNNING:
        # Somebody else's server, which we take over, or one that lost our admin: only a restart gives it our users.
        there = "another configuration" if live.reached else live.reach.value
        yield Change(Part.SERVER, wanted.layout.title, How.RESTART, there, "ours")
    for found in different:
        if live.server is not None and not table.changes_live(found.name, live.server):
            yield directive_change(How.RESTART, found, wanted, READ_AT_START)


def lines_to_drop(conf: str | None, wanted: WantedServer) -> Iterator[Change]:
    """Yield directives of ``conf``, the text of redis.conf, that CONFIG GET does not report and that are not ours."""
    found = parse(conf or "")
    for name in ("rename-command", "loadmodule"):
        if name in found:
            difference = conf_diff.Difference(name, "none", "in redis.conf")
            yield directive_change(How.RESTART, difference, wanted, READ_AT_START)


def served_change(live: Live, certificate: Certificate, path: str) -> Iterator[Change]:
    """Yield the certificate served if it is another one than ``certificate``, which is in the file ``path``."""
    ours = certificate.parsed.public_bytes(Encoding.DER)
    if live.ours and live.certificate not in (None, ours):
        yield Change(Part.SERVED, path, How.CERTIFICATE, "not the one in the file", "loaded", file=path)


def user_changes(live: Live, wanted: WantedServer, secrets: Secrets) -> Iterator[Change]:
    """Yield how users differ, among them users whose password is being rotated."""
    if not live.ours or live.catalogue is None:
        return
    for found in acl_diff.differences(wanted.users, live.acl, live.catalogue):
        moves = (
            password_rotation.password_change(found.user, secrets, live)
            if found.aspect == acl_diff.PASSWORDS
            else None
        )
        aspect, *values = moves or (found.aspect, found.found, found.wanted)
        was, should = shortened(values[0], 2 * SHORT), shortened(values[1], 2 * SHORT)
        yield Change(Part.USER, found.user, How.LIVE, was, should, aspect=aspect, file=wanted.layout.aclfile)


def directive_change(
    how: How, different: conf_diff.Difference, wanted: WantedServer, why: str = ""
) -> Change:
    was, should = map(shortened, different.displayed)
    return Change(Part.DIRECTIVE, different.name, how, was, should, why, file=wanted.layout.conf)


def shortened(text: str, most: int = SHORT) -> str:
    text = text or '""'
    return text if len(text) <= most else text[: most - 1] + "…"
