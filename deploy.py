"""pyinfra inventory deploy.py: provisions new hosts, and repairs drift in the same way."""

from pyinfra import host, state

from noevict import operations as redis
from noevict.plan.change import How
from noevict.platforms.systemd import steps
from noevict.run.prepare import look_at

run = look_at(state, host)

if run.failure:
    redis.refuse_host(run, name="Leave alone what noevict should not touch")
else:
    if run.plan.changes:
        redis.lock_host(run, name="Lock the host, as it was looked at")
    if run.plan.due(How.PACKAGE):
        redis.prepare_packages(run, name="Prepare packages")
    # The server and the test of the configuration must be able to read what comes next.
    if steps.access_due(run.plan):
        redis.fix_permissions(run, name="Owners and modes")
    # The test of the configuration reads the certificates.
    if run.plan.due(How.CERTIFICATE):
        redis.renew_certificate(run, name="Certificate")
    if steps.tests_candidate(run.plan):
        redis.test_configuration(run, name="Test the new configuration")
    # AOF is on and written before the file says so.
    if steps.sets_live(run.plan, run.found):
        redis.set_live(run, name="Change the running server")
    # While the old redis.conf still says which files on disk are the newest.
    if steps.prepares_data(run.plan, run.found):
        redis.prepare_data(run, name="See that the data on disk is found")
    if steps.writes_files(run.plan):
        redis.write_files(run, name="Files and kernel values")
    if run.plan.due(How.ENGINE):
        redis.change_engine(run, name="Change the engine, with all data")
    elif steps.installs_server(run.plan):
        redis.install_server(run, name="Install the server")
    if run.plan.due(How.UNIT):
        redis.enable_service(run, name="Enable the service")
    if steps.starts_server(run.plan, run.found):
        redis.start_server(run, name="Start the server")
    if run.plan.due(How.RESTART):
        redis.restart_server(run, name="Restart, one host at a time")
    redis.verify_host(run, name="Verify as a client")
