"""Parses any redis.conf (ours, a package's, or one written by hand) as the servers do."""

import re
from collections.abc import Sequence

from noevict.directives.table import find

# A word consists of pieces, bare or in quotes; only Valkey 9 takes a word that continues after its quotes. It is bytes
# because for the servers \xc3\xa9 is one letter, and only these few are blanks; \v and \f do not end a word.
_PIECE = rb"""(?P<bare>[^ \t\r\n"']+)
    | "(?P<double>(?:\\.|[^"\\])*)(?:"|\\?$)
    | '(?P<single>(?:\\'|[^'])*)(?:'|$)"""
_WORD = re.compile(rb"\s*+(?P<word>(?:%s)+)" % _PIECE, re.VERBOSE | re.DOTALL)
_PIECES = re.compile(_PIECE, re.VERBOSE | re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
# Directives whose lines add up; for any other the last line counts.
_ADDED_UP = frozenset({"save", "client-output-buffer-limit"})


def parse(text: str) -> dict[str, list[str]]:
    """Return by directive the value of each of its lines, in order: arguments unquoted, with one space between them.

    Names are in lower case and as in the table (``slaveof`` becomes ``replicaof``). Comments, and lines that CONFIG
    REWRITE did not understand (``# ???``), are left out. It never fails: an unclosed quote ends with its line.
    """
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        bare = line.strip(" \t\r")
        words = split(bare)
        if words and not bare.startswith("#"):
            directive = find(words[0])
            name = directive.name if directive else words[0].lower()
            found.setdefault(name, []).append(" ".join(words[1:]))
    return found


def together(name: str, lines: Sequence[str]) -> str:
    """Return the lines of one directive as one value. ``lines`` are from ``parse``, at least one."""
    if name not in _ADDED_UP:
        return lines[-1]
    # save "" cancels the lines before it
    cut = max((number for number, line in enumerate(lines) if not line), default=-1)
    return " ".join(lines[cut + 1 :])


def split(line: str) -> list[str]:
    """Split a line into words as the servers do (sdssplitargs)."""
    return [word.decode("utf-8", "backslashreplace") for word in split_bytes(line.encode("utf-8", "replace"))]


def split_bytes(line: bytes) -> list[bytes]:
    """Do as ``split``. An unclosed quote ends with the line: see ``is_whole``."""
    return [b"".join(map(_plain, _PIECES.finditer(word["word"]))) for word in _WORD.finditer(line)]


def is_whole(line: bytes) -> bool:
    """Whether all quotes of a line are closed: a word appended in an open quote would not be a word."""
    return split_bytes(line + b" end") == [*split_bytes(line), b"end"]


def _plain(piece: re.Match[bytes]) -> bytes:
    double, single = piece["double"] or b"", piece["single"] or b""
    unescaped = _ESCAPE.sub(lambda escape: _unescaped(escape[1]), double)
    return (piece["bare"] or b"") + unescaped + single.replace(b"\\'", b"'")


def _unescaped(text: bytes) -> bytes:
    return bytes.fromhex(text[1:].decode()) if len(text) > 1 else _ESCAPES.get(text, text)
