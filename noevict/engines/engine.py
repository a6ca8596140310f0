"""Redis and Valkey, and the release of a server."""

import re
from dataclasses import dataclass
from typing import Literal

EngineName = Literal["redis", "valkey"]
Version = tuple[int, int, int]


@dataclass(frozen=True)
class Engine:
    """One of the two servers."""

    name: EngineName
    title: str
    oldest: Version  # the oldest release supported

    @property
    def other(self) -> "Engine":
        """The other engine."""
        return ENGINES["valkey" if self.name == "redis" else "redis"]


ENGINES: dict[EngineName, Engine] = {
    "redis": Engine("redis", "Redis", (7, 0, 0)),
    "valkey": Engine("valkey", "Valkey", (8, 0, 0)),
}


@dataclass(frozen=True, order=True)
class Server:
    """A server's engine and release, e.g. ``Server("valkey", (8, 1, 1))``."""

    engine: EngineName
    version: Version

    def __str__(self) -> str:
        return f"{ENGINES[self.engine].title} {'.'.join(map(str, self.version))}"

    @classmethod
    def parse(cls, engine: EngineName, version: str) -> "Server":
        """Parse a version of the server or of its Debian package: ``5:7.0.15-1~deb12u7`` is 7.0.15.

        Raise ValueError if it does not have three numbers.
        """
        found = re.match(r"(?:\d+:)?(\d+)\.(\d+)\.(\d+)", version)
        if not found:
            raise ValueError(f"no release number in {version!r}")
        return cls(engine, (int(found[1]), int(found[2]), int(found[3])))

    @property
    def supported(self) -> bool:
        return self.version >= ENGINES[self.engine].oldest
