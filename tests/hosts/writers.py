"""Clients that write while something is done to their server, and count what was acknowledged."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import redis

from tests.hosts.deployment import wait_for

BATCH = 2000
# Between two writes of a client: without a pause, the clients of some hosts take all of a machine's processors.
PAUSE_SECONDS = 0.01
BACK_SECONDS = 0.005  # between two attempts to come back; the first is made at once
ENOUGH = 20  # writes before and after what is done

# What BullMQ's addJob does: a hash for the job, its place in the queue, an event; several keys, all or nothing.
ADD_JOB = """
redis.call("INCR", KEYS[1] .. "id")
redis.call("HSET", KEYS[1] .. ARGV[1], "name", "job", "data", ARGV[1])
redis.call("LPUSH", KEYS[1] .. "wait", ARGV[1])
redis.call("XADD", KEYS[1] .. "events", "*", "event", "added", "jobId", ARGV[1])
return ARGV[1]
"""


class Single:
    """One SET after the other."""

    def write(self, client: "redis.Redis", name: str, number: int) -> None:
        assert client.set(f"{name}:{number}", number)

    def found(self, client: "redis.Redis", name: str, numbers: range) -> set[int]:
        values = client.mget(f"{name}:{number}" for number in numbers)
        return {number for number, value in zip(numbers, values, strict=True) if value == str(number)}


class Transaction:
    """MULTI and EXEC around a hash, a list and a counter."""

    def write(self, client: "redis.Redis", name: str, number: int) -> None:
        with client.pipeline(transaction=True) as pipe:
            pipe.hset(f"{name}:hash", str(number), str(number)).rpush(f"{name}:list", number)
            pipe.incr(f"{name}:count").execute()

    def found(self, client: "redis.Redis", name: str, numbers: range) -> set[int]:  # noqa: ARG002 - as the others
        in_hash, in_list = client.hkeys(f"{name}:hash"), client.lrange(f"{name}:list", 0, -1)
        assert int(client.get(f"{name}:count") or 0) == len(in_list), "a transaction was applied in part"
        return set(map(int, in_hash)) & set(map(int, in_list))


class Script:
    """A job added as BullMQ does it: with EVALSHA, EVAL if the server does not know the script (any more)."""

    def write(self, client: "redis.Redis", name: str, number: int) -> None:
        assert client.register_script(ADD_JOB)(keys=[f"bull:{name}:"], args=[number]) == str(number)

    def found(self, client: "redis.Redis", name: str, numbers: range) -> set[int]:
        waiting = set(map(int, client.lrange(f"bull:{name}:wait", 0, -1)))
        events = {int(entry["jobId"]) for _, entry in client.xrange(f"bull:{name}:events")}
        with client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.hget(f"bull:{name}:{number}", "data")
            jobs = {
                number for number, data in zip(numbers, pipe.execute(), strict=True) if data == str(number)
            }
        return jobs & waiting & events


class Blocked:
    """A worker that waits for a job: it writes nothing, and its connection can be ended all the same."""

    def write(self, client: "redis.Redis", name: str, number: int) -> None:  # noqa: ARG002 - as the others
        client.blpop([f"{name}:never"], timeout=0.2)

    def found(self, client: "redis.Redis", name: str, numbers: range) -> set[int]:  # noqa: ARG002 - as the others
        return set(numbers)


KINDS = {"single": Single(), "transaction": Transaction(), "script": Script(), "blocked": Blocked()}


@dataclass
class Writer:
    """One client, one connection. A write that fails is made again, until it is acknowledged.

    ``pause``: seconds between two writes. ``acknowledged``: every number below it is. ``ended``: how often its
    connection was. ``gap``: the longest time from one acknowledgement to the next, in seconds.
    """

    name: str
    kind: str
    connect: Callable[[], AbstractContextManager["redis.Redis"]]
    pause: float = PAUSE_SECONDS
    acknowledged: int = 0
    ended: int = 0
    gap: float = 0.0
    errors: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        last, connected = 0.0, False
        with self.connect() as client:
            while not self._stop.is_set():
                try:
                    KINDS[self.kind].write(client, self.name, self.acknowledged)
                except redis.RedisError as error:
                    self.errors.add(type(error).__name__)
                    self.ended += connected
                    if not connected:
                        self._stop.wait(BACK_SECONDS)
                    connected = False
                    continue
                now = time.monotonic()
                self.gap, last = max(self.gap, now - last if last else 0.0), now
                self.acknowledged, connected = self.acknowledged + 1, True
                if self.pause:
                    self._stop.wait(self.pause)

    def stop(self) -> None:
        self._stop.set()

    def lost(self, client: "redis.Redis") -> set[int]:
        """The numbers of acknowledged writes that are not there, whole."""
        lost: set[int] = set()
        for start in range(0, self.acknowledged, BATCH):
            numbers = range(start, min(start + BATCH, self.acknowledged))
            lost |= set(numbers) - KINDS[self.kind].found(client, self.name, numbers)
        return lost


@contextmanager
def writing(writers: Iterable[Writer]) -> Iterator[None]:
    """In the block all of them write; they have before it begins and, when it ends well, after it too."""
    everyone = list(writers)
    threads = [threading.Thread(target=writer.run, daemon=True) for writer in everyone]
    for thread in threads:
        thread.start()
    try:
        _wait_for_more(everyone)
        yield
        _wait_for_more(everyone)
    finally:
        for writer in everyone:
            writer.stop()
        for thread in threads:
            thread.join()


def _wait_for_more(writers: list[Writer]) -> None:
    goals = [writer.acknowledged + (1 if writer.kind == "blocked" else ENOUGH) for writer in writers]

    def silent() -> list[Writer]:
        return [each for each, goal in zip(writers, goals, strict=True) if each.acknowledged < goal]

    try:
        wait_for("all of them write", lambda: not silent(), seconds=60)
    except AssertionError as error:
        raise AssertionError(f"{error}, but for {silent()}") from None
