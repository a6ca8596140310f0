"""A client of Redis: redis-py over a stream that is already open, with TLS and the host name checked."""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis
from redis.connection import ConnectionPool

from noevict.acl.rules import Catalogue
from noevict.client.wire import SECONDS, Login, StreamConnection
from noevict.engines.engine import Server
from noevict.server.live import Live, Reach

SECRET_DIRECTIVES = frozenset({"requirepass", "masterauth", "primaryauth", "tls-key-file-pass",
                               "tls-client-key-file-pass"})  # fmt: skip

# The commands that ask a server about itself. A command's name is one word: redis-py finds its reply's parser by it.
LOOK = (("CONFIG GET", "*"), ("ACL LIST",), ("INFO",), ("COMMAND COUNT",))


class Client(redis.Redis):
    """A Redis client that holds one connection. ``close()`` ends it."""

    connection_pool: ConnectionPool
    wire: StreamConnection


def connect(
    opener: Callable[[], socket.socket],
    *,
    context: ssl.SSLContext | None = None,
    name: str = "",
    user: str | None = None,
    password: str | None = None,
    ahead: Sequence[tuple[str, ...]] = (),
    check_peer: Callable[[bytes | None], object] | None = None,
    seconds: float = SECONDS,
) -> Client:
    """Log in over the stream that ``opener`` opens: without ``context`` in plaintext, without a password as nobody.

    ``ahead``: LOOK, if ``gather_facts`` comes next and ``context`` checks who answers: both take one round trip.
    ``check_peer``: see StreamConnection; for a peer that ``context`` does not check.

    Raise redis.AuthenticationError for a wrong, missing or unneeded password, redis.ConnectionError caused by
    ssl.SSLCertVerificationError for a certificate not trusted, redis.TimeoutError, redis.ConnectionError, OSError.
    """
    login = () if password is None else (password,) if user is None else (user, password)
    pool = ConnectionPool(
        connection_class=StreamConnection,
        max_connections=1,
        opener=opener,
        context=context,
        name=name,
        login=Login(login),
        ahead=ahead,
        check_peer=check_peer,
        protocol=2,
        driver_info=None,
        decode_responses=True,
        encoding_errors="backslashreplace",
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
    )
    client = Client(connection_pool=pool)
    wire = pool.get_connection()
    assert isinstance(wire, StreamConnection)  # noqa: S101 - the class that was asked for
    client.wire = wire
    pool.release(wire)
    return client


def gather_facts(
    client: Client,
    reach: Reach,
    *,
    user: str,
    port: int,
    untrusted: str = "",
) -> Live:
    """Ask the server about itself (LOOK), in one round trip at most. Passwords are blanked.

    Raise redis.RedisError or OSError, also if a command is refused or the answer is not one of Redis.
    """
    try:
        return _gather_facts(client, reach, user, port, untrusted)
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise redis.InvalidResponse("is not Redis: its answers cannot be parsed") from error


def ask_again(client: Client, before: Live) -> Live:
    """Do as ``gather_facts``, over the connection that ``before`` came from."""
    return gather_facts(client, before.reach, user=before.user, port=before.port, untrusted=before.untrusted)


def _gather_facts(client: Client, reach: Reach, user: str, port: int, untrusted: str) -> Live:
    pairs, acl, info, commands = _answers(client)
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


def _answers(client: Client) -> list[Any]:
    """Return the replies to LOOK that came with the login, or ask now."""
    replies, client.wire.replies = client.wire.replies, []
    if not replies:
        pipe = client.pipeline(transaction=False)
        for command in LOOK:
            pipe.execute_command(*command)
        return pipe.execute()
    for reply in replies:
        if isinstance(reply, redis.ResponseError):
            raise reply
    read = client.response_callbacks
    return [read.get(name, lambda it: it)(reply) for (name, *_), reply in zip(LOOK, replies, strict=True)]


def rewrite(client: Client) -> None:
    """Send CONFIG REWRITE. Raise redis.RedisError, also if the answer is not one of Redis."""
    answer = client.execute_command("CONFIG REWRITE")
    if answer != "OK":
        raise redis.InvalidResponse(f"is not Redis: it answered CONFIG REWRITE with {str(answer)[:60]!r}")


_catalogues: dict[tuple[Server, int], Catalogue] = {}


def _catalogue(client: Client, server: Server, commands: int) -> Catalogue:
    """Return a server's commands by ACL category. It asks once a run for each release and number of commands."""
    if (server, commands) not in _catalogues:
        pipe = client.pipeline(transaction=False)
        for question in Catalogue.QUESTIONS:
            # One word, as redis-py knows the replies of commands by their whole names.
            pipe.execute_command(" ".join(question))
        _catalogues[server, commands] = Catalogue.parse(pipe.execute())
    return _catalogues[server, commands]


def server_of(info: Mapping[str, Any]) -> Server:
    """Return the engine and release from INFO. Valkey also reports an old redis_version, for its clients' sake."""
    if info.get("server_name") == "valkey" or "valkey_version" in info:
        return Server.parse("valkey", str(info.get("valkey_version", "")))
    return Server.parse("redis", str(info.get("redis_version", "")))
