"""``make bench``: a clean run against the floor, and what clients feel of each kind of remediation.

The results are printed and written to benchmarks/results.md. ARGS: ``--hosts N`` (30) and ``--rounds N`` (5) of the
clean run; ``--gap-rounds N`` (3); ``--mib N`` (500) of the large data.
"""

import argparse
import os
import platform
from pathlib import Path

from benchmarks import clean_run, gaps

RESULTS = Path(__file__).with_name("results.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--hosts", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gap-rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=500)
    asked = parser.parse_args()
    lines = [
        "# Benchmarks",
        "",
        f"Lab hosts on {os.cpu_count()} cores, which they share with the controller ({platform.machine()}, Python "
        f"{platform.python_version()}). `make bench` makes this file.",
        "",
        *clean_run.measure(asked.hosts, asked.rounds),
        "",
        *gaps.measure(asked.gap_rounds, asked.mib),
    ]
    text = "".join(f"{line}\n" for line in lines)
    RESULTS.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
