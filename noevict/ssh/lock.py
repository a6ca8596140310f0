"""A host's lock: a run's scripts run on the host while it holds the lock, and not once it has lost it."""

import os
import secrets
import socket
from dataclasses import dataclass
from typing import Any

import gevent
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.errors import NoevictError
from noevict.messages import one_line
from noevict.scripts import script
from noevict.ssh import commands
from noevict.ssh.sudo import refusal_of_sudo

BEAT_SECONDS = 20  # lock.sh takes the lock from a silent holder after 90
LOST = "noevict: the lock is lost"
# A run's scripts share this file lock. Whoever takes the host's lock has it exclusively for a moment: no script of an
# earlier holder runs then, and none begins afterwards. -o: what a script starts, such as a server, does not hold it.
AT_WORK = "flock -s -o /run/noevict.work bash -s"


@dataclass(frozen=True)
class Lock:
    """A host's lock, held until ``release``, the end of this process, or 90 seconds without a line from it.

    ``silent``: the earlier holder, if it lost the lock by its silence: it may still wake up.
    """

    program: commands.Program
    token: str
    silent: str

    @classmethod
    def take(cls, state: State, host: Host, arguments: dict[str, Any]) -> "Lock":
        """Take the lock. Raise NoevictError if another run holds it."""
        who = f"{os.environ.get('USER', 'somebody')} at {socket.gethostname()} (process {os.getpid()})"
        token = secrets.token_hex(8)
        try:
            program = commands.open_program(state, host, script("lock", who=who, token=token), arguments)
            answer = commands.read_answer(program)
        except commands.GONE as error:
            raise NoevictError(f"its lock could not be taken: {one_line(str(error))}") from error
        word, _, rest = answer.partition(" ")
        if word != "locked":
            commands.close(program)
            if word != "held":
                why = refusal_of_sudo([answer]) or one_line(answer) or "it hung up"
                raise NoevictError(f"its lock could not be taken: {why}")
            holder = one_line(rest.strip())
            raise NoevictError(f"is being changed by {holder or 'another run'}: wait for it, then run again")
        gevent.spawn(_beat, program)
        return cls(program, token, one_line(rest.strip()))

    def guarded(self, text: str) -> str:
        """Return the script with a check before it: it does nothing if the lock is lost by then."""
        held = f"${{held[1]-}} == {self.token} && -d /proc/${{held[2]}}"
        check = f"mapfile -t held </run/noevict.lock; [[ {held} ]]"
        return f"{check} || {{ echo {LOST!r} >&2; exit 1; }}\n{text}"

    def release(self) -> None:
        commands.close(self.program)


def _beat(program: commands.Program) -> None:
    while True:
        gevent.sleep(BEAT_SECONDS)
        try:
            commands.write(program, b"\n")
        except (*commands.GONE, OSError, EOFError, ValueError):
            return
