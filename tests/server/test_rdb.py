"""What each release writes, and which of the others read it: noevict/engines/rdb.py against real servers."""

import shutil
from pathlib import Path

import pytest

from noevict.engines import rdb
from tests.lab.servers import BINARIES, Binary, Running, StartFailed, wait_for
from tests.server.conftest import StartServer

KEYS = 50
AOF = ("--appendonly", "yes", "--aof-use-rdb-preamble", "no")
Written = dict[str, Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Binary's id -> a directory with its dump.rdb and its append-only files, which are only commands."""
    found = {}
    for binary in BINARIES:
        directory = tmp_path_factory.mktemp(binary.id)
        server = Running(binary, None, *AOF, directory=directory)
        client = server.redis
        client.mset({f"string:{number}": "value" for number in range(KEYS)})
        client.hset("hash", mapping={"one": "1"})
        client.rpush("list", *range(300))
        client.zadd("sorted", {"one": 1.5})
        client.sadd("set", "one")
        client.xadd("stream", {"one": "1"})
        client.save()
        client.bgrewriteaof()
        wait_for(
            "the AOF is rewritten", lambda c=client: not c.info("persistence")["aof_rewrite_in_progress"]
        )
        server.end()
        found[binary.id] = directory
    return found


def test_each_release_writes_the_version_in_the_table(binary: Binary, written: Written) -> None:
    magic = (written[binary.id] / "dump.rdb").read_bytes()[:9].decode()
    assert int(magic.removeprefix("REDIS").removeprefix("VALKEY")) == rdb.written_by(binary.server)


@pytest.mark.parametrize("writer", BINARIES, ids=lambda writer: f"of-{writer.id}")
def test_a_release_loads_an_rdb_of_another_if_the_table_says_so(
    binary: Binary, writer: Binary, written: Written, start_server: StartServer, tmp_path: Path
) -> None:
    shutil.copy(written[writer.id] / "dump.rdb", tmp_path)
    if rdb.reads(binary.server, rdb.written_by(writer.server)):
        assert start_server(binary, directory=tmp_path).redis.dbsize() == KEYS + 5
    else:
        with pytest.raises(StartFailed, match=r"Can't handle RDB format version|Wrong signature"):
            start_server(binary, directory=tmp_path)


@pytest.mark.parametrize("writer", BINARIES, ids=lambda writer: f"of-{writer.id}")
def test_every_release_loads_append_only_files_of_commands_only(
    binary: Binary, writer: Binary, written: Written, start_server: StartServer, tmp_path: Path
) -> None:
    shutil.copytree(written[writer.id] / "appendonlydir", tmp_path / "appendonlydir")
    assert start_server(binary, None, *AOF, directory=tmp_path).redis.dbsize() == KEYS + 5
