"""One machine in one run: its shell and lock, what a look found of it, and the servers on it."""

import functools
from collections.abc import Sequence

from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.engines.layout import Layout
from noevict.machine.found import MachineState
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.read import parse_facts
from noevict.run.context import RunContext
from noevict.scripts import look_script
from noevict.ssh.shell import Shell

LOOK_SECONDS = 60
# For what a killed run began: an apt that waits for another, a server that saves as it ends.
UNFINISHED_SECONDS = 600


class MachineRun(Shell):
    """Made once a run for each host of hosts.yml; its instances and companions are handed it."""

    def __init__(self, state: State, host: Host, context: RunContext) -> None:
        super().__init__(state, host)
        self.context = context
        self.state: MachineState | None = None

    @property
    def id(self) -> str:
        """What its id file says, by the last look; "" if there is none, or there was no look."""
        return self.state.id if self.state else ""

    @property
    def ssh_hostname(self) -> str:
        return str(self.host.data.get("ssh_hostname") or "")

    @property
    def duplicate_of(self) -> tuple[str, ...]:
        """Why this host is left alone although nothing is wrong with it: it is listed under another name as well."""
        other = self.context.duplicate_of(self.name, self.state.identity) if self.state else None
        if other is None:
            return ()
        return (
            f"is the same machine as {other}: list it once in hosts.yml; redis_tls_names is for its other names",
        )

    def look(self, layouts: Sequence[Layout], ports: tuple[int, int]) -> tuple[InstanceState, ...]:
        """Look at the machine and at the server of the first layout, and at the others that noevict manages there.

        ``ports``: TLS and plaintext, 0 if there is none. Raises NoevictError or one of HOST_FAILURES.
        """
        looking = functools.partial(
            self.shell,
            look_script(layouts, ports),
            seconds=LOOK_SECONDS,
            what="looking at the host",
            ends=True,
        )
        found = parse_facts(looking())
        if found[0].machine.unfinished and self.lock is None:
            # As a command of a run that was killed leaves it, not as it is while that is still at work.
            wait = f"flock -w {UNFINISHED_SECONDS} /run/noevict.work true || true"
            self.shell(wait, seconds=2 * UNFINISHED_SECONDS, what="waiting for a command of an earlier run")
            found = parse_facts(looking())
        self.state = found[0].machine
        return found
