"""Resolves a host's name and connects to it. A silent name server keeps no other host waiting."""

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

from noevict.monitor.asking import tls
from noevict.monitor.asking.wire import Connection


class Resolver:
    """Resolves names to addresses: one lookup of a name at a time, each in a thread that dies with the process.

    asyncio's own resolver takes threads of a small pool, which a few lookups that never end would fill.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name. Raise OSError if the name is not known."""
        with suppress(ValueError):
            ipaddress.ip_address(name)
            return [name]
        if name not in self._under_way:
            self._under_way[name] = asyncio.get_running_loop().create_future()
            threading.Thread(
                target=self._look_up, args=(name, asyncio.get_running_loop()), daemon=True, name="lookup"
            ).start()
        return await asyncio.shield(self._under_way[name])

    def _look_up(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        found: list[str] | OSError
        try:
            answer = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(address[0]) for *_, address in answer))
        except (OSError, UnicodeError) as error:
            found = error if isinstance(error, OSError) else OSError(f"{name} is no name")
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._resolve, name, found)

    def _resolve(self, name: str, found: list[str] | OSError) -> None:
        future = self._under_way.pop(name)
        if isinstance(found, OSError):
            future.set_exception(found)
            future.exception()  # read it: the caller may have given up, and asyncio would log it
        else:
            future.set_result(found)


class Turns:
    """Limits how many hosts are connected to at once: a handshake is a few milliseconds of work here.

    A host that has not answered after a moment gives up its turn: we wait for it while we connect to the next ones.
    """

    MOMENT = 0.25  # seconds; what takes longer is the network, or a dead host, and no work for us

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self._slots.acquire()
        with ExitStack() as slot:  # released once: after the moment, or sooner
            slot.callback(self._slots.release)
            slot.callback(asyncio.get_running_loop().call_later(self.MOMENT, slot.close).cancel)
            yield


class Dial:
    """Connects to one host, at whichever of its addresses answers."""

    def __init__(self, host: str, port: int, resolver: Resolver) -> None:
        self._host, self._port, self._resolver = host, port, resolver
        self._first = 0  # which address to begin with

    async def connect(self, context: ssl.SSLContext) -> Connection:
        """Connect. Raise the OSError (which includes ssl.SSLError) of the last address tried."""
        addresses = await self._resolver.addresses(self._host)
        failure = OSError("has no address")
        for _ in addresses:
            address = addresses[self._first % len(addresses)]
            try:
                return Connection(await tls.connect(address, self._port, self._host, context))
            except OSError as error:
                self._first += 1
                failure = error
            except asyncio.CancelledError:  # out of time: the next attempt begins with the next address
                self._first += 1
                raise
        raise failure
