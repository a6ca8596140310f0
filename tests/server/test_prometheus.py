"""What is given to Prometheus, tried with Debian's own: its promtool takes the rules, and their tests pass."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from noevict.companions.exporter.alerts import RULES, render_alerts
from tests.lab import prometheus
from tests.sampling import sample

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


@pytest.mark.parametrize("suite", sample(prometheus.SUITES, "bookworm"))
def test_each_alert_fires_when_it_should_and_is_quiet_when_it_should_be(suite: str) -> None:
    passes(prometheus.promtool(suite, "test", "rules", *(RULES.with_name(name) for name in CASES)))


def test_what_an_alert_says_is_filled_in(tmp_path: Path) -> None:
    """By promtool, which expects none: it prints what it got instead, annotations and all."""
    for name in (RULES.name, *CASES):
        tests = yaml.safe_load(RULES.with_name(name).read_text())
        if name in CASES:
            tests["tests"] = [asked for case in tests["tests"] if (asked := expecting_none(case))]
        (tmp_path / name).write_text(yaml.safe_dump(tests))
    command = prometheus.promtool("bookworm", "test", "rules", *(tmp_path / name for name in CASES))
    reported = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    got = re.findall(
        r'Labels:\{alertname="(\w+)".*\n\s+Annotations:(\{.*\})', reported.stdout + reported.stderr
    )
    rules = yaml.safe_load(RULES.read_text())["groups"]
    assert {alert for alert, _ in got} == {
        rule["alert"] for group in rules for rule in group["rules"] if "alert" in rule
    }
    faulty = [text for _, text in got if re.search(r"\{\{|<error|no value|%!|NaN|\$|  ", text)]
    assert not faulty


def expecting_none(case: dict[str, Any]) -> dict[str, Any] | None:
    """The case that fires, as one of alert and annotations."""
    alert, kind, _ = case["name"].split(maxsplit=2)
    if kind != "fires:":
        return None
    [expected] = case.pop("promql_expr_test")
    return case | {
        "alert_rule_test": [{"eval_time": expected["eval_time"], "alertname": alert, "exp_alerts": []}]
    }
