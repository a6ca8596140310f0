"""RDB versions: in which one each release writes its data, and which ones it reads. Pure.

Read in each release's src/rdb.h (RDB_VERSION), and held against real servers by tests/server/test_rdb.py. A release
reads its own version and all before; Valkey split off after 11, calls its own 80 and on, and reads none of Redis's
between.
"""

from noevict.engines.engine import EngineName, Server, Version

WRITES: dict[EngineName, tuple[tuple[Version, int], ...]] = {
    "redis": (((0, 0, 0), 9), ((7, 0, 0), 10), ((7, 2, 0), 11), ((7, 4, 0), 12)),
    "valkey": (((0, 0, 0), 11), ((9, 0, 0), 80)),
}
"""Engine -> from which release on, which version. Before 5.0 Redis wrote earlier ones, which all releases read."""
MEASURED: dict[EngineName, Version] = {"redis": (8, 1, 0), "valkey": (9, 2, 0)}
"""From these releases on nothing is known: they may write, and read, later versions of their own kind."""
VALKEYS = 80  # the first that is Valkey's alone
COMMON = 11  # the last that both read


def written_by(server: Server) -> int:
    """The version it writes; the last one known, of a release that was not measured."""
    return max(version for since, version in WRITES[server.engine] if server.version >= since)


def reads(server: Server, version: int) -> bool:
    """Whether it loads data in that version. What is not known counts as yes: a start shows it."""
    if version <= min(COMMON, written_by(server)):
        return True
    own_kind = (version >= VALKEYS) == (server.engine == "valkey")
    known = server.version < MEASURED[server.engine]
    return own_kind and (not known or version <= written_by(server))
