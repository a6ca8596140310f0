"""``noevict serve``: the service as a process of its own, from its port to its end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import uvicorn

from noevict.errors import NoevictError
from noevict.watch import records
from noevict.watch.fleet import Fleet
from noevict.watch.roster import Roster
from noevict.watch.service import application
from noevict.watch.targets import Access

END_SECONDS = 2  # for answers under way when it is to end


class Server(uvicorn.Server):
    """uvicorn, ended by SIGTERM and SIGINT with exit code 0 instead of by the signal once more."""

    def __init__(self, config: uvicorn.Config, fleet: Fleet) -> None:
        super().__init__(config)
        self._fleet = fleet

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._fleet.end()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def serve(root: Path, host: str, port: int, interval: float) -> None:
    """The page and the answers, until SIGTERM.

    Raises NoevictError for mistakes in hosts.yml or secrets/, and for a port that cannot be had.
    """
    access = Access(root)
    roster = Roster(root, access)
    targets = roster.read()
    fleet = Fleet(targets, access, records.locate(root), interval, roster)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with _listening(host, port) as listener:
        address = listener.getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        hosts = "1 host" if len(targets) == 1 else f"{len(targets)} hosts"
        logging.getLogger("noevict").info("%s at http://%s:%d/", hosts, shown, address[1])
        config = uvicorn.Config(
            application(fleet, version("noevict")),
            http="h11",
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=END_SECONDS,
        )
        asyncio.run(Server(config, fleet).serve([listener]))


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        why = error.strerror or str(error)
        raise NoevictError(
            f"--host {host} --port {port}: should be free to listen on: {why.lower()}"
        ) from None
    return listener
