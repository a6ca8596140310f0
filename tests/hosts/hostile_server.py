#!/usr/bin/python3
"""A redis-server that lies: it stands in place of the real one on a host, and answers one command as no Redis would.

Everything else it hands to the real server, which it runs on a socket. /etc/hostile says in its first line to which
command it lies, in its second how; if a command is only sent when something is due, it reports something due.
Only the standard library: it runs with the host's own Python.
"""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

REAL, SOCKET, SAYS = "/usr/bin/redis-server.real", "/run/redis/real.sock", "/etc/hostile"
INJECTION = b"\x1b[2J\x1b]0;owned\x07$(touch /tmp/canary)`touch /tmp/canary`\n"
"""What a terminal and a shell would obey."""

# What the real one would report of being run so, and what is due if a lie needs something due.
AS_ASKED = {"tls-port": "6379", "unixsocket": "", "unixsocketperm": "0", "supervised": "systemd"}
DUE = {"CONFIG SET": {"hz": "77"}, "INFO persistence": {"appendonly": "no"}}


def forever(start: bytes, more: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield more


def silence() -> Iterator[bytes]:
    time.sleep(3600)
    yield b""


LIES: dict[str, Callable[[], Iterator[bytes]]] = {
    "a text without end": lambda: forever(b"$99999999999\r\n", b"x" * 65536),
    "a list without end": lambda: forever(b"*99999999999\r\n", b"$1\r\nx\r\n" * 8192),
    "lists in lists without end": lambda: forever(b"", b"*1\r\n" * 16384),
    "a line without end": lambda: forever(b"+", b"x" * 65536),
    "an error that a terminal obeys": lambda: iter([b"-ERR " + INJECTION.strip() + b"\r\n"]),
    "garbage": lambda: iter([bytes(range(256)) + INJECTION + b"\r\n"] * 9),
    "a number": lambda: iter([b":1\r\n"]),
    "nothing": silence,
    "an end": lambda: iter([]),
}


class Stream:
    """RESP, read from a socket: each item as the bytes it came in."""

    def __init__(self, sock: socket.socket) -> None:
        self.file = sock.makefile("rb")

    def item(self) -> bytes:
        line = self.file.readline()
        if not line:
            raise EOFError
        if line[:1] == b"$" and int(line[1:]) >= 0:
            return line + self.file.read(int(line[1:]) + 2)
        if line[:1] == b"*":
            return line + b"".join(self.item() for _ in range(int(line[1:])))
        return line


def texts(item: bytes) -> list[str]:
    """Of an array of texts that have no line breaks."""
    return [line.decode("utf-8", "replace") for line in item.split(b"\r\n")[2::2]]


def packed(words: list[str]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def edited(words: list[str], answer: bytes, about: str) -> bytes:
    """What the real one answered, with what it should report instead."""
    if words[:2] == ["CONFIG", "GET"] and answer[:1] == b"*":
        reported = texts(answer)
        pairs = dict(zip(reported[::2], reported[1::2], strict=True)) | AS_ASKED | DUE.get(about, {})
        return packed([text for pair in pairs.items() for text in pair])
    if words == ["ACL", "LIST"] and about == "MULTI":
        return packed([*texts(answer), "user stranger on nopass sanitize-payload ~* &* +@all"])
    return answer


def serve(client: socket.socket, context: ssl.SSLContext) -> None:
    about, how = Path(SAYS).read_text().splitlines()
    with (
        suppress(OSError, EOFError, ValueError),
        context.wrap_socket(client, server_side=True) as tls,
        socket.socket(socket.AF_UNIX) as real,
    ):
        real.connect(SOCKET)
        theirs, ours = Stream(tls), Stream(real)
        while True:
            request = theirs.item()
            words = texts(request)
            printed = " ".join(words)
            if printed == about or (about != "INFO" and printed.startswith(f"{about} ")):
                for data in LIES[how]():
                    tls.sendall(data)
                if how == "an end":
                    return
            else:
                real.sendall(request)
                tls.sendall(edited(words, ours.item(), about))


def main() -> None:
    standing = ["--port", "0", "--tls-port", "0", "--unixsocket", SOCKET, "--supervised", "no"]
    real = subprocess.Popen([REAL, "/etc/redis/redis.conf", *standing, "--daemonize", "no"])
    while not Path(SOCKET).exists():
        time.sleep(0.05)
        if real.poll() is not None:
            sys.exit("the real one ended")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/etc/redis/tls/server.crt", "/etc/redis/tls/server.key")
    server = socket.create_server(("", 6379), backlog=99)
    if os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    while True:
        client, _ = server.accept()
        threading.Thread(target=serve, args=(client, context), daemon=True).start()


if __name__ == "__main__":
    main()
