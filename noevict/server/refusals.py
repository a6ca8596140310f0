"""Why a running server is left alone, whatever platform runs it: each reason is a line that says what to do. Pure."""

from collections.abc import Iterable, Iterator

from noevict.acl import diff as acl_diff
from noevict.engines.engine import ENGINES
from noevict.messages import one_line
from noevict.server.compare import WantedServer
from noevict.server.live import Live
from noevict.server.space import MIB, mib

# Modules that are part of the server itself, in Redis 8 and in Valkey 9.1.
BUILT_IN = frozenset({"vectorset", "lua"})


def role(live: Live) -> Iterator[str]:
    """Report a server that is not a standalone primary."""
    if live.info.get("role") not in (None, "master"):
        yield "is a replica: noevict never changes roles; make it a primary first, or leave it out of hosts.yml"
    if live.number("connected_slaves"):
        yield f"has {live.number('connected_slaves')} replicas: noevict only manages standalone servers"
    if live.number("cluster_enabled"):
        yield "runs Cluster: noevict only manages standalone servers"


def limits(live: Live, wanted: WantedServer) -> Iterator[str]:
    """Report memory in use beyond the wanted maxmemory."""
    used = live.number("used_memory")
    # A server that is full at exactly the wanted maxmemory only gets a notice.
    same = live.ours and live.server is not None and live.server.engine == wanted.layout.engine.name
    if used > wanted.maxmemory and not (same and live.config.get("maxmemory") == str(wanted.maxmemory)):
        yield (
            f"redis_maxmemory: {wanted.maxmemory // MIB} MiB would be below the {mib(used)} MiB in use, "
            "and every write would fail: give it more, or delete keys first"
        )


def unknown_words(live: Live, wanted: WantedServer) -> Iterator[str]:
    """Report words of redis_users that this release does not know."""
    if live.catalogue is None:
        return
    for user in wanted.users:
        for word in acl_diff.unknown_words(user, live.catalogue):
            yield f"redis_users: {user.name}: {live.server} does not know {word}"


def unsupported_release(live: Live) -> Iterator[str]:
    """Report a release that is not supported."""
    if live.server is not None and not live.server.supported:
        oldest = ".".join(map(str, ENGINES[live.server.engine].oldest[:2]))
        yield f"runs {live.server}: should be {oldest} or later; upgrade its release first"


def modules(live: Live) -> Iterator[str]:
    """Report modules of a running server: our start would not load them, and could not read their keys."""
    found = live.info.get("modules")
    entries = found if isinstance(found, list) else []
    names = sorted(str(each.get("name", "")) for each in entries if isinstance(each, dict))
    yield from name_modules([name for name in names if name not in BUILT_IN], "has loaded")


def name_modules(names: Iterable[str], how: str) -> Iterator[str]:
    """Report modules by name, if there are any. ``how``: how the server comes by them, a verb."""
    text = ", ".join(one_line(name) for name in names)
    if text:
        yield (
            f"{how} modules ({text}): noevict runs none, and without them keys of theirs cannot be read; leave this "
            "host out of hosts.yml, or move its data to a server without modules first"
        )
