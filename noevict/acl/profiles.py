"""ACL users: the profiles, the users a host should have, the text of users.acl."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from noevict.acl.rules import canonical, of_kind, words
from noevict.engines.engine import Server
from noevict.templates import render

ADMIN = "admin"
DEFAULT = "default"
ALL = ("*",)
# The rights of `default`. It is off, so nobody can use them. But servers (except Valkey 9) load their AOF with these
# rights, and skip, with a line in the log, the parts of a transaction or script that they do not allow: without any
# rights, the jobs of every queue. Seen on Redis 7.0 to 8.0 and Valkey 8.1 (ACLCheckAllPerm in execCommand, multi.c).
LOADING = ("off", "~*", "&*", "+@all")


@dataclass(frozen=True)
class Profile:
    """A named set of commands. It has keys and channels of its own, unless ``redis_users`` names some."""

    about: str
    commands: str
    keys: tuple[str, ...] = ALL
    channels: tuple[str, ...] = ALL
    # Words that only some servers know, and the first release of the engine that does.
    since: tuple[tuple[Server, str], ...] = ()
    limited: str = ""  # words that are added if the user has only some keys


PROFILES: dict[str, Profile] = {
    "admin": Profile("Everything, for people who administer the server.", "+@all"),
    "app": Profile(
        "Job queues (BullMQ 5 and 6), caches, sessions, locks, streams, pub/sub, scripts and functions; nothing "
        "that blocks or empties the whole server or changes how it runs (no KEYS, FLUSHALL, CONFIG, SHUTDOWN).",
        # INFO and CLIENT LIST: BullMQ, Sidekiq and RQ start with them. TIME: locks and rate limiters.
        # Functions and scripts belong to all clients: an app may add and call them, but not remove or stop them;
        # SCRIPT DEBUG halts the server.
        "-@all +@read +@write +@connection +@transaction +@scripting +@blocking +@pubsub -@dangerous "
        "+info +time +client|list -function|delete -function|flush -function|kill -function|restore "
        "-script|debug -script|flush -script|kill",
        # CLIENT IMPORT-SOURCE sets expiry aside for the tool that fills a new server.
        since=((Server("valkey", (8, 1, 0)), "-client|import-source"),),
        # FCALL runs what any user has loaded, with the rights of the caller: a library that replaces another user's
        # would get at all keys of its callers. (A script's name is its digest: nobody can replace it.)
        limited="-function|load",
    ),
    "readonly": Profile(
        "Reads every data type, listens to channels, calls read-only scripts; changes nothing.",
        "-@all +@read +@connection +@transaction +@pubsub -publish -spublish -@dangerous "
        "+info +time +eval_ro +evalsha_ro +fcall_ro",
        since=((Server("valkey", (8, 1, 0)), "-client|import-source"),),
    ),
    "health": Profile(
        "Whether a server is well, and no key: `noevict serve` logs in as it.",
        "-@all +ping +info",
        keys=(),
        channels=(),
    ),
    "exporter": Profile(
        "What prometheus-redis-exporter asks, the lengths of queues among it; changes nothing.",
        # What the exporter asks by default and with --check-single-keys. Of that, only SLOWLOG GET is refused, which
        # would show the arguments of other users' commands. It gets neither SCAN nor GET: at /scrape?check-keys=* it
        # would list all keys, with their values, to anybody who reaches its port.
        "-@all +ping +info +client|list +client|setname +config|get +slowlog|len +latency|latest "
        "+latency|histogram +type +llen +scard +zcard +hlen +xlen +strlen +pfcount +select +memory|usage",
        channels=(),
    ),
}
# The users that every host has beside `admin`, each with its profile or rules, unless redis_users has others.
BUILT_IN = {DEFAULT: "off", "app": "app", "health": "health", "exporter": "exporter"}


@dataclass(frozen=True)
class User:
    """An ACL user. ``rules``: keys, channels, commands, selectors; ``passwords``: SHA-256, lower-case hex."""

    name: str
    enabled: bool
    rules: str
    passwords: tuple[str, ...] = field(default=(), repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """The words after the name in users.acl, and after ``reset`` in ACL SETUSER.

        ``sanitize-payload`` is the default; with it the words are the same as in ACL LIST of Redis 7.0 to 8.0.
        """
        state = "on" if self.enabled else "off"
        return (state, "sanitize-payload", *(f"#{digest}" for digest in self.passwords), *words(self.rules))


def rules_for(
    profile: str, server: Server, keys: Sequence[str] | None = None, channels: Sequence[str] | None = None
) -> str:
    """Return a profile's rules on a server, with the given keys and channels (glob patterns) instead of its own."""
    chosen = PROFILES[profile]
    commands = [chosen.commands]
    for first, rule in chosen.since:
        if server.engine == first.engine and server.version >= first.version:
            commands.append(rule)
    keys, channels = chosen.keys if keys is None else keys, chosen.channels if channels is None else channels
    if tuple(keys) != ALL:
        commands.append(chosen.limited)
    patterns = [*(f"~{key}" for key in keys), *(f"&{channel}" for channel in channels)]
    return canonical(words(" ".join([*patterns, *commands])))


def wanted_users(
    redis_users: Mapping[str, Any],
    digests: Mapping[str, str],
    server: Server,
    older: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[User, ...]:
    """Return all users of a host, by name: ``admin``, BUILT_IN (``default`` is off, see LOADING), ``redis_users``.

    ``digests``: SHA-256 of the password (lower-case hex) of each of ``user_names``; KeyError if one is missing.
    ``older``: digests of passwords that also work.
    """
    rules = {name: _rules(value, server) for name, value in _values(redis_users).items()}
    if not is_enabled(rules[DEFAULT]):
        rules[DEFAULT] = LOADING
    return tuple(
        User(
            name,
            is_enabled(rule),
            canonical(rule),
            (digests[name], *older.get(name, ())) if is_enabled(rule) else (),
        )
        for name, rule in sorted(rules.items())
    )


def user_names(redis_users: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the users that need a password, by name: all that are not off."""
    return tuple(
        sorted(
            name
            for name, value in _values(redis_users).items()
            if not isinstance(value, str) or is_enabled(words(value))
        )
    )


def render_acl(users: Iterable[User]) -> str:
    """Return the text of users.acl: one user a line, by name, without comments: a server would not start with them."""
    return render("users.acl", users=sorted(users, key=lambda user: user.name))


def _values(redis_users: Mapping[str, Any]) -> dict[str, Any]:
    return {**BUILT_IN, **redis_users, ADMIN: "admin"}


def _rules(value: Any, server: Server) -> tuple[str, ...]:
    """Return the words of an entry of redis_users."""
    if isinstance(value, Mapping):
        limits = {what: value[what] for what in ("keys", "channels") if what in value}
        return words(rules_for(value["profile"], server, **limits))
    return words(rules_for(value, server) if value in PROFILES else value)


def is_enabled(rule: Iterable[str]) -> bool:
    """Whether a user with this rule can log in: the last word about it counts."""
    return next(reversed(of_kind("state", rule)), "on").lower() == "on"


TAKEOVER, HOST_SECRET, GENERATION = "takeover", "host_secret", "generation"
# Entries of users.yml that are not users -> what they are.
RESERVED = {
    TAKEOVER: "the password of a foreign Redis",
    HOST_SECRET: "what the passwords of admin, health and exporter are derived from",
    GENERATION: "the number and digest by which an older copy is recognised",
}
