"""pyinfra inventory deploys/verify.py: each host as its clients see it; nothing is changed."""

from pyinfra import host, state

from noevict import operations as redis
from noevict.run.prepare import look_at

run = look_at(state, host, repairs=False)

if run.failure:
    redis.refuse_host(run, name="Leave alone what noevict should not touch")
else:
    redis.verify_host(run, name="Verify as a client")
