"""A person at a terminal: runs a command on a host over SSH, and answers what it asks."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping

from tests.lab.host import Host
from tests.lab.machine import LabError


def at_terminal(host: Host, command: str, answers: Mapping[str, str], seconds: float = 300) -> str:
    """All that the command showed. ``answers``: the end of a question -> what is typed, as often as it is asked.

    Raises LabError where it fails, or is not done after that many seconds (it asked something else, then).
    """
    ours, theirs = pty.openpty()
    argv = (*host.way_in("root", "-tt"), "--", command)
    with subprocess.Popen(
        argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            shown = _talk(ours, answers, time.monotonic() + seconds)
            code = process.wait(timeout=10)
        finally:
            os.close(ours)
            process.kill()
    if code:
        raise LabError(f"{host.name}: exit {code}: {command}\n{shown}")
    return shown


def _talk(terminal: int, answers: Mapping[str, str], deadline: float) -> str:
    shown = asked = ""
    while True:
        if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise LabError(f"not done in time at the terminal:\n{shown}")
        try:
            more = os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return shown
        if not more:
            return shown
        shown, asked = shown + more, asked + more
        for question, answer in answers.items():
            if asked.rstrip().endswith(question):
                os.write(terminal, f"{answer}\n".encode())
                asked = ""
