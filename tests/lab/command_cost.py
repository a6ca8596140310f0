"""What one command costs this machine: ``python tests/lab/command_cost.py FILE COMMAND...`` writes that to FILE.

A process of its own, and a small one: the largest memory that the kernel notes for a child counts what its parent had
when it was started, so a large test process would be measured along with it.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Of a command and all that it waited for."""

    seconds: float  # by the clock
    cpu: float  # seconds, user and system
    peak: int  # the most memory of one process, bytes


def main(file: str, *command: str) -> int:
    began = time.monotonic()
    code = subprocess.call(command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
    Path(file).write_text(json.dumps(asdict(cost)))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
