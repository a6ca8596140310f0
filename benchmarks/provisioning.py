"""The first provisioning of N fresh lab hosts against ``apt-get install redis-server`` on as many, over plain SSH.

The floor's hosts work side by side as well, each with an ssh process of its own. Every round has fresh hosts.
"""

import statistics
import subprocess
import time

from benchmarks.clean_run import DEPLOY, SUITE, provision
from benchmarks.measured import Target, table_of
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.lab.lab import Lab

# As a fresh server is: apt has no lists yet.
INSTALL = "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -qy install redis-server"
LIMIT = 1.3


def measure(hosts: int, rounds: int) -> list[str]:
    """The results as Markdown, a line each."""
    floors, firsts = [], []
    for _ in range(rounds):
        with Lab() as lab:
            floors.append(install(lab.boot(*[SUITE] * hosts)))
        with Lab() as lab, Checkout.temporary() as checkout:
            checkout.list_hosts(lab.boot(*[SUITE] * hosts))
            began = time.monotonic()
            provision(checkout)
            firsts.append(time.monotonic() - began)
    return report(hosts, floors, firsts)


def install(hosts: list[Host]) -> float:
    """Seconds until all have it. Raise SystemExit if one has not."""
    began = time.monotonic()
    running = [
        subprocess.Popen(
            (*host.way_in("root", "-o", "ControlMaster=no"), "--", INSTALL),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        for host in hosts
    ]
    outputs = [process.communicate()[0] for process in running]
    took = time.monotonic() - began
    for process, output in zip(running, outputs, strict=True):
        if process.returncode != 0:
            raise SystemExit(f"apt-get install redis-server: exit {process.returncode}\n{output}")
    return took


def report(hosts: int, floors: list[float], firsts: list[float]) -> list[str]:
    floor, first = statistics.median(floors), statistics.median(firsts)
    return [
        "## The first provisioning",
        "",
        f"{hosts} fresh {SUITE} hosts each; medians of {len(floors)} rounds.",
        "",
        "| what | seconds | of the floor | each round |",
        "|---|---|---|---|",
        f"| floor: `apt-get install redis-server` over ssh | {floor:.1f} | 1.00 | {_all(floors)} |",
        f"| (d) first `{' '.join(DEPLOY)}` | {first:.1f} | {first / floor:.2f} | {_all(firsts)} |",
        "",
        *table_of([Target("(d) of its floor", first / floor, LIMIT)]),
    ]


def _all(seconds: list[float]) -> str:
    return ", ".join(f"{each:.1f}" for each in seconds)
