"""Validates entries of ``redis_users``, before any connection."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from noevict.acl.profiles import ADMIN, ALL, DEFAULT, PROFILES, RESERVED, is_enabled
from noevict.acl.rules import CATEGORIES, Kind, allowed_keys, inside, kind, named, of_kind, words
from noevict.messages import nearest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,63}")
_PROFILES = ", ".join(PROFILES)
_PARTS = ("profile", "keys", "channels")
_WRITING = {"admin", "app"}  # profiles that may write every kind of data
_IN_SELECTORS: frozenset[Kind] = frozenset({"keys", "channels", "commands"})
_IN_RULES: frozenset[Kind] = _IN_SELECTORS | {"selectors", "state", "payload"}


def user_problems(name: object, value: object) -> Iterator[str]:
    """Yield what one entry of ``redis_users`` should be, each as the end of "should be ..."; nothing if it is fine.

    The value is a profile's name, rules, or ``{"profile": name, "keys": [pattern], "channels": [pattern]}``.
    Only a server can say whether it knows the commands: ``diff.unknown_words``.
    """
    wrong = [*_name_problems(name), *_value_problems(value)]
    yield from wrong or _default_problems(name, value)


def _name_problems(name: object) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"under a name of 1 to 64 letters, digits and . _ @ : -, got {name!r}"
    elif name == ADMIN:
        yield "left out: admin is noevict's own user and may do everything"
    elif name in RESERVED:
        yield f"under another name: in secrets/users.yml, {name} is {RESERVED[name]}"


def _value_problems(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _mapping_problems(value)
    elif not isinstance(value, str) or not value.strip():
        yield f"a profile ({_PROFILES}), rules, or {{profile, keys, channels}}, got {_displayed(value)}"
    elif not value.isprintable():
        yield "rules on one line, without tabs and control characters"
    elif value not in PROFILES:
        yield from _rule_problems(words(value), _IN_RULES)


def _default_problems(name: object, value: object) -> Iterator[str]:
    """Check ``default``, with whose rights a server loads its AOF: see ``profiles.LOADING``. ``value`` is valid."""
    if name == DEFAULT and not _writes_all(value):
        rules = "rules with ~* and +@write: with less, a restart would drop transactions and scripts"
        yield f'off, "app", "admin", or {rules}'


def _writes_all(value: object) -> bool:
    if isinstance(value, Mapping):
        return value["profile"] in _WRITING and list(value.get("keys", ALL)) == list(ALL)
    if value in PROFILES:
        return value in _WRITING
    rule = words(str(value))
    if not is_enabled(rule):
        return True
    about_all = [word for word in of_kind("commands", rule) if named(word) in {"@all", "@write"}]
    return "~*" in allowed_keys(rule) and any(word[0] in "+a" for word in about_all[-1:])


def _mapping_problems(value: Mapping[object, object]) -> Iterator[str]:
    for key in value:
        if key not in _PARTS:
            yield f"made of profile, keys and channels{_near(key, _PARTS)}, got {key!r}"
    profile = value.get("profile")
    if profile not in PROFILES:
        yield f"with a profile ({_PROFILES}){_near(profile, PROFILES)}, got {_displayed(profile)}"
    for what in ("keys", "channels"):
        if what in value:
            yield from _limit_problems(what, value[what])


def _limit_problems(what: str, patterns: object) -> Iterator[str]:
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        yield f"with {what} that are a list of patterns, got {_displayed(patterns)}"
        return
    for pattern in patterns:
        if not _is_pattern(pattern):
            yield f"with {what} that are plain patterns, without spaces, ~ and &, got {_displayed(pattern)}"
    if "*" in patterns and len(patterns) > 1:
        yield f"with {what} that are either '*' or other patterns, got both"


def _near(name: object, known: Iterable[str]) -> str:
    return nearest(name, known) if isinstance(name, str) else ""


def _is_pattern(pattern: object) -> bool:
    if not isinstance(pattern, str) or not pattern.isprintable() or " " in pattern:
        return False
    return bool(pattern) and not re.match(r"~|&|%[RW]+~", pattern, re.IGNORECASE)


def _rule_problems(rule: Sequence[str], allowed: frozenset[Kind]) -> Iterator[str]:
    for word in rule:
        if problem := _word_problem(word, allowed):
            yield problem
    for word in of_kind("selectors", rule):
        yield from _rule_problems(inside(word), _IN_SELECTORS)
    yield from _after_all(of_kind("keys", rule), {"~*", "allkeys"}, "resetkeys")
    yield from _after_all(of_kind("channels", rule), {"&*", "allchannels"}, "resetchannels")


_FLAGS = {"on", "off", "reset", "sanitize-payload", "skip-sanitize-payload"}


def _word_problem(word: str, allowed: frozenset[Kind]) -> str | None:
    about = kind(word)
    if about == "passwords":
        hidden = word if word.isalpha() else f"{word[0]}..."
        return f"rules without a password (it is in secrets/users.yml), got {hidden}"
    if about not in allowed or word.lower() == "skip-sanitize-payload":
        # A word of an unknown kind may be a password.
        displayed = (
            repr(word) if word[0] in "~&%+-(" or word.lower() in _FLAGS else "a word that is none of these"
        )
        hint = nearest(word, PROFILES)
        return f"a profile ({_PROFILES}){hint} or rules (~keys &channels +command +@category -command), got {displayed}"
    if about == "selectors" and re.search("[\"']", word):
        return f"rules without quotes in (...), got {word!r}"
    if word[1:2] == "@" and about == "commands" and word[2:].lower() not in {*CATEGORIES, "all"}:
        hint = nearest(word[2:], CATEGORIES)
        return f"rules with categories among all, {', '.join(CATEGORIES)}{hint}, got {word!r}"
    return None


def _after_all(patterns: Iterable[str], every: set[str], reset: str) -> Iterator[str]:
    """Report a pattern that follows the word for all of them: a server does not start with it."""
    full = ""
    for word in patterns:
        if word.lower() in every:
            full = word
        elif word.lower() == reset:
            full = ""
        elif full:
            yield f"rules with {full} or other patterns, not both, got {word!r} after it"


def _displayed(value: object) -> str:
    return (
        repr(value) if value is None or isinstance(value, str | int | float) else f"a {type(value).__name__}"
    )
