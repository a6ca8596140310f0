"""docs/clients.md: the lines that a user copies there connect each client, which does its work as user ``app``.

What is run is the page's own text. Behind Node's lines stands the program of tests/server/clients that uses them; to
of Python and Ruby they are the module ``tasks``.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machine import ensure_packages
from tests.lab.servers import BINARIES, Running
from tests.server import client_installs
from tests.server.clients import HERE
from tests.server.server_with_users import PASSWORDS, serve

PAGE = Path(__file__).parents[2] / "docs/clients.md"
README = PAGE.parents[1] / "README.md"
SIDEKIQ = ("ruby-sidekiq",)


@dataclass(frozen=True)
class Client:
    """Its section on the page, its program, and the commands that are refused it, as the page says."""

    section: str
    program: str
    refused: frozenset[str] = frozenset()
    requirements: str = "requirements.txt"  # of a Python client

    @property
    def python(self) -> Path:
        return client_installs.python(HERE, self.requirements)


CLIENTS = (
    Client("BullMQ 5 and 6", "bullmq.mjs"),
    Client("Bull 4", "bull.mjs", frozenset({"keys"})),
    Client("Bee-Queue", "bee-queue.mjs"),
    Client("Redlock", "redlock.mjs"),
    Client("rate-limiter-flexible", "rate-limiter-flexible.mjs"),
    Client("connect-redis", "connect-redis.mjs"),
    Client("Socket.IO", "socket-io.mjs"),
    Client("redis-py", "redis-py.py"),
    Client("RQ", "rq.py"),
    Client("Celery", "celery.py"),
    Client("Django", "django.py", frozenset({"flushdb"})),
    Client("django-redis", "django-redis.py", frozenset({"flushdb", "keys"})),
    Client("huey", "huey.py"),
    Client("arq", "arq.py", requirements="arq.txt"),
    Client("dramatiq", "dramatiq.py"),
    Client("Sidekiq 6", "sidekiq.rb"),
)


def sections() -> dict[str, str]:
    """Heading -> what stands below it, of those with code of a client."""
    parts = re.split(r"(?m)^### (.*)\n", PAGE.read_text())[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


@pytest.fixture(scope="module")
def server(tls_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all clients, with the users that noevict makes."""
    with ExitStack() as ended:

        def start(*arguments: Any, **options: Any) -> Running:
            running = Running(*arguments, **options)
            ended.callback(running.stop)
            return running

        yield serve(BINARIES[0], start, tls_files, tmp_path_factory.mktemp("server"))


def node(client: Client, directory: Path, lines: str) -> tuple[str | Path, ...]:
    (directory / "node_modules").symlink_to(client_installs.node_modules(HERE))
    (directory / "program.mjs").write_text(f"{lines}\n{(HERE / client.program).read_text()}")
    return "node", "program.mjs"


def python(client: Client, directory: Path, lines: str) -> tuple[str | Path, ...]:
    (directory / "tasks.py").write_text(lines)
    shutil.copy(HERE / "worker.py", directory)
    shutil.copy(HERE / client.program, directory / "program.py")
    return client.python, "program.py"


def ruby(client: Client, directory: Path, lines: str) -> tuple[str | Path, ...]:
    ensure_packages(SIDEKIQ)
    (directory / "tasks.rb").write_text(lines)
    shutil.copy(HERE / client.program, directory / "program.rb")
    return "ruby", "program.rb"


LANGUAGES = {".mjs": ("js", node), ".py": ("python", python), ".rb": ("ruby", ruby)}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda each: each.section)
def test_the_lines_of_the_page_connect_it_and_app_may_what_it_does(
    client: Client, server: Running, tls_files: Path, tmp_path: Path
) -> None:
    text = sections()[client.section]
    language, prepare = LANGUAGES[Path(client.program).suffix]
    [lines] = fences(text, language)
    commands = [line.removeprefix("$ ") for fence in fences(text, "console") for line in fence.splitlines()]
    command = prepare(client, tmp_path, lines)
    server.redis.flushall()
    server.redis.acl_log_reset()
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={
            "PATH": f"{Path(shutil.which(command[0]) or command[0]).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "REDIS_URL": f"rediss://app:{PASSWORDS['app']}@localhost:{server.tls_port}/0",
            "REDIS_CA": str(tls_files / "ca.crt"),
            "COMMAND": "".join(commands),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    denied = {entry["object"] for entry in server.redis.acl_log()}
    assert denied == client.refused, server.redis.acl_log()


def test_every_client_of_the_page_is_run() -> None:
    assert list(sections()) == [client.section for client in CLIENTS]


def test_the_readme_has_the_lines_of_the_page() -> None:
    [bullmq] = fences(README.read_text(), "js")
    assert bullmq in PAGE.read_text()
