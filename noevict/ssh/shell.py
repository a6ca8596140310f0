"""Runs scripts on a host, under the host's lock if this run holds it, and prints lines about the host."""

import time
import traceback
from collections.abc import Callable
from functools import cached_property
from typing import Any

import redis
from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.messages import one_line
from noevict.ssh import commands
from noevict.ssh.lane import Lane
from noevict.ssh.lock import AT_WORK, LOST, Lock
from noevict.ssh.sudo import refusal_of_sudo
from noevict.ssh.waits import reported_meanwhile

SCRIPT_SECONDS = 120
# For a script that syncs: the disk first writes what the server has left to it, perhaps gigabytes.
SYNC_SECONDS = 900
SEEN_SECONDS = 20  # the lock sends a line every 20 seconds; after 90 without one the host gives it up
LAST_LINES = 8  # of a failed command's output; these are shown

# What reaching a host may raise: only that host fails.
HOST_FAILURES = (OSError, EOFError, SSHException, redis.RedisError, PyinfraError)


class Shell:
    """One host, whichever host pyinfra is working on. ``lock`` is this run's lock, while it holds it."""

    def __init__(self, state: State, host: Host) -> None:
        # `host` in deploy.py is whichever host pyinfra is working on; this is always the same host.
        self.pyinfra, self.host = state, state.inventory.get_host(host.name)
        self.lock: Lock | None = None
        self.lane = Lane()
        self.reasons: tuple[str, ...] = ()  # why the last run_safely failed
        self._held_at = 0.0  # when the lock was last seen to be ours, in seconds since boot
        commands.limit(state, self.host)

    def __repr__(self) -> str:
        return f"<{self.host.name}>"  # pyinfra prints arguments

    @property
    def name(self) -> str:
        return str(self.host.name)

    def shell(
        self, script: str, *, seconds: int = SCRIPT_SECONDS, what: str = "a command", ends: bool = False
    ) -> list[str]:
        """Run a bash script on the host and return the lines of its output.

        The script is sent on standard input, so that no list of processes shows it. It runs whole, or not at all if
        the connection breaks first or the lock is lost. Once begun it continues to its end, and the next run waits
        for that. Raise NoevictError with its last lines if it fails or takes too long; with ``ends``, the host then
        ends it and all that it started.
        """
        asked = _since_boot()
        command, text = ("bash -s", script) if self.lock is None else (AT_WORK, self.lock.guarded(script))
        if ends:
            command = f"timeout --kill-after=5 {seconds} {command}"
        try:
            with reported_meanwhile(what, self.log):
                fine, output = self.host.run_shell_command(
                    StringCommand("exec", command),
                    print_output=self.pyinfra.print_output,
                    print_input=self.pyinfra.print_input,
                    **{**self.arguments, "_stdin": f"{{\n{text}\n}}\n", "_timeout": seconds},
                )
        except commands.TooMuch as error:
            raise NoevictError(
                f"{what} {error}: it was cut off; find out on the host what prints that"
            ) from error
        except TimeoutError as error:
            rest = "" if self.lock is None else "; it continues on the host, and the next run waits for it"
            raise NoevictError(f"{what} {error}{rest}") from error
        except commands.GONE as error:
            raise NoevictError(f"{what}: the connection to the host broke: {sentence(error)}") from error
        if not fine:
            lines = output.stderr_lines or output.stdout_lines
            if refusal := refusal_of_sudo(lines):
                raise NoevictError(refusal)
            last = [one_line(line.strip()) for line in lines if line.strip()][-LAST_LINES:]
            if last[-1:] == [LOST]:
                raise NoevictError("has given up this run's lock, which was silent for long: run again")
            raise NoevictError(f"{what} failed: {' / '.join(last) or 'it printed nothing'}")
        self._held_at = asked
        return output.stdout_lines

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Return pyinfra's connector arguments for this host: sudo and the like."""
        every, _ = pop_global_arguments(self.pyinfra, self.host, {})
        return {key: value for key, value in every.items() if key in CONNECTOR_ARGUMENT_KEYS}

    def log(self, line: str) -> None:
        self.host.log(one_line(line), logger.info)

    def warn(self, line: str) -> None:
        self.host.log_styled(one_line(line), fg="yellow", log_func=logger.warning)

    def fail(self, line: str) -> None:
        self.host.log_styled(one_line(line), fg="red", log_func=logger.error)

    def confirm_lock(self, since: float = 0) -> None:
        """Raise NoevictError if this run has lost the host's lock.

        ``since``: do not ask again if a script found it held in these last seconds (sleep included).
        """
        if self.lock is not None and _since_boot() - self._held_at >= since:
            self.shell("true", what="checking the lock")

    def run_safely(self, work: Callable[[], object]) -> bool:
        """Do the work and return whether it succeeded. If it fails, print why and keep that in ``reasons``."""
        try:
            work()
        except Exception as error:  # as in ``look``: pyinfra would end the run of all hosts
            self.reasons = explain(error)
        else:
            return True
        for line in self.reasons:
            self.fail(line)
        return False

    def release_lock(self) -> None:
        """Release the host's lock, if this run holds it."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None


def explain(error: Exception) -> tuple[str, ...]:
    """Return why work on a host failed. The traceback of an error that nobody expected is logged for --debug."""
    if isinstance(error, NoevictError):
        return error.lines
    if isinstance(error, HOST_FAILURES):
        return (sentence(error),)
    # pyinfra prints only the message of a record, without its exc_info. Errors may have text from a host in them.
    lines = "".join(traceback.format_exception(error)).splitlines()
    logger.debug("%s", "\n".join(map(one_line, lines)))
    if isinstance(error, ValueError):  # from parsing the host's lines
        return (f"gave an answer that cannot be parsed: {sentence(error)}",)
    return (f"stopped at a bug in noevict: {error!r}; run pyinfra with --debug to see its traceback",)


def _since_boot() -> float:
    """Return the seconds since boot, with those in which this machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
