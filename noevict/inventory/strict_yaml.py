"""Reads YAML as people mean it: names are text, each name is there once, values are plain data.

It is always safe-loaded. Each mistake has its line and place, and shows no value, which may be a password.
"""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import yaml

from noevict.messages import located

_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_KINDS = {
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
}
Places = tuple[str, ...]
# Values in the whole file; those behind an alias count each time: a few hundred bytes can stand for more values than
# fit into memory, once something writes them out.
_MOST_VALUES = 1_000_000


class Fault(enum.Enum):
    SYNTAX = enum.auto()
    DEPTH = enum.auto()  # more levels than can be read
    NAME = enum.auto()  # a name that is not text
    TWICE = enum.auto()  # a name that is already there
    VALUE = enum.auto()


@dataclass(frozen=True)
class Mistake:
    """One mistake. ``line``: None if YAML does not report it. ``places``: the names that lead to the mistake."""

    fault: Fault
    words: str
    line: int | None = None
    places: Places = ()

    def sentence(self, label: str) -> str:
        """Return the mistake in words. ``label`` is the file's name in them."""
        return located(label if self.line is None else f"{label}:{self.line}", self.places, self.words)


@dataclass(frozen=True)
class Document:
    """A parsed document. ``value``: plain data without the parts that ``mistakes`` names; None if nothing is left.

    ``lines`` has the line of each name, and ``spans`` the place of its value in the text, by the names that lead there.
    """

    value: object = field(default=None, repr=False)
    mistakes: tuple[Mistake, ...] = ()
    lines: Mapping[Places, int] = field(default_factory=dict, repr=False)
    spans: Mapping[Places, slice] = field(default_factory=dict, repr=False)


def parse(text: str, levels: Sequence[str]) -> Document:
    """Parse one YAML document. ``levels`` say what is named at each depth, the last one also below: ("a group's name",
    "a host's name", "a key's name")."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        sieve = _Sieve(loader, levels)
        value = loader.construct_document(root) if root is not None and sieve.keeps(root) else None
    except yaml.YAMLError as error:
        return Document(mistakes=(_syntax(text, error),))
    except RecursionError:
        words = "should be a few levels of YAML, got too many"
        return Document(mistakes=(Mistake(Fault.DEPTH, words),))
    return Document(value, tuple(sieve.mistakes), sieve.lines, sieve.spans)


def _syntax(text: str, error: yaml.YAMLError) -> Mistake:
    """Return YAML's error without the text it quotes, which may be a password (``*secret`` reads as an alias)."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else None
    if mark and text[mark.index : mark.index + 1] == "\t":
        return Mistake(Fault.SYNTAX, "should be indented with spaces, got a tab", line)
    problem = getattr(error, "problem", None) or "characters that YAML does not allow"
    problem = re.sub(r"\s*'(?!<|.')..+'", "", str(problem).replace("\n", " "), count=1)
    return Mistake(Fault.SYNTAX, f"should be valid YAML, got: {problem}", line)


class _Sieve:
    """The first pass, over YAML's nodes, which still have doubled names and the text as typed.

    It removes what it reports, so that the rest can be checked too.
    """

    def __init__(self, loader: yaml.SafeLoader, levels: Sequence[str]) -> None:
        self.lines: dict[Places, int] = {}
        self.spans: dict[Places, slice] = {}
        self.mistakes: list[Mistake] = []
        self._loader = loader
        self._levels = levels
        self._kept: dict[int, bool] = {}  # by id: an alias leads to a node that was checked before
        self._open: set[int] = set()
        self._values: dict[int, int] = {}  # by id: values in it, with aliases followed

    def keeps(self, node: yaml.Node, places: Places = ()) -> bool:
        """Remove mistakes from a node. Return whether the node itself can stay."""
        if id(node) in self._open:
            return self._refuse(
                node, places, "values that do not contain themselves", "an alias to what it is in"
            )
        if id(node) not in self._kept:
            self._open.add(id(node))
            self._kept[id(node)] = self._look(node, places) and self._is_bearable(node, places)
            self._open.remove(id(node))
        return self._kept[id(node)]

    def _is_bearable(self, node: yaml.Node, places: Places) -> bool:
        """Count a node's values, and return whether they are few enough. Its children were counted before."""
        inner = (
            [each for pair in node.value for each in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        held = (
            0 if isinstance(node, yaml.ScalarNode) else sum(self._values.get(id(each), 1) for each in inner)
        )
        self._values[id(node)] = 1 + held
        return held < _MOST_VALUES or self._refuse(
            node, places, f"at most {_MOST_VALUES:_} values".replace("_", " "), "aliases to aliases to more"
        )

    def _look(self, node: yaml.Node, places: Places) -> bool:
        if isinstance(node, yaml.ScalarNode):
            return self._is_readable(node, places)
        if node.tag not in _COLLECTIONS:
            return self._refuse(node, places, "a plain mapping, list or text", _kind(node))
        if isinstance(node, yaml.MappingNode):
            node.value = list(self._pairs(node, places))
        else:
            node.value = [each for each in node.value if self.keeps(each, places)]
        return True

    def _pairs(self, node: yaml.MappingNode, places: Places) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                usable = self.keeps(value, places)
            elif key.tag != _TEXT:
                usable = self._refuse(key, places, *self._no_text(key, len(places)), fault=Fault.NAME)
            elif key.value in lines:
                should = f"listed once (it is on line {lines[key.value]} already)"
                usable = self._refuse(key, (*places, key.value), should, "it again", fault=Fault.TWICE)
            else:
                lines[key.value] = line
                self.lines.setdefault((*places, key.value), line)
                span = slice(value.start_mark.index, value.end_mark.index)
                self.spans.setdefault((*places, key.value), span)
                usable = self.keeps(value, (*places, key.value))
            if usable:
                yield key, value

    def _is_readable(self, node: yaml.ScalarNode, places: Places) -> bool:
        """Whether YAML can read a value: it takes some text for a date or a number that does not exist: 2024-13-45."""
        try:
            self._loader.construct_object(node)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, yaml.YAMLError):
            return self._refuse(node, places, "a value YAML can read (text in quotes)", _kind(node))
        return True

    def _no_text(self, key: yaml.Node, depth: int) -> tuple[str, str]:
        level = self._levels[min(depth, len(self._levels) - 1)]
        if not isinstance(key, yaml.ScalarNode):
            return f"{level} as text", "a list or mapping"
        typed = str(key.value)[:40]
        quoted = f' in quotes: "{typed}"' if typed.isprintable() and typed and '"' not in typed else ""
        return f"{level} as text{quoted}", _kind(key)

    def _refuse(
        self, node: yaml.Node, places: Places, should: str, got: str, *, fault: Fault = Fault.VALUE
    ) -> Literal[False]:
        words = f"should be {should}, got {got}"
        self.mistakes.append(Mistake(fault, words, node.start_mark.line + 1, places))
        return False


def _kind(node: yaml.Node) -> str:
    """Return what YAML takes a scalar for. A tag from the file is not repeated: !secret may be a password."""
    tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
    return _KINDS.get(tag, "something else" if tag == node.tag else f"a {tag}")
