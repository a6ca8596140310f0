"""This machine: the packages the lab needs, locks between processes, programs, processes by id."""

import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

CACHE = Path(os.environ.get("NOEVICT_CACHE", "/var/cache/noevict"))
"""Outside the checkout, so that all checkouts of a machine share what takes minutes to make."""

PACKAGES = ("systemd-container", "mmdebstrap", "apt-utils", "iproute2", "openssh-client", "sslscan")
BROWSER = ("chromium",)  # for the tests of the page


class LabError(Exception):
    """What went wrong, in a line or with the output of the program that failed."""


def need_root() -> None:
    """Raises LabError unless root."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it boots hosts with systemd-nspawn")


def run(
    *command: str | Path, timeout: float = 60, env: dict[str, str] | None = None, input: str | None = None
) -> str:
    """The program's stdout. Raises LabError with all its output when it fails or takes too long (seconds)."""
    name = f"{command[0]} {command[1]}"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=env, input=input or "", check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{name}: not done after {timeout:.0f} s") from error
    if done.returncode:
        raise LabError(f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file for the block; other processes wait. It ends with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing(packages: Sequence[str]) -> list[str]:
    """Those that dpkg does not have installed."""
    query = ("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages)
    printed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return [package for package in packages if f"{package} installed" not in printed.splitlines()]


def ensure_packages(packages: Sequence[str] = PACKAGES) -> None:
    """Installs what is missing, without questions."""
    if not missing(packages):
        return
    need_root()
    with locked(CACHE / ".packages.lock"):
        if not (names := missing(packages)):
            return
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        wait = "-oDPkg::Lock::Timeout=300"
        run("apt-get", "update", "-q", wait, env=env, timeout=600)
        run("apt-get", "install", "-qy", "--no-install-recommends", wait, *names, env=env, timeout=900)


def started(pid: int) -> str | None:
    """When that process started, in the kernel's ticks: with the pid it names one process for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]  # proc(5): field 22, counted after the name in brackets


def end(pid: int, with_signal: signal.Signals, deadline: float) -> bool:
    """Sends the signal and waits that many seconds; whether the process is gone (or only a zombie)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, with_signal)
        return bool(select.select([handle], [], [], deadline)[0])
    finally:
        os.close(handle)


def children(pid: int) -> list[int]:
    """The process's own children, oldest first; none when it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def mounts_below(path: Path) -> list[str]:
    """What is mounted at or below the path, the innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [p for p in reversed(points) if p == str(path) or p.startswith(f"{path}/")]


def wait_until(condition: Callable[[], object], failure: str, seconds: float = 30) -> None:
    """Until the condition holds. Raises LabError with the failure's sentence after that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{failure} (waited {seconds:.0f} s)")
        time.sleep(0.05)
