"""Files that only their owner may read: reading checks that, and writing makes them so from the first moment."""

import fcntl
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noevict.errors import NoevictError


def read_private(directory: Path, name: str) -> str | None:
    """Return the text of a file; None if it, or its directory, is not there.

    NoevictError if either is open to others or belongs to another user, or if everybody could put another directory in
    its place. Certificates (``.crt``) may be read by anyone. Links are followed, and the file that they lead to is
    checked: its owner and mode are the same under all its names.
    """
    path = directory / name
    try:
        _check(directory, directory.stat(), stat.S_IRWXG | stat.S_IRWXO, 0o700)
        _check_parent(directory.parent)
        with path.open(encoding="utf-8") as file:
            public = path.suffix == ".crt"
            refused = stat.S_IWGRP | stat.S_IWOTH if public else stat.S_IRWXG | stat.S_IRWXO
            _check(path, os.fstat(file.fileno()), refused, 0o644 if public else 0o600)
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise NoevictError(f"{path}: should be text in UTF-8") from None
    except OSError as error:
        raise NoevictError(f"{path}: cannot be read: {error.strerror}") from None


def write_private(
    path: Path, text: str, mode: int = 0o600, *, through_links: bool = True, sync: bool = True
) -> None:
    """Write a file, whole and on disk, or leave the old one. The caller holds the lock.

    ``through_links``: follow a symlink in its place, which is right in a directory of one's own; else replace it.
    ``sync``: wait until the disk has it; not needed for what may be lost in a crash.
    """
    target = path.resolve() if through_links else path.absolute()
    new = target.with_name(f".{target.name}.new")
    try:
        new.unlink(missing_ok=True)  # left by a run that was interrupted
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        new.replace(target)
        if sync:
            _sync_directory(target.parent)
    except OSError as error:
        raise NoevictError(f"{path}: cannot be written: {error.strerror}") from None


def make_directory(path: Path) -> None:
    """Make a directory of mode 0700 if there is none; an existing one keeps its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise NoevictError(f"{path}: cannot be made: {error.strerror}") from None


def make_trusted_directory(path: Path) -> None:
    """Do as ``make_directory``. Raise NoevictError if others may write in it, or own it or a link in its place."""
    make_directory(path)
    try:
        _check_owner(path, path.lstat())
        status = path.stat()
    except OSError as error:
        raise NoevictError(f"{path}: cannot be read: {error.strerror}") from None
    _check_owner(path, status)
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NoevictError(
            f"{path}: should be writable only for its owner, has mode {mode:04o}: chmod go-w {shlex.quote(str(path))}"
        )


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let only one process at a time in, for a directory; the others wait."""
    try:
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NoevictError(f"{directory}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in _trusted_owners():
        raise NoevictError(f"{path}: should be owned by {os.geteuid()}, is by {status.st_uid} (user ids)")


def _check(path: Path, status: os.stat_result, refused: int, mode: int) -> None:
    _check_owner(path, status)
    found = stat.S_IMODE(status.st_mode)
    if found & refused:
        raise NoevictError(
            f"{path}: should have mode {mode:04o}, only for its owner, has {found:04o}: "
            f"chmod {mode:04o} {shlex.quote(str(path))}"
        )


def _check_parent(parent: Path) -> None:
    mode = parent.stat().st_mode
    if (
        mode & stat.S_IWOTH and not mode & stat.S_ISVTX
    ):  # sticky, as /tmp: users can only remove their own files
        raise NoevictError(
            f"{parent}: should not be writable for everybody, since secrets are below it: "
            f"chmod o-w {shlex.quote(str(parent))}"
        )


def _trusted_owners() -> set[int]:
    """Return us, root, and, as git does, the user who called us with sudo."""
    caller = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    return {os.geteuid(), 0, *([int(caller)] if caller.isdecimal() else [])}


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
