"""Bytes through the SSH connection there is: the socket below it answers at once, and what is none is left alone."""

import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import paramiko
import pytest

from noevict.ssh.transport import prepare_known_hosts, transport_factory
from noevict.ssh.tunnel import NotCarried, PortRefused, open_direct


@pytest.fixture
def loopback() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with ours, theirs:
            yield ours, theirs


def option(sock: socket.socket, level: int, name: int) -> bool:
    return bool(sock.getsockopt(level, name))


def test_a_tcp_socket_below_ssh_sends_at_once_and_notices_a_silent_peer(
    loopback: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = loopback
    with closing(transport_factory(ours)) as transport:
        assert isinstance(transport, paramiko.Transport)
        assert option(ours, socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert option(ours, socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_what_is_received_is_acknowledged_at_once_every_time(
    loopback: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = loopback
    with closing(transport_factory(ours)) as transport:
        for word in (b"one", b"two"):
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            theirs.sendall(word)
            assert transport.sock.recv(10) == word
            assert option(ours, socket.IPPROTO_TCP, socket.TCP_QUICKACK)


def test_everything_else_of_the_socket_is_as_it_was(loopback: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = loopback
    with closing(transport_factory(ours)) as transport:
        assert transport.getpeername() == theirs.getsockname()
        assert transport.sock.fileno() == ours.fileno()
        transport.sock.settimeout(3)
        assert ours.gettimeout() == 3
        assert transport.sock.send(b"hello") == 5
        assert theirs.recv(10) == b"hello"


class Process:
    """What paramiko gets behind a ProxyCommand, or a channel behind a ProxyJump: no socket, no options."""

    def recv(self, _size: int) -> bytes:
        return b""

    def send(self, data: bytes) -> int:
        return len(data)

    def settimeout(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


def test_what_is_no_tcp_socket_is_given_no_options() -> None:
    one, other = socket.socketpair()
    with one, other:
        other.sendall(b"hello")
        for sock, printed in ((Process(), b""), (one, b"hello")):
            with closing(transport_factory(sock)) as transport:
                assert transport.sock.recv(10) == printed


def test_paramikos_own_options_are_handed_on(loopback: tuple[socket.socket, socket.socket]) -> None:
    with closing(transport_factory(loopback[0], disabled_algorithms={"keys": ["ssh-rsa"]})) as transport:
        assert "ssh-rsa" not in transport.preferred_keys


def test_a_port_where_nothing_listens_is_refused_by_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with open_direct("127.0.0.1", port) as sock:
            assert option(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with pytest.raises(PortRefused, match=f"nothing listens on 127.0.0.1 port {port}"):
        open_direct("127.0.0.1", port)


@pytest.mark.parametrize("address", ["nowhere.invalid", "256.1.1.1", "::g"])
def test_a_host_that_cannot_be_reached_is_not_reported_to_refuse(address: str) -> None:
    with pytest.raises(NotCarried, match="no connection to"):
        open_direct(address, 6379)


def test_a_known_hosts_file_is_made_if_there_is_none_and_left_alone_if_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare_known_hosts()
    known = tmp_path / ".ssh" / "known_hosts"
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    assert stat.S_IMODE(known.parent.stat().st_mode) == 0o700
    known.write_text("a host\n")
    prepare_known_hosts()
    assert known.read_text() == "a host\n"
