"""Which hosts are watched, while hosts.yml and group_data may change under a service that runs for months."""

from collections.abc import Sequence
from pathlib import Path

from noevict.errors import NoevictError
from noevict.inventory import hosts_path
from noevict.watch.targets import Access, Target, read_targets
from noevict.watch.watched import log
from noevict.wording import one_line


class Roster:
    """The hosts of hosts.yml, read again when it, or group_data, has changed."""

    def __init__(self, root: Path, access: Access) -> None:
        self._root, self._access = root, access
        self._read: object = None

    def read(self) -> list[Target]:
        """Raises NoevictError for mistakes, and for a host that cannot be asked for want of a password."""
        self._read = self._stamp()
        targets = read_targets(self._root)
        for target in targets:
            self._access.check(target)
        return targets

    def changed(self) -> Sequence[Target] | None:
        """The hosts, where they may be others now. Of mistakes the log tells, once; nothing changes then."""
        if self._stamp() == self._read:
            return None
        self._access.refresh()  # a new host may need a new user's password
        try:
            return self.read()
        except NoevictError as error:
            for line in error.lines:
                log.warning("%s", one_line(f"not taken up: {line}"))
            return None

    def _stamp(self) -> object:
        paths = [hosts_path(self._root), *sorted((self._root / "group_data").glob("*.py"))]
        return [(path, path.stat().st_mtime_ns if path.exists() else 0) for path in paths]
