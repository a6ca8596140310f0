"""Which hosts are watched: hosts.yml and group_data may change while the service runs for months."""

import time
from collections.abc import Sequence
from pathlib import Path

from noevict.errors import NoevictError
from noevict.fleet.access import Access
from noevict.fleet.endpoint import Endpoint, read_endpoints
from noevict.inventory.reader import hosts_path
from noevict.messages import one_line
from noevict.monitor.asking.watched import log

AGAIN_SECONDS = 30.0  # until files with a mistake in them are read again, even if they have not changed


class Roster:
    """The hosts of hosts.yml. They are read again when it, or group_data, has changed."""

    def __init__(self, root: Path, access: Access) -> None:
        self._root, self._access = root, access
        self._read: object = None
        self._mistakes: Sequence[str] = ()
        self._again = 0.0

    def read(self) -> list[Endpoint]:
        """Read the hosts. Raise NoevictError for mistakes, and for a host whose password is missing."""
        self._read = self._stamp()
        endpoints = read_endpoints(self._root)
        for endpoint in endpoints:
            self._access.check(endpoint)
        return endpoints

    def changed(self) -> Sequence[Endpoint] | None:
        """Return the hosts if they may have changed. Mistakes are logged once, and change nothing.

        Files that could not be read may become readable without having changed: no file descriptor was left, or a
        disk was away.
        """
        try:
            if self._stamp() == self._read and not (self._mistakes and time.monotonic() > self._again):
                return None
            self._access.refresh()  # a new host may need a new user's password
            endpoints = self.read()
        except (NoevictError, OSError) as error:
            self._again = time.monotonic() + AGAIN_SECONDS
            mistakes = (
                error.lines if isinstance(error, NoevictError) else [f"{error.filename}: {error.strerror}"]
            )
            if list(mistakes) != list(self._mistakes):
                for line in mistakes:
                    log.warning("%s", one_line(f"not applied: {line}"))
            self._mistakes = mistakes
            return None
        self._mistakes = ()
        return endpoints

    def _stamp(self) -> object:
        paths = [hosts_path(self._root), *sorted((self._root / "group_data").glob("*.py"))]
        return [(path, path.stat().st_mtime_ns if path.exists() else 0) for path in paths]
