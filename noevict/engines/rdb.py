"""RDB versions: the one that each release writes, and those that it reads. Pure.

They are from each release's src/rdb.h (RDB_VERSION); tests/server/test_rdb.py compares them with real servers.
A release reads its own version and all earlier ones. Valkey split off after 11, numbers its own from 80, and does not
read Redis' versions in between.
"""

from noevict.engines.engine import EngineName, Server, Version

WRITES: dict[EngineName, tuple[tuple[Version, int], ...]] = {
    "redis": (((0, 0, 0), 9), ((7, 0, 0), 10), ((7, 2, 0), 11), ((7, 4, 0), 12)),
    "valkey": (((0, 0, 0), 11), ((9, 0, 0), 80)),
}
"""Engine -> from which release on, which version. Before 5.0 Redis wrote earlier ones, which all releases read."""
MEASURED: dict[EngineName, Version] = {"redis": (8, 1, 0), "valkey": (9, 2, 0)}
"""From these releases on nothing is known: they may write, and read, later versions of their kind."""
VALKEYS = 80  # the first version that only Valkey has
COMMON = 11  # the last version that both read


def written_by(server: Server) -> int:
    """Return the version that a server writes; the last known one for a release that was not measured."""
    return max(version for since, version in WRITES[server.engine] if server.version >= since)


def reads(server: Server, version: int) -> bool:
    """Whether a server loads data in that version. If that is not known, it counts as yes: a start will show it."""
    if version <= min(COMMON, written_by(server)):
        return True
    own_kind = (version >= VALKEYS) == (server.engine == "valkey")
    known = server.version < MEASURED[server.engine]
    return own_kind and (not known or version <= written_by(server))
