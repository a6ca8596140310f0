"""The loads on one server: redis-benchmark on its host, and BullMQ from this machine. One is done at a time."""

import csv
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import TLS, Contestant, Ring
from tests.server import client_installs
from tests.server.bullmq import HERE

JOBS = 20_000
USER = "app"


@dataclass(frozen=True)
class Felt:
    """Of one load. ``rate``: a second; ``p99``: milliseconds; ``cpu``: the server's, microseconds for each."""

    rate: float
    p99: float | None
    cpu: float


Load = Callable[[Ring, Contestant], dict[str, Felt]]


@dataclass(frozen=True)
class Command:
    """A load of redis-benchmark's: 50 clients, values of 100 bytes, keys of 100,000 names."""

    title: str
    test: str
    requests: int
    pipeline: int = 1

    def put(self, ring: Ring, contestant: Contestant) -> Felt:
        way = ring.way(contestant, USER)
        words = ["redis-benchmark", "--csv", "-h", "127.0.0.1", "-p", way["port"], "-c", 50, "-d", 100]
        words += ["-r", 100_000, "-n", self.requests, "-P", self.pipeline, "-t", self.test]
        words += ["--tls", "--cacert", f"{TLS}/ca.crt"] if contestant.tls else []
        words += ["--user", way["username"], "-a", way["password"]] if contestant.users else []
        before = ring.cpu(contestant)
        done = ring.host.run(shlex.join(map(str, words)), timeout=300).stdout
        used = ring.cpu(contestant) - before
        [row] = csv.DictReader(done[done.index('"test"') :].splitlines())
        return Felt(float(row["rps"]), float(row["p99_latency_ms"]), used / self.requests * 1e6)


SET, GET = Command("SET", "set", 100_000), Command("GET", "get", 100_000)
LPUSH, RPOP = Command("LPUSH", "lpush", 100_000), Command("RPOP", "rpop", 100_000)
SET_16 = Command("SET, 16 at a time", "set", 800_000, pipeline=16)
ADDS, DONE = f"BullMQ: {JOBS:,} jobs added", f"BullMQ: {JOBS:,} jobs done"


def commands(*chosen: Command) -> Load:
    """Each in turn, from an empty server on: what one leaves, the next finds."""

    def load(ring: Ring, contestant: Contestant) -> dict[str, Felt]:
        ring.reset(contestant)
        felt = {each.title: each.put(ring, contestant) for each in chosen}
        ring.reset(contestant)
        return felt

    return load


def bullmq(ring: Ring, contestant: Contestant) -> dict[str, Felt]:
    """A queue is filled by 50 callers at a time, then emptied by a worker that does 50 jobs at a time."""
    ring.reset(contestant)
    with subprocess.Popen(
        ["node", Path(__file__).with_name("bullmq.cjs"), str(JOBS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"NODE_PATH": str(client_installs.node_modules(HERE))},
    ) as node:
        say(node, json.dumps(ring.way(contestant, USER)))
        felt = {}
        for title, phase in ((ADDS, "add"), (DONE, "work")):
            before = ring.cpu(contestant)
            seconds = float(say(node, phase))
            felt[title] = Felt(JOBS / seconds, None, (ring.cpu(contestant) - before) / JOBS * 1e6)
    ring.reset(contestant)
    return felt


def say(node: "subprocess.Popen[str]", line: str) -> str:
    """What it answers to one line."""
    assert node.stdin is not None  # noqa: S101 - PIPEs
    assert node.stdout is not None  # noqa: S101
    node.stdin.write(f"{line}\n")
    node.stdin.flush()
    answer = node.stdout.readline()
    if not answer:
        raise SystemExit("bullmq.cjs ended: its output stands above")
    return answer
