"""Words that messages about mistakes have in common. None of them can contain a secret."""

import difflib
import re
from collections.abc import Iterable
from datetime import date
from typing import Any

_LONGEST = 40
_LONGEST_LINE = 1500
_MOST_NAMED = 5
_ALIKE = 0.6  # difflib's default cutoff


def kind(value: object) -> str:
    """Return the kind of a value, without the value itself, which may be a secret."""
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
    """Return the value of a text without its quotes, if that is a number or true or false; else None."""
    if not isinstance(value, str):
        return None
    flag = {"true": True, "false": False}.get(value.lower())
    return int(value) if flag is None and re.fullmatch(r"-?[0-9]{1,18}", value) else flag


def displayed(value: object) -> str:
    """Return a value as Python writes it, on one line and short enough for a message."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "...")
    if isinstance(value, int) and value.bit_length() < 64:
        return repr(value)
    return repr(value) if isinstance(value, float) else kind(value)


def one_line(text: str) -> str:
    """Return a text that is safe for a terminal, wherever it comes from: one line, no control characters, bounded.

    Every message goes through here: text from a host or a file may try to move the reader's cursor.
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
    """Return ``label: place: place: should be X, got Y``, on one line whatever the places are."""
    return located(label, places, f"should be {should}, got {got}")


def located(label: str, places: Iterable[str], words: str) -> str:
    """Return ``label: place: place: words``."""
    printable = (place if place.isprintable() and place.strip() else displayed(place) for place in places)
    return ": ".join((label, *printable, words))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean NAME?)`` for a mistyped name or one without its prefix; "" if no name is similar.

    Names that are equally similar are all returned: for cache-1O, cache-11 is as good a guess as cache-10. Prefixes are
    not compared, because they make any two settings similar.
    """
    plain = _plain(name)
    prefix = _prefix(plain)
    bare = {
        _plain(each).removeprefix(_prefix(each)): each for each in known if _plain(each).startswith(prefix)
    }
    bare_name = plain.removeprefix(prefix)
    # The order of the two matters; this is the order of get_close_matches.
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
