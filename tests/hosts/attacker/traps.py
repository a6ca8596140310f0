"""What lies under a name that is not the server's own file, and what else the roles share."""

import ctypes
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
ENGINE, MARK, INSIDE = sys.argv[1], sys.argv[3].encode(), int(sys.argv[4])
ETC, DATA, LOGS, RUN = (Path(at) / ENGINE for at in ("/etc", "/var/lib", "/var/log", "/run"))
CONF, ACL, TLS = ETC / f"{ENGINE}.conf", ETC / "users.acl", ETC / "tls"
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


FOUND = os.open(
    sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
)  # as root: a sandbox has no such place


def note(what: str) -> None:
    os.write(FOUND, f"{what}\n".encode())


def pause(*seconds: float) -> None:
    """One of these: each step of a run meets each side of a swap, and some runs get past their first."""
    time.sleep(random.choice(seconds))  # noqa: S311


def exchange(one: Path, other: Path) -> bool:
    """Both names at once: nobody sees neither."""
    paths = (os.fsencode(one), os.fsencode(other))
    return LIBC.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0


def link_to(target: Path) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o666)


def hard_link(path: Path) -> None:
    """To a file of root's, if this kernel lets a stranger make one."""
    try:
        os.link("/etc/passwd", path)
    except OSError:
        path.symlink_to("/etc/passwd")


def directory(path: Path) -> None:
    """Its files are links to root's."""
    path.mkdir(0o777)
    names = ("server.key", "server.crt", "ca.crt", ".server.key.new", "output", "appendonly.aof.1.base.rdb")
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
FILES = (
    link_to(CANARY),
    link_to(NEW),
    fifo,
    link_to(SHADOW),
    huge,
    link_to(APT),
    hard_link,
    directory,
    link_to(CANARIES),
)
DIRECTORIES = (link_to(CANARIES), link_to(APT), link_to(SUDOERS), directory, fifo, link_to(CANARY))


def remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def put_back(path: Path, side: Path, trap: os.stat_result) -> None:
    with suppress(OSError):
        if not same(path.lstat(), trap):
            # Somebody put another one there meanwhile, which is the one that counts.
            remove(side)
        elif os.path.lexists(side):
            exchange(path, side)
            remove(side)
        else:
            remove(path)


def read(content: bytes, path: Path) -> None:
    if MARK in content:
        note(f"read root's secret in {str(path)!a}")
