"""The lowest versions that requirements allow, which `make test-lowest` installs."""

import pytest

from tests.lowest import PROJECT, lowest, requirements


@pytest.mark.parametrize(
    ("requirement", "constraint"),
    [
        ("redis>=8.0", "redis==8.0"),
        ("pyinfra>=3.10,<4", "pyinfra==3.10"),
        ("markdown-it-py >= 3.0", "markdown-it-py==3.0"),
        ("jinja2>=3.1", "jinja2==3.1"),
        ("types-PyYAML", None),
        ("pyinfra<4", None),
    ],
)
def test_a_requirement_allows_a_lowest_version(requirement: str, constraint: str | None) -> None:
    assert lowest(requirement) == constraint


def test_everything_that_noevict_runs_with_has_a_lowest_version() -> None:
    found = list(requirements(PROJECT))
    assert [each for each in found if lowest(each) is None and not each.startswith("types-")] == []
    assert {each.split(">")[0] for each in found} >= {"pyinfra", "redis", "pytest", "playwright"}
