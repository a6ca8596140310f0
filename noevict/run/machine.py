"""One machine in one run: its shell and lock, what a look found on it, and the servers on it."""

import functools

from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.engines.package_layout import Layout
from noevict.machine.found import MachineState
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.read import parse_facts
from noevict.run.context import RunContext
from noevict.scripts import look_script
from noevict.ssh.shell import Shell

LOOK_SECONDS = 60
# For commands of a killed run: an apt that waits for another one, a server that saves as it stops.
UNFINISHED_SECONDS = 600


class MachineRun(Shell):
    """One machine in one run; made once a run for each host, and shared by its instances and companions."""

    def __init__(self, state: State, host: Host, context: RunContext) -> None:
        super().__init__(state, host)
        self.context = context
        self.state: MachineState | None = None

    @property
    def id(self) -> str:
        """Return the content of its id file at the last look; "" without such a file or look."""
        return self.state.id if self.state else ""

    @property
    def ssh_hostname(self) -> str:
        return str(self.host.data.get("ssh_hostname") or "")

    @property
    def duplicate_of(self) -> tuple[str, ...]:
        """Return why a host that hosts.yml lists under two names is refused; () if it is listed once."""
        other = self.context.duplicate_of(self.name, self.state.identity) if self.state else None
        if other is None:
            return ()
        return (
            f"is the same machine as {other}: list it once in hosts.yml; redis_tls_names is for its other names",
        )

    def look(self, layouts: tuple[Layout, ...], ports: tuple[int, int]) -> tuple[InstanceState, ...]:
        """Look at the machine and at the server of the first layout, and at the others that noevict manages there.

        ``ports``: for TLS and for plaintext, 0 if there is none. Raise NoevictError or one of HOST_FAILURES.
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
            # Wait for a command of a killed run: the look should find what it leaves, not its half-way state.
            wait = f"flock -w {UNFINISHED_SECONDS} /run/noevict.work true || true"
            self.shell(wait, seconds=2 * UNFINISHED_SECONDS, what="waiting for a command of an earlier run")
            found = parse_facts(looking())
        self.state = found[0].machine
        return found
