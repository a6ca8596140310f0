"""A server that is still loading its data: what it tells of its keys is not all, and nothing is changed on it."""

import contextlib
import time

import redis

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.platforms.systemd.found import InstanceState
from noevict.run.instance import InstanceRun
from noevict.server.progress import Info, ProgressDeadline, loading
from noevict.ssh.shell import HOST_FAILURES

ANSWER_SECONDS = 20  # from ready to the first answer


def is_loading(found: InstanceState) -> bool:
    """Whether it says so itself, or is being started and too busy to answer; or the engine that it replaces does."""
    return (
        found.live.loading
        or found.too_busy
        or (found.predecessor is not None and is_loading(found.predecessor))
    )


def wait_until_loaded(run: InstanceRun) -> None:
    """Where the last look found it loading: wait until it is not, and look again.

    Raises NoevictError once the loading stands still, and as ``InstanceRun.look_again``.
    """
    patience = _patience(run.predecessor or run)
    while is_loading(run.found):
        while (info := _ask(run.predecessor or run)) and info.get("loading"):
            patience.wait(*loading(info))
        patience.wait()
        run.look_again()


def wait_for_first_answer(run: InstanceRun) -> None:
    """Log in to a server that was just started, as a client would, and wait until it has loaded its data.

    Raises NoevictError where it does not answer within ANSWER_SECONDS or does not take the password, and once the
    loading stands still.
    """
    patience, late, seen = _patience(run), time.monotonic() + ANSWER_SECONDS, False
    while True:
        try:
            client = run.reconnect()
            while (info := client.info("persistence")).get("loading"):
                seen = True
                patience.wait(*loading(info))
            return
        except (redis.RedisError, OSError) as error:
            given_up = not seen and time.monotonic() > late
            if given_up or isinstance(error, redis.AuthenticationError):
                raise NoevictError(f"{run.layout.title} started, and {sentence(error)}") from error
        patience.wait()


def how_far(run: InstanceRun) -> tuple[object, str]:
    """How far a server that is being started is, for ``ProgressDeadline.wait``; nothing where it does not say."""
    info = _ask(run)
    if info is None:
        with contextlib.suppress(*HOST_FAILURES):
            run.reconnect()
        info = _ask(run)
    return loading(info) if info else (None, "")


def _ask(run: InstanceRun) -> Info | None:
    """INFO over the connection there is; None where that does not answer."""
    try:
        info: Info = run.client.info("persistence")
    except (*HOST_FAILURES, NoevictError):
        return None
    return info


def _patience(run: InstanceRun) -> ProgressDeadline:
    return ProgressDeadline(f"{run.layout.title} is loading its data", run.machine.log)
