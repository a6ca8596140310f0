"""Values of directives: in canonical form (as CONFIG GET reports them), compared by meaning, and as in the file."""

import functools
from collections.abc import Sequence

from noevict.directives.kinds import Kind, Memory, in_one_unit
from noevict.directives.table import find, text_of
from noevict.engines.engine import Server


def canonical(name: str, value: object) -> str:
    """Return a value as CONFIG GET reports it: bytes for memory, ``3600 1 300 100`` for save, ``yes`` for True.

    Raise ValueError if it is not a value of that directive. An unknown directive keeps its text.
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
    """Return values of one directive for comparing them: sizes in one unit, all others as they are."""
    if not any(isinstance(kind, Memory) for kind in _kinds(name)):
        return list(texts)
    sizes = {text: int(size) for text in texts if (size := str(_loose(name, text))).isdecimal()}
    in_unit = dict(zip(sizes, in_one_unit([*sizes.values()]), strict=True))
    return [in_unit.get(text, text) for text in texts]


def written(name: str, value: str, server: Server) -> tuple[str, ...]:
    """Return the text that this server's CONFIG REWRITE writes after the directive's name: one item for each line;
    none if it writes no line. ``value`` is canonical."""
    directive = find(name)
    measured = directive.on(server) if directive else None
    if measured is None:
        raise ValueError(f"{name}: not a directive of {server}")
    return measured.kind.written(value)


def _loose(name: str, value: object) -> object:
    """Return the canonical form if there is one: a foreign server may report a value that we would refuse."""
    try:
        return canonical(name, value)
    except ValueError:
        return text_of(value)


@functools.lru_cache(4096)  # the same few hundred names on every host
def _kinds(name: str) -> list[Kind]:
    directive = find(name)
    return list(dict.fromkeys(m.kind for m in directive.measured.values())) if directive else []
