"""Logs in to a host's Redis: finds the port, the password and whether to use TLS, and explains failures."""

import functools
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import redis

from noevict.client import client as client_
from noevict.client.client import Client
from noevict.client.failures import certificate_fault, sentence, wants_certificate
from noevict.machine.found import Listener
from noevict.pki.certificate import Certificate
from noevict.secrets.passwords import Takeover
from noevict.server.live import Live, Reach

EVERY = {"0.0.0.0": "127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0000": "::1"}  # noqa: S104 - reported by hosts, not bound


@dataclass(frozen=True)
class Route:
    """How noevict reaches one server, and what it logs in with.

    ``name``: the name clients use, against which its certificate is checked. ``port``: as in the settings.
    ``admins``: the passwords to try as admin, in this order. ``direct`` connects to a port of it as clients do; None if
    all connections go through SSH. ``tunnel`` connects through SSH (address on the host, port). ``trusting`` makes the
    TLS context that checks its certificate, ``unchecked`` one that does not. ``key_digest``: of the host's
    own key, which proves who answers even if the certificate is not trusted; None if others may have the key.
    ``holds_connections``: whether root on the host finds the server at the other end of noevict's connection to an
    address and port.
    """

    name: str
    port: int
    admins: tuple[str, ...] = field(repr=False)
    takeover: Takeover | None = field(repr=False)
    direct: Callable[[int], socket.socket] | None
    tunnel: Callable[[str, int], socket.socket]
    trusting: Callable[[], ssl.SSLContext]
    unchecked: Callable[[], ssl.SSLContext]
    key_digest: str | None
    holds_connections: Callable[[str, int], bool]

    def opener(self, address: str, port: int) -> Callable[[], socket.socket]:
        """Return a function that connects to a port that TLS protects."""
        if self.direct is not None:
            return functools.partial(self.direct, port)
        return self.through_ssh(address, port)

    def through_ssh(self, address: str, port: int) -> Callable[[], socket.socket]:
        """Return a function that connects through SSH, for a password that TLS does not protect."""
        return functools.partial(self.tunnel, EVERY.get(address, address), port)

    def check_peer(self, listener: Listener, certificate: bytes | None) -> None:
        """Raise redis.ConnectionError unless the server holds the connection to one of its sockets.

        ``certificate``: the one that was presented there, and whose key was used (DER); None without TLS.
        """
        found = Certificate.parse(ssl.DER_cert_to_PEM_cert(certificate)) if certificate else None
        if found is not None and found.key_digest == self.key_digest:
            return
        if not self.holds_connections(EVERY.get(listener.address, listener.address), listener.port):
            raise redis.ConnectionError(
                f"another program may have taken port {listener.port}: no password was sent; run again"
            )


def look_at_redis(
    route: Route, listeners: Iterable[Listener], *, running: bool, known: bool
) -> tuple[Client | None, Live]:
    """Log in if that is possible, and ask the server about itself. The connection stays open for what comes next.

    ``listeners``: the listening sockets of its machine. ``running``: whether it runs. ``known``: whether noevict set
    it up.
    """
    if not running:
        return None, Live(Reach.NOT_RUNNING)
    failures = []
    for listener in _sockets(listeners, route.port):
        client, live = _try(route, listener, known=known)
        if live.reach is not Reach.UNREACHED:
            return client, live
        failures.append(live)
    return None, failures[0] if failures else Live(Reach.UNREACHED, why="it listens on no TCP port")


def _try(route: Route, listener: Listener, *, known: bool) -> tuple[Client | None, Live]:
    ask = _ask_in_plaintext if listener.plaintext else _ask_over_tls
    try:
        return ask(route, listener, known=known)
    except redis.AuthenticationError as error:
        return None, Live(Reach.REFUSED, why=sentence(error), port=listener.port)
    except redis.ResponseError as error:
        if known:  # a server of ours whose commands are renamed, or whose admin may do less
            return None, Live(Reach.MUTE, why=sentence(error), port=listener.port)
        return None, Live(Reach.UNREACHED, why=with_advice(error), port=listener.port)
    except (redis.RedisError, OSError) as error:
        return None, Live(Reach.UNREACHED, why=with_advice(error), port=listener.port)


def with_advice(error: BaseException) -> str:
    """Return why a server could not be looked at and, if that is known, what lets noevict in."""
    if wants_certificate(error):
        return (
            "it asks for a client certificate of its own CA: run CONFIG SET tls-auth-clients no there (only its "
            "passwords protect it then: docs/taking-over.md), then run again"
        )
    text = sentence(error)
    if command := re.search(r"unknown command '([^']+)'", text):
        return (
            f"its command {command[1].upper()} is renamed or disabled: remove rename-command from its redis.conf, stop "
            "it with SHUTDOWN SAVE, which keeps every key, and start it (docs/taking-over.md); then run again"
        )
    if isinstance(error, redis.exceptions.NoPermissionError):
        return (
            f"{text}: set takeover in secrets/users.yml to a user with all permissions (docs/taking-over.md)"
        )
    return text


def connect_as_admin(route: Route, bind: Sequence[str]) -> Client:
    """Log in as a client would: over TLS with the CA and the host name checked, with a password.

    ``bind``: the addresses that it listens on. Raise redis.RedisError or OSError.
    """
    address = next((a for a in bind if not a.startswith("-")), bind[0].removeprefix("-"))
    address = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::*": "::1", "::": "::1"}.get(address, address)  # noqa: S104
    opener, context = route.opener(address, route.port), route.trusting()
    refusal = redis.AuthenticationError()
    for password in route.admins:
        try:
            return client_.connect(opener, context=context, name=route.name, user="admin", password=password)
        except redis.AuthenticationError as error:
            refusal = error
    raise refusal


def _sockets(listeners: Iterable[Listener], port: int) -> list[Listener]:
    """Return a socket of each port, in the order to try them: what may be TLS first, the configured port first.

    Loopback comes first if there is a choice: a server in protected mode answers only there. A port that answers on
    one address is taken to answer on all of them. A port that does not answer may speak another protocol than TLS.
    """
    sockets = [listener for listener in listeners if listener.ours]
    answers = {listener.port: listener.answer for listener in sockets if listener.answer != "same"}
    asked = [replace(one, answer=answers.get(one.port, one.answer)) for one in sockets]
    asked.sort(
        key=lambda one: (
            one.plaintext,
            one.port != port,
            one.port,
            not _loopback(one.address),
            ":" in one.address,
        )
    )
    return list({one.port: one for one in reversed(asked)}.values())[::-1]


def _loopback(address: str) -> bool:
    return ipaddress.ip_address(EVERY.get(address, address)).is_loopback


def _ask_over_tls(route: Route, listener: Listener, *, known: bool) -> tuple[Client, Live]:
    opener = route.opener(listener.address, listener.port)
    connect = functools.partial(client_.connect, opener, name=route.name)
    try:
        trusted = functools.partial(connect, context=route.trusting(), ahead=client_.LOOK)
        connection, user = _log_in(route, trusted, route.admins)
        return _gather_facts(connection, Reach.TLS, user, listener.port)
    except redis.ConnectionError as error:
        untrusted = certificate_fault(error) or ""
        if not untrusted:
            raise
    # Through SSH, which proved who the host is: the plan reports what is wrong with the certificate. This is not in the
    # block above because an error here is not about the certificate.
    connect = functools.partial(
        client_.connect,
        route.through_ssh(listener.address, listener.port),
        name=route.name,
        context=route.unchecked(),
        check_peer=functools.partial(route.check_peer, listener),
    )
    connection, user = _log_in(route, connect, route.admins if known else ())
    return _gather_facts(connection, Reach.TLS, user, listener.port, untrusted)


def _ask_in_plaintext(route: Route, listener: Listener, *, known: bool) -> tuple[Client, Live]:
    """Ask a Redis that has no TLS port: noevict did not set it up, or somebody changed it."""
    connect = functools.partial(
        client_.connect,
        route.through_ssh(listener.address, listener.port),
        check_peer=functools.partial(route.check_peer, listener),
    )
    connection, user = _log_in(route, connect, route.admins if known else ())
    return _gather_facts(connection, Reach.PLAINTEXT, user, listener.port)


def _log_in(route: Route, connect: Callable[..., Client], admins: Sequence[str]) -> tuple[Client, str]:
    """Log in as our admin, as nobody, or as users.yml says for a Redis to take over: whichever is accepted first.

    ``admins``: our passwords. They are sent only to a server that noevict set up, or whose certificate our CA signed.

    Raise redis.AuthenticationError if none is accepted.
    """
    attempts: list[tuple[str, str | None, str | None]] = [("admin", "admin", each) for each in admins]
    attempts.append(("default", None, None))
    # The password for Redis servers to take over is never sent to a server of ours.
    if (takeover := route.takeover) and not admins:
        # If it has a user `admin`, that is not ours.
        who = "default" if takeover.user is None else f"its user {takeover.user}"
        attempts.append((who, takeover.user, takeover.password))
    refusal = redis.AuthenticationError()
    for who, user, password in attempts:
        try:
            return connect(user=user, password=password), who
        except redis.AuthenticationError as error:
            refusal = error
    raise refusal


def _gather_facts(
    connection: Client, reach: Reach, user: str, port: int, untrusted: str = ""
) -> tuple[Client, Live]:
    try:
        return connection, client_.gather_facts(connection, reach, user=user, port=port, untrusted=untrusted)
    except BaseException:
        connection.close()
        raise
