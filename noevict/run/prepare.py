"""What deploy.py does in Prepare: it looks at the host, makes a plan and reports what is due."""

from typing import Any

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.errors import NoevictError
from noevict.plan.plan import Plan
from noevict.run import command_line
from noevict.run.context import context_of
from noevict.run.instance import InstanceRun
from noevict.run.kept import refused_after, writes_refused
from noevict.run.machine import MachineRun


def look_at(state: State, host: Host, *, report: bool = True, repairs: bool = True) -> InstanceRun:
    """Look at the host, plan its changes, and return its run. With ``report``, print what is due.

    ``repairs``: whether this run makes the changes; if not, any of them fails the run.

    Raise DeployError if the settings of any host have mistakes: nothing is done on any host then.
    """
    try:
        run = InstanceRun(MachineRun(state, host, context_of(state)))
    except NoevictError as error:
        raise DeployError(str(error)) from error
    run.look()
    if report:
        if refused := writes_refused(run):
            run.machine.fail(refused)
        if run.looked and (refused and refused_after(run) if repairs else refused or differs(run)):
            command_line.failing.add(run.name)
        report_due(run, run.plan if run.looked else None)
    return run


def differs(run: InstanceRun) -> bool:
    """Return whether anything is not as wanted, except what the verification ends."""
    return any(change.path not in run.layout.unverified for change in run.plan.changes)


def report_due(run: InstanceRun, plan: Plan[Any] | None) -> None:
    """Print why nothing is done on the host, or what is due by ``plan``."""
    for line in run.failure:
        run.machine.fail(line)
    if plan is not None and not run.failure:
        for change in plan.changes:
            run.machine.log(f"due: {change}")
        for fault in plan.faults:
            run.machine.fail(fault)
            command_line.failing.add(run.name)
        for notice in plan.notices:
            run.machine.warn(notice)
