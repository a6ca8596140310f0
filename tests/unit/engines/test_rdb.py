"""Which release writes and reads which RDB version. tests/server/test_rdb.py asks real servers."""

import pytest

from noevict.engines import rdb
from noevict.engines.engine import Server

# A release, the version it writes, what it reads and what it does not.
RELEASES = {
    "redis 6.2.99": (9, (1, 9), (10, 11, 80)),
    "redis 7.0.0": (10, (1, 6, 9, 10), (11, 12, 80)),
    "redis 7.0.15": (10, (10,), (11, 12, 80)),
    "redis 7.2.0": (11, (10, 11), (12, 80)),
    "redis 7.4.0": (12, (11, 12), (13, 79, 80)),
    "redis 8.0.6": (12, (11, 12), (13, 79, 80)),
    # Nobody measured these: they may read what came later of their own kind.
    "redis 8.1.0": (12, (11, 12, 13, 79), (80, 81)),
    "redis 9.0.0": (12, (12, 13), (80,)),
    "valkey 7.2.5": (11, (11,), (12, 80)),
    "valkey 8.0.0": (11, (1, 10, 11), (12, 79, 80)),
    "valkey 8.1.1": (11, (11,), (12, 80)),
    "valkey 9.0.0": (80, (1, 11, 80), (12, 79, 81)),
    "valkey 9.1.2": (80, (11, 80), (12, 81)),
    "valkey 9.2.0": (80, (11, 80, 81), (12, 79)),
}


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_reads_its_own_version_and_those_before_that_are_of_its_kind(release: str) -> None:
    engine, _, version = release.partition(" ")
    server = Server.parse("valkey" if engine == "valkey" else "redis", version)
    writes, read, unread = RELEASES[release]
    assert rdb.written_by(server) == writes
    assert [number for number in (*read, *unread) if rdb.reads(server, number)] == list(read)
