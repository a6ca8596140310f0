"""``make bench``: what a clean run and the first one cost, what clients feel of each kind of remediation, and
the server itself.

The results are printed and written to benchmarks/results.md. ARGS: ``--hosts N`` (30); ``--rounds N`` (5) of the clean
run; ``--ansible-rounds N`` (2; 0 leaves Ansible out); ``--first-rounds N`` (2) of the first provisioning;
``--milliseconds N`` (50) of the long way; ``--sizes N,N,...`` (100,500,1000,2000) and ``--size-rounds N`` (1) of many
hosts; ``--gap-rounds N`` (3); ``--mib N`` (500) of the large data; ``--server-rounds N`` (3) of the server itself;
``--watch-seconds N`` (120) of `noevict serve`.
"""

import argparse
import os
import platform
from pathlib import Path

from benchmarks import clean_run, gaps, latency, provisioning, scale, server, watching

RESULTS = Path(__file__).with_name("results.md")


def numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--hosts", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ansible-rounds", type=int, default=2)
    parser.add_argument("--first-rounds", type=int, default=2)
    parser.add_argument("--milliseconds", type=int, default=50)
    parser.add_argument("--sizes", type=numbers, default=[100, 500, 1000, 2000])
    parser.add_argument("--size-rounds", type=int, default=1)
    parser.add_argument("--gap-rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=500)
    parser.add_argument("--server-rounds", type=int, default=3)
    parser.add_argument("--watch-seconds", type=int, default=120)
    asked = parser.parse_args()
    lines = [
        "# Benchmarks",
        "",
        f"Lab hosts on {os.cpu_count()} cores, which they share with the controller ({platform.machine()}, Python "
        f"{platform.python_version()}). `make bench` makes this file.",
        "",
        *clean_run.measure(asked.hosts, asked.rounds, asked.ansible_rounds),
        "",
        *provisioning.measure(asked.hosts, asked.first_rounds),
        "",
        *latency.measure(asked.milliseconds, asked.rounds),
        "",
        *scale.measure(asked.sizes, asked.size_rounds),
        "",
        *gaps.measure(asked.gap_rounds, asked.mib),
        "",
        *server.measure(asked.server_rounds),
        "",
        *watching.measure(50, asked.watch_seconds),
    ]
    text = "".join(f"{line}\n" for line in lines)
    RESULTS.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
