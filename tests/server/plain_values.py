"""Values for plain directives: those their kind allows, for tests that give them to real servers."""

from collections.abc import Sequence

from hypothesis import strategies as st

from noevict.directives import find, table
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
CHOSEN = {
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

_TEXT = st.text(st.sampled_from(" !#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"), max_size=20)


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


def examples(name: str, kind: Kind) -> Sequence[str]:
    """A few values, at least two of them different."""
    if name in CHOSEN:
        return CHOSEN[name]
    match kind:
        case Bool():
            return ("yes", "no")
        case Int(low, high):
            return (str(min(high, max(low, 50))), str(min(high, max(low, 51))))
        case Memory(low, _, _):
            return (str(low + 64 * 1024**2), str(low + 1024**2 + 1))
        case Words(words, _):
            return words
        case Text(_):
            return ("some text", "other")
        case Octal():
            return ("700", "770")
        case BufferLimits():
            return ("pubsub 1mb 2mb 3", "replica 0 0 0")
        case KeyspaceEvents():
            return ("KEA", "Kx")
        case OomScores():
            return ("0 1 2", "-5 10 20")
        case Percentiles():
            return ("50", "1 99.95")
    raise AssertionError(f"{name}: {kind}")


def strategy(name: str, kind: Kind) -> st.SearchStrategy[bool | int | str]:
    """Any value that the kind allows (the chosen ones, where a server takes only some)."""
    if name in CHOSEN:
        return st.sampled_from(CHOSEN[name])
    sizes = st.integers(0, 2**40)
    match kind:
        case Bool():
            return st.booleans()
        case Int(low, high):
            return st.integers(low, high)
        case Memory(low, high, _):
            units = st.builds(
                "{}{}".format, st.integers(1, 10**4), st.sampled_from(["kb", "MB", "gb", "k", "M"])
            )
            return st.one_of(st.integers(low, high), units.filter(lambda text: _fits(kind, text)))
        case Words(words, True):
            return st.lists(st.sampled_from(words), min_size=1, max_size=2).map(" ".join)
        case Words(words, _):
            return st.sampled_from(words)
        case Text(needed):
            return _TEXT.filter(bool) if needed else _TEXT
        case Octal():
            return st.integers(0, 0o777).map("{:o}".format)
        case BufferLimits():
            one = st.builds(
                "{} {} {} {}".format,
                st.sampled_from(["replica", "pubsub", "slave"]),
                sizes,
                sizes,
                st.integers(0, 10**6),
            )
            return st.lists(one, min_size=1, max_size=2).map(" ".join)
        case KeyspaceEvents():
            return st.text(st.sampled_from("Ag$lshzxetdKEmn"))
        case OomScores():
            return st.lists(st.integers(-2000, 2000), min_size=3, max_size=3).map(
                lambda numbers: " ".join(map(str, numbers))
            )
        case Percentiles():
            number = st.floats(0, 100).map("{:.3f}".format)
            return st.lists(number, max_size=5).map(" ".join)
    raise AssertionError(f"{name}: {kind}")


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
