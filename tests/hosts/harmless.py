"""Words that a terminal and a shell would obey, and how a test tells that neither did."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.lab.host import Host

CANARY = "/tmp/canary"
RUN = f"$(touch {CANARY})`touch {CANARY}`"
OBEYED = f"\x1b[2J\x1b]0;owned\x07{RUN}"


def assert_harmless(hosts: Iterable[Host], told: str) -> None:
    """Nothing ran, here or there; a terminal shows it all, pyinfra's colours aside; no line is without end."""
    assert "Traceback" not in told, told
    for line in re.sub(r"\x1b\[[0-9;]*m", "", told).split("\n"):
        assert line.replace("\t", " ").isprintable(), ascii(line)
        assert len(line) < 2000, line[:2000]
    assert not Path(CANARY).exists()
    for host in hosts:
        host.run(f"! test -e {CANARY}")
