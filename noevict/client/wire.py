"""A redis-py connection over a stream that is already open, with its login, and bounds on replies."""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import redis
from redis.connection import Connection

from noevict.client import resp

SECONDS = 10  # for one reply; longer work is polled
LONGEST = 16 << 20  # bytes of one reply: CONFIG GET * has ten thousand, ACL LIST about as many for 50 users
MOST = 1 << 20  # elements of one reply: COMMAND LIST has 500
# How a server's answer begins if a command needs a password, or another one.
REFUSALS = ("-NOAUTH", "-WRONGPASS", "-NOPERM", "-ERR AUTH")


@dataclass(frozen=True)
class Login:
    """The words after AUTH; empty for nobody. It hides them, because redis-py prints a connection's arguments."""

    words: tuple[str, ...] = field(repr=False)


class StreamConnection(Connection):
    """A redis-py connection over a stream that ``opener`` opens, with TLS if there is a ``context``.

    It first sends a PING without a password: the answer shows whether the server is open to everybody.

    ``ahead``: commands sent together with the login, in one round trip; ``replies`` has a reply or an error for each.
    The login is then sent before anything is received: only do so if TLS has checked who answers.

    ``check_peer``: called before a password is sent, with the certificate that was presented (DER; None without TLS),
    for a peer that TLS has not checked. If it raises, no password is sent.
    """

    def __init__(
        self,
        *,
        opener: Callable[[], socket.socket],
        context: ssl.SSLContext | None,
        name: str,
        login: Login,
        ahead: Sequence[tuple[str, ...]] = (),
        check_peer: Callable[[bytes | None], object] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.opener, self.context, self.name, self.login = opener, context, name, login.words
        # Called when redis-py opens a lost connection again; if it raises, the connection stays lost.
        self.again: Callable[[], object] | None = None
        self.open = False
        self.replies: list[Any] = []
        self._ahead, self._before, self._check_peer = ahead, False, check_peer
        self.certificate: bytes | None = None

    # redis-py's hook for subclasses: it has no public way to use a stream that is already open.
    def _connect(self) -> socket.socket:
        stream = self.opener()
        stream.settimeout(self.socket_timeout)
        try:
            if self.context is not None:
                stream = self.context.wrap_socket(stream, server_hostname=self.name)
                self.certificate = stream.getpeercert(binary_form=True)
            bounded = _Bounded(stream, self.socket_timeout or SECONDS)
            self._log_in(bounded)
            if self._before and self.again is not None:
                self.again()
        except BaseException:
            stream.close()
            raise
        self._before = True
        return cast(socket.socket, bounded)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        self.replies = [self._reply() for _ in self._ahead]
        self._ahead = ()  # not again when the connection is opened again

    def _reply(self) -> Any:
        try:
            return self.read_response()
        except redis.ResponseError as error:
            return error

    def _log_in(self, stream: "_Bounded") -> None:
        """Log in ourselves: redis-py hangs up at NOAUTH, which is the answer that we want to PING."""
        login = [("AUTH", *self.login)] if self.login else []
        at_once = [*login, *self._ahead] if self._ahead else []
        answer = self._asked(stream, ("PING",), *at_once)
        # A server that cannot save refuses even PING, but answers commands that only read.
        self.open = answer.startswith(("+PONG", "-LOADING", "-MISCONF"))
        if not self.open and not answer.startswith(REFUSALS):
            raise _unexpected(answer)
        if self.login:
            if self._check_peer is not None:
                self._check_peer(self.certificate)
            answer = stream.line() if at_once else self._asked(stream, *login)
            answer = resp.without_password(answer, self.login[-1])
            # Redis from 7.2 on does not answer a failing AUTH if the client still waits for a reply
            # (redis/redis#15640): this is the next command's answer.
            if at_once and answer.startswith(("*", "-NOAUTH")):
                raise redis.AuthenticationError("the password was not accepted")
            if answer.startswith(
                "-ERR unknown command"
            ):  # AUTH is renamed: this is Redis, but we cannot log in
                raise redis.ResponseError(answer.removeprefix("-"))
        if answer.startswith(REFUSALS):
            raise redis.AuthenticationError(answer.removeprefix("-"))
        if self.login and not answer.startswith("+OK"):
            raise _unexpected(answer)

    def _asked(self, stream: "_Bounded", *commands: tuple[str, ...]) -> str:
        """Send commands, and return the first line of the answer."""
        stream.sendall(b"".join(part for command in commands for part in self.pack_command(*command)))
        return stream.line()


class _Bounded:
    """A stream that bounds the time and the length of a reply: redis-py reads all that is sent, and hiredis below it
    reserves as much memory as a server announces.

    Time and bytes are counted from the last write.
    """

    def __init__(self, stream: socket.socket, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds
        self._left, self._until = 0, 0.0
        self._frames = resp.Frames(text=LONGEST, elements=MOST)
        self._unread = b""

    def line(self) -> str:
        """Return the first line of the next reply. Raise redis.ConnectionError if there is none."""
        frames = resp.Frames(text=LONGEST, elements=MOST)
        while (begun := frames.take()) is None:
            if not (data := self.recv(4096)):
                raise redis.ConnectionError("is not Redis: it hung up")
            frames.feed(data)
        self._unread = frames.unread
        return begun.partition(b"\r\n")[0].decode("utf-8", "backslashreplace")

    def sendall(self, data: bytes) -> None:
        self._left, self._until = LONGEST, time.monotonic() + self._seconds
        self._stream.sendall(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags:  # redis-py peeks whether the connection is alive
            return self._stream.recv(size, flags)
        if self._unread:
            data, self._unread = self._unread[:size], self._unread[size:]
            return data
        data = self._stream.recv(size)
        self._left -= len(data)
        if data and self._left < 0:
            raise redis.ConnectionError(f"is not Redis: a reply is longer than {LONGEST >> 20} MiB")
        if data and time.monotonic() > self._until:
            raise redis.TimeoutError(f"its reply is not whole after {self._seconds:g} s")
        self._frames.feed(data)
        try:
            while self._frames.take() is not None:
                pass
        except resp.Garbage as error:
            raise redis.ConnectionError(str(error)) from error
        return data

    def recv_into(self, buffer: Any) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _unexpected(answer: str) -> redis.ConnectionError:
    """Return an error: a Redis that has no room or is in protected mode refuses; anything else is not Redis."""
    if answer.startswith("-"):
        return redis.ConnectionError(f"refuses connections: {answer[1:100]}")
    return redis.ConnectionError(f"is not Redis: it answered {answer[:60]!r}")
