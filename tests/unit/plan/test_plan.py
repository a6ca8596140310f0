"""A plan: what is due by how it is made, and when nothing is."""

from typing import Any

import pytest

from noevict.plan.change import Change, How, Part
from noevict.plan.plan import Plan

LIVE = Change(Part.DIRECTIVE, "hz", How.LIVE, "10", "20")
UNIT = Change(Part.UNIT, "redis-server", How.UNIT, "disabled", "enabled")
ALSO_LIVE = Change(Part.USER, "app", How.LIVE, "a", "b", aspect="commands")


def test_what_is_due_is_asked_for_by_how_it_is_made() -> None:
    plan = Plan("", changes=(LIVE, UNIT, ALSO_LIVE))
    assert plan.due(How.LIVE) == (LIVE, ALSO_LIVE)
    assert plan.due(How.UNIT, How.LIVE) == plan.changes
    assert plan.due(How.RESTART) == plan.due() == ()


@pytest.mark.parametrize(
    ("parts", "clean"),
    [
        ({}, True),
        ({"notices": ("reported, not acted on",)}, True),
        ({"changes": (LIVE,)}, False),
        ({"refusals": ("left alone",)}, False),
        ({"faults": ("not ours to repair",)}, False),
    ],
    ids=str,
)
def test_a_plan_without_changes_refusals_and_faults_is_clean(parts: dict[str, Any], clean: bool) -> None:
    assert Plan("", **parts).clean is clean


def test_faults_do_not_block_a_plan_by_themselves() -> None:
    assert not Plan("", faults=("not ours to repair",)).blocked


def test_what_a_plan_was_made_from_may_hold_secrets_and_is_not_shown() -> None:
    assert "hunter2" not in repr(Plan("hunter2"))
