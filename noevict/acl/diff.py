"""Compares live ACL users with those wanted: what differs in meaning, and the commands that repair it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from noevict.acl.profiles import ADMIN, User
from noevict.acl.rules import Catalogue, Selector, inside, of_kind, words

PASSWORDS = "passwords"
MISSING, EXTRA = "missing", "extra"  # a whole user


@dataclass(frozen=True)
class AclDifference:
    """One thing about one user that is not as wanted. It never has the digest of a password.

    ``aspect``: missing, extra, state, passwords, payload, keys, channels, databases, commands or selectors.
    """

    user: str
    aspect: str
    wanted: str
    found: str

    @property
    def subject(self) -> str:
        """``user app commands``; ``user app`` for the whole user."""
        return f"user {self.user}" if self.aspect in (MISSING, EXTRA) else f"user {self.user} {self.aspect}"

    def __str__(self) -> str:
        return f"{self.subject}: should be {self.wanted}, got {self.found}"


@dataclass(frozen=True)
class _Access:
    """The meaning of a user's line."""

    state: str
    payload: str
    nopass: bool
    passwords: frozenset[str] = field(repr=False)
    root: Selector
    selectors: frozenset[Selector]

    @classmethod
    def read(cls, line: Sequence[str], catalogue: Catalogue) -> Self:
        """Parse the words after the user's name."""
        return cls(
            "off" if "off" in line else "on",
            "not checked" if "skip-sanitize-payload" in line else "checked",
            "nopass" in line,
            _digests(line),
            Selector.read(line, catalogue),
            frozenset(Selector.read(inside(word), catalogue) for word in of_kind("selectors", line)),
        )


def differences(
    wanted: Iterable[User], acl_list: Iterable[str], catalogue: Catalogue
) -> tuple[AclDifference, ...]:
    """Return what differs, by user; empty if all mean the same. ``acl_list``: lines of ACL LIST."""
    should = {user.name: _Access.read(user.words, catalogue) for user in wanted}
    lines = (words(line)[1:] for line in acl_list)
    live = {name: _Access.read(rule, catalogue) for name, *rule in lines}
    found: list[AclDifference] = []
    for name in sorted(should.keys() | live.keys()):
        if name not in live:
            found.append(AclDifference(name, MISSING, "created", "missing"))
        elif name not in should:
            found.append(AclDifference(name, EXTRA, "deleted", "not in the settings"))
        else:
            found.extend(
                AclDifference(name, what, wanted, got)
                for what, wanted, got in _compare(should[name], live[name])
            )
    return tuple(found)


def repair_commands(
    wanted: Iterable[User], names: Iterable[str], me: str = ADMIN
) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make these users as wanted, for one MULTI of a connection of user ``me``.

    ``admin`` is repaired first; any other ``me`` is changed last, since EXEC refuses what follows a loss of rights.
    Connections stay open (ACL LOAD of Redis 7.0 closes all), except connections of users that are deleted or off, and
    subscriptions to channels that are no longer allowed: ``off`` itself only affects new connections. A user's open
    connections get its new rights at once; a new password only affects new connections.
    """
    users = {user.name: user for user in wanted}
    names = sorted(set(names), key=lambda name: (name != ADMIN, name == me, name))
    return tuple(command for name in names for command in _repair(name, users.get(name)))


def _repair(name: str, user: User | None) -> tuple[tuple[str, ...], ...]:
    if user is None:
        return (("ACL", "DELUSER", name),)
    changed = ("ACL", "SETUSER", name, "reset", *user.words)
    return (changed,) if user.enabled else (changed, ("CLIENT", "KILL", "USER", name))


def passwords(acl_list: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return by user the SHA-256 of each of its passwords, from lines of ACL LIST."""
    lines = (words(line)[1:] for line in acl_list)
    return {name: _digests(rule) for name, *rule in lines}


def _digests(rule: Iterable[str]) -> frozenset[str]:
    return frozenset(word[1:] for word in rule if word.startswith("#"))


def unknown_words(user: User, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words of a user's rules that name commands or categories this server does not have."""
    rule = words(user.rules)
    every = [*rule, *(word for selector in of_kind("selectors", rule) for word in inside(selector))]
    return tuple(word for word in of_kind("commands", every) if not catalogue.knows(word))


def _compare(wanted: _Access, found: _Access) -> list[tuple[str, str, str]]:
    """Return (what, wanted, found) of each thing that differs."""
    texts = [
        ("state", wanted.state, found.state),
        ("payload", wanted.payload, found.payload),
        (PASSWORDS, *_passwords(wanted, found)),
        *(
            (what, _listed(getattr(wanted.root, what)), _listed(getattr(found.root, what)))
            for what in ("keys", "channels", "databases")
        ),
        ("commands", *_commands(wanted.root.commands, found.root.commands)),
        ("selectors", *_selectors(wanted.selectors, found.selectors)),
    ]
    return [(what, should, got) for what, should, got in texts if should != got]


def _passwords(wanted: _Access, found: _Access) -> tuple[str, str]:
    if (wanted.nopass, wanted.passwords) == (found.nopass, found.passwords):
        return "", ""
    should = "its own" if wanted.passwords else "none"
    if found.nopass:
        return should, "any, or none (nopass)"
    if not found.passwords:
        return should, "none, so that nobody gets in"
    if wanted.passwords < found.passwords:
        return should, f"{len(found.passwords - wanted.passwords)} more"
    return should, "another"


def _commands(wanted: frozenset[str], found: frozenset[str]) -> tuple[str, str]:
    """Return only the commands that differ: ``flushall, keys refused``, ``flushall, keys allowed``."""
    more, less = _some(found - wanted), _some(wanted - found)
    should = [f"{more} refused"] * bool(more) + [f"{less} allowed"] * bool(less)
    got = [f"{more} allowed"] * bool(more) + [f"{less} refused"] * bool(less)
    return "; ".join(should), "; ".join(got)


def _selectors(wanted: frozenset[Selector], found: frozenset[Selector]) -> tuple[str, str]:
    if wanted == found:
        return "", ""
    return _listed(map(_selector_text, wanted - found)), _listed(map(_selector_text, found - wanted))


def _selector_text(selector: Selector) -> str:
    return f"({_some(selector.keys | selector.channels)}: {_some(selector.commands) or 'no command'})"


def _listed(texts: Iterable[str]) -> str:
    return " ".join(sorted(texts)) or "none"


def _some(names: frozenset[str], most: int = 5) -> str:
    """Return the first few, and how many more there are."""
    text = ", ".join(sorted(names)[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text
