"""What is given to Prometheus, tried with Debian's own: its promtool takes the rules, and their tests pass."""

import subprocess
from pathlib import Path

import pytest

from noevict.alerts import RULES, render_alerts
from tests.lab import prometheus
from tests.spread import spread

CASES = ("alerts.test.yml", "alerts.days.test.yml")


def passes(command: list[str], seconds: float = 600) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("suite", prometheus.SUITES)
def test_promtool_takes_the_rules(suite: str, tmp_path: Path) -> None:
    own = tmp_path / "alerts.yml"
    own.write_text(
        render_alerts(RULES.read_text(), "https://git.example.com/noevict/-/blob/main/docs/runbooks")
    )
    assert "SUCCESS" in passes(prometheus.promtool(suite, "check", "rules", RULES, own))


@pytest.mark.parametrize("suite", spread(prometheus.SUITES, "bookworm"))
def test_each_alert_fires_when_it_should_and_is_quiet_when_it_should_be(suite: str) -> None:
    passes(prometheus.promtool(suite, "test", "rules", *(RULES.with_name(name) for name in CASES)))
