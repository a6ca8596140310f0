"""Redis as a client speaks it: redis-py over a stream that is already open, TLS and host name checked."""

import functools
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import redis
from redis.connection import Connection, ConnectionPool

from noevict.acl_rules import Catalogue
from noevict.engine import EngineName, Server
from noevict.state import Live, Reach

SECONDS = 10  # for one reply; longer work is polled
LONGEST = 16 << 20  # bytes of one reply: CONFIG GET * has ten thousand, ACL LIST about as many for 50 users
# How a server begins its answer to a command that wants a password, or another one.
REFUSALS = ("-NOAUTH", "-WRONGPASS", "-NOPERM", "-ERR AUTH")
SECRET_DIRECTIVES = frozenset({"requirepass", "masterauth", "primaryauth", "tls-key-file-pass",
                               "tls-client-key-file-pass"})  # fmt: skip


@functools.lru_cache(maxsize=64)
def trusting(ca: bytes, own: str | None = None) -> ssl.SSLContext:
    """The context of a client that has the CA (PEM) and, where servers ask for it, a certificate and key (PEM).

    One for the whole run: building one costs 40 ms of CPU.
    """
    context = ssl.create_default_context(cadata=ca.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return _with_certificate(context, own)


@functools.lru_cache(maxsize=8)
def unchecked(own: str | None = None) -> ssl.SSLContext:
    """TLS with no check of who answers: only for looking at a server through SSH that proved who the host is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _with_certificate(context, own)


def _with_certificate(context: ssl.SSLContext, own: str | None) -> ssl.SSLContext:
    if own is not None:
        # ssl reads files alone: this one is its owner's alone, and gone at once.
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(own)
            file.flush()
            context.load_cert_chain(file.name)
    return context


class _StreamConnection(Connection):
    """A redis-py connection over a stream that ``opener`` opens, with TLS where there is a ``context``.

    The first thing sent is a PING without a password: its answer tells whether the server is open to everybody.
    """

    def __init__(
        self,
        *,
        opener: Callable[[], socket.socket],
        context: ssl.SSLContext | None,
        name: str,
        login: tuple[str, ...],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.opener, self.context, self.name, self.login = opener, context, name, login
        self.open = False
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
        except BaseException:
            stream.close()
            raise
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
            answer = _asked(stream, "AUTH", *self.login)
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


class Client(redis.Redis):
    """A Redis client that holds one connection. ``close()`` ends it."""

    connection_pool: ConnectionPool
    wire: _StreamConnection


def connect(
    opener: Callable[[], socket.socket],
    *,
    context: ssl.SSLContext | None = None,
    name: str = "",
    user: str | None = None,
    password: str | None = None,
    seconds: float = SECONDS,
) -> Client:
    """Log in over the stream that ``opener`` opens; with no ``context`` in plaintext, with no password as nobody.

    Raises redis.AuthenticationError for a wrong, missing or unneeded password, redis.ConnectionError caused by
    ssl.SSLCertVerificationError for a certificate not trusted, redis.TimeoutError, redis.ConnectionError, OSError.
    """
    login = () if password is None else (password,) if user is None else (user, password)
    pool = ConnectionPool(
        connection_class=_StreamConnection,
        max_connections=1,
        opener=opener,
        context=context,
        name=name,
        login=login,
        protocol=2,
        driver_info=None,
        decode_responses=True,
        encoding_errors="backslashreplace",
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
    )
    client = Client(connection_pool=pool)
    wire = pool.get_connection()
    assert isinstance(wire, _StreamConnection)  # noqa: S101 - the class that was asked for
    client.wire = wire
    pool.release(wire)
    return client


def certificate_fault(error: BaseException) -> str | None:
    """Why a certificate was not accepted, in OpenSSL's words; None where the error is about something else."""
    if isinstance(error, redis.AuthenticationError):
        return None
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        seen = seen.__cause__ or seen.__context__
    return None


def look(
    client: Client,
    reach: Reach,
    *,
    user: str,
    port: int,
    untrusted: str = "",
) -> Live:
    """What the server says of itself, in one round trip: CONFIG GET *, ACL LIST, INFO. Passwords are blanked.

    Raises redis.RedisError or OSError, also where a command is refused or answered as no Redis would.
    """
    try:
        return _look(client, reach, user, port, untrusted)
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise redis.InvalidResponse("is no Redis: its answers make no sense") from error


def _look(client: Client, reach: Reach, user: str, port: int, untrusted: str) -> Live:
    pipe = client.pipeline(transaction=False)
    for command in (("CONFIG GET", "*"), ("ACL LIST",), ("INFO",), ("COMMAND COUNT",)):
        pipe.execute_command(*command)
    pairs, acl, info, commands = pipe.execute()
    config = pairs if isinstance(pairs, dict) else dict(zip(pairs[::2], pairs[1::2], strict=True))
    for name in SECRET_DIRECTIVES & set(config):
        config[name] = "(set)" if config[name] else ""
    if not all(line.startswith("user ") for line in acl):
        raise ValueError("no ACL LIST")
    server = server_of(info)
    return Live(
        reach,
        user=user,
        port=port,
        open=client.wire.open,
        untrusted=untrusted,
        certificate=client.wire.certificate,
        server=server,
        config=config,
        acl=tuple(acl),
        catalogue=_catalogue(client, server, commands),
        info=info,
    )


_catalogues: dict[tuple[Server, int], Catalogue] = {}


def _catalogue(client: Client, server: Server, commands: int) -> Catalogue:
    """A server's commands by ACL category: asked once a run for each release (and number of modules' commands)."""
    if (server, commands) not in _catalogues:
        pipe = client.pipeline(transaction=False)
        for question in Catalogue.QUESTIONS:
            # One word, as redis-py knows the replies of commands by their whole names.
            pipe.execute_command(" ".join(question))
        _catalogues[server, commands] = Catalogue.parse(pipe.execute())
    return _catalogues[server, commands]


def server_of(info: Mapping[str, Any]) -> Server:
    """The engine and release from INFO: Valkey tells a redis_version of old for its clients' sake."""
    if info.get("server_name") == "valkey" or "valkey_version" in info:
        return Server.parse("valkey", str(info.get("valkey_version", "")))
    engine: EngineName = "redis"
    return Server.parse(engine, str(info.get("redis_version", "")))
