"""Who decides about a directive: redis_config, a setting, noevict, or nobody."""

import os
from pathlib import Path

from noevict.directives.ownership import ALIASES, SETTINGS
from noevict.directives.table import find, table


def test_names_and_uses_are_the_golden_list() -> None:
    """``UPDATE_GOLDEN=1 pytest`` rewrites it."""
    text = ""
    for row in table().values():
        if row.aliases or row.use != "plain":
            names = " ".join((row.name, *row.aliases))
            text += f"{names}: {row.use} {SETTINGS.get(row.name, '')}".rstrip() + "\n"
    golden = Path(__file__).parents[1] / "golden" / "directives"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_all_but_plain_directives_have_an_answer_for_redis_config() -> None:
    assert [row.name for row in table().values() if bool(row.refusal) == (row.use == "plain")] == []


def test_every_other_name_leads_to_its_directive() -> None:
    for alias, name in ALIASES.items():
        row = find(alias.upper())
        assert row is not None, alias
        assert row.name == name
