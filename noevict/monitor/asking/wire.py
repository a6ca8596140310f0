"""Redis over TLS as asyncio speaks it: a few plain commands over one kept connection.

redis-py's own asyncio client makes an SSLContext for each connection and asks the server who it is; this one shares a
context, says AUTH and what it is told to, and reads what those commands answer: a line, a number or a text.
"""

from collections.abc import Sequence

from noevict.client import resp
from noevict.monitor.asking.tls import Stream

LONGEST = 1 << 16  # bytes of one reply: the sections of INFO that are asked for have five thousand
SKIPPED = 1 << 20  # bytes of one reply that are read and dropped: Redis 7.0 has no bound on INFO errorstats
_SHOWN = 100  # characters of what a server says


class Refused(Exception):
    """An answer that begins with ``-``. ``code`` is its first word: WRONGPASS, LOADING, NOPERM, ..."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Connection:
    """One that is logged in by ``login``."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reader = resp.Reader(text=SKIPPED, kept=LONGEST)
        self._password = ""  # nothing that the server repeats of it is shown
        self.certificate_ends = stream.certificate_ends

    async def ask(self, *commands: Sequence[str]) -> list[str | int | Refused]:
        """The answers, in one round trip. Raises OSError or Garbage: then it is of no more use."""
        await self._stream.send(b"".join(resp.pack(*command) for command in commands))
        return [await self._reply() for _ in commands]

    async def login(self, user: str, password: str) -> None:
        """Raises Refused, with nothing of the password in it."""
        self._password = password
        (answer,) = await self.ask(("AUTH", user, password))
        if isinstance(answer, Refused):
            raise answer

    def close(self) -> None:
        self._stream.close()

    async def _reply(self) -> str | int | Refused:
        while (reply := self._reader.gets()) is resp.MORE:
            self._reader.feed(await self._stream.receive())
        return _plain(reply, self._password)


def _plain(reply: resp.Reply, password: str) -> str | int | Refused:
    match reply:
        case resp.Status(text) | bytes(text):
            return text.decode("utf-8", "backslashreplace")
        case int():
            return reply
        case resp.ErrorReply():
            line = "".join(c for c in str(reply) if c.isprintable())
            return Refused(
                resp.without_password(line, password)[:_SHOWN]
            )  # before a cut that leaves half of it
        case _:
            raise resp.Garbage(f"is no Redis: it answered {reply!r}")
