"""The map in noevict/__init__.py is true: it names every module, and imports go one way along it."""

import ast
import re
from pathlib import Path

import noevict

PACKAGE = Path(noevict.__file__).parent


def rooms() -> dict[str, int]:
    """Module -> the row of the map it stands in."""
    rows = [line for line in (noevict.__doc__ or "").splitlines() if re.match(r"[a-z_, ]+  +\S", line)]
    return {
        name: number for number, row in enumerate(rows) for name in re.split(r", ", re.split(r"  +", row)[0])
    }


def modules() -> dict[str, list[Path]]:
    names = {path.stem: [path] for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    return names | {
        path.parent.name: sorted(path.parent.glob("*.py")) for path in PACKAGE.glob("*/__init__.py")
    }


def imported(path: Path) -> set[str]:
    """The modules of noevict that a file imports when it is itself imported, type checking aside."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "noevict":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


def test_the_map_names_every_module_and_no_other() -> None:
    assert set(rooms()) == set(modules())


def test_imports_go_one_way() -> None:
    row = rooms()
    backwards = [
        f"{path.name} imports {other}"
        for name, paths in modules().items()
        for path in paths
        for other in imported(path)
        if other in row and row[other] > row[name]
    ]
    assert backwards == []


def test_nothing_that_decides_imports_what_watches() -> None:
    """``watch`` reads, locks and writes files, and asks servers."""
    row = rooms()
    deciding = [name for name in modules() if row["state"] <= row[name] <= row["plan"]]
    assert [path.name for name in deciding for path in modules()[name] if "watch" in imported(path)] == []
