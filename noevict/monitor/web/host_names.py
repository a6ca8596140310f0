"""The names that clients may use for this service.

A page that somebody visits can make its own name resolve to an address of this machine (DNS rebinding), and then read
what is served here, past any firewall: for the browser both are the same site. It still sends that name as ``Host``.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from noevict.errors import NoevictError
from noevict.messages import displayed

LOOPBACK = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_LONGEST = 253
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_HOST = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(:[0-9]*)?")


def parse_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names of ``--allow-host``. Raise NoevictError for a text that cannot be a name."""
    found = set()
    for name in names:
        plain = _plain(name)
        if len(plain) > _LONGEST or not _NAME.fullmatch(plain):
            raise NoevictError(f"--allow-host: should be a name without port, got {displayed(name)}")
        found.add(plain)
    return frozenset(found)


class HostNames:
    """The names that this service answers to: the names of this machine, and ``extra`` ones."""

    def __init__(self, extra: Iterable[str]) -> None:
        hostname = _plain(socket.gethostname())
        self._names = LOOPBACK | {hostname, hostname.partition(".")[0]} | set(extra)
        # In a thread, so that a silent name server keeps nobody waiting.
        threading.Thread(target=self._add_full_name, daemon=True, name="own name").start()

    def allow(self, host: str) -> bool:
        """Whether to answer a request with this ``Host``, whatever its port. A browser always sends one."""
        if not host:
            return True
        found = _HOST.fullmatch(host)
        if not found:
            return False
        name = _plain(found["name"])
        return name in self._names or name.endswith(".localhost") or _is_address(name)

    def _add_full_name(self) -> None:
        with suppress(OSError, UnicodeError):
            found = socket.getaddrinfo(socket.gethostname(), None, flags=socket.AI_CANONNAME)
            self._names |= {_plain(name) for _, _, _, name, _ in found if name}


class CheckedHost:
    """An ASGI app that answers only requests for a name of this machine."""

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            hosts = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
            refused = next((host for host in hosts if not self._names.allow(host)), None)
            if refused is not None:
                app = _refusal(refused)
        await app(scope, receive, send)


def _refusal(host: str) -> PlainTextResponse:
    text = f"{displayed(host)} is not a name of this machine: start noevict serve with --allow-host NAME\n"
    return PlainTextResponse(
        text, 421, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Connection": "close"}
    )


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def _is_address(name: str) -> bool:
    bare = name.removeprefix("[").removesuffix("]")
    with suppress(ValueError):
        return (ipaddress.ip_address(bare).version == 6) == (bare != name)
    return False
