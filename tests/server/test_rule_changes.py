"""The cases of the alert rules see every change of a rule: of its numbers, its clauses, and of how long it waits."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from noevict.companions.exporter.alerts import RULES
from tests.lab import prometheus
from tests.sampling import sample

Rule = dict[str, Any]
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDS = [rule for group in GROUPS for rule in group["rules"] if "record" in rule]
FILES = [yaml.safe_load(RULES.with_name(f"alerts{kind}.test.yml").read_text()) for kind in ("", ".days")]
NUMBER = re.compile(r"(?<=[<>=] )\d+(?:\.\d+)?\b")


def changes(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """What is changed, and the rule with that."""
    if "for" in rule:
        yield "no for", {name: value for name, value in rule.items() if name != "for"}
        yield "for 3d", rule | {"for": "3d"}
    expr = rule["expr"]
    for found in NUMBER.finditer(expr):
        if float(found[0]) > 1:  # 0 and 1 are yes and no
            for times in (0.5, 2):
                number = float(found[0]) * times
                changed = f"{expr[: found.start()]}{number}{expr[found.end() :]}"
                yield f"{number} in place of {found[0]}", rule | {"expr": changed}
    lines = expr.splitlines()
    for place, line in enumerate(lines):
        if re.match(r"(and|unless|or)\b", line):
            yield f"without {line}", rule | {"expr": "\n".join(lines[:place] + lines[place + 1 :])}


def passes(directory: Path, alert: str, rule: Rule) -> bool:
    """Whether all cases of the alert do, with this rule in its place."""
    [(every, cases)] = [
        (file["evaluation_interval"], cases)
        for file in FILES
        if (cases := [case for case in file["tests"] if case["name"].startswith(f"{alert} ")])
    ]
    rules = {"groups": [{"name": "changed", "rules": [*RECORDS, rule]}]}
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": cases}
    (directory / "tests.yml").write_text(yaml.safe_dump(tests))
    check = prometheus.promtool("bookworm", "check", "rules", directory / "rules.yml")
    subprocess.run(check, check=True, capture_output=True, timeout=60)
    tried = prometheus.promtool("bookworm", "test", "rules", directory / "tests.yml")
    return subprocess.run(tried, check=False, capture_output=True, timeout=300).returncode == 0


@pytest.mark.parametrize("alert", sample(ALERTS.keys(), "RedisEvictionPolicy", "RedisMemoryFullSoon"))
def test_a_changed_rule_does_not_pass(alert: str, tmp_path: Path) -> None:
    assert passes(tmp_path, alert, ALERTS[alert])
    unseen = [what for what, rule in changes(ALERTS[alert]) if passes(tmp_path, alert, rule)]
    assert not unseen
