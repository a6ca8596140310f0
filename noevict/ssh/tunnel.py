"""Connects to a host's Redis through the SSH connection that pyinfra already holds, as the host itself would.

For ``@local`` it connects from this machine.
"""

import shlex
import socket
import weakref
from typing import Protocol

import gevent
import paramiko
from pyinfra.api.host import Host

from noevict.ssh.login_shell import BEGIN, begun, own_output
from noevict.ssh.transport import within

CONNECT_SECONDS = 10
CHUNK = 65536
MOST_BEFORE = 65536  # bytes that a login shell prints before it runs a command
# If sshd forbids forwarding ("AllowTcpForwarding no"), bash (Essential in Debian) carries the same bytes.
BASH_TCP = (
    f'echo "{BEGIN}"; exec 3<>"/dev/tcp/$0/$1" || exit 111; cat <&3 & reader=$!; cat >&3; kill "$reader"'
)

_no_forwarding: "weakref.WeakSet[paramiko.Transport]" = weakref.WeakSet()


class _Ends(Protocol):
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


class PortRefused(OSError):
    """The host itself refused the connection: nothing listens there."""


class NotCarried(OSError):
    """SSH did not carry the connection: whether anything listens there is unknown."""


def open_tcp(host: Host, address: str, port: int) -> socket.socket:
    """Return a socket connected to ``address:port`` as seen from the host.

    Raise PortRefused if nothing listens there, NotCarried if SSH does not carry the connection.
    """
    client = getattr(host.connector, "client", None)
    if client is None:
        return _connect(address, port)
    transport = client.get_transport()
    if transport is None or not transport.is_active():
        raise NotCarried("the SSH connection is gone")
    try:
        with within(CONNECT_SECONDS):
            return _as_socket(_tunnel(transport, address, port))
    except (paramiko.SSHException, EOFError, TimeoutError) as error:
        raise NotCarried(f"SSH does not carry a connection to Redis: {error}") from error


def open_direct(address: str, port: int) -> socket.socket:
    """Return a socket connected from this machine. Raise PortRefused or NotCarried."""
    return _connect(address, port)


def _connect(address: str, port: int) -> socket.socket:
    try:
        sock = socket.create_connection((address, port), CONNECT_SECONDS)
    except ConnectionRefusedError as error:
        raise PortRefused(f"nothing listens on {address} port {port}") from error
    except OSError as error:
        raise NotCarried(f"no connection to {address} port {port}: {error}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class _OwnOutput:
    """The channel of a command, without what the login shell printed before it."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel, self._before, self._begun = channel, b"", False
        self.sendall, self.close = channel.sendall, channel.close

    def recv(self, size: int) -> bytes:
        while not self._begun and (data := self._channel.recv(size)):
            self._before += data
            if begun(self._before):
                self._begun = True
                if own := own_output(self._before):
                    return own
            elif len(self._before) > MOST_BEFORE:
                raise OSError("the login shell prints without end")
        return self._channel.recv(size)


def _tunnel(transport: paramiko.Transport, address: str, port: int) -> _Ends:
    if transport not in _no_forwarding:
        try:
            return transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0))
        except paramiko.ChannelException as error:
            if error.code != paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED:
                raise PortRefused(f"nothing listens on {address} port {port}") from error
            _no_forwarding.add(transport)
    channel = transport.open_session()
    channel.exec_command(f"exec bash --norc -c {shlex.quote(BASH_TCP)} {shlex.quote(address)} {int(port)}")
    return _OwnOutput(channel)


def _as_socket(channel: _Ends) -> socket.socket:
    """Return a real socket whose other end is copied to and from the channel: ssl and redis-py need a real one."""
    ours, theirs = socket.socketpair()

    def carry(source: _Ends, target: _Ends) -> None:
        try:
            while data := source.recv(CHUNK):
                target.sendall(data)
        except (OSError, EOFError):
            pass
        finally:
            for end in (target, source):
                _close(end)

    gevent.spawn(carry, channel, theirs)
    gevent.spawn(carry, theirs, channel)
    return ours


def _close(end: _Ends) -> None:
    try:
        if isinstance(end, socket.socket):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
    except (OSError, EOFError):
        pass
