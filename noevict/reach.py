"""How to get to a host's Redis: which port, which password, TLS or not; and what a failure to means."""

import functools
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import redis

from noevict import client as client_
from noevict import streams, tls
from noevict.client import Client, sentence
from noevict.refusals import managed
from noevict.state import HostState, Listener, Live, Reach

if TYPE_CHECKING:
    from noevict.run import HostRun

EVERY = {"0.0.0.0": "127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0000": "::1"}  # noqa: S104 - told, not bound


def look_at_redis(run: "HostRun", found: HostState) -> tuple[Client | None, Live]:
    """Log in where that is possible and ask. The connection is kept for what comes next."""
    if not found.pid:
        return None, Live(Reach.NOT_RUNNING)
    known = managed(found, run.engine)
    admins = run.admin_passwords(found)
    failures = []
    for listener in _listeners(found, run.settings.redis_port):
        client, live = _try(run, listener, admins, known=known)
        if live.reach is not Reach.UNREACHED:
            return client, live
        failures.append(live)
    return None, failures[0] if failures else Live(Reach.UNREACHED, why="it listens on no TCP port")


def _try(
    run: "HostRun", listener: Listener, admins: Sequence[str], *, known: bool
) -> tuple[Client | None, Live]:
    look = _look_plaintext if listener.plaintext else _look_tls
    try:
        return look(run, listener, admins, known=known)
    except redis.AuthenticationError as error:
        return None, Live(Reach.REFUSED, why=sentence(error), port=listener.port)
    except redis.ResponseError as error:
        if known:  # one of ours that has commands renamed, or an admin that may do less
            return None, Live(Reach.MUTE, why=sentence(error), port=listener.port)
        return None, Live(Reach.UNREACHED, why=with_advice(error), port=listener.port)
    except (redis.RedisError, OSError) as error:
        return None, Live(Reach.UNREACHED, why=with_advice(error), port=listener.port)


def with_advice(error: BaseException) -> str:
    """Why a server could not be looked at and, where that is known, what lets noevict in."""
    if client_.wants_certificate(error):
        return (
            "it wants a client certificate of its own CA: CONFIG SET tls-auth-clients no there (its passwords are then "
            "all that protects it: docs/taking-over.md), and run again"
        )
    text = sentence(error)
    if command := re.search(r"unknown command '([^']+)'", text):
        return (
            f"its command {command[1].upper()} is renamed or disabled: remove rename-command from its redis.conf, stop "
            "it with SHUTDOWN SAVE, which keeps every key, and start it (docs/taking-over.md); then run again"
        )
    if isinstance(error, redis.exceptions.NoPermissionError):
        return f"{text}: name a user who may do everything as takeover in secrets/users.yml (docs/taking-over.md)"
    return text


def connect_as_admin(run: "HostRun") -> Client:
    """As a client would: over TLS with the CA and the host name checked, with a password.

    Raises redis.RedisError or OSError.
    """
    bind = run.plan.target.bind
    address = next((a for a in bind if not a.startswith("-")), bind[0].removeprefix("-"))
    address = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::*": "::1", "::": "::1"}.get(address, address)  # noqa: S104
    opener, context = _opener(run, address, run.settings.redis_port), _trusting(run)
    refusal = redis.AuthenticationError()
    for password in run.admin_passwords(run.found):
        try:
            return client_.connect(
                opener, context=context, name=run.client_name, user="admin", password=password
            )
        except redis.AuthenticationError as error:
            refusal = error
    raise refusal


def _listeners(found: HostState, port: int) -> list[Listener]:
    """A socket of each port, in the order to try them: what may be TLS first, the configured port first.

    Loopback where there is a choice, for a server in protected mode answers there alone. What answers on one
    address of a port is taken to answer on all of them; no answer at all may be another protocol than TLS too.
    """
    own = [listener for listener in found.listeners if listener.own]
    answers = {listener.port: listener.answer for listener in own if listener.answer != "same"}
    asked = [replace(one, answer=answers.get(one.port, one.answer)) for one in own]
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


def _opener(run: "HostRun", address: str, port: int) -> Callable[[], socket.socket]:
    if run.settings.redis_connect == "direct" and not run.name.startswith("@"):
        return functools.partial(streams.open_direct, run.client_name, port)
    return _through_ssh(run, address, port)


def _through_ssh(run: "HostRun", address: str, port: int) -> Callable[[], socket.socket]:
    """The way for a password that TLS does not protect."""
    return functools.partial(streams.open_tcp, run.host, EVERY.get(address, address), port)


def _trusting(run: "HostRun") -> ssl.SSLContext:
    return run.fleet.trusting(run.settings)


def _look_tls(
    run: "HostRun", listener: Listener, admins: Sequence[str], *, known: bool
) -> tuple[Client, Live]:
    opener = _opener(run, listener.address, listener.port)
    connect = functools.partial(client_.connect, opener, name=run.client_name)
    try:
        trusted = functools.partial(connect, context=_trusting(run), ahead=client_.LOOK)
        connection, user = _log_in(run, trusted, admins)
        return _look(connection, Reach.TLS, user, listener.port)
    except redis.ConnectionError as error:
        untrusted = client_.certificate_fault(error) or ""
        if not untrusted:
            raise
    # Through SSH, which proved who the host is; what is wrong with the certificate is for the plan. Not in the block
    # above: an error of here is not about the certificate.
    opener = _through_ssh(run, listener.address, listener.port)
    context = tls.unchecked(run.fleet.client_pem())
    connect = functools.partial(client_.connect, opener, name=run.client_name, context=context)
    connection, user = _log_in(run, connect, admins if known else ())
    return _look(connection, Reach.TLS, user, listener.port, untrusted)


def _look_plaintext(
    run: "HostRun", listener: Listener, admins: Sequence[str], *, known: bool
) -> tuple[Client, Live]:
    """Of a Redis that has no TLS port: not set up by noevict, or changed by hand."""
    opener = _through_ssh(run, listener.address, listener.port)
    connection, user = _log_in(run, functools.partial(client_.connect, opener), admins if known else ())
    return _look(connection, Reach.PLAINTEXT, user, listener.port)


def _log_in(run: "HostRun", connect: Callable[..., Client], admins: Sequence[str]) -> tuple[Client, str]:
    """As our admin, as nobody, or as users.yml says of a Redis to take over: whichever is let in first.

    ``admins``: our passwords; a server gets to hear them only if noevict set it up, or our CA vouches for it.

    Raises redis.AuthenticationError where none is.
    """
    attempts: list[tuple[str, str | None, str | None]] = [("admin", "admin", each) for each in admins]
    attempts.append(("default", None, None))
    # A server of ours does not get to hear the password of those that are not ours yet.
    if (takeover := run.secrets.takeover) and not admins:
        # Its admin, should it have one, is not ours.
        who = "default" if takeover.user is None else f"its user {takeover.user}"
        attempts.append((who, takeover.user, takeover.password))
    refusal = redis.AuthenticationError()
    for who, user, password in attempts:
        try:
            return connect(user=user, password=password), who
        except redis.AuthenticationError as error:
            refusal = error
    raise refusal


def _look(connection: Client, reach: Reach, user: str, port: int, untrusted: str = "") -> tuple[Client, Live]:
    try:
        return connection, client_.look(connection, reach, user=user, port=port, untrusted=untrusted)
    except BaseException:
        connection.close()
        raise
