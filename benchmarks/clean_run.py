"""A clean run on N lab hosts against two floors: one SSH connection to each, and one command through it.

The first floor's command is ``echo``; the second's is the very look, as noevict sends it, by a deploy of one stock
operation. Beside them a run that repairs one live drift on every host, ``noevict drift``, a start without hosts, and
Ansible on as many hosts of its own.
"""

from dataclasses import dataclass
from functools import partial

from benchmarks import ansible
from benchmarks.measured import Case, Target, interleaved, table_of
from tests.hosts.manual_changes import apply_changes
from tests.lab.checkout import Checkout, Result
from tests.lab.command_cost import Cost
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.lab import Lab

SUITE = "trixie"
DEPLOY = ("pyinfra", "-y", "inventory", "deploy.py")
ECHO = ("pyinfra", "-y", "inventory", "exec", "--", "echo")
DRIFT = ("redis: CONFIG SET maxmemory-policy volatile-lru",)

FLOOR = "(a) floor: `pyinfra exec echo`"
LOOK = "(a') floor with the look: one `server.shell` of it"
CLEAN = "(b) clean run: `pyinfra inventory deploy.py`"
REPAIR = "(c) the same with one live drift on every host"
REPORT = "(e) `noevict drift`"
BARE = "start-up of (a): pyinfra and the inventory, no host"
START = "start-up of (b): and all that deploy.py imports"
# By name, what a case does before there are hosts; of Ansible nothing is taken off.
STARTS = {BARE: BARE, FLOOR: BARE, LOOK: BARE, START: START, CLEAN: START, REPAIR: START, REPORT: START}

LOOK_DEPLOY = """
from pyinfra.api.command import StringCommand
from pyinfra.operations import server

from noevict.engines.package_layout import LAYOUTS
from noevict.scripts import look_script

text = look_script((LAYOUTS["redis"], LAYOUTS["valkey"]), (6379, 0))
server.shell(name="Look", commands=[StringCommand("bash -s", _stdin=text)])
"""

# All that deploy.py imports, and nothing of what it does.
START_DEPLOY = """
import noevict.plan.change
import noevict.operations
import noevict.run.prepare
"""


@dataclass(frozen=True)
class Measured:
    """``costs``: by the names above. ``channels``: that a clean run opens on a host. ``ansible_rounds``: 0 for none;
    ``ansible_first``: seconds of its first provisioning."""

    hosts: int
    rounds: int
    costs: dict[str, Cost]
    channels: int
    ansible_rounds: int
    ansible_first: float

    def cpu(self, name: str) -> float:
        """Of the controller beyond start-up, milliseconds a host."""
        start = self.costs[STARTS[name]].cpu if name in STARTS else 0.0
        return (self.costs[name].cpu - start) / self.hosts * 1000

    def of(self, name: str, other: str) -> float:
        """The ratio of two medians."""
        return self.costs[name].seconds / self.costs[other].seconds


def measure(hosts: int, rounds: int, ansible_rounds: int) -> list[str]:
    """The results as Markdown, a line each. With no ``ansible_rounds`` there is nothing of Ansible."""
    with (
        Lab() as lab,
        Checkout.temporary() as checkout,
        Checkout.temporary() as single,
        Checkout.temporary() as other,
    ):
        booted = lab.boot(*[SUITE] * hosts)
        checkout.list_hosts(booted)
        provision(checkout)
        measured, first = cases(checkout, single, booted), 0.0
        if ansible_rounds:
            compared = ansible.prepare(other, lab.boot(*[SUITE] * hosts), min(rounds, ansible_rounds))
            first = compared.provision()
            measured += compared.cases()
        costs = interleaved(measured, rounds)
        opened = channels(lab, checkout)
    return report(Measured(hosts, rounds, costs, opened, ansible_rounds, first))


def cases(checkout: Checkout, single: Checkout, hosts: list[Host]) -> list[Case]:
    """``single``: a checkout whose hosts.yml is the shipped one, with only this machine."""
    checkout.write("look.py", LOOK_DEPLOY)
    single.write("start.py", START_DEPLOY)
    single.write("bare.py", "")
    return [
        Case(BARE, single, ("pyinfra", "-y", "inventory", "bare.py")),
        Case(START, single, ("pyinfra", "-y", "inventory", "start.py")),
        Case(FLOOR, checkout, ECHO),
        Case(LOOK, checkout, ("pyinfra", "-y", "inventory", "look.py")),
        Case(CLEAN, checkout, DEPLOY, fine=partial(found_due, count=0)),
        Case(REPORT, checkout, ("noevict", "drift")),
        Case(
            REPAIR,
            checkout,
            DEPLOY,
            before=partial(drift, checkout, hosts),
            fine=partial(found_due, count=len(hosts)),
        ),
    ]


def drift(checkout: Checkout, hosts: list[Host]) -> None:
    for host in hosts:
        apply_changes(checkout, host, DRIFT)


def found_due(done: Result, count: int) -> bool:
    """Whether it went well, and reported so many things as due."""
    return done.returncode == 0 and done.output.count("due: ") == count


def provision(checkout: Checkout) -> None:
    done = checkout.run(*DEPLOY, timeout=1800)
    if done.returncode != 0:
        raise SystemExit(str(done))


def channels(lab: Lab, checkout: Checkout) -> int:
    """Of a clean run on a host of its own: sshd logs each, which takes time."""
    [host] = lab.boot(Spec(SUITE, name="counted", sshd=["LogLevel DEBUG1"]))
    checkout.list_hosts([host])
    provision(checkout)
    before = host.channels()
    provision(checkout)
    return host.channels() - before


def report(found: Measured) -> list[str]:
    return [
        "## A clean run",
        "",
        f"{found.hosts} {SUITE} hosts; medians of {found.rounds} interleaved rounds; memory is the most of any round. "
        "CPU is the controller's, beyond start-up.",
        *_of_ansible(found),
        "",
        "| what | seconds | of (a) | of (a') | CPU ms a host | memory MB |",
        "|---|---|---|---|---|---|",
        *(row(found, name) for name in found.costs),
        "",
        *table_of(targets(found)),
    ]


def _of_ansible(found: Measured) -> list[str]:
    if not found.ansible_rounds:
        return []
    return [
        f"Ansible (benchmarks/playbook, {', '.join(ansible.PACKAGES)}; pipelining, ControlPersist, forks = hosts): "
        f"{found.ansible_rounds} round(s), on hosts of its own; it made them in {found.ansible_first:.0f} s. Its "
        "CPU is all of it."
    ]


def row(found: Measured, name: str) -> str:
    cost = found.costs[name]
    cells = f"{cost.seconds:.2f} | {found.of(name, FLOOR):.2f} | {found.of(name, LOOK):.2f}"
    return f"| {name} | {cells} | {found.cpu(name):.1f} | {cost.peak / 1e6:.0f} |"


def targets(found: Measured) -> list[Target]:
    costs = found.costs
    compared = (
        [Target("(g) of (b)", found.of(ansible.MITOGEN, CLEAN), 15, least=True)]
        if found.ansible_rounds
        else []
    )
    return [
        Target("(b) of (a')", found.of(CLEAN, LOOK), 1.2),
        Target("(b) of (a)", found.of(CLEAN, FLOOR), 1.4),
        Target("(c) of (a)", found.of(REPAIR, FLOOR), 1.7),
        Target("(e) of (b)", found.of(REPORT, CLEAN), 1.0),
        *compared,
        Target("CPU of (b) beyond start-up, a host", found.cpu(CLEAN), 18, "ms"),
        Target("start-up", costs[START].seconds, 0.7, "s"),
        Target(
            f"memory of (b) at {found.hosts} hosts (the target is for 50)", costs[CLEAN].peak / 1e6, 150, "MB"
        ),
        Target("SSH channels of (b) on a host", found.channels, 2),
    ]
