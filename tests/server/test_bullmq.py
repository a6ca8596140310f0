"""The real clients over TLS as user ``app``: nothing refused, nothing on their console."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.lab.servers import BINARIES, Binary, Running
from tests.server import bullmq, client_installs
from tests.server.conftest import StartServer
from tests.server.server_with_users import PASSWORDS, serve

NODE = [
    *(("bullmq", binary) for binary in BINARIES),
    *(("bullmq-5", binary) for binary in (BINARIES[0], BINARIES[3])),
]


def work(server: Running, tls_files: Path, *command: str | Path, package: str = "") -> dict[str, Any]:
    """What a client's script counted; it must print that and nothing else."""
    reported = {
        "package": package,
        "host": "localhost",
        "port": server.tls_port,
        "ca": str(tls_files / "ca.crt"),
        "username": "app",
        "password": PASSWORDS["app"],
    }
    done = subprocess.run(
        [*map(str, command)],
        input=json.dumps(reported),
        env=os.environ | {"NODE_PATH": str(client_installs.node_modules(bullmq.HERE)) if package else ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1), done.stdout + done.stderr
    counted: dict[str, Any] = json.loads(done.stdout)
    return counted


@pytest.mark.parametrize(
    ("package", "binary"), NODE, ids=[f"{package}-{binary.id}" for package, binary in NODE]
)
def test_bullmq_is_refused_nothing_and_warns_of_nothing(
    package: str, binary: Binary, start_server: StartServer, tls_files: Path, tmp_path: Path
) -> None:
    server = serve(binary, start_server, tls_files, tmp_path)
    modules = client_installs.node_modules(bullmq.HERE)
    assert modules.is_dir()
    assert work(server, tls_files, "node", bullmq.HERE / "work.cjs", package=package) == {
        "done": 500,
        "repeated": True,
        "schedulers": 1,
        "paused": True,
        "workers": 1,
        "metrics": True,
        "failed": 0,
        "cleaned": True,
        "left": 0,
        "errors": [],
    }
    assert server.redis.acl_log() == []
    assert server.redis.info("stats")["evicted_keys"] == 0


def test_the_python_port_is_refused_nothing_and_warns_of_nothing(
    binary: Binary, start_server: StartServer, tls_files: Path, tmp_path: Path
) -> None:
    server = serve(binary, start_server, tls_files, tmp_path)
    assert work(server, tls_files, client_installs.python(bullmq.HERE), bullmq.HERE / "python_port.py") == {
        "done": 200,
        "paused": True,
        "failed": 0,
        "workers": True,
        "cleaned": 201,
        "left": 0,
        "errors": [],
    }
    assert server.redis.acl_log() == []
