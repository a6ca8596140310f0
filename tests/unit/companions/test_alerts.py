"""The alert rules: each says what to do and where to read on, and each has its tests."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from noevict.companions.exporter.alerts import RULES, render_alerts, runbooks_of, target_labels
from noevict.errors import NoevictError
from noevict.settings.model import Settings

PROJECT = Path(__file__).parents[3]
TEXT = RULES.read_text()
CASES = [RULES.with_name("alerts.test.yml"), RULES.with_name("alerts.days.test.yml")]


def rules(text: str = TEXT) -> dict[str, dict[str, Any]]:
    """Name -> rule, of those that alert."""
    groups = yaml.safe_load(text)["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def cases() -> list[dict[str, Any]]:
    return [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]


alerts = pytest.mark.parametrize("alert", rules())


def test_no_alert_is_there_twice() -> None:
    assert len(re.findall(r"(?m)^ *- alert: ", TEXT)) == len(rules())


@alerts
def test_an_alert_says_how_grave_it_is_what_it_means_and_what_to_do(alert: str) -> None:
    rule = rules()[alert]
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    reported = rule["annotations"]
    assert set(reported) == {"summary", "description", "action", "runbook_url"}
    assert all(reported.values())
    assert "$labels.host" in reported["summary"] or alert in {"RedisTargetsAbsent", "NoevictServeDown"}


@alerts
def test_an_alert_leads_to_its_section_of_a_runbook(alert: str) -> None:
    page, _, anchor = rules()[alert]["annotations"]["runbook_url"].partition("#")
    [section] = re.findall(rf"(?ms)^## {alert}$(.*?)(?=^## |\Z)", (PROJECT / page).read_text())
    assert anchor == alert.lower()
    assert "**Over when:**" in section
    assert (
        "**First" in section
        or "1. **" in section
        or "**See, first:**" in section
        or "first, never" in section
    )


def test_a_runbook_has_no_section_of_an_alert_that_is_not_there() -> None:
    pages = [page for page in (PROJECT / "docs/runbooks").glob("*.md") if page.name != "README.md"]
    assert {name for page in pages for name in re.findall(r"(?m)^## (\S+)$", page.read_text())} == set(
        rules()
    )


def test_the_index_names_every_page() -> None:
    index = (PROJECT / "docs/runbooks/README.md").read_text()
    pages = {page.name for page in (PROJECT / "docs/runbooks").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"(?m)^\| \[\w+\]\((\S+?)\)", index)) == pages


@alerts
@pytest.mark.parametrize("kind", ["fires", "stays quiet"])
def test_an_alert_has_a_test_that_fires_and_one_that_does_not(alert: str, kind: str) -> None:
    named = [case for case in cases() if case["name"].startswith(f"{alert} {kind}: ")]
    assert named
    for case in named:
        [expected] = case["promql_expr_test"]
        firing = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
        if kind == "fires":
            assert expected["expr"] == f"count({firing})"
            assert expected["exp_samples"] == [{"labels": "{}", "value": 1}]
        else:
            assert expected["expr"] == f"count_over_time({firing}[7d])"  # at no moment
            assert "exp_samples" not in expected


def test_numbers_of_a_series_are_in_quotes() -> None:
    """Some readers of YAML take 0x20, 0 twenty-one times, for 32."""
    for case in cases():
        assert all(isinstance(series["values"], str) for series in case["input_series"]), case["name"]


def test_every_test_of_an_alert_names_an_alert_that_exists() -> None:
    assert {case["name"].split()[0] for case in cases()} == set(rules())


def test_the_links_lead_where_the_setting_says_and_nothing_else_changes() -> None:
    base = "https://git.example.com/ops/-/blob/main/docs/runbooks/"
    rendered = rules(render_alerts(TEXT, base))
    assert list(rendered) == list(rules())
    for alert, rule in rules().items():
        link = rule["annotations"].pop("runbook_url")
        assert rendered[alert]["annotations"].pop("runbook_url") == link.replace("docs/runbooks/", base)
        assert rendered[alert] == rule
    assert yaml.safe_load(render_alerts(TEXT, "docs/runbooks")) == yaml.safe_load(TEXT)


def test_one_file_of_rules_has_one_base_of_links() -> None:
    same, other = Settings(), Settings(redis_runbooks="https://a.example/")
    assert runbooks_of({"a": same, "b": same}) == "docs/runbooks"
    with pytest.raises(NoevictError) as reported:
        runbooks_of({"a": same, "b": other})
    assert reported.value.lines == (
        "b: redis_runbooks: should be the same for all hosts, 'docs/runbooks', got 'https://a.example/'",
    )


def test_a_target_says_whether_it_may_evict() -> None:
    labels = {"host": "a", "job": "redis"}
    cache = Settings(redis_allow_eviction=True, redis_maxmemory_policy="allkeys-lru")
    assert target_labels("a", Settings()) == labels | {"eviction": "refused"}
    assert target_labels("a", cache) == labels | {"eviction": "allowed"}
