"""Text that would control a terminal or run in a shell, and the assertion that it did neither."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.lab.host import Host

CANARY = "/tmp/canary"
COMMAND_INJECTION = f"$(touch {CANARY})`touch {CANARY}`"
INJECTION = f"\x1b[2J\x1b]0;owned\x07{COMMAND_INJECTION}"


def assert_terminal_safe(hosts: Iterable[Host], output: str) -> None:
    """Assert that nothing ran, here or there, and that a terminal prints all of it (pyinfra's colours aside)."""
    assert "Traceback" not in output, output
    for line in re.sub(r"\x1b\[[0-9;]*m", "", output).split("\n"):
        assert line.replace("\t", " ").isprintable(), ascii(line)
        assert len(line) < 2000, line[:2000]
    assert not Path(CANARY).exists()
    for host in hosts:
        host.run(f"! test -e {CANARY}")
