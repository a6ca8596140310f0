"""Redis over TLS for asyncio: a few plain commands over one open connection.

redis-py's asyncio client makes an SSLContext for each connection and asks the server who it is. This one shares a
context, sends AUTH and the commands it is given, and reads their replies: a line, a number or a text.
"""

from collections.abc import Sequence

from noevict.client import resp
from noevict.monitor.asking.tls import Stream

LONGEST = 1 << 16  # bytes of one reply: the sections of INFO that we ask for have five thousand
SKIPPED = 1 << 20  # bytes of one reply that are read and dropped: Redis 7.0 has no bound on INFO errorstats
_ERROR_LENGTH = 100  # characters of an error reply that are kept


class RefusedCommand(Exception):
    """An error reply, which begins with ``-``. ``code`` is its first word: WRONGPASS, LOADING, NOPERM, ..."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Connection:
    """A connection, logged in by ``login``."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reader = resp.Reader(text=SKIPPED, kept=LONGEST)
        self._password = ""  # removed from whatever the server replies
        self.certificate_ends = stream.certificate_ends

    async def ask(self, *commands: Sequence[str]) -> list[str | int | RefusedCommand]:
        """Return the replies, in one round trip. After OSError or Garbage the connection is unusable."""
        await self._stream.send(b"".join(resp.pack(*command) for command in commands))
        return [await self._reply() for _ in commands]

    async def login(self, user: str, password: str) -> None:
        """Log in. Raise RefusedCommand, without the password in it."""
        self._password = password
        (answer,) = await self.ask(("AUTH", user, password))
        if isinstance(answer, RefusedCommand):
            raise answer

    def close(self) -> None:
        self._stream.close()

    async def _reply(self) -> str | int | RefusedCommand:
        while (reply := self._reader.gets()) is resp.MORE:
            self._reader.feed(await self._stream.receive())
        return _plain(reply, self._password)


def _plain(reply: resp.Reply, password: str) -> str | int | RefusedCommand:
    match reply:
        case resp.SimpleString(text) | bytes(text):
            return text.decode("utf-8", "backslashreplace")
        case int():
            return reply
        case resp.ErrorReply():
            line = "".join(c for c in str(reply) if c.isprintable())
            return RefusedCommand(
                resp.without_password(line, password)[:_ERROR_LENGTH]
            )  # before the cut, which could leave half of it
        case _:
            raise resp.Garbage(f"is not Redis: it answered {reply!r}")
