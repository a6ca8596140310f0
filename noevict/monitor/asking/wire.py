"""Redis over TLS as asyncio speaks it: a few plain commands over one kept connection.

redis-py's own asyncio client makes an SSLContext for each connection and asks the server who it is; this one shares a
context, says AUTH and what it is told to, and reads what those commands answer: a line, a number or a text.
"""

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Sequence
from datetime import UTC, datetime

from noevict.client import resp

# For each connection asyncio sets aside this much, all of it written to: 256 KiB, for which there is no setting. A TLS
# record has 16 at most, and more than one is read in turns.
sslproto.SSLProtocol.max_size = 32 << 10

LONGEST = 1 << 16  # bytes of one reply: the sections of INFO that are asked for have five thousand
SKIPPED = 1 << 20  # bytes of one reply that are read and dropped: Redis 7.0 has no bound on INFO errorstats
_CHUNK = 1 << 14
_SHOWN = 100  # characters of what a server says


class Refused(Exception):
    """An answer that begins with ``-``. ``code`` is its first word: WRONGPASS, LOADING, NOPERM, ..."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Connection:
    """One that is logged in. Made by ``connect``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stream, self._writer = reader, writer
        self._reader = resp.Reader(text=SKIPPED, kept=LONGEST)
        self.certificate_ends = _ends(writer)

    async def ask(self, *commands: Sequence[str]) -> list[str | int | Refused]:
        """The answers, in one round trip. Raises OSError, EOFError or Garbage: then it is of no more use."""
        self._writer.write(b"".join(resp.pack(*command) for command in commands))
        await self._writer.drain()
        return [await self._reply() for _ in commands]

    async def login(self, user: str, password: str) -> None:
        """Raises Refused, with nothing of the password in it."""
        (answer,) = await self.ask(("AUTH", user, password))
        if isinstance(answer, Refused):
            raise Refused(resp.without_password(str(answer), password))

    def close(self) -> None:
        """At once: a host that is gone does not say goodbye."""
        self._writer.transport.abort()

    async def _reply(self) -> str | int | Refused:
        while (reply := self._reader.gets()) is resp.MORE:
            if not (data := await self._stream.read(_CHUNK)):
                raise EOFError
            self._reader.feed(data)
        return _plain(reply)


async def connect(host: str, port: int, name: str, context: ssl.SSLContext) -> Connection:
    """TLS to an address, the certificate checked against ``name``. Raises OSError, ssl.SSLError among them."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=name, limit=_CHUNK, ssl_shutdown_timeout=1
    )
    return Connection(reader, writer)


def _ends(writer: asyncio.StreamWriter) -> datetime | None:
    certificate = writer.get_extra_info("peercert")
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def _plain(reply: resp.Reply) -> str | int | Refused:
    match reply:
        case resp.Status(text) | bytes(text):
            return text.decode("utf-8", "backslashreplace")
        case int():
            return reply
        case resp.ErrorReply():
            return Refused("".join(c for c in str(reply) if c.isprintable())[:_SHOWN])
        case _:
            raise resp.Garbage(f"is no Redis: it answered {reply!r}")
