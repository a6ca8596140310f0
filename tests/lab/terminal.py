"""A person at a terminal: runs a command, here or on a host over SSH, and answers what it asks."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab.host import Host
from tests.lab.machine import LabError


class Terminal:
    """A command at a terminal of its own. ``displayed``: all that it wrote there so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", ours: int) -> None:
        self.process, self.displayed = process, ""
        self._ours = ours

    def read_until(self, end: str, seconds: float) -> str:
        """What comes, up to ``end`` or to the end of the command. Raises LabError if neither comes in time."""
        deadline, found = time.monotonic() + seconds, ""
        while end not in found and (more := self.read(deadline)):
            found += more
        return found

    def read(self, deadline: float) -> str:
        """What comes next; nothing if the command is done. Raises LabError if that does not come in time."""
        if not select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise LabError(f"not done in time at the terminal:\n{self.displayed}")
        try:
            more = os.read(self._ours, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return ""
        self.displayed += more
        return more

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())


@contextmanager
def terminal(
    *command: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    columns: int = 80,
    rows: int = 24,
) -> Iterator[Terminal]:
    """The command, at a terminal of that size; it is killed at the end of the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=cwd,
        env=env,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            os.close(ours)
            process.kill()


def at_terminal(host: Host, command: str, answers: Mapping[str, str], seconds: float = 300) -> str:
    """All that the command showed. ``answers``: the end of a question -> what is typed, as often as it is asked.

    Raises LabError if it fails, or is not done after that many seconds (it asked something else, then).
    """
    with terminal(*host.way_in("root", "-tt"), "--", command) as seat:
        _talk(seat, answers, time.monotonic() + seconds)
        code = seat.process.wait(timeout=10)
    if code:
        raise LabError(f"{host.name}: exit {code}: {command}\n{seat.displayed}")
    return seat.displayed


def _talk(seat: Terminal, answers: Mapping[str, str], deadline: float) -> None:
    asked = ""
    while more := seat.read(deadline):
        asked += more
        for question, answer in answers.items():
            if asked.rstrip().endswith(question):
                seat.type(f"{answer}\n")
                asked = ""
