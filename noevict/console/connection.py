"""Redis over TLS, the host's name checked, and every reply as the server sent it: bytes, and which kind each is."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from noevict.errors import NoevictError
from noevict.fleet.endpoint import Target
from noevict.monitor.asking.reasons import reason
from noevict.monitor.asking.wire import Refused

SECONDS = 10  # to connect and log in; a reply may take as long as it takes
SILENT_SECONDS = 15  # from then on the network is asked whether the host is there
LONGEST = 512 << 20  # bytes of one text: the servers' own limit (proto-max-bulk-len)
LONGEST_NUMBER = 22  # a 64-bit number, its sign and the end of the line
DEEPEST = 64  # arrays in arrays


@dataclass(frozen=True)
class Status:
    text: bytes


@dataclass(frozen=True)
class Failure:
    """An error reply, without its ``-``."""

    text: bytes


Reply = Status | Failure | bytes | int | None | list["Reply"]


class Connection:
    """What it does raises OSError or EOFError where the server is gone, or answers as no Redis does."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream, self._file = stream, stream.makefile("rb")

    def ask(self, *words: bytes) -> Reply:
        self.send(words)
        return self.read()

    def send(self, words: Sequence[bytes]) -> None:
        packed = (b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        self._stream.sendall(b"*%d\r\n%b" % (len(words), b"".join(packed)))

    def read(self, depth: int = 0) -> Reply:
        """The next reply."""
        kind = self._file.read(1)
        if not kind:
            raise EOFError
        text = self._line(LONGEST if kind in b"+-" else LONGEST_NUMBER)
        if kind == b"+":
            return Status(text)
        if kind == b"-":
            return Failure(text)
        if kind not in b":$*" or not text.removeprefix(b"-").isdigit():
            raise _garbage()
        number = int(text)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"*":
            if depth == DEEPEST:
                raise _garbage()
            return [self.read(depth + 1) for _ in range(number)]
        if number > LONGEST:
            raise _garbage()
        found = self._file.read(number + 2)
        if len(found) < number + 2:
            raise EOFError
        if not found.endswith(b"\r\n"):
            raise _garbage()
        return found[:-2]

    def _line(self, most: int) -> bytes:
        """What is left of a line, without its end."""
        line = self._file.readline(most)
        if line.endswith(b"\r\n"):
            return line[:-2]
        if len(line) < most and not line.endswith(b"\n"):
            raise EOFError
        raise _garbage()

    def close(self) -> None:
        self._file.close()
        self._stream.close()


def connect(target: Target, context: ssl.SSLContext, user: str, passwords: Sequence[str]) -> Connection:
    """Logged in by the first of the passwords that is taken. Raises NoevictError, with no password in it."""
    try:
        stream = socket.create_connection((target.host, target.port), SECONDS)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS)
        stream = context.wrap_socket(stream, server_hostname=target.host)
        connection = Connection(stream)
        refusal = Failure(b"")
        for password in passwords:
            answer = connection.ask(b"AUTH", user.encode(), password.encode())
            if not isinstance(answer, Failure):
                stream.settimeout(None)
                return connection
            # A server whose AUTH is renamed repeats what it does not know.
            text = answer.text.partition(b", with args beginning with")[0]
            refusal = Failure(text.replace(password.encode(), b"(hidden)"))
        connection.close()
    except TimeoutError:
        raise NoevictError(
            f"{target.name}: no answer from {target.host} port {target.port} in {SECONDS} s"
        ) from None
    except (OSError, EOFError) as error:
        raise NoevictError(
            f"{target.name}: {target.host} port {target.port}: {reason(error, user)}"
        ) from None
    why = reason(Refused(refusal.text.decode("utf-8", "backslashreplace")), user)
    raise NoevictError(f"{target.name}: {why}")


def _garbage() -> OSError:
    return ConnectionAbortedError("is no Redis, or speaks RESP3: its reply makes no sense")
