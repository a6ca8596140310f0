"""A host in a run: scripts run there, under its lock once it is held, and what is said of it."""

import time
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
from noevict.server.progress import reported_meanwhile
from noevict.ssh import commands
from noevict.ssh.lane import Lane
from noevict.ssh.lock import AT_WORK, LOST, Lock
from noevict.ssh.sudo import refusal_of_sudo

SCRIPT_SECONDS = 120
# For a script that syncs: the disk first writes what the server gave it, gigabytes perhaps.
SYNC_SECONDS = 900
SEEN_SECONDS = 20  # a host gives a lock up after 90 without a word, of which there is one every 20
LAST_WORDS = 8  # lines of a failed command that are shown

# What reaching a host may raise: it fails that host alone.
HOST_FAILURES = (OSError, EOFError, SSHException, redis.RedisError, PyinfraError)


class Shell:
    """The host itself, whichever host pyinfra is working on; ``lock`` is this run's, while it has it."""

    def __init__(self, state: State, host: Host) -> None:
        # What deploy.py imports as `host` is whichever host is being worked on: this one is the host itself.
        self.pyinfra, self.host = state, state.inventory.get_host(host.name)
        self.lock: Lock | None = None
        self.lane = Lane()
        self.reasons: tuple[str, ...] = ()  # why what was guarded last failed
        self._held_at = 0.0  # when the host was last seen to be ours, in seconds since boot
        commands.limit(state, self.host)

    def __repr__(self) -> str:
        return f"<{self.host.name}>"  # pyinfra prints arguments

    @property
    def name(self) -> str:
        return str(self.host.name)

    def shell(
        self, script: str, *, seconds: int = SCRIPT_SECONDS, what: str = "a command", ends: bool = False
    ) -> list[str]:
        """Run a bash script on the host, given on its standard input, so that it shows nowhere.

        It runs whole or, where the connection ends first or the lock is lost, not at all; once begun it goes on to
        its end, and the next run waits for that. Its output, line by line. Raises NoevictError with its last words
        where it fails or takes too long; with ``ends``, the host ends it then, and all that it started.
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
                f"{what} {error}: it was cut off; find out on the host what that is"
            ) from error
        except TimeoutError as error:
            rest = "" if self.lock is None else "; it goes on there, and the next run waits for it"
            raise NoevictError(f"{what} {error}{rest}") from error
        except commands.GONE as error:
            raise NoevictError(f"{what}: the connection to the host broke: {sentence(error)}") from error
        if not fine:
            said = output.stderr_lines or output.stdout_lines
            if refusal := refusal_of_sudo(said):
                raise NoevictError(refusal)
            words = [one_line(line.strip()) for line in said if line.strip()][-LAST_WORDS:]
            if words[-1:] == [LOST]:
                raise NoevictError("has given up this run's lock, which was silent for long: run again")
            raise NoevictError(f"{what} failed: {' / '.join(words) or 'it said nothing'}")
        self._held_at = asked
        return output.stdout_lines

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """pyinfra's connector arguments for this host: sudo and the like."""
        every, _ = pop_global_arguments(self.pyinfra, self.host, {})
        return {key: value for key, value in every.items() if key in CONNECTOR_ARGUMENT_KEYS}

    def log(self, line: str) -> None:
        self.host.log(one_line(line), logger.info)

    def warn(self, line: str) -> None:
        self.host.log_styled(one_line(line), fg="yellow", log_func=logger.warning)

    def fail(self, line: str) -> None:
        self.host.log_styled(one_line(line), fg="red", log_func=logger.error)

    def confirm_lock(self, since: float = 0) -> None:
        """Raises NoevictError where this run had the host's lock, and has it no longer.

        ``since``: not asked for again where a script of these last seconds, sleep included, found it held.
        """
        if self.lock is not None and _since_boot() - self._held_at >= since:
            self.shell("true", what="asking for the lock")

    def guard(self, work: Callable[[], object]) -> bool:
        """Do the work; where it fails, this host's own lines say why, and are its ``reasons``. False then."""
        try:
            work()
        except NoevictError as error:
            self.reasons = error.lines
        except HOST_FAILURES as error:
            self.reasons = (sentence(error),)
        except Exception as error:  # as in ``look``: pyinfra would end the run for all hosts
            logger.debug("changing %s", self.name, exc_info=True)
            self.reasons = (f"answered what makes no sense: {error!r}",)
        else:
            return True
        for line in self.reasons:
            self.fail(line)
        return False

    def release_lock(self) -> None:
        """Let another run have the host, if this one has locked it."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None


def _since_boot() -> float:
    """Seconds, those included in which this machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
