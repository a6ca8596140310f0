"""A redis-py connection over a stream that is already open: who answers, who is let in, and how long a reply may be."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import redis
from redis.connection import Connection

SECONDS = 10  # for one reply; longer work is polled
LONGEST = 16 << 20  # bytes of one reply: CONFIG GET * has ten thousand, ACL LIST about as many for 50 users
# How a server begins its answer to a command that wants a password, or another one.
REFUSALS = ("-NOAUTH", "-WRONGPASS", "-NOPERM", "-ERR AUTH")


@dataclass(frozen=True)
class Login:
    """The words after AUTH; none for nobody. redis-py prints a connection's arguments."""

    words: tuple[str, ...] = field(repr=False)


class StreamConnection(Connection):
    """A redis-py connection over a stream that ``opener`` opens, with TLS where there is a ``context``.

    The first thing sent is a PING without a password: its answer tells whether the server is open to everybody.
    """

    def __init__(
        self,
        *,
        opener: Callable[[], socket.socket],
        context: ssl.SSLContext | None,
        name: str,
        login: Login,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.opener, self.context, self.name, self.login = opener, context, name, login.words
        # Called when redis-py makes a lost connection anew; what it raises keeps the connection lost.
        self.again: Callable[[], object] | None = None
        self.open = False
        self._before = False
        self.certificate: bytes | None = None

    def _connect(self) -> socket.socket:
        stream = self.opener()
        stream.settimeout(self.socket_timeout)
        try:
            if self.context is not None:
                stream = self.context.wrap_socket(stream, server_hostname=self.name)
                self.certificate = stream.getpeercert(binary_form=True)
            stream = cast(socket.socket, _Bounded(stream, self.socket_timeout or SECONDS))
            self._log_in(stream)
            if self._before and self.again is not None:
                self.again()
        except BaseException:
            stream.close()
            raise
        self._before = True
        return stream

    def _log_in(self, stream: socket.socket) -> None:
        """By hand: redis-py hangs up when it is told NOAUTH, which is the answer wanted to the PING."""
        answer = _asked(stream, "PING")
        self.open = answer.startswith(("+PONG", "-LOADING"))
        if not self.open and not answer.startswith(REFUSALS):
            raise _unexpected(answer)
        if self.login:
            # Not in one write with the PING: Redis from 7.2 on answers nothing to a failing AUTH whose client still
            # has a reply to come (redis/redis#15640).
            answer = _quotable(_asked(stream, "AUTH", *self.login), self.login)
            if answer.startswith("-ERR unknown command"):  # renamed: this is Redis, and no way in
                raise redis.ResponseError(answer.removeprefix("-"))
        if answer.startswith(REFUSALS):
            raise redis.AuthenticationError(answer.removeprefix("-"))
        if self.login and not answer.startswith("+OK"):
            raise _unexpected(answer)


class _Bounded:
    """A stream on which a reply ends in time, and at a length that memory holds: redis-py reads all that is sent.

    Both are counted from the last write.
    """

    def __init__(self, stream: socket.socket, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds
        self._left, self._until = 0, 0.0

    def sendall(self, data: bytes) -> None:
        self._left, self._until = LONGEST, time.monotonic() + self._seconds
        self._stream.sendall(data)

    def recv(self, size: int) -> bytes:
        data = self._stream.recv(size)
        self._left -= len(data)
        if data and self._left < 0:
            raise redis.ConnectionError(f"is no Redis: a reply is longer than {LONGEST >> 20} MiB")
        if data and time.monotonic() > self._until:
            raise redis.TimeoutError(f"its reply is not whole after {self._seconds:g} s")
        return data

    def recv_into(self, buffer: Any) -> int:
        """What hiredis calls, where it is installed."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _quotable(answer: str, login: tuple[str, ...]) -> str:
    """An answer without what it repeats of the command: the password was in it."""
    answer = answer.partition(", with args beginning with")[0]
    return answer.replace(login[-1], "(hidden)") if login[-1] else answer


def _unexpected(answer: str) -> redis.ConnectionError:
    """A Redis that has no room or is in protected mode says so; anything else is none."""
    if answer.startswith("-"):
        return redis.ConnectionError(f"refuses connections: {answer[1:100]}")
    return redis.ConnectionError(f"is no Redis: it answered {answer[:60]!r}")


def _asked(stream: socket.socket, *words: str) -> str:
    """The one line that is answered to a command. Raises redis.ConnectionError where there is none."""
    stream.sendall(_packed(words))
    data = b""
    while b"\r\n" not in data:
        more = stream.recv(4096)
        if not more or len(data) > 65536:
            raise redis.ConnectionError(
                "is no Redis: it hung up" if not more else "is no Redis: it never stops"
            )
        data += more
    return data.partition(b"\r\n")[0].decode("utf-8", "backslashreplace")


def _packed(words: tuple[str, ...]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
