"""What deploy.py does in Prepare: look, plan, and say what is due."""

from typing import TYPE_CHECKING

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict import command_line
from noevict.errors import NoevictError
from noevict.kept import refused_after, writes_refused
from noevict.run import HostRun, fleet_of
from noevict.target import UNVERIFIED

if TYPE_CHECKING:
    from noevict.exporter.look import Exporter


def look_at(state: State, host: Host, *, tell: bool = True, repairs: bool = True) -> HostRun:
    """This host's run, looked at and planned; what is due there is said, where ``tell``.

    ``repairs``: whether what is due is then done; where it is not, it fails the run.

    Raises DeployError for mistakes in the settings of any host: nothing is done anywhere then.
    """
    try:
        run = HostRun(state, host, fleet_of(state))
    except NoevictError as error:
        raise DeployError(str(error)) from error
    run.look()
    if tell:
        if refused := writes_refused(run):
            run.fail(refused)
        if run.looked and (refused and refused_after(run) if repairs else refused or differs(run)):
            command_line.failing.add(run.name)
        tell_due(run, run)
    return run


def differs(run: HostRun) -> bool:
    """Whether something is not as wanted, but for what ends with the verification."""
    return any(change.what not in UNVERIFIED for change in run.plan.changes)


def tell_due(run: HostRun, looked_at: "HostRun | Exporter") -> None:
    """Why its host is to be left alone, or what is due by the plan of what was looked at there."""
    for line in run.failure:
        run.fail(line)
    if not run.failure:
        for change in looked_at.plan.changes:
            run.log(f"due: {change}")
        for fault in looked_at.plan.faults:
            run.fail(fault)
            command_line.failing.add(run.name)
        for notice in looked_at.plan.notices:
            run.warn(notice)
