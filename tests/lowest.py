"""``python -m tests.lowest``: the lowest versions that the requirements allow, as constraints for pip."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def requirements(project: Path) -> Iterator[str]:
    """What noevict and its tests require: ``redis>=8.0``, ``types-PyYAML``."""
    lines = (project / "requirements.txt").read_text(encoding="utf-8").splitlines()
    yield from (line for line in lines if not line.startswith("#"))
    with (project / "pyproject.toml").open("rb") as file:
        yield from tomllib.load(file)["project"]["optional-dependencies"]["dev"]


def lowest(requirement: str) -> str | None:
    """``redis==8.0`` of ``redis>=8.0,<9``; None if there is no lower bound."""
    found = re.match(r"([\w-]+) *>= *([\w.]+)", requirement)
    return f"{found[1]}=={found[2]}" if found else None


if __name__ == "__main__":
    print(*filter(None, map(lowest, requirements(PROJECT))), sep="\n")
