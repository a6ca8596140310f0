"""The layers of noevict/__init__.py are true: every module stands in one, and imports go one way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import noevict

PACKAGE = Path(noevict.__file__).parent
LAYERS = [layer for row in noevict.LAYERS for layer in row]
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name not in ("__init__.py", "__main__.py") or path.parent.name in ("scripts", "operations")
}
MOST_MODULES, MOST_LINES = 12, 300


def layer(module: str) -> str:
    """The longest that it is in: ``operations.data`` before ``operations``."""
    found = [each for each in LAYERS if f"{module}.".startswith(f"{each}.")]
    return max(found, key=len)


def imported(path: Path) -> Iterator[str]:
    """Every module of noevict that a file imports: within functions and for type checking too."""
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.ImportFrom) or node.level == 0, f"{path}: a relative import"
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("noevict."):
            base = (node.module or "").removeprefix("noevict").removeprefix(".")
            for alias in node.names:
                name = f"{base}.{alias.name}".removeprefix(".")
                yield name if name in MODULES or (PACKAGE / name.replace(".", "/")).is_dir() else base
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("noevict."):
                    yield alias.name.removeprefix("noevict.")


IMPORTS = {module: {name for name in imported(path) if name} for module, path in MODULES.items()}


def test_imports_of_packages_are_seen_as_imports_of_modules_are(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "from noevict import operations\nfrom noevict.monitor import web\nfrom noevict.errors import E\n"
    )
    assert list(imported(file)) == ["operations", "monitor.web", "errors"]
    file.write_text("from ..operations import lock\n")
    with pytest.raises(AssertionError, match="a relative import"):
        list(imported(file))


def test_every_module_is_in_a_layer_and_every_layer_has_modules() -> None:
    assert {layer(module) for module in MODULES} == set(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_layer_and_those_before(module: str) -> None:
    own = LAYERS.index(layer(module))
    assert [name for name in IMPORTS[module] if LAYERS.index(layer(name)) > own] == []


def test_no_imports_go_in_a_circle() -> None:
    left = {module: set(names) & MODULES.keys() - {module} for module, names in IMPORTS.items()}
    while free := [module for module, names in left.items() if not names & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_the_monitor_needs_neither_pyinfra_nor_gevent() -> None:
    reached, todo = set[str](), [module for module in MODULES if module.startswith("monitor.")]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += IMPORTS[module] & MODULES.keys()
    assert {layer(module) for module in reached}.isdisjoint(("ssh", "run", "operations", "drift"))
    foreign = {
        name.partition(".")[0]
        for module in reached
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else
                     [alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }  # fmt: skip
    assert foreign.isdisjoint(("pyinfra", "gevent", "paramiko"))


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in MODULES.values()}), ids=lambda path: path.name
)
def test_a_folder_has_two_to_twelve_modules(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if not path.name.startswith("__")]
    assert len(modules) <= MOST_MODULES
    assert len(modules) >= 2 or folder.name == "scripts"


def test_no_two_public_classes_have_one_name() -> None:
    names = [
        node.name
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_enough_to_read(module: str) -> None:
    assert MODULES[module].read_text().count("\n") <= MOST_LINES
