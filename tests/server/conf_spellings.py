"""The many ways to say the same in a redis.conf: names, case, units, order, blanks, quotes, comments."""

import string
from collections.abc import Iterable, Mapping, Sequence

from hypothesis import strategies as st

from noevict.directives.kinds import Bool, Kind, Memory, Octal, Words, memory
from noevict.directives.lists import Bind, BufferLimits, KeyspaceEvents, OomScores, Percentiles, Save
from noevict.directives.table import find
from noevict.engines.engine import Server
from tests.server import directive_values

_BARE = set(string.ascii_letters + string.digits + "-_.:/%*+,=@")
_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}
blanks = st.text(st.sampled_from(" \t"), min_size=1, max_size=3)


@st.composite
def cased(draw: st.DrawFn, text: str) -> str:
    return "".join(draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in text)


@st.composite
def quoted(draw: st.DrawFn, text: str) -> str:
    """A word as redis.conf takes it: bare, in either kind of quotes, with escapes."""
    how = ["double"]
    if text and set(text) <= _BARE:
        how.append("bare")
    if "\\" not in text:
        how.append("single")
    match draw(st.sampled_from(how)):
        case "bare":
            return text
        case "single":
            return "'" + text.replace("'", "\\'") + "'"
        case _:
            return '"' + "".join(draw(_escaped(letter)) for letter in text) + '"'


def _escaped(letter: str) -> st.SearchStrategy[str]:
    in_hex = "".join(f"\\x{byte:02x}" for byte in letter.encode())
    return st.sampled_from((f"\\{letter}" if letter in '"\\' else letter, in_hex))


@st.composite
def sized(draw: st.DrawFn, size: int) -> str:
    """A number of bytes in any unit that it is a multiple of."""
    units = [unit for unit, factor in _UNITS.items() if size % factor == 0]
    unit = draw(st.sampled_from(units))
    return f"{size // _UNITS[unit]}{draw(cased(unit))}"


@st.composite
def arguments(draw: st.DrawFn, kind: Kind, value: str) -> list[list[str]]:
    """The words of each line that says this canonical value."""
    found = [[value]]
    match kind:
        case Memory() if not value.endswith("%"):
            found = [[draw(sized(int(value)))]]
        case Bool():
            found = [[draw(cased(value))]]
        case Words(_, many, in_one):
            words = [draw(cased(word)) for word in (value.split() if many else [value])]
            words = draw(st.permutations(words))
            found = [[" ".join(words)] if in_one else list(words)]
        case Octal():
            found = [[draw(st.sampled_from((value, f"0{value}")))]]
        case KeyspaceEvents():
            letters = value.replace("A", draw(st.sampled_from(("A", "g$lshzxetd"))))
            found = [["".join(draw(st.permutations(letters)))]]
        case Percentiles():
            how = draw(st.sampled_from(("f", ".6f", ".10g")))
            found = [[f"{float(word):{how}}" for word in value.split()] or [""]]
        case Save():
            found = draw(_added_up(value.split(), 2)) if value else [[""]]
        case BufferLimits():
            found = draw(_limits(value))
        case Bind() | OomScores():
            found = [value.split()]
    return found


@st.composite
def _added_up(draw: st.DrawFn, words: Sequence[str], each: int) -> list[list[str]]:
    """Words by the ``each``, on one line or on several."""
    parts = [list(words[start : start + each]) for start in range(0, len(words), each)]
    if draw(st.booleans()):
        return parts
    return [[word for part in parts for word in part]]


@st.composite
def _limits(draw: st.DrawFn, value: str) -> list[list[str]]:
    words = value.split()
    classes = []
    for start in range(0, len(words), 4):
        who, hard, soft, seconds = words[start : start + 4]
        who = draw(st.sampled_from(("slave", "replica"))) if who == "slave" else who
        classes.append([draw(cased(who)), draw(sized(memory(hard))), draw(sized(memory(soft))), seconds])
    ordered = draw(st.permutations(classes))
    return draw(_added_up([word for each in ordered for word in each], 4))


@st.composite
def lines(draw: st.DrawFn, names: Sequence[str], kind: Kind, value: str) -> list[str]:
    """Lines that say the value, under any of the names; perhaps after one that set something else."""
    made = [
        draw(blanks).join(
            (draw(cased(draw(st.sampled_from(names)))), *[draw(quoted(word)) for word in words])
        )
        for words in draw(arguments(kind, value))
    ]
    if isinstance(kind, Save) and draw(st.booleans()):
        made = [f"{names[0]} 77 77", f'{names[0]} ""', *made] if value else [f"{names[0]} 77 77", *made]
    return made


_COMMENTS = st.sampled_from(
    ["", "   ", "\t", "# hz 77", "  # maxmemory 1", "#", "# ??? hz 77", "#\tsave 1 1"]
)


@st.composite
def texts(
    draw: st.DrawFn, wanted: Mapping[str, str], server: Server, aliases: Mapping[str, Sequence[str]]
) -> str:
    """A redis.conf that means what ``wanted`` means. ``aliases``: the names of each that the server takes."""
    blocks = []
    for name, value in wanted.items():
        directive = find(name)
        assert directive is not None
        made = draw(lines([name, *aliases.get(name, ())], directive_values.kind_on(name, server), value))
        blocks.append([*draw(st.lists(_COMMENTS, max_size=1)), *made])
    found = [line for block in draw(st.permutations(blocks)) for line in block]
    end, before = draw(st.sampled_from(("\n", "\r\n", " \t\n"))), draw(st.sampled_from(("", " ", "\t ")))
    return "".join(f"{before}{line}{end}" for line in found)


def aliases_of(names: Iterable[str], server: Server) -> dict[str, list[str]]:
    """Directive (as the server writes it) -> its other names among ``names``."""
    found: dict[str, list[str]] = {}
    for name in names:
        directive = find(name)
        if directive and (own := directive.name_on(server)) != name:
            found.setdefault(own, []).append(name)
    return found
