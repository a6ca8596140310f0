"""Commands for which a server forks: with much memory that takes longer than an answer may, and is waited for."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS, Layout
from noevict.operations.data.persistence import rewrite_aof, save, turn_aof_on
from tests.lab.servers import Running

LATE = 1.2  # seconds, four times what the client here waits for an answer


@dataclass
class Machine:
    """What these functions ask of a MachineRun."""

    lines: list[str] = field(default_factory=list)

    def log(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class Run:
    """What they ask of an InstanceRun."""

    layout: Layout = LAYOUTS["redis"]
    machine: Machine = field(default_factory=Machine)


@pytest.fixture
def late(server: Running) -> Iterator["redis.Redis"]:
    """Its client; the server, with a key, continues after a while."""
    server.redis.set("key", "value")
    client = server.client(socket_timeout=LATE / 4)
    assert client.ping()
    pid = int(server.redis.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(LATE, os.kill, (pid, signal.SIGCONT))
    timer.start()
    yield client
    timer.join()


def test_aof_is_turned_on_by_a_server_that_answers_late(late: "redis.Redis", server: Running) -> None:
    run: Any = Run()
    turn_aof_on(run, late)  # type: ignore[arg-type]
    info = server.redis.info("persistence")
    assert (info["aof_enabled"], info["aof_rewrite_in_progress"]) == (1, 0)
    assert info["aof_base_size"] > 0


def test_a_save_and_a_rewrite_wait_for_what_began_by_itself(server: Running) -> None:
    run: Any = Run()
    client: Any = server.redis
    client.mset({f"key:{number}": number for number in range(1000)})
    client.config_set("rdb-key-save-delay", 200)  # a fifth of a second for all
    turn_aof_on(run, client)
    client.bgrewriteaof()
    save(run, client)
    assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"
    assert (server.directory / "dump.rdb").exists()
    client.bgsave()
    rewrite_aof(run, client)
    assert client.info("persistence")["aof_rewrite_in_progress"] == 0


def test_files_of_an_empty_server_are_written_though_there_is_nothing_in_them(server: Running) -> None:
    run: Any = Run()
    client: Any = server.redis
    client.config_set("aof-use-rdb-preamble", "no")  # commands: of no key there are none
    ended = threading.Event()
    threading.Thread(target=lambda: (turn_aof_on(run, client), ended.set()), daemon=True).start()
    assert ended.wait(20), run.machine.lines
    assert server.redis.info("persistence")["aof_base_size"] == 0
