"""Documentation and code are in plain English: the words of a private dialect stay out."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TEXTS = (
    *sorted(PROJECT.glob("*.md")),
    *sorted((PROJECT / "docs").rglob("*.md")),
    *sorted((PROJECT / "templates").glob("*.j2")),
    *sorted((PROJECT / "monitoring").glob("*.yml")),
    PROJECT / "monitoring/grafana.json",
    PROJECT / "group_data/all.py",
    PROJECT / "hosts.yml",
)
# Report or print; again; continues; has to be; name the thing again.
DIALECT = re.compile(
    r"\b(?:told|tells?|anew|go(?:es)? on|is to be|are to be|that of|those of|one that is)\b", re.I
)


def prose(text: str) -> str:
    """Without code and messages, which are noevict's and Redis' own words."""
    return re.sub(r"(?s)```.*?```|`[^`]+`", "X", text)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_word_of_the_dialect_is_used(path: Path) -> None:
    text = prose(path.read_text())
    assert DIALECT.findall(text) == []
    # "Left alone" is a common phrase; "on loopback alone" is "only on loopback".
    sentences = re.split(r"(?<=[.:;|])\s", text)
    assert [
        each
        for each in sentences
        if re.search(r"(?i)\balone\b", each) and not re.search(r"(?i)\blea?[vf]", each)
    ] == []


# The two commonest words of the dialect stay out of tests too.
TEST_DIALECT = re.compile(r"(?:\b|_)(?:told|anew)(?:\b|_)", re.I)
TESTS = [
    path
    for folder in ("tests", "benchmarks")
    for path in sorted((PROJECT / folder).rglob("*.py"))
    if path != Path(__file__)
]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_test_uses_a_word_of_the_dialect(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if TEST_DIALECT.search(line)] == []


# Words that the code does without too, in names, comments, docstrings and messages.
CODE_DIALECT = re.compile(
    r"(?:\b|_)(?:told|said|tells?|anew|twin)(?:\b|_)|\b(?:goes on|is to be|are to be|that of|those of)\b",
    re.I,
)
MODULES = [
    *(
        path
        for path in sorted((PROJECT / "noevict").rglob("*"))
        if path.suffix in {".py", ".sh", ".j2", ".js"}
    ),
    *(PROJECT / "deploys").glob("*.py"),
    *(PROJECT / name for name in ("deploy.py", "config.py", "inventory", "Makefile", ".ci/run")),
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_module_uses_a_word_of_the_dialect(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if CODE_DIALECT.search(line)] == []
