"""pyinfra inventory deploys/uninstall.py: stop managing the hosts; server, configuration and data stay."""

from pyinfra import host, state

from noevict import operations as redis
from noevict.run.prepare import look_at

run = look_at(state, host, report=False)

if not run.looked or run.of_others:
    redis.refuse_host(run, name="Leave alone what could not be looked at, or is another fleet's")
elif run.managed:
    redis.stop_managing(run, name="Stop managing")
else:
    run.machine.log("is not managed: nothing to do")
