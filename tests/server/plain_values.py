"""Values for plain directives: those their kind allows, for tests that give them to real servers."""

from collections.abc import Sequence

from hypothesis import strategies as st

from noevict.directives import find, table, text_of
from noevict.engine import Server
from noevict.kinds import Bool, Int, Kind, Memory, Octal, Text, Words
from noevict.lists import BufferLimits, KeyspaceEvents, OomScores, Percentiles

# What a machine (its kernel, its OpenSSL, its locales, our rights) may refuse, or would make the server refuse
# its own test client.
NOT_TRIED = {
    "activedefrag",
    "oom-score-adj",
    "mptcp",
    "repl-mptcp",
    "socket-mark-id",
    "tls-dh-params-file",
    "unixsocket",
    "unixsocketgroup",
}

# Values where the server takes only some texts, or numbers that a test machine can bear.
CHOSEN: dict[str, tuple[str, ...]] = {
    "tls-ciphers": ("ECDHE+AESGCM", "HIGH:!aNULL", ""),
    "tls-ciphersuites": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"),
    "proc-title-template": ("queue", "{title} {port} it's", "{title} {listen-addr} "),
    "locale-collate": ("C", ""),
    "bind-source-addr": ("127.0.0.1", ""),
    "ignore-warnings": ("ARM64-COW-BUG", ""),
    "databases": ("1", "17", "64"),
    "io-threads": ("1", "2"),
    "maxclients": ("100", "5000"),
    "timeout": ("60", "2147483647"),
    "maxmemory-clients": ("0", "100mb", "50%"),
    **dict.fromkeys(
        ("server-cpulist", "bio-cpulist", "aof-rewrite-cpulist", "bgsave-cpulist"), ("0", "0-1", "")
    ),
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


EXAMPLES: dict[type, tuple[str, ...]] = {
    Bool: ("yes", "no"),
    Text: ("some text", "other"),
    Octal: ("700", "770"),
    BufferLimits: ("pubsub 1mb 2mb 3", "replica 0 0 0"),
    KeyspaceEvents: ("KEA", "Kx"),
    OomScores: ("0 1 2", "-5 10 20"),
    Percentiles: ("50", "1 99.95"),
}


def examples(name: str, kind: Kind) -> Sequence[str]:
    """A few values, at least two of them different."""
    match kind:
        case _ if name in CHOSEN:
            found = CHOSEN[name]
        case Int(low, high):
            found = (str(min(high, max(low, 50))), str(min(high, max(low, 51))))
        case Memory(low, _, _):
            found = (str(low + 64 * 1024**2), str(low + 1024**2 + 1))
        case Words(words):
            found = words
        case _:
            found = EXAMPLES[type(kind)]
    return found


_SIZES = st.integers(0, 2**40)
_LIMIT = st.builds(
    "{} {} {} {}".format,
    st.sampled_from(["replica", "pubsub", "slave"]),
    _SIZES,
    _SIZES,
    st.integers(0, 10**6),
)
STRATEGIES: dict[type, st.SearchStrategy[bool | int | str]] = {
    Bool: st.booleans(),
    Text: st.text(st.sampled_from(" !#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"), max_size=20),
    Octal: st.integers(0, 0o777).map("{:o}".format),
    BufferLimits: st.lists(_LIMIT, min_size=1, max_size=2).map(" ".join),
    KeyspaceEvents: st.text(st.sampled_from("Ag$lshzxetdKEmn")),
    OomScores: st.lists(st.integers(-2000, 2000).map(str), min_size=3, max_size=3).map(" ".join),
    Percentiles: st.lists(st.floats(0, 100).map("{:.3f}".format), max_size=5).map(" ".join),
}
_UNITS = st.builds("{}{}".format, st.integers(1, 10**4), st.sampled_from(["kb", "MB", "gb", "k", "M"]))


def strategy(name: str, kind: Kind) -> st.SearchStrategy[bool | int | str]:
    """Any value that the kind allows (the chosen ones, where a server takes only some)."""
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
    found: dict[str, bool | int | float | str] = {}
    for name in chosen:
        directive = find(name)
        measured = directive.on(server) if directive else None
        assert measured is not None
        found[name] = draw(strategy(name, measured.kind))
    return found
