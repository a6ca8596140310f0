"""pyinfra inventory deploys/monitoring.py: Prometheus' exporter beside each Redis, and what Prometheus reads here."""

from pyinfra import host, state

from noevict import operations as redis
from noevict.companions.exporter.prepare import look_at_exporter
from noevict.operations import exporter as prometheus
from noevict.plan.change import How
from noevict.run.prepare import look_at

run = look_at(state, host, report=False)
exporter = look_at_exporter(run)

if run.failure:
    redis.refuse_host(run, looked_for_drift=False, name="Leave alone what is not to be monitored")
else:
    if exporter.plan.changes:
        prometheus.lock_exporter(exporter, name="Lock the host, as it was looked at")
    # Before the package is installed: its first start uses these files.
    if exporter.plan.due(How.FILE, How.CERTIFICATE):
        prometheus.configure_exporter(exporter, name="Configure the exporter")
    if exporter.plan.due(How.PACKAGE):
        prometheus.install_exporter(exporter, name="Install the exporter")
    if exporter.plan.due(How.UNIT):
        prometheus.start_exporter(exporter, name="Enable and start the exporter")
    if exporter.plan.due(How.RESTART):
        prometheus.restart_exporter(exporter, name="Restart the exporter")
    prometheus.verify_exporter(exporter, name="Verify as Prometheus")
