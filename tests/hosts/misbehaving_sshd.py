"""SSH servers on ports of this machine that stop answering, or send without end, from a chosen point on."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import paramiko

from tests.lab.checkout import REPOSITORY

ESCAPES = "\x1b]0;owned\x07\x1b[2J"
"""What a terminal would obey."""
ENOUGH = threading.Event()  # never set: to wait for is to hang


class Lets(paramiko.ServerInterface):
    """Anybody in; ``does`` with a command's channel. ``opens``, ``takes``: whether it accepts channels, commands."""

    def __init__(
        self, *, opens: bool = True, takes: bool = True, does: "Callable[[Any], object] | None" = None
    ):
        self.opens, self.takes, self.does = opens, takes, does

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _username: str, _key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        if not self.opens:
            ENOUGH.wait()
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, _command: bytes) -> bool:
        if not self.takes:
            ENOUGH.wait()
        if self.does:
            threading.Thread(target=_quietly, args=(self.does, channel), daemon=True).start()
        return True


def _quietly(work: Callable[..., object], *arguments: Any) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        work(*arguments)


def endless(channel: Any) -> None:
    """More than SSH's window of two MiB allows."""
    channel.out_window_size = 1 << 60
    while True:
        channel.sendall(b"x" * 32768)


def says(
    text: str, then: "Callable[[socket.socket], object]" = lambda _: ENOUGH.wait()
) -> Callable[[Any], None]:
    """Before any SSH."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(text.encode("latin-1"))
        then(connection)

    return serve


def pours(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65536)


def speaks(**how: Any) -> Callable[[Any], None]:
    """SSH, up to a point."""
    key = paramiko.ECDSAKey.generate()

    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transport.start_server(server=Lets(**how))

    return serve


SERVERS: Mapping[str, Callable[[Any], None]] = {
    "never says a word": says(""),
    "pours before its banner": says("", pours),
    "has a banner of escapes": says(f"{ESCAPES}\n" * 100),
    "stalls after its banner": says("SSH-2.0-strange\r\n"),
    "stalls after the login": speaks(opens=False),
    "stalls before the command": speaks(takes=False),
    "stalls in the command": speaks(),
    "pours in the command": speaks(does=endless),
}


@contextlib.contextmanager
def listening(case: str) -> Iterator[int]:
    """Its port. A process of its own: one that pours leaves no time for others."""
    command = (sys.executable, "-m", "tests.hosts.misbehaving_sshd", case)
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def main(case: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connections = []
        while True:
            connections.append(server.accept()[0])  # hung up on by nobody
            threading.Thread(target=_quietly, args=(SERVERS[case], connections[-1]), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
