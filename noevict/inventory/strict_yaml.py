"""YAML as people mean it: names that are text, each of them once, values that are plain data.

Only ever safe-loaded. Each mistake has its line and place, and shows no value: that may be a password.
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
# Values in the whole file, those behind an alias counted each time: a few hundred bytes can stand for more of them
# than there is memory, once something writes them out.
_MOST_VALUES = 1_000_000


class Fault(enum.Enum):
    SYNTAX = enum.auto()
    DEPTH = enum.auto()  # more levels than can be read
    NAME = enum.auto()  # that is no text
    TWICE = enum.auto()  # a name that was there before
    VALUE = enum.auto()


@dataclass(frozen=True)
class Mistake:
    """``line``: None where YAML does not report one. ``places``: the names that lead to it."""

    fault: Fault
    words: str
    line: int | None = None
    places: Places = ()

    def sentence(self, label: str) -> str:
        """``label`` stands for the file."""
        return located(label if self.line is None else f"{label}:{self.line}", self.places, self.words)


@dataclass(frozen=True)
class Document:
    """``value``: plain data without what ``mistakes`` names; None where nothing is left.

    By the names that lead there, ``lines`` has the line of each name, and ``spans`` where its value is in the text.
    """

    value: object = field(default=None, repr=False)
    mistakes: tuple[Mistake, ...] = ()
    lines: Mapping[Places, int] = field(default_factory=dict, repr=False)
    spans: Mapping[Places, slice] = field(default_factory=dict, repr=False)


def parse(text: str, levels: Sequence[str]) -> Document:
    """One YAML document. ``levels`` say what is named at each depth, the last one also at all below: ("a group's name",
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
    """YAML's own complaint without what it quotes, which may be a password (``*secret`` reads as an alias)."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else None
    if mark and text[mark.index : mark.index + 1] == "\t":
        return Mistake(Fault.SYNTAX, "should be indented with spaces, got a tab", line)
    problem = getattr(error, "problem", None) or "characters that YAML does not allow"
    problem = re.sub(r"\s*'(?!<|.')..+'", "", str(problem).replace("\n", " "), count=1)
    return Mistake(Fault.SYNTAX, f"should be valid YAML, got: {problem}", line)


class _Sieve:
    """The first pass, over YAML's own tree, where doubles and the text as typed can still be seen.

    It takes out what it complains of, so that the rest can be looked at too.
    """

    def __init__(self, loader: yaml.SafeLoader, levels: Sequence[str]) -> None:
        self.lines: dict[Places, int] = {}
        self.spans: dict[Places, slice] = {}
        self.mistakes: list[Mistake] = []
        self._loader = loader
        self._levels = levels
        self._kept: dict[int, bool] = {}  # by id: an alias leads to a node that was seen before
        self._open: set[int] = set()
        self._values: dict[int, int] = {}  # by id: in it, aliases followed

    def keeps(self, node: yaml.Node, places: Places = ()) -> bool:
        """Whether the node can stay; its mistaken parts are gone then."""
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
        """Also counts it. What it holds was looked at before."""
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
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                usable = self.keeps(value, places)
            elif key.tag != _TEXT:
                usable = self._refuse(key, places, *self._no_text(key, len(places)), fault=Fault.NAME)
            elif key.value in seen:
                should = f"listed once (it is on line {seen[key.value]} already)"
                usable = self._refuse(key, (*places, key.value), should, "it again", fault=Fault.TWICE)
            else:
                seen[key.value] = line
                self.lines.setdefault((*places, key.value), line)
                span = slice(value.start_mark.index, value.end_mark.index)
                self.spans.setdefault((*places, key.value), span)
                usable = self.keeps(value, (*places, key.value))
            if usable:
                yield key, value

    def _is_readable(self, node: yaml.ScalarNode, places: Places) -> bool:
        """YAML reads some text as a date or a number that is none: 2024-13-45."""
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
    """What YAML takes a scalar for. A tag of the file's own is not repeated: !secret may be a password."""
    tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
    return _KINDS.get(tag, "something else" if tag == node.tag else f"a {tag}")
