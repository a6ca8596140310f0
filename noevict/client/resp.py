"""RESP 2 without I/O: parses the bytes that a server sends into replies, within bounds, with hiredis.

hiredis trusts what it reads, and loses what a console needs (measured with hiredis-py 3.5.0):

- For ``*2147483647`` it reserves 16 GiB as soon as the line is there, and takes seconds to free them (PyList_New in
  https://github.com/redis/hiredis-py/blob/master/src/reader.c; nothing in its Python API lowers the limit, 2^32 - 1).
- Before 3.5 arrays may be nested without end; it never checks the end of a text.
- A status and a text are the same bytes: createStringObject makes no difference between them.

So ``Frames`` reads the first line of each element before hiredis does.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import hiredis

LONGEST_LINE = 1 << 16  # bytes
DEEPEST = 64  # arrays in arrays; servers' replies have fewer than ten
_QUOTED = 100  # bytes that a message quotes of a line that is not RESP
_STATUS, _TEXT, _ARRAY = b"+$*"
# The line by which an element begins. Except for a text and an array, it is the whole element.
_LINE = re.compile(rb"(?:[+-][^\r\n]*|[:$*](-?\d{1,19}))\r\n")
_NO_END = "is not Redis: a line of its answer has no end"


class Garbage(Exception):
    """An answer that Redis never gives."""


class ErrorReply(Exception):
    """An error, without its ``-``. hiredis has replaced what is not UTF-8."""


@dataclass(frozen=True)
class SimpleString:
    text: bytes


class More(enum.Enum):
    """What ``gets`` returns if the reply is not complete yet."""

    MORE = enum.auto()


MORE = More.MORE
Reply = SimpleString | ErrorReply | bytes | int | None | list["Reply"]


class Frames:
    """Finds where replies and their elements end. It raises Garbage before anything out of bounds is passed on.

    The bounds are: ``text``, bytes of a text; ``elements``, of all arrays of a reply, as these announce them;
    ``line``, bytes of a status, an error or a number. A text longer than ``kept`` is replaced by an error.
    """

    def __init__(
        self, *, text: int, elements: int = 0, line: int = LONGEST_LINE, kept: int | None = None
    ) -> None:
        self._longest, self._most, self._longest_line = text, elements, line
        self._kept = text if kept is None else kept
        self._data, self._at = b"", 0
        self._text = -1  # bytes still to come of a text that has begun, or -1
        self._drops = False
        self._open: list[int] = []  # elements still to come of each array that has begun
        self._elements = 0
        self.kinds = bytearray()  # the first byte of each element of the reply
        self.whole = False  # whether the last ``take`` completed the reply

    @property
    def unread(self) -> bytes:
        """The bytes that were fed and not taken."""
        return self._data[self._at :]

    def feed(self, data: bytes) -> None:
        self._data, self._at = self.unread + data, 0

    def take(self) -> bytes | None:
        """Return the next part of the reply; None if more has to be fed first."""
        if self.whole:
            self.whole = False
            self.kinds.clear()
        if self._drops:
            self._drops = not self._pass_text()
        start = self._at
        while not self.whole:
            if self._text >= 0:
                if not self._pass_text():
                    break
            elif not (line := _LINE.match(self._data, self._at)):
                self._wait_for_line()
                break
            elif self._data[self._at] == _TEXT and int(line[1]) > self._kept:
                if self._at == start:
                    return self._drop(line)
                break
            else:
                self._begin(line)
        return self._data[start : self._at] if self.whole or self._at > start else None

    def _drop(self, line: re.Match[bytes]) -> bytes:
        """Drop a text, and return what to pass on in its place."""
        self._begin(line)
        self._drops = True
        return b"-%b\r\n" % _too_long(self._text, self._kept).encode()

    def _pass_text(self) -> bool:
        """Pass on what is there of a text. Return whether it is complete."""
        step = min(self._text, len(self._data) - self._at)
        self._text -= step
        self._at += step
        end = self._data[self._at : self._at + 2]
        if self._text or len(end) < 2:
            return False
        if end != b"\r\n":
            raise _garbage(end)
        self._at += 2
        self._text = -1
        self._end()
        return True

    def _wait_for_line(self) -> None:
        begun = self._data[self._at : self._at + self._longest_line + 1]
        if b"\n" in begun:
            raise _garbage(begun)
        if len(begun) > self._longest_line:
            raise Garbage(_NO_END)

    def _begin(self, line: re.Match[bytes]) -> None:
        """Begin an element; end it if the line is the whole element."""
        kind = self._data[self._at]
        if line.end() - self._at > self._longest_line:
            raise Garbage(_NO_END)
        size = int(line[1] or 0)
        self.kinds.append(kind)
        self._at = line.end()
        if kind == _ARRAY and size > 0:
            self._elements += size
            if self._elements > self._most or len(self._open) == DEEPEST:
                raise _garbage(line[0])
            self._open.append(size)
        elif kind == _TEXT and size >= 0:
            if size > self._longest:
                raise Garbage(_too_long(size, self._kept))
            self._text = size
        else:
            self._end()

    def _end(self) -> None:
        """End an element, and the arrays of which it is the last."""
        while self._open:
            self._open[-1] -= 1
            if self._open[-1]:
                return
            self._open.pop()
        self._elements, self.whole = 0, True


class Reader:
    """Parses replies one after the other, within the bounds of Frames."""

    def __init__(self, **bounds: int) -> None:
        self._frames = Frames(**bounds)
        self._hiredis = hiredis.Reader(protocolError=Garbage, replyError=ErrorReply)

    def feed(self, data: bytes) -> None:
        self._frames.feed(data)

    def gets(self) -> Reply | More:
        """Return the next reply, or MORE. After Garbage the connection is unusable."""
        while (piece := self._frames.take()) is not None:
            self._hiredis.feed(piece)
            if self._frames.whole:
                return _mark_statuses(self._hiredis.gets(), iter(self._frames.kinds))
        return MORE


def _mark_statuses(reply: Reply, kinds: Iterator[int]) -> Reply:
    """Return the reply with its statuses as Status: for hiredis they are bytes like texts."""
    kind = next(kinds)
    if isinstance(reply, list):
        return [_mark_statuses(each, kinds) for each in reply]
    return SimpleString(reply) if kind == _STATUS and isinstance(reply, bytes) else reply


def pack(*command: str | bytes) -> bytes:
    """Return a command in the form in which it is sent."""
    return cast(bytes, hiredis.pack_command(cast(Any, command)))  # its type is wrong in hiredis' stubs


def _garbage(data: bytes) -> Garbage:
    line = data[:_QUOTED].partition(b"\n")[0].rstrip()
    return Garbage(f"is not Redis: it answered {line.decode('utf-8', 'backslashreplace')!r}")


def _too_long(size: int, most: int) -> str:
    return f"is not Redis: its answer has {size} bytes, should have {most} at most"


def without_password(answer: str, password: str) -> str:
    """Remove the password from an answer to AUTH: a server that does not know AUTH repeats its arguments."""
    answer = answer.partition(", with args beginning with")[0]
    return answer.replace(password, "(hidden)") if password else answer
