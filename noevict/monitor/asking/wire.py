"""Redis over TLS as asyncio speaks it: a few plain commands over one kept connection.

redis-py's own asyncio client makes an SSLContext for each connection and asks the server who it is; this one shares a
context, says AUTH and what it is told to, and reads what those commands answer: a line, a number or a text.
"""

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

# For each connection asyncio sets aside this much, all of it written to: 256 KiB, for which there is no setting. A TLS
# record has 16 at most, and more than one is read in turns.
sslproto.SSLProtocol.max_size = 32 << 10

LONGEST = 1 << 16  # bytes of one reply: the sections of INFO that are asked for have five thousand
SKIPPED = 1 << 20  # bytes of one reply that are read and dropped: Redis 7.0 has no bound on INFO errorstats
_LINE = 1 << 14
_SHOWN = 100  # characters of what a server says


class Refused(Exception):
    """An answer that begins with ``-``. ``code`` is its first word: WRONGPASS, LOADING, NOPERM, ..."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Garbage(Exception):
    """An answer that no Redis gives."""


class Connection:
    """One that is logged in. Made by ``connect``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.certificate_ends = _ends(writer)

    async def ask(self, *commands: Sequence[str]) -> list[str | int | Refused]:
        """The answers, in one round trip. Raises OSError, EOFError or Garbage: then it is of no more use."""
        for command in commands:
            self._writer.write(_packed(command))
        await self._writer.drain()
        return [await self._reply() for _ in commands]

    async def login(self, user: str, password: str) -> None:
        """Raises Refused, with nothing of the password in it."""
        (answer,) = await self.ask(("AUTH", user, password))
        if isinstance(answer, Refused):
            # A server whose AUTH is renamed repeats what it does not know.
            told = str(answer).partition(", with args beginning with")[0]
            raise Refused(told.replace(password, "(hidden)"))

    def close(self) -> None:
        """At once: a host that is gone does not say goodbye."""
        self._writer.transport.abort()

    async def _reply(self) -> str | int | Refused:
        line = await self._line()
        sign, rest = line[:1], line[1:]
        if sign == "+":
            return rest
        if sign == "-":
            return Refused("".join(c for c in rest if c.isprintable())[:_SHOWN])
        if sign not in {":", "$"} or not rest.removeprefix("-").isdecimal() or len(rest) > 20:
            _garbage(line)
        size = int(rest)
        if sign == ":":
            return size
        if size > LONGEST:
            error = f"is no Redis: its answer has {size} bytes, should have {LONGEST} at most"
            if size > SKIPPED:
                raise Garbage(error)
            await self._skip(size + 2)
            return Refused(error)
        if size < 0:
            _garbage(line)
        text = await self._reader.readexactly(size + 2)
        return text[:-2].decode("utf-8", "backslashreplace")

    async def _skip(self, size: int) -> None:
        while size:
            size -= len(await self._reader.readexactly(min(size, _LINE)))

    async def _line(self) -> str:
        try:
            line = await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise Garbage("is no Redis: a line of its answer has no end") from None
        return line[:-2].decode("utf-8", "backslashreplace")


async def connect(host: str, port: int, name: str, context: ssl.SSLContext) -> Connection:
    """TLS to an address, the certificate checked against ``name``. Raises OSError, ssl.SSLError among them."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=name, limit=_LINE, ssl_shutdown_timeout=1
    )
    return Connection(reader, writer)


def _packed(command: Sequence[str]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _ends(writer: asyncio.StreamWriter) -> datetime | None:
    certificate = writer.get_extra_info("peercert")
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def _garbage(line: str) -> NoReturn:
    raise Garbage(f"is no Redis: it answered {line[:_SHOWN]!r}")
