"""``make bench``: a clean run on N lab hosts against the floor, one SSH connection and one command to each.

Rounds are interleaved, so that whatever else the machine does falls on all alike; medians, and ratios to the floor.
They are printed and written to benchmarks/results.md. ARGS: ``--hosts N`` (10), ``--rounds N`` (5).
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from tests.lab.checkout import Checkout
from tests.lab.lab import Lab

RESULTS = Path(__file__).with_name("results.md")
DEPLOY = ("pyinfra", "-y", "inventory", "deploy.py")
COMMANDS = {
    "floor: `pyinfra exec echo`": ("pyinfra", "-y", "inventory", "exec", "--", "echo"),
    "clean run: `pyinfra inventory deploy.py`": DEPLOY,
    "`noevict drift`": ("noevict", "drift"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        checkout = Checkout(Path(directory))
        checkout.list_hosts(lab.boot(*["trixie"] * arguments.hosts))
        first = seconds(checkout, DEPLOY)
        rounds: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(arguments.rounds):
            for name, command in COMMANDS.items():
                rounds[name].append(seconds(checkout, command))
    text = "\n".join(report(arguments.hosts, first, rounds))
    RESULTS.write_text(text)
    print(text)


def seconds(checkout: Checkout, command: tuple[str, ...]) -> float:
    """How long a command takes that must succeed."""
    began = time.monotonic()
    done = checkout.run(*command, timeout=1800)
    took = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(str(done))
    return took


def report(hosts: int, first: float, rounds: dict[str, list[float]]) -> list[str]:
    """The results as Markdown, a line each."""
    medians = {name: statistics.median(times) for name, times in rounds.items()}
    floor = next(iter(medians.values()))
    count = len(next(iter(rounds.values())))
    return [
        "# Benchmarks",
        "",
        f"{hosts} trixie lab hosts on {os.cpu_count()} cores, which they share with the controller "
        f"({platform.machine()}, Python {platform.python_version()}); medians of {count} interleaved rounds. "
        f"`make bench` makes this file. The first provisioning of all hosts took {first:.1f} s.",
        "",
        "| what | seconds | of the floor |",
        "|---|---|---|",
        *(f"| {name} | {median:.2f} | {median / floor:.2f} |" for name, median in medians.items()),
        "",
    ]


if __name__ == "__main__":
    main()
