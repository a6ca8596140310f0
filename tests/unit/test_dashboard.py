"""The Grafana dashboard as a file: what Grafana would take without a word, and people would stumble over.

That its PromQL is right, and shows something, tests/server/test_scraped.py holds over a real Prometheus.
"""

import json
from collections import Counter
from typing import Any

import pytest

from noevict.companions.exporter.alerts import RULES

BOARD = json.loads(RULES.with_name("grafana.json").read_text())
PANELS = {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
titles = pytest.mark.parametrize("title", PANELS)


def test_each_panel_has_a_number_and_a_title_of_its_own() -> None:
    numbers = Counter(panel["id"] for panel in BOARD["panels"])
    assert set(numbers.values()) == {1}
    assert len(PANELS) == sum(panel["type"] != "row" for panel in BOARD["panels"])


def test_no_panel_covers_another_or_leaves_the_page() -> None:
    taken = Counter(place for panel in BOARD["panels"] for place in places(panel["gridPos"]))
    assert set(taken.values()) == {1}
    assert max(x for x, _ in taken) == 23


def places(at: dict[str, int]) -> list[tuple[int, int]]:
    return [(at["x"] + right, at["y"] + down) for right in range(at["w"]) for down in range(at["h"])]


@titles
def test_a_panel_asks_the_chosen_prometheus_about_the_chosen_hosts(title: str) -> None:
    panel = PANELS[title]
    assert panel["datasource"] == SOURCE
    assert [target["refId"] for target in panel["targets"]] == [
        chr(ord("A") + number) for number, _ in enumerate(panel["targets"])
    ]
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert 'host=~"$host"' in target["expr"]


def test_host_and_prometheus_can_be_chosen() -> None:
    variables: dict[str, Any] = {each["name"]: each for each in BOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "host"]
    assert variables["host"]["multi"]
    assert variables["host"]["includeAll"]


def test_the_hosts_are_the_worst_first() -> None:
    first = {"displayName": "trouble", "desc": True}
    assert PANELS["Hosts"]["options"]["sortBy"][0] == first
    renamed = next(each for each in PANELS["Hosts"]["transformations"] if each["id"] == "organize")
    assert renamed["options"]["renameByName"]["Value #A"] == "trouble"
    assert 'severity="critical"' in PANELS["Hosts"]["targets"][0]["expr"]


def test_memory_is_shown_against_maxmemory_with_a_line_at_90_percent() -> None:
    asked = [target["expr"] for target in PANELS["Memory of maxmemory"]["targets"]]
    assert any("redis_memory_used_bytes" in expr for expr in asked)
    assert any(expr.startswith("0.9 * redis_memory_max_bytes") for expr in asked)
