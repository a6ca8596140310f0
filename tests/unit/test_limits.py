"""Nothing waits for a host without an end, and nothing keeps all that a host says."""

import ast
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

import noevict
from noevict.ssh import transport
from noevict.ssh.transport import transport_factory

SOURCES = sorted(Path(noevict.__file__).parent.rglob("*.py"))
WAITS = {
    # what begins something on a host, or waits for it: the one module that may, and sees to it that it ends
    "run_shell_command": {"shell"},  # which is commands.run: see test_the_look_and_all_scripts_have_limits
    "exec_command": {"commands", "tunnel"},
    "open_session": {"commands", "tunnel"},
    "open_channel": {"tunnel", "transport"},  # transport overrides it, to keep an eye on what it opens
    "recv_exit_status": {"commands"},
    "Popen": {"commands"},
    "make_unix_command_for_host": {"commands"},
    "get_transport": {"commands", "tunnel"},
    "connect_all": set(),
    "get_fact": set(),
    "invoke_shell": set(),
    "open_sftp": set(),
    "put_file": set(),
    "get_file": set(),
    "rsync": set(),
    "getpass": set(),
    "input": {"command_line", "prompt"},  # what a person answers
}


def names(tree: ast.AST) -> Iterator[str]:
    """All that a module names, in its text and not in its comments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_waits_for_a_host_stands_where_it_is_given_an_end(path: Path) -> None:
    used = set(names(ast.parse(path.read_text())))
    assert {name for name in used & WAITS.keys() if path.stem not in WAITS[name]} == set()


def calls_outside(tree: ast.AST, name: str, block: str) -> list[int]:
    """Lines with a call of ``name`` that stand in no ``with block(...)``."""
    inside = {
        id(call)
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        and any(isinstance(item.context_expr, ast.Call) and getattr(item.context_expr.func, "id", "") == block
                for item in node.items)
        for call in ast.walk(node)
    }  # fmt: skip
    return [
        call.lineno
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and name in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))
        and id(call) not in inside
    ]


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("commands", "_RemoteProgram"),
        ("commands", "_talk"),
        ("tunnel", "_tunnel"),
        ("all_hosts", "connect"),
        ("transport", "global_request"),
    ],
)
def test_each_such_wait_has_its_end(module: str, call: str) -> None:
    [path] = [path for path in SOURCES if path.stem == module]
    tree = ast.parse(path.read_text())
    assert any(call in (getattr(n.func, "id", ""), getattr(n.func, "attr", ""))
               for n in ast.walk(tree) if isinstance(n, ast.Call))  # fmt: skip
    assert calls_outside(tree, call, "within") == []


class Lets(paramiko.ServerInterface):
    def check_auth_none(self, _username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


@contextmanager
def connected() -> Iterator[tuple[paramiko.Transport, paramiko.Transport]]:
    """A logged-in connection of ours, and the server at its other end."""
    one, other = socket.socketpair()
    with closing(transport_factory(one)) as ours, closing(paramiko.Transport(other)) as theirs:
        theirs.add_server_key(paramiko.ECDSAKey.generate())
        theirs.start_server(server=Lets(), event=threading.Event())
        ours.start_client(timeout=30)
        ours.auth_none("anybody")
        yield ours, theirs


def test_a_host_that_sends_more_than_it_was_given_room_for_is_hung_up_on() -> None:
    with connected() as (ours, theirs):
        unread = ours.open_session()
        channel: Any = theirs.accept(30)
        channel.out_window_size = 1 << 60
        with suppress(OSError, EOFError, paramiko.SSHException):
            for _ in range(4 * transport.HELD_BYTES // 32768):
                channel.sendall(b"x" * 32768)
        ours.join(30)
        assert not ours.is_active()
        assert len(unread.in_buffer) < 2 * transport.HELD_BYTES
        assert "more than SSH allows" in str(ours.get_exception())


def test_a_packet_longer_than_any_is_not_waited_for() -> None:
    one, other = socket.socketpair()
    with other, closing(transport_factory(one)) as ours:
        # The length of an SSH packet stands before it.
        other.sendall(b"SSH-2.0-strange\r\n" + (2**31 - 4).to_bytes(4) + bytes(100))
        with pytest.raises(paramiko.SSHException, match=r"a packet of \d+ bytes"):
            ours.start_client(timeout=30)


def test_data_without_end_before_the_login_is_not_kept() -> None:
    one, other = socket.socketpair()

    def pour() -> None:
        with suppress(OSError):
            while True:
                other.sendall(b"x" * 65536)

    with other, closing(transport_factory(one)) as ours:
        threading.Thread(target=pour, daemon=True).start()
        with pytest.raises(paramiko.SSHException, match="without end before the login"):
            ours.start_client(timeout=30)


POURS = """
from gevent import monkey; monkey.patch_all()
import socket, gevent
from noevict.ssh.transport import LOGIN_BYTES, _Stream, transport_factory

class Pours:
    sent = 0

    def recv(self, size):
        self.sent += size
        return b"x" * size

pours = Pours()
stream = _Stream(pours, transport_factory(socket.socketpair()[0]))
receiving, most, before = gevent.spawn(lambda: [stream.recv(128) for _ in range(LOGIN_BYTES // 128)]), 0, 0
while not receiving.ready():
    gevent.sleep(0)
    most, before = max(most, pours.sent - before), pours.sent
assert 0 < most <= 20 << 10, most
"""


def test_a_host_that_sends_without_end_before_the_login_leaves_others_their_turn() -> None:
    done = subprocess.run([sys.executable, "-c", POURS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


POLLS = """
from gevent import monkey; monkey.patch_all()
import socket, time, gevent
from noevict.ssh.transport import POLL_SECONDS, _Stream

with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
    stream = _Stream(sock, None)
    stream.settimeout(0.1)
    assert sock.gettimeout() == POLL_SECONDS, sock.gettimeout()
    waiting = gevent.spawn(stream.recv, 1)
    gevent.sleep(0)
    began = time.monotonic()
    stream.close()
    waiting.join(POLL_SECONDS / 2)
    assert waiting.ready(), "still waits for what was closed"
"""


def test_a_connection_is_not_asked_all_the_time_whether_it_was_closed_and_reports_when_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", POLLS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
