"""What deploy.py does in Prepare: look, plan, and say what is due."""

from typing import Any

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.errors import NoevictError
from noevict.plan.plan import Plan
from noevict.platforms.systemd.wanted import UNVERIFIED
from noevict.run import command_line
from noevict.run.context import context_of
from noevict.run.instance import InstanceRun
from noevict.run.kept import refused_after, writes_refused
from noevict.run.machine import MachineRun


def look_at(state: State, host: Host, *, tell: bool = True, repairs: bool = True) -> InstanceRun:
    """This host's run, looked at and planned; what is due there is said, where ``tell``.

    ``repairs``: whether what is due is then done; where it is not, it fails the run.

    Raises DeployError for mistakes in the settings of any host: nothing is done anywhere then.
    """
    try:
        run = InstanceRun(MachineRun(state, host, context_of(state)))
    except NoevictError as error:
        raise DeployError(str(error)) from error
    run.look()
    if tell:
        if refused := writes_refused(run):
            run.machine.fail(refused)
        if run.looked and (refused and refused_after(run) if repairs else refused or differs(run)):
            command_line.failing.add(run.name)
        report_due(run, run.plan if run.looked else None)
    return run


def differs(run: InstanceRun) -> bool:
    """Whether something is not as wanted, but for what ends with the verification."""
    return any(change.path not in UNVERIFIED for change in run.plan.changes)


def report_due(run: InstanceRun, plan: Plan[Any] | None) -> None:
    """Why its host is to be left alone, or what is due by the plan of what was looked at there."""
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
