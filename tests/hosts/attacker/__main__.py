"""The roles, and who plays them; see the package."""

import ctypes
import itertools
import os
import pwd
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from attacker.races import change_tls_between, helpers, reader, watch
from attacker.traps import (
    ACL,
    APT,
    CANARY,
    CONF,
    DATA,
    DIRECTORIES,
    ENGINE,
    ETC,
    FILES,
    INSIDE,
    LIBC,
    LOGS,
    NASTY,
    NEW,
    RUN,
    TLS,
    directory,
    exchange,
    fifo,
    huge,
    link_to,
    pause,
    put_back,
    remove,
    same,
)

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, CLONE_NEWNS = 24, 38, 0x20000


def swap(path: Path, traps: tuple[Callable[[Path], None], ...]) -> Iterator[None]:
    """Between what is there and a trap, and back; if nothing is there, the trap comes and goes."""
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
            put_back(path, side, trap)
        pause(0.001, 0.01, 0.05, 0.3, 1)


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
    """Until SIGTERM, which ends it once it has put everything back."""
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
