"""A fresh copy of the repository, as a user has it, and the user's literal commands run in it."""

import atexit
import compileall
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab import command_cost
from tests.lab.command_cost import Cost
from tests.lab.host import Host
from tests.lab.lab import write_hosts_yml

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """What a command answered."""

    command: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, one after the other."""
        return self.stdout + self.stderr

    @property
    def json(self) -> Any:
        """Stdout as JSON. Raises AssertionError with all output if it is none."""
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"no JSON from {self}") from error

    def __str__(self) -> str:
        return f"{' '.join(self.command)}: exit {self.returncode}\n{self.output}"


@functools.cache
def compiled_copy(repository: Path) -> Path:
    """A directory with the files of the repository as they are now. Compiling takes half a second each time."""
    directory = Path(tempfile.mkdtemp(prefix="noevict-checkout-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    listing = ("git", "-C", str(repository), "ls-files", "-z", "-co", "--exclude-standard")
    names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (repository / name).is_file():  # not one that was removed and is still in the index
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, directory / name)
    compile_modules(directory)
    directory.chmod(0o755)
    return directory


def compile_modules(directory: Path) -> None:
    """As `make deploy` does: pyinfra writes no .pyc. Those that an earlier release left must not count."""
    compileall.compile_dir(directory / "noevict", quiet=1, force=True)


class Checkout:
    """The files that git tracks or would track, copied to ``directory/checkout``; no secrets/ in it.

    ``home`` beside it is the user's home: empty but for .ssh, so that nothing of the real user is used.
    ``earlier`` is an archive of an earlier release (tar): its files are there instead, until ``upgrade``.
    """

    def __init__(self, directory: Path, earlier: Path | None = None, repository: Path = REPOSITORY) -> None:
        self._repository = repository
        self.root, self.home = directory / "checkout", directory / "home"
        self.hosts_yml, self.secrets = self.root / "hosts.yml", self.root / "secrets"
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        self._earlier: list[str] = []
        if earlier is None:
            self._copy_repository()
        else:
            with tarfile.open(earlier) as archive:
                archive.extraction_filter = getattr(
                    tarfile, "data_filter", None
                )  # Debian 12's Python has none
                archive.extractall(self.root)  # noqa: S202 - made by us
                compile_modules(self.root)
                self._earlier = [member.name for member in archive if member.isfile()]

    def upgrade(self) -> None:
        """Do what ``git pull`` does: the user's own files stay, and so does hosts.yml, which the user has changed."""
        for name in self._earlier:
            if self.root / name != self.hosts_yml:
                (self.root / name).unlink()
        hosts = self.hosts_yml.read_text()
        self._copy_repository()
        self.hosts_yml.write_text(hosts)

    def _copy_repository(self) -> None:
        shutil.copytree(compiled_copy(self._repository), self.root, dirs_exist_ok=True)

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """One that is gone after the block."""
        with tempfile.TemporaryDirectory() as directory:
            yield cls(Path(directory))

    def list_hosts(self, hosts: Iterable[Host], **data: Any) -> Path:
        """Writes its hosts.yml; see ``write_hosts_yml`` for what can be set for the hosts."""
        return write_hosts_yml(self.hosts_yml, hosts, **data)

    def write(self, name: str, text: str) -> Path:
        """A file of the checkout, e.g. ``group_data/redis.py``."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of a login shell with the virtual environment on the path, whose noevict is this copy's."""
        path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        here = {"HOME": str(self.home), "PATH": path, "PYTHONPATH": str(self.root), "LANG": "C.UTF-8"}
        kept = {name: os.environ[name] for name in ("NOEVICT_CACHE",) if name in os.environ}
        return {**here, **kept, **(more or {})}

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The command, running in the checkout with no terminal, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def run(self, *command: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Result:
        """``run("pyinfra", "-y", "--json", "inventory", "deploy.py")``: to its end, whatever the exit code.

        Raises AssertionError with its output so far after that many seconds.
        """
        process = self.start(*command, env=env)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            so_far = Result(command, process.returncode, stdout, stderr)
            raise AssertionError(f"not done after {timeout:.0f} s: {so_far}") from None
        return Result(command, process.returncode, stdout, stderr)

    def measure(self, *command: str, timeout: float = 300) -> tuple[Result, Cost]:
        """As ``run``, and what it took."""
        file = self.home / "cost.json"
        done = self.run(
            sys.executable, "-S", str(command_cost.__file__), str(file), *command, timeout=timeout
        )
        return done, Cost(**json.loads(file.read_text()))
