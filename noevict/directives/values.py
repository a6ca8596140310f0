"""Values of directives: canonical (as CONFIG GET tells them), compared by meaning, as the file has them."""

import functools
from collections.abc import Sequence

from noevict.directives.kinds import Kind, Memory, in_one_unit
from noevict.directives.table import find, text_of
from noevict.engines.engine import Server


def canonical(name: str, value: object) -> str:
    """A value as CONFIG GET tells it: bytes for memory, ``3600 1 300 100`` for save, ``yes`` for True.

    Raises ValueError where it is no value of that directive. A directive nobody knows keeps its text.
    """
    text = text_of(value)
    if text is None:
        raise ValueError(f"{name}: not a value")
    kinds = _kinds(name)
    for kind in kinds:
        try:
            return kind.canonical(text)
        except ValueError:
            continue
    if kinds:
        raise ValueError(f"{name}: not a value of this directive")
    return text


def same(name: str, a: object, b: object) -> bool:
    """Whether two values mean the same: ``1gb`` and ``1073741824``, ``yes`` and True."""
    if isinstance(a, str) and a == b:
        return True
    return _loose(name, a) == _loose(name, b)


def side_by_side(name: str, texts: Sequence[str]) -> list[str]:
    """Values of one directive for somebody who compares them: sizes in one unit, all others as they are."""
    if not any(isinstance(kind, Memory) for kind in _kinds(name)):
        return list(texts)
    sizes = {text: int(size) for text in texts if (size := str(_loose(name, text))).isdecimal()}
    shown = dict(zip(sizes, in_one_unit([*sizes.values()]), strict=True))
    return [shown.get(text, text) for text in texts]


def written(name: str, value: str, server: Server) -> tuple[str, ...]:
    """What CONFIG REWRITE of this server puts behind the directive's name: one item a line, none where it
    leaves no line. ``value`` is canonical."""
    directive = find(name)
    measured = directive.on(server) if directive else None
    if measured is None:
        raise ValueError(f"{name}: not a directive of {server}")
    return measured.kind.written(value)


def _loose(name: str, value: object) -> object:
    """Canonical where it can be: what a foreign server reports may be a value that we would refuse."""
    try:
        return canonical(name, value)
    except ValueError:
        return text_of(value)


@functools.lru_cache(4096)  # the same few hundred names on every host
def _kinds(name: str) -> list[Kind]:
    directive = find(name)
    return list(dict.fromkeys(m.kind for m in directive.measured.values())) if directive else []
