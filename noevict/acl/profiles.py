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
# The rights of `default`, which is off: nobody has them. But a server loads its AOF with them (all but Valkey 9), and
# leaves out, with a line in its log, whatever of a transaction or script they do not allow: with none, the jobs of
# every queue. Seen on Redis 7.0 to 8.0 and Valkey 8.1 (ACLCheckAllPerm in execCommand, multi.c).
LOADING = ("off", "~*", "&*", "+@all")


@dataclass(frozen=True)
class Profile:
    """A named set of commands; keys and channels are the profile's own unless ``redis_users`` names some."""

    about: str
    commands: str
    keys: tuple[str, ...] = ALL
    channels: tuple[str, ...] = ALL
    # Words that only some servers know: the first release of each engine that does.
    since: tuple[tuple[Server, str], ...] = ()
    limited: str = ""  # words that are added where the user has only some keys


PROFILES: dict[str, Profile] = {
    "admin": Profile("Everything, for people who administer the server.", "+@all"),
    "app": Profile(
        "Job queues (BullMQ 5 and 6), caches, sessions, locks, streams, pub/sub, scripts and functions; nothing "
        "that blocks or empties the whole server or changes how it runs (no KEYS, FLUSHALL, CONFIG, SHUTDOWN).",
        # INFO and CLIENT LIST: BullMQ, Sidekiq and RQ start with them. TIME: locks and rate limiters.
        # Functions and scripts belong to all clients: an app adds and calls them, and empties or stops none;
        # SCRIPT DEBUG halts the server.
        "-@all +@read +@write +@connection +@transaction +@scripting +@blocking +@pubsub -@dangerous "
        "+info +time +client|list -function|delete -function|flush -function|kill -function|restore "
        "-script|debug -script|flush -script|kill",
        # CLIENT IMPORT-SOURCE sets expiry aside for the tool that fills a new server.
        since=((Server("valkey", (8, 1, 0)), "-client|import-source"),),
        # Every user's FCALL runs what one user has loaded, with the rights of whoever calls: a library that replaces
        # another's would reach all keys of its callers. (A script is named by its digest: only who knows it runs it.)
        limited="-function|load",
    ),
    "readonly": Profile(
        "Reads every data type, listens to channels, calls read-only scripts; changes nothing.",
        "-@all +@read +@connection +@transaction +@pubsub -publish -spublish -@dangerous "
        "+info +time +eval_ro +evalsha_ro +fcall_ro",
        since=((Server("valkey", (8, 1, 0)), "-client|import-source"),),
    ),
    "health": Profile(
        "Whether a server is well, and no key: what `noevict serve` comes as.",
        "-@all +ping +info",
        keys=(),
        channels=(),
    ),
    "exporter": Profile(
        "What prometheus-redis-exporter asks, the lengths of queues among it; changes nothing.",
        # As the exporter asks by default and with --check-single-keys; seen: SLOWLOG GET is all that is refused, and
        # would show the arguments of other users' commands. Neither SCAN nor GET: at /scrape?check-keys=* it would list
        # all keys, and show their values, to whoever reaches its port.
        "-@all +ping +info +client|list +client|setname +config|get +slowlog|len +latency|latest "
        "+latency|histogram +type +llen +scard +zcard +hlen +xlen +strlen +pfcount +select +memory|usage",
        channels=(),
    ),
}
# The users every host has beside `admin`, each with its profile or rules; redis_users may say otherwise.
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
        """What stands after the name in users.acl and after ``reset`` in ACL SETUSER.

        ``sanitize-payload`` is the default; said, it is what ACL LIST says from Redis 7.0 to 8.0.
        """
        state = "on" if self.enabled else "off"
        return (state, "sanitize-payload", *(f"#{digest}" for digest in self.passwords), *words(self.rules))


def rules_for(
    profile: str, server: Server, keys: Sequence[str] | None = None, channels: Sequence[str] | None = None
) -> str:
    """A profile's rules on a server, on other keys and channels (glob patterns) than its own where given."""
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
    """All users of a host, by name: ``admin``, BUILT_IN (``default`` is off, see LOADING), what ``redis_users`` says.

    ``digests``: SHA-256 of the password (lower-case hex) of each of ``user_names``. Raises KeyError without.
    ``older``: of passwords that are let in beside it.
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
    """The users that need a password, by name: all but those that are off."""
    return tuple(
        sorted(
            name
            for name, value in _values(redis_users).items()
            if not isinstance(value, str) or is_enabled(words(value))
        )
    )


def render_acl(users: Iterable[User]) -> str:
    """The text of users.acl: one user a line, by name; no comments, with which a server would not start."""
    return render("users.acl", users=sorted(users, key=lambda user: user.name))


def _values(redis_users: Mapping[str, Any]) -> dict[str, Any]:
    return {**BUILT_IN, **redis_users, ADMIN: "admin"}


def _rules(value: Any, server: Server) -> tuple[str, ...]:
    """The words of an entry of redis_users."""
    if isinstance(value, Mapping):
        limits = {what: value[what] for what in ("keys", "channels") if what in value}
        return words(rules_for(value["profile"], server, **limits))
    return words(rules_for(value, server) if value in PROFILES else value)


def is_enabled(rule: Iterable[str]) -> bool:
    """Whether a user with this rule can log in: the last word about it counts."""
    return next(reversed(of_kind("state", rule)), "on").lower() == "on"


TAKEOVER, HOST_SECRET, GENERATION = "takeover", "host_secret", "generation"
# Entries of users.yml that are no users -> what they are.
RESERVED = {
    TAKEOVER: "the password of a foreign Redis",
    HOST_SECRET: "what the passwords of admin, health and exporter are derived from",
    GENERATION: "the number and digest by which an older copy is recognised",
}
