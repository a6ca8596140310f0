"""What deploys/monitoring.py does in Prepare: look at the exporter, plan, and report what is due."""

from noevict.client.failures import sentence
from noevict.companions.exporter.look import Exporter
from noevict.errors import NoevictError
from noevict.run.instance import InstanceRun
from noevict.run.prepare import report_due
from noevict.ssh.shell import HOST_FAILURES, explain


def look_at_exporter(run: InstanceRun) -> Exporter:
    """Look at the host's exporter, plan, and report what is due. An error becomes the run's ``failure``."""
    exporter = Exporter(run)
    if run.looked:
        with run.context.looks:
            run.failure = _failure(exporter)
    report_due(run, exporter.plan if exporter.planned else None)
    return exporter


def _failure(exporter: Exporter) -> tuple[str, ...]:
    try:
        plan = exporter.gather_facts()
    except NoevictError as error:
        return error.lines
    except (*HOST_FAILURES, ValueError) as error:
        return (f"its exporter could not be looked at: {sentence(error)}",)
    except Exception as error:  # as in ``InstanceRun.look``
        return explain(error)
    return plan.refusals or (() if plan.changes else plan.faults)
