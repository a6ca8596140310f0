"""The command that docs/clients.md has for a worker, run literally."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def worker(options: str = "") -> Iterator[None]:
    """Runs for the block. What it printed is shown if the block fails."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {os.environ['COMMAND']} {options}"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    failed = True
    try:
        yield
        failed = False
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        printed, _ = process.communicate()
        if failed:
            print(printed)


def run(options: str) -> None:
    """To its end."""
    subprocess.run(["sh", "-c", f"{os.environ['COMMAND']} {options}"], check=True)
