"""BullMQ's queues: what ``redis_queues`` names, and the keys that tell how long each is.

The keys are those of BullMQ 5 and 6 and of its ports (https://docs.bullmq.io); there is none named ``waiting``.
"""

from collections.abc import Iterable

# State of jobs -> the command that counts them: a list, or a sorted set. Only BullMQ before 6 has ``paused``: there
# the jobs that wait are moved to it.
STATES = {
    "wait": "LLEN",
    "paused": "LLEN",
    "prioritized": "ZCARD",
    "active": "LLEN",
    "delayed": "ZCARD",
    "failed": "ZCARD",
}
# What a worker that runs sets anew every 30 s, for as long (its stalledInterval): the jobs of one that was killed stay
# ``active`` until another runs.
WORKERS, WORKERS_ASKED = "stalled-check", "STRLEN"
LONGEST = 200  # characters of a queue's name


def prefix(queue: str) -> str:
    """What the keys of a queue begin with: ``bull:email`` for ``email``; a name with a colon is the whole prefix."""
    return queue if ":" in queue else f"bull:{queue}"


def key(queue: str, state: str) -> str:
    return f"{prefix(queue)}:{state}"


def is_name(value: object) -> bool:
    """Whether it may name a queue: printable, and without what ends a word."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= LONGEST:
        return False
    return value == value.strip() and not value.startswith(":") and not value.endswith(":")


def twice(queues: Iterable[str]) -> list[str]:
    """The names whose queue another name has named already."""
    seen: set[str] = set()
    found = []
    for queue in queues:
        if prefix(queue) in seen:
            found.append(queue)
        seen.add(prefix(queue))
    return found
