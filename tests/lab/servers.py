"""Real servers of every supported release, and how a test runs one.

The releases come from their Debian packages, unpacked (not installed) once per machine under
``$NOEVICT_CACHE`` or /var/cache/noevict, and run with the C library they were built for, so that one machine
runs them all. A test's server listens on loopback or a unix socket and is ended by its process id.
"""

import fcntl
import functools
import hashlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from noevict.engines.engine import EngineName, Server

T = TypeVar("T")

CACHE = Path(os.environ.get("NOEVICT_CACHE", "/var/cache/noevict"))

# suite -> the packages unpacked from it. Their dependencies, the C library included, come along.
SUITES = {
    "bookworm": "redis-server",
    "trixie": "redis-server,valkey-server",
    "sid": "redis-server,valkey-server",
}

# Old releases' lists are past their Valid-Until.
MMDEBSTRAP = ("mmdebstrap", "-q", "--variant=extract", '--aptopt=Acquire::Check-Valid-Until "false"')


@dataclass(frozen=True)
class Binary:
    """One server program: the test's name of it, the suite it is unpacked from, and its engine."""

    id: str
    suite: str
    engine: EngineName

    @property
    def root(self) -> Path:
        """Where it lies unpacked (unpacked now if it is not yet)."""
        return unpacked(self.suite)

    def command(self, *arguments: str) -> list[str]:
        """The command that runs it."""
        return loaded(self.root, f"usr/bin/{self.engine}-server", *arguments)

    @property
    def server(self) -> Server:
        """Engine and release, as the program itself prints them."""
        return _server(self)


BINARIES = (
    Binary("redis-7.0", "bookworm", "redis"),
    Binary("redis-8.0", "trixie", "redis"),
    Binary("redis-8.0-sid", "sid", "redis"),
    Binary("valkey-8.1", "trixie", "valkey"),
    Binary("valkey-9.1", "sid", "valkey"),
)


def loaded(root: Path, program: str, *arguments: str) -> list[str]:
    """The command that runs a program unpacked there: through its own dynamic loader, with its own libraries."""
    libraries = [*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")]
    loader = next(path for lib in libraries for path in lib.glob("ld-linux*.so.*"))
    return [str(loader), "--library-path", ":".join(map(str, libraries)), str(root / program), *arguments]


@functools.cache
def _server(binary: Binary) -> Server:
    reported = subprocess.run(binary.command("--version"), capture_output=True, text=True, check=True).stdout
    return Server.parse(binary.engine, re.sub(r".*?\bv=", "", reported))


@functools.cache
def unpacked(suite: str) -> Path:
    """The directory where a suite's servers lie."""
    return unpack(CACHE / "servers" / suite, suite, SUITES[suite])


def unpack(target: Path, suite: str, packages: str) -> Path:
    """The directory, with a suite's packages in it; made by the first caller of the machine, others wait.

    ``packages``: names with commas between them. Nothing is installed, so no daemon starts.
    """
    command = [*MMDEBSTRAP, f"--include={packages}", suite]
    recipe = hashlib.sha256("\0".join(command).encode()).hexdigest()
    stamp = target / ".recipe"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.is_file() and stamp.read_text() == recipe):
            _unpack(command, target, recipe)
    return target


def _unpack(command: list[str], target: Path, recipe: str) -> None:
    if not shutil.which("mmdebstrap"):
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update", "-q"], check=True)
        subprocess.run([*sudo, "apt-get", "install", "-qy", "mmdebstrap"], check=True)
    new, old = (target.with_name(f".{target.name}.{which}") for which in ("new", "old"))
    for left_over in (new, old):
        shutil.rmtree(left_over, ignore_errors=True)
    subprocess.run([*command, str(new)], check=True)
    (new / ".recipe").write_text(recipe)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


# Below the kernel's range for outgoing connections, which may take a port between its choice and its use; each
# process goes its own way through it.
_PORTS = itertools.cycle(range(20000, 32000))
_skipped = next(itertools.islice(_PORTS, os.getpid() * 61 % 12000, None))


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now, and that this process did not get lately."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports are a circle")


def tls_conf(files: os.PathLike[str]) -> str:
    """Lines of redis.conf for a server that speaks only TLS, on a port that is free, with these files."""
    return f"""port 0
tls-port {free_port()}
tls-cert-file "{files}/server.crt"
tls-key-file "{files}/server.key"
tls-ca-cert-file "{files}/ca.crt"
tls-auth-clients no
"""


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 20) -> T:
    """The first answer of ``look`` that is neither None nor False; AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """No such process, or one that only waits for its parent (PID 1 of a container may never look)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class StartFailed(AssertionError):
    """The server ended before it answered; the text is what it printed."""


class Running:
    """A server process of one test, in a directory of its own (under /tmp: socket paths are short).

    ``conf`` is the text of its whole configuration file, in which ``{directory}`` stands for the directory,
    or None: no file, a unix socket, no port, no RDB and no AOF unless ``arguments`` say otherwise.
    ``client`` are arguments for redis.Redis over those found from the configuration.
    """

    def __init__(
        self,
        binary: Binary,
        conf: str | None = None,
        *arguments: str,
        directory: Path | None = None,
        client: dict[str, Any] | None = None,
    ) -> None:
        self.binary = binary
        self._made = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="noevict-"))
        self.conf = self.directory / f"{binary.engine}.conf"
        if conf is None:
            standing = (
                "--port",
                "0",
                "--unixsocket",
                str(self.directory / "s"),
                "--dir",
                str(self.directory),
            )
            self.arguments: tuple[str, ...] = (*standing, "--save", "", *arguments)
        else:
            self.conf.write_text(conf.replace("{directory}", str(self.directory)))
            self.arguments = (str(self.conf), *arguments)
        self._client = client or {}
        self._pid: int | None = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def server(self) -> Server:
        return self.binary.server

    def option(self, name: str) -> str | None:
        """A directive's value as the arguments, else the file, give it, unquoted; None if neither does."""
        if f"--{name}" in self.arguments:
            return self.arguments[self.arguments.index(f"--{name}") + 1]
        text = self.conf.read_text() if self.conf.exists() else ""
        found = re.findall(rf"(?m)^{name} +(.*)$", text)
        return found[-1].strip('"') if found else None

    @property
    def port(self) -> int:
        """The plaintext port, 0 if there is none."""
        return int(self.option("port") or 6379)

    @property
    def tls_port(self) -> int:
        return int(self.option("tls-port") or 0)

    @property
    def socket(self) -> str | None:
        return self.option("unixsocket")

    def client(self, **arguments: Any) -> "redis.Redis":
        """A client: on the unix socket if there is one, else the plaintext port, else the TLS port."""
        where: dict[str, Any] = {"host": "127.0.0.1"}
        if self.socket:
            where = {"unix_socket_path": self.socket}
        elif self.port:
            where["port"] = self.port
        else:
            where |= {"port": self.tls_port, "ssl": True, "ssl_ca_certs": self.option("tls-ca-cert-file")}
        standing: dict[str, Any] = {
            "decode_responses": True,
            "protocol": 2,
            "socket_timeout": 20,
            "retry": Retry(NoBackoff(), 0),  # what a test sees is the server's first answer
        }
        return redis.Redis(**(standing | where | self._client | arguments))

    @property
    def pid(self) -> int:
        assert self._pid is not None, "it was ended"
        return self._pid

    def start(self) -> None:
        """Start and wait until it answers. Raises StartFailed with its own words."""
        self.launch()
        wait_for(f"{self.binary.id} answers", self._answers)
        with suppress(redis.ResponseError, redis.ConnectionError):  # NOAUTH: then it did not become a daemon
            self._pid = int(self.redis.info("server")["process_id"])

    def launch(self) -> None:
        """Start it, and no more."""
        printed = (self.directory / "stdout").open("wb")
        # setpriv: no server outlives a test run that is killed.
        command = ["setpriv", "--pdeathsig", "KILL", *self.binary.command(*self.arguments)]
        with printed:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed
            )
        self._pid = self._process.pid
        self.redis = self.client()

    def _answers(self) -> bool:
        if self._process.poll() not in {None, 0}:
            raise StartFailed(f"{self.binary.id}: {self.printed()}")
        try:
            return bool(self.redis.ping())
        except redis.BusyLoadingError:
            return False
        except (redis.AuthenticationError, redis.ResponseError):
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def printed(self) -> str:
        """What it printed and logged, the last 2000 characters of each."""
        logfile = self.option("logfile")
        paths = [self.directory / "stdout", *([self.directory / logfile] if logfile else [])]
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in paths if path.is_file())

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process by its id and wait until it is gone (SIGKILL if it does not end in 20 s)."""
        if self._pid is None:
            return
        if hasattr(self, "redis"):
            self.redis.close()
        pid, self._pid = self._pid, None
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        try:
            wait_for(f"{self.binary.id} ends", lambda: self._process.poll() is not None and gone(pid))
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            raise

    def restart(self) -> None:
        """End it with SIGTERM and start it again on the same directory and file."""
        self.end()
        self.start()

    def stop(self) -> None:
        """End it (SIGKILL: nothing is saved) and remove its directory, if it was made here."""
        self.end(signal.SIGKILL)
        if self._made:
            shutil.rmtree(self.directory, ignore_errors=True)


if __name__ == "__main__":  # ahead of the tests
    for each in SUITES:
        unpacked(each)
