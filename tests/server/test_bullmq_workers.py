"""What a queue's keys show of its workers: what the alert about queues without consumers relies on."""

import json
import os
import subprocess

import pytest

from tests.lab.servers import BINARIES, free_port, wait_for
from tests.server import bullmq, client_installs
from tests.server.conftest import StartServer


@pytest.mark.parametrize("package", ["bullmq", "bullmq-5"])
def test_jobs_of_a_killed_worker_stay_active_and_its_mark_of_life_ends(
    package: str, start_server: StartServer
) -> None:
    port = free_port()
    server = start_server(BINARIES[0], f'port {port}\nbind 127.0.0.1\nsave ""\n')
    worker = subprocess.Popen(
        ["node", bullmq.HERE / "worker.cjs"],
        env=os.environ | {"NODE_PATH": str(client_installs.node_modules(bullmq.HERE))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin
    assert worker.stdout
    try:
        with worker.stdin as reported:
            reported.write(json.dumps({"package": package, "host": "127.0.0.1", "port": port}))
        assert worker.stdout.readline() == "taken\n"
        wait_for("the worker's mark of life", lambda: server.redis.strlen("bull:email:stalled-check"))
        assert (
            0 < server.redis.pttl("bull:email:stalled-check") <= 1000
        )  # its stalledInterval, by default 30 s
    finally:
        worker.kill()
        worker.wait(20)
        worker.stdout.close()
    wait_for("the mark is gone", lambda: server.redis.strlen("bull:email:stalled-check") == 0)
    assert server.redis.llen("bull:email:active") == 1
    assert server.redis.llen("bull:email:wait") == 2
