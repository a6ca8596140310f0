"""Any redis.conf, read: ours, a package's, one written by hand."""

import re

from noevict.directives import find

_PIECE = re.compile(
    r"""
    "(?P<double>(?:\\.|[^"\\])*)(?:"|$)
    | '(?P<single>(?:\\'|[^'])*)(?:'|$)
    | (?P<bare>[^\s"']+)
    | (?P<space>\s+)
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


def parse(text: str) -> dict[str, list[str]]:
    """Directive → the value of each of its lines, in order; the arguments unquoted, one space between them.

    Names are in lower case and the table's own (``slaveof`` is found as ``replicaof``). Comments, and the lines
    CONFIG REWRITE did not understand (``# ???``), are left out. Never fails: an unclosed quote ends with its line.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = split(line)
        if words and not words[0].startswith("#"):
            directive = find(words[0])
            name = directive.name if directive else words[0].lower()
            found.setdefault(name, []).append(" ".join(words[1:]))
    return found


def split(line: str) -> list[str]:
    """The words of a line as the servers split them (sdssplitargs)."""
    words: list[str] = []
    open_word = False
    for piece in _PIECE.finditer(line):
        if piece["space"] is not None:
            open_word = False
            continue
        if not open_word:
            words.append("")
        open_word = True
        words[-1] += _plain(piece)
    return words


def _plain(piece: re.Match[str]) -> str:
    if piece["double"] is not None:
        return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", lambda escape: _unescaped(escape[1]), piece["double"])
    if piece["single"] is not None:
        return piece["single"].replace("\\'", "'")
    return piece["bare"]


def _unescaped(text: str) -> str:
    return chr(int(text[1:], 16)) if len(text) > 1 else _ESCAPES.get(text, text)
