"""What begins with an underscore in a library is its own: not read, and not overridden but in the one place named here.

redis-py has no public way to a connection over a stream that is open: ``Connection`` opens a TCP socket itself, and
what ``AbstractConnection`` leaves to its subclasses is ``_connect``.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import noevict
from tests.unit.test_layers import MODULES

OVERRIDDEN = {"StreamConnection._connect"}
SOURCES = sorted(Path(noevict.__file__).parent.rglob("*.py"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_")


def of_others(tree: ast.AST) -> Iterator[str]:
    """Private names that a module reads or sets on something, and does not define."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("self" | "cls"), name) if is_private(name):
                own.add(name)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(_, name) | ast.Subscript(ast.Call(ast.Name("vars")), ast.Constant(str(name))):
                pass
            case ast.Call(ast.Name("getattr" | "setattr"), [_, ast.Constant(str(name)), *_]):
                pass
            case _:
                continue
        if is_private(name) and name not in own:
            yield name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_private_name_of_a_library_is_read(path: Path) -> None:
    assert list(of_others(ast.parse(path.read_text()))) == []


def overridden(module: object) -> Iterator[str]:
    """Private methods of a library's class that a subclass in this module defines again."""
    for _, made in inspect.getmembers(module, inspect.isclass):
        if made.__module__ != getattr(module, "__name__", ""):
            continue
        own = {name for name, value in vars(made).items() if is_private(name) and inspect.isfunction(value)}
        for base in made.__mro__[1:]:
            if not base.__module__.startswith("noevict."):
                yield from (f"{made.__name__}.{name}" for name in own & vars(base).keys())


def test_no_private_method_of_a_library_is_overridden_but_the_one() -> None:
    found = {name for module in MODULES for name in overridden(importlib.import_module(f"noevict.{module}"))}
    assert found == OVERRIDDEN


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("x._channels", ["_channels"]),
        ("vars(x)['_channels']", ["_channels"]),
        ("getattr(x, '_channels', None)", ["_channels"]),
        ("x._max = 1", ["_max"]),
        ("self._own; other._own", []),
        ("def _own(): ...\nmodule._own()", []),
        ("x.__class__", []),
    ],
)
def test_what_counts_as_private(code: str, names: list[str]) -> None:
    assert list(of_others(ast.parse(code))) == names
