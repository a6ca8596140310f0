"""Installs packages of the distribution, and never upgrades any."""

from dataclasses import replace

from noevict.engines.engine import ENGINES, Server
from noevict.errors import NoevictError
from noevict.operations.service import wait_until_ready
from noevict.plan.change import How
from noevict.platforms.systemd import steps
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import apt, script

APT_SECONDS = 1800
# apt starts the server and waits until it has loaded the data that it finds, perhaps terabytes.
INSTALL_SECONDS = 86400


@host_operation
def prepare_packages(run: InstanceRun) -> None:
    """Install missing tools, and find out which release of the server this host would get."""
    fetch = "yes" if run.plan.due(How.ENGINE) else "no"
    lines = run.machine.shell(
        apt()
        + script(
            "packages",
            package=run.layout.package,
            tools=" ".join(steps.missing_tools(run.plan)),
            fetch=fetch,
            pid=run.found.pid,
        ),
        seconds=APT_SECONDS,
        what="apt",
    )
    version = next(line.partition(" ")[2] for line in lines if line.startswith("candidate "))
    server = Server.parse(run.layout.engine.name, version)
    if not server.supported:
        oldest = ".".join(map(str, ENGINES[run.layout.engine.name].oldest[:2]))
        raise NoevictError(f"its release has {server}: should be {oldest} or later")
    run.state = replace(run.found, candidate=version)
    run.make_plan()
    if run.plan.refusals:
        raise NoevictError(*run.plan.refusals)


@host_operation
def install_server(run: InstanceRun) -> None:
    """Install a server that is missing."""
    install(run)


def install(run: InstanceRun) -> None:
    """Install the server's package. The configuration is in place already: its first start uses it."""
    layout = run.layout
    run.machine.shell(
        apt()
        + script("keep_names", etc=layout.etc, conf=layout.conf)
        + script("install", package=layout.package, binary=layout.binary),
        seconds=INSTALL_SECONDS,
        what="apt",
    )
    # A unit that was disabled or masked stays so, whether its package is removed or installed.
    wait_until_ready(run, "enable start")
