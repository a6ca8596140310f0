"""BullMQ's queues: the names in ``redis_queues``, and the keys that show how long each queue is.

The keys are from BullMQ 5 and 6 and its ports (https://docs.bullmq.io); none is named ``waiting``.
"""

from collections.abc import Iterable

# State of jobs -> the command that counts them: a list, or a sorted set. Only BullMQ before 6 has ``paused``, to which
# it moves the jobs that wait.
STATES = {
    "wait": "LLEN",
    "paused": "LLEN",
    "prioritized": "ZCARD",
    "active": "LLEN",
    "delayed": "ZCARD",
    "failed": "ZCARD",
}
# The mark that a running worker sets again every 30 s, for as long (its stalledInterval): the jobs of a killed worker
# stay ``active`` until another one runs.
WORKERS, WORKERS_ASKED = "stalled-check", "STRLEN"
LONGEST = 200  # characters of a queue's name


def prefix(queue: str) -> str:
    """Return the prefix of a queue's keys: ``bull:email`` for ``email``; a name with a colon is the whole prefix."""
    return queue if ":" in queue else f"bull:{queue}"


def key(queue: str, state: str) -> str:
    return f"{prefix(queue)}:{state}"


def is_name(value: object) -> bool:
    """Whether a value may be the name of a queue: printable, and without characters that end a word."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= LONGEST:
        return False
    return value == value.strip() and not value.startswith(":") and not value.endswith(":")


def twice(queues: Iterable[str]) -> list[str]:
    """Return the names for a queue that an earlier name stands for already."""
    prefixes: set[str] = set()
    found = []
    for queue in queues:
        if prefix(queue) in prefixes:
            found.append(queue)
        prefixes.add(prefix(queue))
    return found
