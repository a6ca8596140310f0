"""TLS for asyncio in little memory: 40 KiB for each open connection, OpenSSL's buffers included.

asyncio reserves 256 KiB for each, and has no setting for it (``max_size`` of
https://github.com/python/cpython/blob/main/Lib/asyncio/sslproto.py): of thousands of connections that is most of the
memory. Here a record is decrypted when it is asked for.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

CHUNK = 1 << 14  # bytes; a record has no more
T = TypeVar("T")
_ENDED = "the connection ended"


class Stream:
    """A connection, made by ``connect``. Its methods raise OSError, which includes ssl.SSLError."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._socket = connected
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    async def handshake(self) -> None:
        await self._complete(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        while data:
            data = data[await self._complete(functools.partial(self._tls.write, data)) :]

    async def receive(self) -> bytes:
        """Return the next bytes, at least one. Raise ConnectionResetError at the end."""
        if data := await self._complete(functools.partial(self._tls.read, CHUNK)):
            return data
        raise ConnectionResetError(_ENDED)

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate that the server presented ends."""
        certificate = self._tls.getpeercert()
        if not certificate:
            return None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)

    def close(self) -> None:
        """Close at once: a host that is gone does not complete TLS' close."""
        loop = asyncio.get_running_loop()
        # Another task may wait for this socket; the loop would take the next socket of this number for it.
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        self._socket.close()

    async def _complete(self, step: Callable[[], T]) -> T:
        """Repeat a step of OpenSSL until the data that it waits for has come."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await asyncio.get_running_loop().sock_recv(self._socket, CHUNK):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise ConnectionResetError(_ENDED) from None
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flush()  # the alert with the reason, for the other end
                raise
            else:
                await self._flush()
                return done

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self._socket, self._outgoing.read())


async def connect(address: str, port: int, name: str, context: ssl.SSLContext) -> Stream:
    """Connect, and check the certificate against ``name``."""
    loop = asyncio.get_running_loop()
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    stream = Stream(made, context, name)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(made, (address, port))
        await stream.handshake()
    except BaseException:
        stream.close()
        raise
    return stream
