"""Bytes to a host through the SSH connection that pyinfra already holds.

Two kinds: a TCP connection as the host itself would open it (to its own Redis), and a program on the host with
its standard input kept open (the lock). For ``@local`` both are this machine's own.
"""

import logging
import shlex
import socket
import subprocess
import weakref
from pathlib import Path
from typing import Any, Protocol, cast

import gevent
import paramiko
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.util import make_unix_command_for_host

CONNECT_SECONDS = 10
CHUNK = 65536
# Where sshd forbids forwarding ("AllowTcpForwarding no"), bash, Essential in Debian, carries the same bytes.
BASH_TCP = 'exec 3<>"/dev/tcp/$0/$1" || exit 111; cat <&3 & reader=$!; cat >&3; kill "$reader"'

# What goes wrong with a connection, paramiko raises and logs, traceback and all; Python prints what is logged where
# nobody listens, and NullHandler is somebody.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_no_forwarding: "weakref.WeakSet[paramiko.Transport]" = weakref.WeakSet()


class _Quick:
    """A TCP socket that answers at once: paramiko leaves Nagle and delayed ACKs on, and each small round trip
    then stalls for 40 ms. TCP_QUICKACK is no lasting option: it is set again after each receive."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def transport_factory(sock: Any, **kwargs: Any) -> paramiko.Transport:
    """For paramiko's ``SSHClient.connect``: a Transport without delays, that notices a host gone silent.

    Behind a ProxyJump ``sock`` is a channel or a process, which has no socket options.
    """
    quick = isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6)
    transport = paramiko.Transport(cast(socket.socket, _Quick(sock)) if quick else sock, **kwargs)
    transport.set_keepalive(30)
    return transport


def prepare_known_hosts() -> None:
    """The user's known_hosts, empty where there is none: pyinfra fails on every new host without ~/.ssh."""
    file = Path.home() / ".ssh" / "known_hosts"
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)


class _Ends(Protocol):
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


class Refused(OSError):
    """The host itself refused the connection: nothing listens there."""


class NotCarried(OSError):
    """The SSH connection would not carry it: nothing is known of what listens there."""


def open_tcp(host: Host, address: str, port: int) -> socket.socket:
    """A connected socket to ``address:port`` as seen from the host.

    Raises Refused where nothing listens, NotCarried where SSH does not carry it.
    """
    client = getattr(host.connector, "client", None)
    if client is None:
        return _connect(address, port)
    transport = client.get_transport()
    if transport is None or not transport.is_active():
        raise NotCarried("the SSH connection is gone")
    try:
        return _as_socket(_tunnel(transport, address, port))
    except (paramiko.SSHException, EOFError) as error:
        raise NotCarried(f"SSH does not carry a connection to Redis: {error}") from error


def open_direct(address: str, port: int) -> socket.socket:
    """A connected socket from this machine. Raises Refused or NotCarried."""
    return _connect(address, port)


def _connect(address: str, port: int) -> socket.socket:
    try:
        sock = socket.create_connection((address, port), CONNECT_SECONDS)
    except ConnectionRefusedError as error:
        raise Refused(f"nothing listens on {address} port {port}") from error
    except OSError as error:
        raise NotCarried(f"no connection to {address} port {port}: {error}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _tunnel(transport: paramiko.Transport, address: str, port: int) -> paramiko.Channel:
    if transport not in _no_forwarding:
        try:
            return transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
            )
        except paramiko.ChannelException as error:
            if error.code != paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED:
                raise Refused(f"nothing listens on {address} port {port}") from error
            _no_forwarding.add(transport)
    channel = transport.open_session(timeout=CONNECT_SECONDS)
    channel.exec_command(f"exec bash -c {shlex.quote(BASH_TCP)} {shlex.quote(address)} {int(port)}")
    return channel


def _as_socket(channel: _Ends) -> socket.socket:
    """A real socket whose other end is carried to and from the channel: ssl and redis-py want a real one."""
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


class Program(Protocol):
    """A program that runs on the host, for as long as its standard input is open."""

    def read_line(self) -> str:
        """Its next line of output, without the line end; "" when it has ended."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class _RemoteProgram:
    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._output = channel.makefile("r")

    def read_line(self) -> str:
        line = self._output.readline()
        return (line if isinstance(line, str) else line.decode("utf-8", "replace")).rstrip("\n")

    def write(self, data: bytes) -> None:
        self._channel.sendall(data)

    def close(self) -> None:
        self._channel.close()


class _LocalProgram:
    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def read_line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        return self._process.stdout.readline().decode("utf-8", "replace").rstrip("\n")

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        self._process.stdin.close()
        self._process.wait(timeout=10)


def open_program(state: State, host: Host, script: str, arguments: dict[str, Any]) -> Program:
    """Start ``script`` (bash) on the host with pyinfra's connector arguments (``_sudo``, ...)."""
    how = {key: value for key, value in arguments.items() if key not in _ABOUT_RUNNING}
    command = make_unix_command_for_host(
        state, host, StringCommand(script), **{**how, "_shell_executable": "bash"}
    ).get_raw_value()
    client = getattr(host.connector, "client", None)
    if client is None:
        return _LocalProgram(command)
    transport = client.get_transport()
    channel = transport.open_session(timeout=CONNECT_SECONDS)
    channel.settimeout(CONNECT_SECONDS)
    channel.exec_command(command)
    return _RemoteProgram(channel)


# Arguments of pyinfra's that say how a command is run, not how it is written.
_ABOUT_RUNNING = ("_success_exit_codes", "_timeout", "_get_pty", "_stdin")
