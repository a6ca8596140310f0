"""Shares out the files that this process may have open: HTTP clients get what polling does not need."""

import resource

# Connections that one turn of the event loop may accept, and listen's queue: those above the bound are closed a turn
# or two later (asyncio accepts as many as this at once).
BACKLOG = 64
MOST_CLIENTS = 128  # connections over HTTP; each may hold a page's worth of memory
_LEAST_CLIENTS = 8  # a limit that leaves no more than this is reported at the start
_SOFT = 1 << 16  # more are of no use
_FOR_THE_PROCESS = 64 + 3 * BACKLOG  # files of the process, and connections accepted and not closed yet
_PER_HOST = 6  # two connections, each twice while it is renewed, and a lookup of its name


def raise_limit() -> int:
    """Raise the soft limit on open files as far as this process may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _SOFT if hard == resource.RLIM_INFINITY else min(hard, _SOFT)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return _SOFT if soft == resource.RLIM_INFINITY else soft


def needed(hosts: int) -> int:
    """Return how many open files the polling of so many hosts takes, with the fewest clients."""
    return _FOR_THE_PROCESS + _PER_HOST * hosts + _LEAST_CLIENTS


def clients(limit: int, hosts: int) -> int:
    """Return how many connections over HTTP there may be, with this limit and so many hosts."""
    return max(_LEAST_CLIENTS, min(MOST_CLIENTS, limit - _FOR_THE_PROCESS - _PER_HOST * hosts))
