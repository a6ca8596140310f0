"""The kinds of values in redis.conf: which text each takes, its canonical form, and its form in the file.

The canonical form is the one that CONFIG GET reports; ``written`` is the one that CONFIG REWRITE writes into the file.
Both were measured on Redis 7.0.15, 8.0.2, 8.0.6 and Valkey 8.1.1, 9.1.2.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

# Only these characters mean the same to Unix line tools, to CONFIG REWRITE (Valkey 8.1 writes quotes and backslashes
# unescaped, every server writes other bytes as \xNN) and to people.
_SAFE = re.compile(r"[ -!#-\[\]-~]*")
_MEMORY = re.compile(r"(\d+)(b|k|kb|m|mb|g|gb|)", re.IGNORECASE | re.ASCII)
_FACTOR = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}
_LONGEST = 2**63 - 1
_LONGEST_TEXT = 4096  # of a path (PATH_MAX); no other text needs as much


class Kind(Protocol):
    """A kind of value."""

    @property
    def should_be(self) -> str:
        """What a value should be, as the end of a sentence."""

    def canonical(self, text: str) -> str:
        """Return the canonical form. Raise ValueError if the text is not a value of this kind."""

    def written(self, canonical: str) -> tuple[str, ...]:
        """Return the text after the directive's name: one item for each line; none if there must be no line."""


def is_safe(text: str) -> bool:
    """Whether nothing in the text could end a line or a quoted string, or come back changed."""
    return bool(_SAFE.fullmatch(text))


def _refuse() -> ValueError:
    return ValueError("not a value of this kind")


class Bare:
    """Base of most kinds: the file has the canonical form."""

    def written(self, canonical: str) -> tuple[str, ...]:
        return (canonical,)


@dataclass(frozen=True)
class Bool(Bare):
    """``yes`` or ``no``."""

    should_be: ClassVar[str] = "True or False"

    def canonical(self, text: str) -> str:
        if text.lower() not in {"yes", "no"}:
            raise _refuse()
        return text.lower()


@dataclass(frozen=True)
class Int(Bare):
    """A whole number; both bounds are included."""

    low: int = -_LONGEST
    high: int = _LONGEST

    @property
    def should_be(self) -> str:
        if self.high >= _LONGEST:
            return f"a whole number, {self.low} or more"
        return f"a whole number from {self.low} to {self.high}"

    def canonical(self, text: str) -> str:
        if not re.fullmatch(r"-?\d{1,20}", text, re.ASCII) or not self.low <= int(text) <= self.high:
            raise _refuse()
        return str(int(text))


def memory(text: str) -> int:
    """Return the bytes of ``1600mb``, ``2gb``, ``100``. Raise ValueError (also for ``1.5gb``, ``1tb`` and ``80%``)."""
    found = _MEMORY.fullmatch(text)
    if not found or len(found[1]) > 19:
        raise _refuse()
    return int(found[1]) * _FACTOR[found[2].lower()]


def memory_written(size: int) -> str:
    """Return a size in the largest unit that divides it, as CONFIG REWRITE does: 1677721600 is ``1600mb``."""
    return in_one_unit([size])[0]


def in_one_unit(sizes: Sequence[int]) -> list[str]:
    """Return sizes in the largest unit that divides all, for comparing them: ``1024mb`` beside ``1600mb``."""
    divisor = math.gcd(*sizes)
    unit = next((unit for unit in ("gb", "mb", "kb") if divisor and divisor % _FACTOR[unit] == 0), "")
    return [f"{size // _FACTOR[unit]}{unit}" if size else "0" for size in sizes]


@dataclass(frozen=True)
class Memory:
    """A size in bytes, units allowed; with ``percent`` also a share of maxmemory, ``10%``."""

    low: int = 0
    high: int = _LONGEST
    percent: bool = False

    @property
    def should_be(self) -> str:
        least = f" of at least {memory_written(self.low)}" if self.low else ""
        return f'a size such as "64mb"{least}' + (', or a percentage such as "10%"' if self.percent else "")

    def canonical(self, text: str) -> str:
        if self.percent and re.fullmatch(r"\d{1,3}%", text, re.ASCII) and int(text[:-1]) <= 100:
            return f"{int(text[:-1])}%" if int(text[:-1]) else "0"
        if not self.low <= memory(text) <= self.high:
            raise _refuse()
        return str(memory(text))

    def written(self, canonical: str) -> tuple[str, ...]:
        return (canonical if canonical.endswith("%") else memory_written(int(canonical)),)


@dataclass(frozen=True)
class Octal(Bare):
    """A file's mode: ``770``."""

    should_be: ClassVar[str] = 'a mode in octal digits such as "770"'

    def canonical(self, text: str) -> str:
        if not re.fullmatch(r"0?[0-7]{1,3}", text):
            raise _refuse()
        return f"{int(text, 8):o}"


@dataclass(frozen=True)
class Words(Bare):
    """One of some words; with ``many``, some of them, in the order of ``words``. ``alike``: pairs of words that mean
    the same; servers report the second one."""

    words: tuple[str, ...]
    many: bool = False
    quoted: bool = False
    alike: tuple[tuple[str, str], ...] = ()

    @property
    def should_be(self) -> str:
        return f"{'some' if self.many else 'one'} of: {', '.join(self.words)}"

    def canonical(self, text: str) -> str:
        given = text.lower().split() if self.many else [text.lower()]
        found = [word for word in self.words if word.lower() in given]
        if not given or len(found) != len(set(given)):
            raise _refuse()
        reported = dict(self.alike)
        return " ".join(reported.get(word, word) for word in found)

    def written(self, canonical: str) -> tuple[str, ...]:
        return (f'"{canonical}"' if self.quoted else canonical,)


@dataclass(frozen=True)
class Text:
    """Any text of safe characters, quoted in the file. A server deletes a line with an empty text, so if the default
    is not empty, an empty text cannot be set (``needed``)."""

    needed: bool = False

    @property
    def should_be(self) -> str:
        empty = ", not empty" if self.needed else ""
        most = f", of at most {_LONGEST_TEXT} characters"
        return f"text in ASCII without quotes, backslashes and line breaks{empty}{most}"

    def canonical(self, text: str) -> str:
        if not is_safe(text) or (self.needed and not text) or len(text) > _LONGEST_TEXT:
            raise _refuse()
        return text

    def written(self, canonical: str) -> tuple[str, ...]:
        return (f'"{canonical}"',) if canonical else ()
