"""Packages: from the distribution, never an upgrade."""

from dataclasses import replace

from noevict.engines.engine import ENGINES, Server
from noevict.errors import NoevictError
from noevict.operations.service import wait_until_ready
from noevict.plan.change import How
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import script

APT_SECONDS = 1800
INSTALL_SECONDS = (
    86400  # apt starts the server and waits until it has loaded the data it finds, terabytes perhaps
)


@host_operation
def prepare_packages(run: InstanceRun) -> None:
    """Tools that are missing, and which release of the server this host would get."""
    packages = run.found.machine.packages
    tools = [name for name in ("openssl",) if name not in packages or not packages[name].installed]
    fetch = "yes" if run.plan.due(How.ENGINE) else "no"
    said = run.machine.shell(
        script("apt")
        + script(
            "packages",
            package=run.layout.package,
            tools=" ".join(tools),
            fetch=fetch,
            pid=run.found.pid,
        ),
        seconds=APT_SECONDS,
        what="apt",
    )
    version = next(line.partition(" ")[2] for line in said if line.startswith("candidate "))
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
    """A server that was not there."""
    install(run)


def install(run: InstanceRun) -> None:
    """Install the server's package over the configuration that is in place: its first start is ours."""
    layout = run.layout
    run.machine.shell(
        script("apt")
        + script("keep_names", etc=layout.etc, conf=layout.conf)
        + script("install", package=layout.package, binary=layout.binary),
        seconds=INSTALL_SECONDS,
        what="apt",
    )
    # What was disabled or masked stays so while its package comes and goes.
    wait_until_ready(run, "enable start")
