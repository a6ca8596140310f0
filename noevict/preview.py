"""What deploy.py does in Prepare: look, plan, and say what is due."""

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.errors import NoevictError
from noevict.run import HostRun, fleet_of


def look_at(state: State, host: Host, *, tell: bool = True) -> HostRun:
    """This host's run, looked at and planned; what is due there is said, where ``tell``.

    Raises DeployError for mistakes in the settings of any host: nothing is done anywhere then.
    """
    try:
        run = HostRun(state, host, fleet_of(state))
    except NoevictError as error:
        raise DeployError(str(error)) from error
    run.look()
    if not tell:
        return run
    for line in run.failure:
        run.fail(line)
    if not run.failure:
        for change in run.plan.changes:
            run.log(f"due: {change}")
        for fault in run.plan.faults:
            run.fail(fault)
        for notice in run.plan.notices:
            run.warn(notice)
    return run
