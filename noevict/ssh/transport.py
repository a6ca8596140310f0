"""The SSH connection to a host, with limits: it is fast, and ends if the host sends nothing more, or too much.

paramiko waits for an answer of sshd for ever, and keeps whatever arrives. Here the connection to a host that is gone,
hung or hostile is closed, and everything that waits for it fails.
"""

import logging
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import gevent
import paramiko
from paramiko import SSHException

from noevict.messages import one_line

OPEN_SECONDS = 10  # for a channel to be opened
HELLO_SECONDS = 30  # for SSH's handshake: pyinfra's 10 are too few for a busy host
LOGIN_SECONDS = 60  # from the first byte to the login, with all keys tried
ASK_SECONDS = 15  # between two keepalives; sshd answers them, however busy its commands are
SILENT_SECONDS = 60  # without an answer
LOGIN_BYTES = 256 << 10  # before the login; a host needs about ten thousand
LONGEST_READ = 1 << 20  # paramiko asks for a packet's whole length, which OpenSSH keeps below 256 KiB
HELD_BYTES = 8 << 20  # of a channel, not read yet; paramiko allows a host to send 2 MiB ahead
# After so many bytes, other hosts get a turn. Before the login, paramiko reads 128 bytes at a time, and each time it
# searches all that it has for the end of a line: a mebibyte takes seconds of the only thread.
PAUSE_BYTES, LOGIN_PAUSE_BYTES = 1 << 20, 16 << 10
POLL_SECONDS = 2

# paramiko raises a connection's failure and also logs it, with a traceback. Python prints what is logged without any
# handler; NullHandler is one.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once it has taken so long, whatever it waits for."""
    timer = gevent.Timeout.start_new(seconds)
    try:
        yield
    except gevent.Timeout as error:
        if error is not timer:
            raise
        raise TimeoutError(f"took longer than {seconds:g} s") from None
    finally:
        timer.close()


class _Stream:
    """What carries an SSH connection: a TCP socket, or a channel or a process behind a ProxyJump.

    paramiko leaves Nagle and delayed ACKs on, so that each small round trip stalls for 40 ms. TCP_QUICKACK does not
    last: it is set again after each receive.
    """

    def __init__(self, sock: Any, transport: "Transport") -> None:
        self._sock, self._transport = sock, transport
        self._tcp = isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6)
        self._received, self._pause = 0, LOGIN_PAUSE_BYTES
        if self._tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def recv(self, size: int) -> bytes:
        if size > LONGEST_READ:
            raise SSHException(f"the host sends a packet of {size} bytes: it is not an SSH server")
        data: bytes = self._sock.recv(size)
        if self._tcp:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._received += len(data)
        if self._received >= self._pause:
            logged_in = self._transport.is_authenticated()
            self._pause = self._received + (PAUSE_BYTES if logged_in else LOGIN_PAUSE_BYTES)
            self._transport.check(self._received)
            # A socket that always has data is never waited for: without a sleep, nothing else would run.
            time.sleep(0.001)
        return data

    def settimeout(self, seconds: float) -> None:
        """Lengthen paramiko's poll for a closed connection, which wakes ten times a second.

        With thousands of connections that poll is most of the work. A socket that is closed wakes its readers anyway.
        """
        self._sock.settimeout(max(seconds, POLL_SECONDS) if self._tcp else seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Transport(paramiko.Transport):
    """paramiko's transport, with limits. Everything that waits for it raises what ended it."""

    def __init__(self, sock: Any, **kwargs: Any) -> None:
        super().__init__(cast(Any, _Stream(sock, self)), **kwargs)
        self._opened: weakref.WeakSet[paramiko.Channel] = weakref.WeakSet()
        self.channel_timeout = OPEN_SECONDS
        # paramiko's own timeouts say less: ours come first.
        self.handshake_timeout = self.banner_timeout = 2 * HELLO_SECONDS

    def start_client(self, event: Any = None, timeout: float | None = None) -> None:
        gevent.spawn(self._watch)
        super().start_client(event, max(timeout or 0, HELLO_SECONDS))
        if event is None and not self.initial_kex_done:  # paramiko continues as if it had succeeded
            why = f"the host accepted the connection, but the SSH handshake was not done after {HELLO_SECONDS} s"
            self.end(why)
            raise SSHException(why)

    def open_channel(self, *args: Any, **kwargs: Any) -> paramiko.Channel:
        channel = super().open_channel(*args, **kwargs)
        self._opened.add(channel)
        return channel

    def get_exception(self) -> Exception | None:
        """Return what ended it, without control characters: an SSH banner may contain any."""
        error: Exception | None = super().get_exception()
        if error is not None:
            error.args = tuple(one_line(word) if isinstance(word, str) else word for word in error.args)
        return error

    def check(self, received: int) -> None:
        """Raise SSHException if the host has sent more than SSH allows it to."""
        if not self.is_authenticated() and received > LOGIN_BYTES:
            raise SSHException("the host sends data without end before the login: it is not an SSH server")
        for channel in self._opened:
            if len(channel.in_buffer) + len(channel.in_stderr_buffer) > HELD_BYTES:
                raise SSHException("the host sends more than SSH allows: it is not an SSH server")

    def end(self, why: str) -> None:
        if self.is_active():
            self.saved_exception = SSHException(why)
            self.close()

    def _watch(self) -> None:
        gevent.sleep()
        began = time.monotonic()
        while self.is_active():
            if self.is_authenticated():
                gevent.sleep(ASK_SECONDS)
                if self.is_active() and not self._answers():
                    self.end(f"the host has not answered for {SILENT_SECONDS} s")
            elif time.monotonic() - began > LOGIN_SECONDS:
                self.end(f"the login took longer than {LOGIN_SECONDS} s")
            else:
                gevent.sleep(1)

    def _answers(self) -> bool:
        """Return whether sshd answers at all: that it does not know the request is an answer too."""
        with suppress(SSHException, EOFError, OSError), within(SILENT_SECONDS):
            self.global_request("keepalive@openssh.com")
            return True
        return False


def transport_factory(sock: Any, **kwargs: Any) -> paramiko.Transport:
    """Make a transport, for paramiko's ``SSHClient.connect``."""
    return Transport(sock, **kwargs)


def prepare_known_hosts() -> None:
    """Make an empty known_hosts if the user has none: without ~/.ssh, pyinfra fails on every new host."""
    file = Path.home() / ".ssh" / "known_hosts"
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
