"""Waits for a server that is still loading its data: until then it reports only some keys, and is not changed."""

import contextlib
import time

import redis

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.platforms.systemd.found import InstanceState
from noevict.run.instance import InstanceRun
from noevict.server.progress import Info, loading
from noevict.ssh.shell import HOST_FAILURES
from noevict.ssh.waits import ProgressDeadline

ANSWER_SECONDS = 20  # from the unit being ready to the server's first answer


def is_loading(found: InstanceState) -> bool:
    """Return whether the server, or the one that it replaces, is loading or starting and too busy to answer."""
    return (
        found.live.loading
        or found.too_busy
        or (found.predecessor is not None and is_loading(found.predecessor))
    )


def wait_until_loaded(run: InstanceRun) -> None:
    """If the last look found the server loading, wait until it has loaded, and look again.

    Raise NoevictError if the loading makes no progress, and as ``InstanceRun.look_again``.
    """
    deadline = _deadline(run.predecessor or run)
    while is_loading(run.found):
        while (info := _ask(run.predecessor or run)) and info.get("loading"):
            deadline.wait(*loading(info))
        deadline.wait()
        run.look_again()


def wait_for_first_answer(run: InstanceRun) -> None:
    """Log in to a server that was just started, as a client would, and wait until it has loaded its data.

    Raise NoevictError if it does not answer within ANSWER_SECONDS, rejects the password, or makes no progress.
    """
    deadline, late, seen = _deadline(run), time.monotonic() + ANSWER_SECONDS, False
    while True:
        try:
            client = run.reconnect()
            while (info := client.info("persistence")).get("loading"):
                seen = True
                deadline.wait(*loading(info))
            return
        except (redis.RedisError, OSError) as error:
            given_up = not seen and time.monotonic() > late
            if given_up or isinstance(error, redis.AuthenticationError):
                raise NoevictError(f"{run.layout.title} started, and {sentence(error)}") from error
        deadline.wait()


def how_far(run: InstanceRun) -> tuple[object, str]:
    """Return how far a starting server has loaded, for ``ProgressDeadline.wait``; (None, "") if it does not answer."""
    info = _ask(run)
    if info is None:
        with contextlib.suppress(*HOST_FAILURES):
            run.reconnect()
        info = _ask(run)
    return loading(info) if info else (None, "")


def _ask(run: InstanceRun) -> Info | None:
    """Return INFO over the connection that is open; None if the server does not answer."""
    try:
        info: Info = run.client.info("persistence")
    except (*HOST_FAILURES, NoevictError):
        return None
    return info


def _deadline(run: InstanceRun) -> ProgressDeadline:
    return ProgressDeadline(f"{run.layout.title} is loading its data", run.machine.log)
