"""A clean run on N lab hosts against the floor, one SSH connection and one command to each.

Rounds are interleaved, so that whatever else the machine does falls on all alike; medians, and ratios to the floor.
"""

import statistics
import tempfile
import time
from pathlib import Path

from tests.lab.checkout import Checkout
from tests.lab.lab import Lab

DEPLOY = ("pyinfra", "-y", "inventory", "deploy.py")
COMMANDS = {
    "floor: `pyinfra exec echo`": ("pyinfra", "-y", "inventory", "exec", "--", "echo"),
    "clean run: `pyinfra inventory deploy.py`": DEPLOY,
    "`noevict drift`": ("noevict", "drift"),
}


def measure(hosts: int, rounds: int) -> list[str]:
    """The results as Markdown, a line each."""
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        checkout = Checkout(Path(directory))
        checkout.list_hosts(lab.boot(*["trixie"] * hosts))
        first = seconds(checkout, DEPLOY)
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                times[name].append(seconds(checkout, command))
    return report(hosts, first, times)


def seconds(checkout: Checkout, command: tuple[str, ...]) -> float:
    """How long a command takes that must succeed."""
    began = time.monotonic()
    done = checkout.run(*command, timeout=1800)
    took = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(str(done))
    return took


def report(hosts: int, first: float, times: dict[str, list[float]]) -> list[str]:
    medians = {name: statistics.median(each) for name, each in times.items()}
    floor = next(iter(medians.values()))
    rounds = len(next(iter(times.values())))
    return [
        "## A clean run",
        "",
        f"{hosts} trixie hosts; medians of {rounds} interleaved rounds. The first provisioning of all hosts took "
        f"{first:.1f} s.",
        "",
        "| what | seconds | of the floor |",
        "|---|---|---|",
        *(f"| {name} | {median:.2f} | {median / floor:.2f} |" for name, median in medians.items()),
    ]
