"""Bounds the number of HTTP connections, and how long a client may hold one without using it.

uvicorn's own ``limit_concurrency`` counts requests: a connection without a request stays open for ever, and each takes
one of the files that this process may have open.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

IDLE_SECONDS = 10.0  # without a whole request
STUCK_SECONDS = 20.0  # in which a client read nothing of what is sent to it
_REFUSAL = b"too many connections\n"
_REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Retry-After: 10\r\nContent-Length: %d\r\n\r\n%b" % (len(_REFUSAL), _REFUSAL)
)


class HttpClient(H11Protocol):
    """One connection. ``most``: how many there may be."""

    def __init__(self, most: Callable[[], int], *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._most = most
        self._seen: object = None  # the last request at the last sweep
        self._since = self.loop.time()
        self._stuck: float | None = None

    @property
    def idle_since(self) -> float | None:
        """When the last request ended, or the connection began; None while a request is under way."""
        return self._since if self.cycle is None or self.cycle.response_complete else None

    @property
    def stuck_since(self) -> float | None:
        """Since when the client reads nothing of what is sent to it; None if it reads."""
        return self._stuck

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most():
            self._make_room()

    def pause_writing(self) -> None:
        self._stuck = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck = None
        super().resume_writing()

    def sweep(self, now: float) -> None:
        """Close the connection if it is held without use. The server calls this every second or so."""
        if self.cycle is not self._seen or self.idle_since is None:
            self._seen, self._since = self.cycle, now
        stuck = self._stuck is not None and now - self._stuck > STUCK_SECONDS
        if stuck or now - self._since > IDLE_SECONDS:
            self.hang_up()

    def hang_up(self) -> None:
        self.connections.discard(self)
        self.transport.abort()

    def _make_room(self) -> None:
        """Close the connection idle the longest, else the one stuck the longest; if there is none, refuse this one."""
        others = [each for each in self.connections if isinstance(each, HttpClient) and each is not self]
        for since in ("idle_since", "stuck_since"):
            held = [each for each in others if getattr(each, since) is not None]
            if held:
                min(held, key=lambda each: getattr(each, since)).hang_up()
                return
        self.connections.discard(self)
        self.transport.write(_REFUSED)
        self.transport.close()


def protocol(most: Callable[[], int]) -> type[asyncio.Protocol]:
    """Return the class that uvicorn takes as its ``http``."""

    class Bounded(HttpClient):
        def __init__(self, config: "Config", server_state: "ServerState", **named: Any) -> None:
            super().__init__(most, config, server_state, **named)

    return Bounded
