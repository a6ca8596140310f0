"""The language of ACL rules: parses what rules allow, as the server does.

Redis 7.0 rewrites rules in ``ACL LIST`` (``+@read`` comes back as ``+@string ... -sort``), so rules are compared by
their meaning: the keys, channels, databases, commands and subcommands allowed. Only the server knows which commands
there are, and in which category: that is its Catalogue. The language is described at
https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/; databases are from Valkey 9.1.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

# ACL CAT of Redis 7.0 to 8.0 and Valkey 8.1 to 9.1.
CATEGORIES = (
    "admin", "bitmap", "blocking", "connection", "dangerous", "fast", "geo", "hash", "hyperloglog", "keyspace",
    "list", "pubsub", "read", "scripting", "set", "slow", "sortedset", "stream", "string", "transaction", "write",
)  # fmt: skip

Kind = Literal["keys", "channels", "databases", "commands", "selectors", "state", "payload", "passwords"]

_KINDS: tuple[tuple[Kind, str], ...] = (
    ("keys", r"allkeys|resetkeys|(?:~|%(?:r|w|rw|wr)~).*"),
    ("channels", r"allchannels|resetchannels|&.*"),
    ("databases", r"alldbs|resetdbs|db=\d+(?:,\d+)*"),
    ("commands", r"allcommands|nocommands|[+-]@[\w.-]+|[+-]\w[\w.-]*(?:\|[^|]+)?"),
    ("selectors", r"\(.*\)"),
    ("state", r"on|off"),
    ("payload", r"(?:skip-)?sanitize-payload"),
    ("passwords", r"nopass|resetpass|[><#!].*"),
)


@functools.lru_cache(4096)  # the same few hundred words on every host
def kind(word: str) -> Kind | None:
    """Return what a word of a rule is about; None if it is not a word of the language."""
    how = re.IGNORECASE | re.DOTALL
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, word, how)), None)


def words(text: str) -> tuple[str, ...]:
    """Split a rule into words; a selector, ``(~x +get)``, is one word."""
    found: list[str] = []
    for word in filter(None, text.split(" ")):
        if found and found[-1].startswith("(") and not found[-1].endswith(")"):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return tuple(found)


def inside(selector: str) -> tuple[str, ...]:
    """Return the words of a selector."""
    return words(selector[1:-1])


def of_kind(kind_: Kind, rule: Iterable[str]) -> list[str]:
    """Return the words of one kind, in their order, which only matters among words of one kind."""
    return [word for word in rule if kind(word) == kind_]


def named(word: str) -> str:
    """Return what a word about commands names: ``get``, ``config|get``, ``select|0``, ``@read``."""
    return "@all" if word.lower() in {"allcommands", "nocommands"} else word[1:].lower()


def canonical(rule: Sequence[str]) -> str:
    """Return the rule in the form for a new user, in ACL LIST's order: keys, channels, databases, commands, selectors.

    It has no state, passwords and payloads, and does not depend on ``acl-pubsub-default``.
    """
    channels, commands = allowed_channels(rule), of_kind("commands", rule)
    parts = [
        *sorted(allowed_keys(rule)),
        *(channels if channels == {"&*"} else ["resetchannels", *sorted(channels)]),
        *of_kind("databases", rule)[-1:],
        *([] if commands and named(commands[0]) == "@all" else ["-@all"]),
        *commands,
        *(f"({canonical(inside(word))})" for word in of_kind("selectors", rule)),
    ]
    return " ".join(parts)


@dataclass(frozen=True)
class Catalogue:
    """A server's commands, in lower case; subcommands (``config|get``) replace their command (``config``)."""

    commands: frozenset[str]
    categories: tuple[tuple[str, frozenset[str]], ...]

    # What to ask a server, in one pipeline. Two words are one here: redis-py would parse COMMAND LIST as COMMAND.
    QUESTIONS = (*(("ACL CAT", name) for name in CATEGORIES), ("COMMAND LIST",))

    @classmethod
    def parse(cls, replies: Sequence[Iterable[Any]]) -> Self:
        """Parse the replies to QUESTIONS, in their order; text or bytes.

        COMMAND LIST adds commands without a category: commands of modules, such as Redis 8.0's vector sets.
        """
        *members, top = (frozenset(map(_text, reply)) for reply in replies)
        names = top.union(*members)
        parents = {name.partition("|")[0] for name in names if "|" in name}
        everything = names - parents
        return cls(
            everything,
            tuple(
                # A rule for a command applies to all its subcommands.
                (name, frozenset(c for c in everything if c in found or c.partition("|")[0] in found))
                for name, found in zip(CATEGORIES, members, strict=True)
            ),
        )

    @functools.cached_property
    def _meant(self) -> dict[str, frozenset[str]]:
        meant = {f"@{name}": commands for name, commands in self.categories} | {"@all": self.commands}
        for command in self.commands:
            parent = command.partition("|")[0]
            meant[command] = frozenset({command})
            if parent not in self.commands:
                meant[parent] = meant.get(parent, frozenset()) | {command}
        return meant

    def meant(self, name: str) -> frozenset[str]:
        """Return the commands that ``get``, ``config``, ``config|get`` or ``@read`` stands for.

        A command with a first argument (``select|0``), or one that this server does not know, stands for itself.
        """
        return self._meant.get(name, frozenset({name}))

    def knows(self, word: str) -> bool:
        """Whether the server takes this word about commands; a first argument (``+select|0``) only with a plus."""
        name = named(word)
        return name in self._meant or (word[0] == "+" and name.partition("|")[0] in self.commands)


@dataclass(frozen=True)
class Selector:
    """What a rule, or a selector in it, allows: each word stands for one thing."""

    keys: frozenset[str]
    channels: frozenset[str]
    databases: frozenset[str]
    commands: frozenset[str]

    @classmethod
    def read(cls, rule: Sequence[str], catalogue: Catalogue) -> Self:
        return cls(
            allowed_keys(rule),
            allowed_channels(rule),
            allowed_databases(rule),
            allowed_commands(rule, catalogue),
        )


def allowed_keys(rule: Iterable[str]) -> frozenset[str]:
    """Return key patterns: ``~pattern``, ``%R~pattern`` or ``%W~pattern``; only ``~*`` for all keys."""
    found: dict[str, set[str]] = {}
    for word in of_kind("keys", rule):
        if word.lower() == "resetkeys":
            found = {}
        elif word.lower() == "allkeys":
            found = {"*": {"R", "W"}}
        else:
            how, pattern = word.split("~", 1)
            found.setdefault(pattern, set()).update(how[1:].upper() or "RW")
    if found.get("*") == {"R", "W"}:
        return frozenset({"~*"})
    return frozenset(f"~{key}" if len(how) == 2 else f"%{min(how)}~{key}" for key, how in found.items())


def allowed_channels(rule: Iterable[str]) -> frozenset[str]:
    """Return channel patterns, ``&pattern``; only ``&*`` for all channels."""
    found: frozenset[str] = frozenset()
    for word in of_kind("channels", rule):
        if word.lower() == "resetchannels":
            found = frozenset()
        else:
            found |= {"&*" if word.lower() == "allchannels" else word}
    return frozenset({"&*"}) if "&*" in found else found


def allowed_databases(rule: Iterable[str]) -> frozenset[str]:
    """Return numbers of databases (Valkey 9.1, for which the last word counts); ``alldbs``, the default, for all."""
    last = next(reversed(of_kind("databases", rule)), "alldbs").lower()
    if last == "alldbs":
        return frozenset({last})
    return frozenset(
        str(int(number)) for number in last.removeprefix("db=").split(",") if number != "resetdbs"
    )


def allowed_commands(rule: Iterable[str], catalogue: Catalogue) -> frozenset[str]:
    """Return commands and subcommands, and ``select|0`` if a command is only allowed with that first argument."""
    return _allowed_commands(tuple(of_kind("commands", rule)), catalogue)


@functools.lru_cache(1024)  # the same few rules on every host
def _allowed_commands(rule: tuple[str, ...], catalogue: Catalogue) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for word in rule:
        name = named(word)
        meant = catalogue.meant(name)
        if name == "@all":
            found = frozenset()
        # Any word about a command replaces what was allowed by first arguments.
        found = frozenset(c for c in found if c not in meant and c.partition("|")[0] not in meant)
        if word[0] != "-" and word.lower() != "nocommands":
            found |= meant
    return frozenset(c for c in found if "|" not in c or c.partition("|")[0] not in found)


def _text(name: Any) -> str:
    return (name.decode() if isinstance(name, bytes) else str(name)).lower()
