"""What an entry of ``redis_users`` may say: checked before any connection."""

import re
from collections.abc import Iterable, Mapping, Sequence

from noevict.acl import ADMIN, ALL, DEFAULT, PROFILES
from noevict.acl_rules import CATEGORIES, Kind, allowed_keys, inside, kind, named, of_kind, words
from noevict.users_file import RESERVED

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,63}")
_PROFILES = ", ".join(PROFILES)
_WRITING = {"admin", "app"}  # profiles that may write every kind of data
_IN_SELECTORS: frozenset[Kind] = frozenset({"keys", "channels", "commands"})
_IN_RULES: frozenset[Kind] = _IN_SELECTORS | {"selectors", "state", "payload"}


def user_problem(name: object, value: object) -> str | None:
    """What one entry of ``redis_users`` should be, as the end of "should be ..."; None where it is fine.

    The value is a profile's name, rules, or ``{"profile": name, "keys": [pattern], "channels": [pattern]}``.
    Whether a server knows the commands named, only it can tell: ``acl_live.unknown_words``.
    """
    return _name_problem(name) or _value_problem(value) or _default_problem(name, value)


def _name_problem(name: object) -> str | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"under a name of 1 to 64 letters, digits and . _ @ : -, got {name!r}"
    if name == ADMIN:
        return "left out: admin is noevict's own user and may do everything"
    if name in RESERVED:
        return f"under another name: in secrets/users.yml, {name} is {RESERVED[name]}"
    return None


def _value_problem(value: object) -> str | None:
    if isinstance(value, Mapping):
        return _mapping_problem(value)
    if not isinstance(value, str) or not value.strip():
        return f"a profile ({_PROFILES}), rules, or {{profile, keys, channels}}, got {_shown(value)}"
    if value in PROFILES:
        return None
    if not value.isprintable():
        return "rules on one line, without tabs and control characters"
    return _rule_problem(words(value), _IN_RULES)


def _default_problem(name: object, value: object) -> str | None:
    """A server loads its AOF with the rights of ``default``: see ``acl.LOADING``. ``value`` is a valid one."""
    if name != DEFAULT or _writes_all(value):
        return None
    return 'off, "app", "admin", or rules with ~* and +@write: with less, a restart would drop transactions and scripts'


def _writes_all(value: object) -> bool:
    if isinstance(value, Mapping):
        return value["profile"] in _WRITING and list(value.get("keys", ALL)) == list(ALL)
    if value in PROFILES:
        return value in _WRITING
    rule = words(str(value))
    if next(reversed(of_kind("state", rule)), "on").lower() == "off":
        return True
    about_all = [word for word in of_kind("commands", rule) if named(word) in {"@all", "@write"}]
    return "~*" in allowed_keys(rule) and about_all[-1:] != [] and about_all[-1][0] in "+a"


def _mapping_problem(value: Mapping[object, object]) -> str | None:
    for key in value:
        if key not in {"profile", "keys", "channels"}:
            return f"made of profile, keys and channels, got {key!r}"
    if value.get("profile") not in PROFILES:
        return f"with a profile ({_PROFILES}), got {_shown(value.get('profile'))}"
    limits = (_limit_problem(what, value[what]) for what in ("keys", "channels") if what in value)
    return next(filter(None, limits), None)


def _limit_problem(what: str, patterns: object) -> str | None:
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        return f"with {what} that are a list of patterns, got {_shown(patterns)}"
    for pattern in patterns:
        if not _is_pattern(pattern):
            return f"with {what} that are patterns alone, without spaces, ~ and &, got {_shown(pattern)}"
    if "*" in patterns and len(patterns) > 1:
        return f"with {what} that are '*' alone or other patterns, got both"
    return None


def _is_pattern(pattern: object) -> bool:
    if not isinstance(pattern, str) or not pattern.isprintable() or " " in pattern:
        return False
    return bool(pattern) and not re.match(r"~|&|%[RW]+~", pattern, re.IGNORECASE)


def _rule_problem(rule: Sequence[str], allowed: frozenset[Kind]) -> str | None:
    problems = (
        *(_word_problem(word, allowed) for word in rule),
        *(_rule_problem(inside(word), _IN_SELECTORS) for word in of_kind("selectors", rule)),
        _after_all(of_kind("keys", rule), {"~*", "allkeys"}, "resetkeys"),
        _after_all(of_kind("channels", rule), {"&*", "allchannels"}, "resetchannels"),
    )
    return next(filter(None, problems), None)


_FLAGS = {"on", "off", "reset", "sanitize-payload", "skip-sanitize-payload"}


def _word_problem(word: str, allowed: frozenset[Kind]) -> str | None:
    about = kind(word)
    if about == "passwords":
        shown = word if word.isalpha() else f"{word[0]}..."
        return f"rules without a password (it is in secrets/users.yml), got {shown}"
    if about not in allowed or word.lower() == "skip-sanitize-payload":
        # A word of no known kind may be a password.
        shown = (
            repr(word) if word[0] in "~&%+-(" or word.lower() in _FLAGS else "a word that is none of these"
        )
        return f"a profile ({_PROFILES}) or rules (~keys &channels +command +@category -command), got {shown}"
    if about == "selectors" and re.search("[\"']", word):
        return f"rules without quotes in (...), got {word!r}"
    if word[1:2] == "@" and about == "commands" and word[2:].lower() not in {*CATEGORIES, "all"}:
        return f"rules with categories among all, {', '.join(CATEGORIES)}, got {word!r}"
    return None


def _after_all(patterns: Iterable[str], every: set[str], reset: str) -> str | None:
    """A server does not start with a pattern that follows all of them."""
    full = ""
    for word in patterns:
        if word.lower() in every:
            full = word
        elif word.lower() == reset:
            full = ""
        elif full:
            return f"rules with {full} or other patterns, not both, got {word!r} after it"
    return None


def _shown(value: object) -> str:
    return (
        repr(value) if value is None or isinstance(value, str | int | float) else f"a {type(value).__name__}"
    )
