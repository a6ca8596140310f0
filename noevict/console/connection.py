"""Redis over TLS, with the host's name checked. Replies are bytes as the server sent them, and their kind."""

import socket
import ssl
from collections.abc import Sequence

from noevict.client import resp
from noevict.client.resp import ErrorReply, Reply
from noevict.errors import NoevictError
from noevict.fleet.endpoint import Endpoint
from noevict.monitor.asking.reasons import reason
from noevict.monitor.asking.wire import RefusedCommand

SECONDS = 10  # to connect and log in; a reply may take as long as it takes
SILENT_SECONDS = 15  # after which TCP's keepalive checks whether the host is still there
LONGEST = 512 << 20  # bytes of one text: the servers' own limit (proto-max-bulk-len)
LONGEST_LINE = 16 << 20  # bytes: a script's status may be long
MOST = 1 << 26  # elements of one reply; hiredis reserves 8 bytes for each
CHUNK = 1 << 16


class ConsoleConnection:
    """A connection. Its methods raise OSError or EOFError if the server is gone, or does not answer as Redis does."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._reader = resp.Reader(text=LONGEST, elements=MOST, line=LONGEST_LINE)

    def ask(self, *words: bytes) -> Reply:
        self.send(words)
        return self.read()

    def send(self, words: Sequence[bytes]) -> None:
        self._stream.sendall(resp.pack(*words))

    def read(self) -> Reply:
        """Return the next reply."""
        try:
            while (reply := self._reader.gets()) is resp.MORE:
                if not (data := self._stream.recv(CHUNK)):
                    raise EOFError
                self._reader.feed(data)
        except resp.Garbage as error:
            raise ConnectionAbortedError(
                "is not Redis, or speaks RESP3: its reply cannot be parsed"
            ) from error
        return reply

    def close(self) -> None:
        self._stream.close()


def connect(
    endpoint: Endpoint, context: ssl.SSLContext, user: str, passwords: Sequence[str]
) -> ConsoleConnection:
    """Connect, and log in with the first password that is accepted. Raise NoevictError, with no password in it."""
    try:
        stream = socket.create_connection((endpoint.host, endpoint.port), SECONDS)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS)
        stream = context.wrap_socket(stream, server_hostname=endpoint.host)
        connection = ConsoleConnection(stream)
        refusal = ErrorReply()
        for password in passwords:
            answer = connection.ask(b"AUTH", user.encode(), password.encode())
            if not isinstance(answer, ErrorReply):
                stream.settimeout(None)
                return connection
            refusal = answer
        connection.close()
    except TimeoutError:
        raise NoevictError(
            f"{endpoint.name}: no answer from {endpoint.host} port {endpoint.port} in {SECONDS} s"
        ) from None
    except (OSError, EOFError) as error:
        raise NoevictError(
            f"{endpoint.name}: {endpoint.host} port {endpoint.port}: {reason(error, user)}"
        ) from None
    why = reason(RefusedCommand(resp.without_password(str(refusal), password)), user)
    raise NoevictError(f"{endpoint.name}: {why}")
