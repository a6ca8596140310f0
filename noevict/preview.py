"""What deploy.py does in Prepare: look, plan, and say what is due. For deploys/monitoring.py too."""

from pyinfra import logger
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.client import sentence
from noevict.errors import NoevictError
from noevict.exporter.look import Exporter
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
    if tell:
        _tell(run, run)
    return run


def look_at_exporter(run: HostRun) -> Exporter:
    """Its exporter, looked at and planned, and what is due said. What goes wrong is the run's ``failure``."""
    exporter = Exporter(run)
    if run.looked:
        with run.fleet.looks:
            run.failure = _failure(exporter)
    _tell(run, exporter)
    return exporter


def _failure(exporter: Exporter) -> tuple[str, ...]:
    try:
        plan = exporter.look()
    except NoevictError as error:
        return error.lines
    except Exception as error:  # as in ``HostRun.look``
        logger.debug("looking at the exporter of %s", exporter.run.name, exc_info=True)
        return (f"its exporter could not be looked at: {sentence(error)}",)
    return plan.refusals or (() if plan.changes else plan.faults)


def _tell(run: HostRun, looked_at: HostRun | Exporter) -> None:
    for line in run.failure:
        run.fail(line)
    if not run.failure:
        for change in looked_at.plan.changes:
            run.log(f"due: {change}")
        for fault in looked_at.plan.faults:
            run.fail(fault)
        for notice in looked_at.plan.notices:
            run.warn(notice)
