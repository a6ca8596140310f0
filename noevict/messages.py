"""The words that messages about mistakes have in common. None of them can carry a secret."""

import difflib
import re
from collections.abc import Iterable
from datetime import date
from typing import Any

_LONGEST = 40
_LONGEST_LINE = 1500
_MOST_NAMED = 5
_ALIKE = 0.6  # difflib's own cutoff


def kind(value: object) -> str:
    """What a value is, and nothing of it: for values that may be secrets."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: tuple[tuple[Any, str], ...] = (
        (str, "text"),
        (int | float, "a number"),
        (dict, "a mapping"),
        (list | tuple, "a list"),
        (date, "a date"),
    )
    return next((words for types, words in kinds if isinstance(value, types)), f"a {type(value).__name__}")


def unquoted(value: object) -> int | bool | None:
    """What a text would be without its quotes, if that is a number or true or false."""
    if not isinstance(value, str):
        return None
    flag = {"true": True, "false": False}.get(value.lower())
    return int(value) if flag is None and re.fullmatch(r"-?[0-9]{1,18}", value) else flag


def shown(value: object) -> str:
    """A value as Python has it, on one line and not longer than a message can bear."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "...")
    if isinstance(value, int) and value.bit_length() < 64:
        return repr(value)
    return repr(value) if isinstance(value, float) else kind(value)


def one_line(text: str) -> str:
    """A text for a terminal, wherever it comes from: no line break, no control character, not without end.

    Every message goes through here: what a host or a file says may be meant to move the reader's cursor.
    """
    text = _shortened(text)
    if text.isprintable():
        return text
    return _shortened("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_LINE:
        return text
    return f"{text[: _LONGEST_LINE * 2 // 3]} … {text[-_LONGEST_LINE // 3 :]}"


def sentence(label: str, places: Iterable[str], should: str, got: str) -> str:
    """``label: place: place: should be X, got Y``, on one line whatever the places are."""
    return located(label, places, f"should be {should}, got {got}")


def located(label: str, places: Iterable[str], words: str) -> str:
    """``label: place: place: words``."""
    printable = (place if place.isprintable() and place.strip() else shown(place) for place in places)
    return ": ".join((label, *printable, words))


def nearest(name: str, known: Iterable[str]) -> str:
    """`` (did you mean NAME?)`` for what was mistyped or lacks its prefix; nothing where nothing is near.

    Several that are equally near are all named: for cache-1O, cache-11 is no better a guess than cache-10. Prefixes are
    left out of the comparison, for by them alone any two settings are alike.
    """
    plain = _plain(name)
    prefix = _prefix(plain)
    bare = {
        _plain(each).removeprefix(_prefix(each)): each for each in known if _plain(each).startswith(prefix)
    }
    bare_name = plain.removeprefix(prefix)
    # The order of the two counts; this is get_close_matches' own.
    alike = {each: difflib.SequenceMatcher(None, each, bare_name).ratio() for each in bare}
    best = max(alike.values(), default=0)
    found = [bare[each] for each, likeness in alike.items() if likeness == best >= _ALIKE]
    if len(found) > _MOST_NAMED:
        return f" (did you mean {', '.join(found[:_MOST_NAMED])}, ...?)"
    *others, last = found or [""]
    return f" (did you mean {', '.join(others) + ' or ' if others else ''}{last}?)" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _prefix(name: str) -> str:
    return next((prefix for prefix in ("redis_", "ssh_", "_") if name.startswith(prefix)), "")
