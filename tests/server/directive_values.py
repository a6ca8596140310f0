"""Values for plain directives: those their kind allows, for tests that give them to real servers."""

import os
from collections.abc import Sequence
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit

from hypothesis import strategies as st

from noevict.directives.kinds import Bool, Int, Kind, Memory, Octal, Text, Words
from noevict.directives.lists import BufferLimits, KeyspaceEvents, OomScores, Percentiles
from noevict.directives.table import find, table, text_of
from noevict.engines.engine import Server

DH_PARAMETERS = Path(__file__).with_name("ffdhe2048.pem")  # RFC 7919's
PRINTABLE = "".join(chr(code) for code in range(32, 127) if chr(code) not in '"\\')
"""Every character that a text may have."""


def _not_here() -> set[str]:
    """What this machine's kernel, or our rights on it, would refuse."""
    multipath = Path("/proc/sys/net/mptcp/enabled").exists()
    return {
        *(() if multipath else ("mptcp", "repl-mptcp")),
        *(() if os.geteuid() == 0 else ("socket-mark-id", "oom-score-adj")),
    }


# A server with a socket is asked over it: a test of its own has that.
NOT_TRIED = {"unixsocket", *_not_here()}

# Values of directives for which the server takes only some texts, or numbers that a test machine can bear.
CHOSEN: dict[str, tuple[str, ...]] = {
    "activedefrag": ("no",),  # Debian's servers have another jemalloc, and say so
    "tls-ciphers": ("ECDHE+AESGCM", "HIGH:!aNULL", ""),
    "tls-ciphersuites": (
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
        "",
    ),
    "tls-dh-params-file": (str(DH_PARAMETERS), ""),
    "proc-title-template": ("queue", "{title} {port} it's", "{title} {listen-addr} ", "a {unixsocket}  b"),
    "locale-collate": ("C", "C.UTF-8", ""),
    "bind-source-addr": ("127.0.0.1", "::1", ""),
    "ignore-warnings": ("ARM64-COW-BUG", ""),
    # Redis 8 does not start with fewer than its threads need; the most is as many as there may be open files here,
    # with the servers' own 32.
    "maxclients": ("1000", "5000", str(min(getrlimit(RLIMIT_NOFILE)[1] - 32, 65535 - 32))),
    "databases": ("1", "17", "64", "10000"),  # each takes memory
    "timeout": ("60", "2147483647", "0"),  # of seconds that a test's client may be idle
}


def is_tried(name: str, server: Server) -> bool:
    """Whether a test gives values to this directive."""
    directive = find(name)
    return directive is not None and directive.name in tried(server)


def tried(server: Server) -> list[str]:
    """The plain directives of a server."""
    return [
        name
        for name, row in table().items()
        if row.use == "plain" and row.on(server) and name not in NOT_TRIED
    ]


def kind_on(name: str, server: Server) -> Kind:
    """What values the directive takes on that server."""
    directive = find(name)
    measured = directive.on(server) if directive else None
    assert measured is not None, (name, server)
    return measured.kind


_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
_SIZES_AT_EDGES = {near for unit in (_KIB, _MIB, _GIB) for near in (unit - 1, unit, unit + 1, 3 * unit)}
EDGES: dict[type, tuple[str, ...]] = {
    Bool: ("yes", "no"),
    Text: ("some text", " x ", "a b  c", "", "it's", PRINTABLE),
    Octal: ("700", "770", "0", "7", "777", "0777"),
    BufferLimits: (
        "pubsub 1mb 2mb 3",
        "replica 0 0 0",
        "normal 1048577 1mb 1",
        "slave 1025 1048577 999999999",
        "normal 1mb 0 0 replica 1023 1024 1 pubsub 1gb 1025mb 60",
    ),
    KeyspaceEvents: ("KEA", "Kx", "", "A", "Kg$lshzxetd", "KE$lshzxetdnm", "KEnm"),
    OomScores: ("0 1 2", "-5 10 20", "-2000 -2000 -2000", "2000 2000 2000", "0 200 800"),
    Percentiles: ("50", "1 99.95", "", "0 100", "0.000001 0.00005 99.999999", "50 99 99.9"),
}


def edges(name: str, kind: Kind) -> Sequence[str]:
    """Values at the ends of what the kind allows, and one inside; at least two of them different."""
    match kind:
        case _ if name in CHOSEN:
            found: Sequence[str] = CHOSEN[name]
        case Int(low, high):
            inside = min(high, max(low, 50))
            some = (inside, low, high, low + 1, high - 1, 0, -1, 1)
            found = [str(number) for number in dict.fromkeys(some) if low <= number <= high]
        case Memory(low, high, percent):
            sizes = {low, low + 1, low + 64 * _MIB, high, *_SIZES_AT_EDGES}
            shares = ("1%", "100%", "0%") if percent else ()
            found = [*(str(size) for size in sorted(sizes) if low <= size <= high), *shares]
        case Words(words, many):
            found = (*words, *((" ".join(words),) if many else ()))
        case _:
            found = EDGES[type(kind)]
    return [value for value in found if _fits(kind, value)]


_SIZES = st.integers(0, 2**40)
_LIMIT = st.builds(
    "{} {} {} {}".format,
    st.sampled_from(["replica", "pubsub", "slave", "normal"]),
    _SIZES.filter(lambda size: not 0 < size < 2**20),  # less, and a normal client gets no CONFIG GET
    _SIZES.filter(lambda size: not 0 < size < 2**20),
    st.integers(0, 10**6),
)
STRATEGIES: dict[type, st.SearchStrategy[bool | int | str]] = {
    Bool: st.booleans(),
    Text: st.text(st.sampled_from(PRINTABLE), max_size=60),
    Octal: st.integers(0, 0o777).map("{:o}".format),
    BufferLimits: st.lists(_LIMIT, min_size=1, max_size=4).map(" ".join),
    KeyspaceEvents: st.text(st.sampled_from("Ag$lshzxetdKEmn")),
    OomScores: st.lists(st.integers(-2000, 2000).map(str), min_size=3, max_size=3).map(" ".join),
    Percentiles: st.lists(st.floats(0, 100).map("{:.6f}".format), max_size=5).map(" ".join),
}
_UNITS = st.builds("{}{}".format, st.integers(1, 10**4), st.sampled_from(["kb", "MB", "gb", "k", "M", "b"]))


def strategy(name: str, kind: Kind) -> st.SearchStrategy[bool | int | str]:
    """Any value that the kind allows (the chosen ones, if a server takes only some)."""
    found: st.SearchStrategy[bool | int | str]
    match kind:
        case _ if name in CHOSEN:
            found = st.sampled_from(CHOSEN[name])
        case Int(low, high):
            found = st.integers(low, high)
        case Memory(low, high, _):
            found = st.one_of(st.integers(low, high), _UNITS)
        case Words(words, many):
            some = st.lists(st.sampled_from(words), min_size=1, max_size=2).map(" ".join)
            found = some if many else st.sampled_from(words)
        case _:
            found = STRATEGIES[type(kind)]
    return found.filter(lambda value: _fits(kind, text_of(value) or ""))


def _fits(kind: Kind, text: str) -> bool:
    try:
        kind.canonical(text)
    except ValueError:
        return False
    return True


@st.composite
def configs(
    draw: st.DrawFn, names: Sequence[str], server: Server, most: int
) -> dict[str, bool | int | float | str]:
    """A redis_config of up to ``most`` of these directives."""
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=most))
    if "oom-score-adj-values" in chosen and "oom-score-adj" in chosen:
        chosen.remove(
            "oom-score-adj"
        )  # most values in force at once take more rights than a container's root has
    return {name: draw(strategy(name, kind_on(name, server))) for name in chosen}
