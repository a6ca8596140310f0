"""The way to a host: its name looked up, and connected to. A name server that is silent keeps nobody else waiting."""

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
    """Names -> addresses. One lookup of a name at a time, each in a thread that dies with the process.

    asyncio's own takes threads of a small pool, which a few lookups that never end would fill.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def addresses(self, name: str) -> list[str]:
        """Raises OSError for a name that is not known."""
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
            told = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(address[0]) for *_, address in told))
        except (OSError, UnicodeError) as error:
            found = error if isinstance(error, OSError) else OSError(f"{name} is no name")
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._tell, name, found)

    def _tell(self, name: str, found: list[str] | OSError) -> None:
        future = self._under_way.pop(name)
        if isinstance(found, OSError):
            future.set_exception(found)
            future.exception()  # whoever asked may have given up: it is no news then
        else:
            future.set_result(found)


class Turns:
    """So many hosts at once are connected to: a handshake is a few milliseconds of work here.

    One that has not answered in a moment keeps nobody else waiting: it is waited for while the next are connected to.
    """

    MOMENT = 0.25  # seconds; more than that is the way, or a host that is dead, and no work

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self._slots.acquire()
        with ExitStack() as slot:  # given back once: after the moment, or sooner
            slot.callback(self._slots.release)
            slot.callback(asyncio.get_running_loop().call_later(self.MOMENT, slot.close).cancel)
            yield


class Dial:
    """Connections to one host, by whichever of its addresses answers."""

    def __init__(self, host: str, port: int, resolver: Resolver) -> None:
        self._host, self._port, self._resolver = host, port, resolver
        self._first = 0  # which address to begin with

    async def connect(self, context: ssl.SSLContext) -> Connection:
        """Raises OSError, ssl.SSLError among them, of the last address tried."""
        addresses = await self._resolver.addresses(self._host)
        failure = OSError("has no address")
        for _ in addresses:
            address = addresses[self._first % len(addresses)]
            try:
                return Connection(await tls.connect(address, self._port, self._host, context))
            except OSError as error:
                self._first += 1
                failure = error
            except asyncio.CancelledError:  # out of time: the next attempt begins with the next one
                self._first += 1
                raise
        raise failure
