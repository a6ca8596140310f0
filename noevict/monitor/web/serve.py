"""``noevict serve``: runs the service as a process, from opening its port to the end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import uvicorn

from noevict.errors import NoevictError
from noevict.fleet import records
from noevict.fleet.access import Access
from noevict.monitor.asking.fleet import Monitor
from noevict.monitor.asking.roster import Roster
from noevict.monitor.web import open_files
from noevict.monitor.web.connections import HttpClient, protocol
from noevict.monitor.web.host_names import CheckedHost, HostNames, parse_names
from noevict.monitor.web.log_limit import LogLimit
from noevict.monitor.web.service import application

END_SECONDS = 2  # for answers under way when the service ends


class HttpServer(uvicorn.Server):
    """uvicorn that exits with code 0 at SIGTERM and SIGINT, instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, fleet: Monitor) -> None:
        super().__init__(config)
        self._fleet = fleet

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._fleet.end()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Run ten times a second. If polling has ended, end the service: its supervisor starts it again."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for client in list(self.server_state.connections):
                if isinstance(client, HttpClient):
                    client.sweep(now)
        if self._fleet.failure is not None:
            self._fleet.end()
            return True
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def serve(root: Path, host: str, port: int, interval: float, allowed: Collection[str] = ()) -> None:
    """Serve the page and the answers, until SIGTERM. ``allowed``: names to answer to, beside this machine's.

    Raise NoevictError for mistakes in hosts.yml or secrets/, for a port that is not free, and if polling ends.
    """
    names = HostNames(parse_names(allowed) | {host.lower()})
    access = Access(root)
    roster = Roster(root, access)
    endpoints = roster.read()
    fleet = Monitor(endpoints, access, records.locate(root), interval, roster)
    _log()
    limit = open_files.raise_limit()
    with _listening(host, port) as listener:
        address = listener.getsockname()
        bracketed = f"[{address[0]}]" if ":" in address[0] else address[0]
        hosts = "1 host" if len(endpoints) == 1 else f"{len(endpoints)} hosts"
        logging.getLogger("noevict").info("%s at http://%s:%d/", hosts, bracketed, address[1])
        if limit < (needed := open_files.needed(len(endpoints))):
            logging.getLogger("noevict").warning(
                "open files: should be %d or more for %s, are limited to %d (LimitNOFILE)",
                needed,
                hosts,
                limit,
            )
        config = uvicorn.Config(
            CheckedHost(application(fleet, version("noevict")), names),
            http=protocol(lambda: open_files.clients(limit, len(fleet.hosts))),
            backlog=open_files.BACKLOG,
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=END_SECONDS,
        )
        asyncio.run(HttpServer(config, fleet).serve([listener]))
    if failure := fleet.failure:
        raise NoevictError(failure)


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(open_files.BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise NoevictError(
            f"--host {host} --port {port}: should be free to listen on: {why.lower()}"
        ) from None
    return listener
