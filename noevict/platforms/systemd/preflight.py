"""Checks whether a host has to be left alone: each reason is a line that says what to do. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from noevict.directives import table
from noevict.engines import rdb
from noevict.engines.package_layout import Layout
from noevict.pki import validity
from noevict.platforms.systemd import takeover
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.other_fleets import other_ca, other_secrets
from noevict.platforms.systemd.wanted import Target
from noevict.redisconf import diff as conf_diff
from noevict.redisconf.parser import parse
from noevict.secrets.store import Secrets
from noevict.server import listening, password_rotation
from noevict.server.live import Live, Reach
from noevict.server.refusals import limits, modules, role, unknown_words, unsupported_release
from noevict.server.space import MIB
from noevict.settings.model import Settings

OLDEST = {"debian": 12.0, "ubuntu": 24.04}
# How a server of ours refuses us -> what lets us in again without a restart.
SHUT = {
    Reach.REFUSED: (
        "rejects the password of admin",
        "put the password it has back into secrets/users.yml",
    ),
    Reach.MUTE: ("rejects noevict's commands", "give admin its rights back (ACL SETUSER admin +@all)"),
}
MARKER = "# noevict manages this file"  # how templates/redis.conf.j2 begins


def refusals(settings: Settings, state: InstanceState, target: Target, secrets: Secrets) -> Iterator[str]:
    """Yield why nothing may be changed on the host."""
    if not state.machine.root:
        yield "should be reached as root, or as a user with sudo: set _sudo: true for it in hosts.yml"
        return
    reasons = (*_of_the_host(settings, state, target, secrets), *_of_its_server(state, target))
    reasons += tuple(_of_others(settings, state, target))
    yield from reasons
    # A take-over is only suggested if nothing else prevents it. If this server replaces the other engine's, older data
    # of its own is kept aside.
    if (
        not reasons
        and state.predecessor is None
        and not settings.redis_takeover
        and not managed(state, target.layout)
    ):
        yield from _foreign(settings, state, target)


def _of_the_host(settings: Settings, state: InstanceState, target: Target, secrets: Secrets) -> Iterator[str]:
    yield from _release(state, target)
    yield from _sentinel(state)
    yield from takeover.ports_in_use(settings, state, target)
    yield from listening.refusals(target, state.machine, state.listeners, low_ports=state.binds_low_ports)
    theirs = tuple(other_secrets(state, target, secrets)) if managed(state, target.layout) else ()
    yield from theirs or tuple(password_rotation.stale(secrets, state)) or _unknown(state, target)
    yield from _too_little(state, target)


def _of_its_server(state: InstanceState, target: Target) -> Iterator[str]:
    live = state.live
    if live.reached:
        yield from role(live)
        yield from limits(live, target)
        yield from unknown_words(live, target)
        yield from unsupported_release(live)
        yield from modules(live)
        yield from takeover.missed_data(live, target.layout, target)
    elif live.reach is Reach.NOT_RUNNING and state.predecessor is None:
        yield from role_in_file(state)
        yield from left_behind(state, target.layout, target)
        yield from _unreadable(state, target)
        yield from takeover.included(state)
        ours = managed(state, target.layout)
        yield from takeover.elsewhere(state, target.layout, ours=ours)
        if not ours:
            yield from takeover.modules_in_file(state)
            yield from takeover.ambiguous(state, target.layout)


def _of_others(settings: Settings, state: InstanceState, target: Target) -> Iterator[str]:
    """Report what somebody else set up here. On a managed host that is only a fault: our part is still repaired."""
    layout = target.layout
    reported = takeover.server_on_our_port(settings, state, layout)
    if managed(state, layout):
        if takeover.shares_data(state, layout):
            yield from takeover.other_servers(state, layout, reported)
    elif state.predecessor is None:
        yield from takeover.unit_refusals(state, layout)
        yield from takeover.modules_of_package(state, layout)
        # The server's replica is reported already.
        if not state.live.number("connected_slaves"):
            yield from takeover.other_servers(state, layout, reported)


def managed(state: InstanceState, layout: Layout) -> bool:
    """Whether noevict has set up this server, even if only in part. A server that it began to take over, and that does
    not run with our configuration yet, is not managed."""
    marked = state.conf is not None and state.conf.startswith(MARKER)
    under_way = state.file(layout.takeover) is not None and not state.live.ours
    return (marked or state.file(layout.dropin) is not None) and not under_way


def takes_over(state: InstanceState, layout: Layout) -> bool:
    """Whether a run makes a server that somebody else set up ours."""
    package = state.machine.packages.get(layout.package)
    there = state.conf is not None or (package is not None and package.unpacked)
    return there and state.predecessor is None and not managed(state, layout)


def _release(state: InstanceState, target: Target) -> Iterator[str]:
    name, version, codename = state.machine.os
    oldest = OLDEST.get(name)
    number = float(version) if version.replace(".", "", 1).isdigit() else None
    if oldest is None or (number is not None and number < oldest):
        yield f"should run Debian 12 or later, or Ubuntu 24.04 or later, runs {name} {version or codename}"
    elif target.layout.engine.name == "valkey" and codename == "bookworm":
        yield 'redis_engine: should be "redis": Debian 12 has no Valkey'


def _sentinel(state: InstanceState) -> Iterator[str]:
    if any("sentinel" in process for process in state.machine.processes):
        yield "runs Sentinel: noevict only manages standalone servers; remove it first, or this host from hosts.yml"


def of_others(state: InstanceState, target: Target, secrets: Secrets) -> Iterator[str]:
    """Yield why a server that noevict manages here, of either engine, belongs to other secrets/."""
    if managed(state, target.layout):
        yield from other_secrets(state, target, secrets)
    if state.predecessor is not None:
        yield from other_ca(state.predecessor, target, secrets)


def _unknown(state: InstanceState, target: Target) -> Iterator[str]:
    live = state.live
    if state.too_busy:
        yield (
            f"{target.layout.title} is starting, and too busy to answer ({live.why}): run again once it has loaded "
            "its data"
        )
    elif live.reach is Reach.UNREACHED:
        yield f"{target.layout.title} is running but could not be looked at: {live.why}"
    elif live.reach is Reach.REFUSED and not managed(state, target.layout):
        yield (
            f"{target.layout.title} asks for a password that noevict does not have ({live.why}): "
            "put it into secrets/users.yml as takeover, so that noevict can look (for this host only, or with a user's "
            "name: docs/taking-over.md)"
        )
    elif live.reach in SHUT and not state.aof_open:
        # Only a restart gives it our admin. As we cannot ask the server, only open append-only files show that a stop
        # loses nothing.
        refused, instead = SHUT[live.reach]
        yield (
            f"{target.layout.title} {refused} ({live.why}), and without append-only files a "
            f"restart may lose keys: {instead}, or stop it, then run again"
        )


def _too_little(state: InstanceState, target: Target) -> Iterator[str]:
    if target.maxmemory < MIB:
        # maxmemory 0 would mean no limit.
        yield (
            "redis_maxmemory_percent: should give Redis 1 MiB or more, gives less: this host has "
            f"{state.memory / MIB:.1f} MiB of memory"
        )


def role_in_file(state: InstanceState) -> Iterator[str]:
    """Report the role that a server that does not run would have, by its redis.conf."""
    lines = parse(state.conf or "")
    if lines.get("replicaof", ["no one"])[-1].lower() != "no one":
        yield "is a replica by its redis.conf (replicaof): noevict never changes roles; make it a primary first"
    if lines.get("cluster-enabled", ["no"])[-1] == "yes":
        yield "runs Cluster by its redis.conf: noevict only manages standalone servers"


def left_behind(state: InstanceState, layout: Layout, target: Target) -> Iterator[str]:
    """Report keys of a server that does not run, in files that its next start would not read."""
    there = any(state.file(path) is not None for path in (layout.manifest, layout.single_aof))
    # We cannot know how long a redis.conf that noevict did not write has been there.
    others = not (state.conf or "").startswith(MARKER)
    only_data = others and (state.file(layout.rdb) is None or state.empty_rdb)
    if there and target.live["appendonly"] == "no" and (state.starts_with_aof or only_data):
        yield (
            "redis_appendonly: should be True while it is not running: its keys are in append-only files; start it, "
            "then run again"
        )


def _unreadable(state: InstanceState, target: Target) -> Iterator[str]:
    """Report data of a server that does not run if a later release than the installed one wrote it."""
    installed = state.release(target.layout)
    of_files = state.file(target.layout.manifest) is not None and target.live["appendonly"] == "yes"
    written = state.rdb.get("base" if of_files else "dump.rdb")
    if installed is not None and written is not None and not rdb.reads(installed, written):
        yield (
            f"{installed} does not read its data, which is in RDB version {written}: install the release that wrote "
            "it again (apt-cache policy lists them), then run again"
        )


def _foreign(settings: Settings, state: InstanceState, target: Target) -> Iterator[str]:
    """Report a Redis that somebody else set up and that has keys or clients."""
    live, title = state.live, target.layout.title
    clients = live.number("connected_clients") - 1
    if live.reached and live.user != "admin" and (live.keys or live.loading or clients > 0):
        so_far = " so far, and more to load," if live.loading else ""
        yield (
            f"runs a {title} that noevict did not set up, with {live.keys} keys{so_far} and {clients} clients. "
            "To take it over, keeping all keys, set redis_takeover = True. What would change for its clients:"
        )
        yield from _would_change(settings, live, target)
    there = takeover.data_files(state, target.layout)
    if live.reach is Reach.NOT_RUNNING and there:
        empty = there == (target.layout.rdb,) and state.empty_rdb
        keys = "though it holds no key" if empty else "keeping all keys"
        yield (
            f"has data of a {title} that noevict did not set up ({', '.join(there)}): "
            f"to take it over, {keys}, set redis_takeover = True"
        )


def _would_change(settings: Settings, live: Live, target: Target) -> Iterator[str]:
    if live.reach is Reach.PLAINTEXT and not settings.redis_plaintext_port:
        yield f"  TLS: only on port {settings.redis_port} (a second port without it: redis_plaintext_port)"
    kept = any(user.name == "default" and user.enabled for user in target.users)
    if open_to_all(live):
        # A server without a password accepts any, with a user's name: clients can be changed before the take-over.
        first = "first have them send user default and a password, and put that into secrets/users.yml as takeover"
        yield f"  password: clients without one are refused, whatever is set; to keep them, {first} ({takeover.MANUAL})"
    if not kept:
        yield "  password: as user app with its password; the user default is off (to keep it: redis_users default)"
    theirs = sorted({line.split()[1] for line in live.acl} - {user.name for user in target.users})
    if theirs:
        yield f"  ACL users removed: {', '.join(theirs)} (to keep them: redis_users)"
    if live.server is None:
        return
    defaults = table.defaults(live.server) or {}
    for found in conf_diff.differences(target.live, live.config, live.server):
        # A removed address matters although it is a default: clients may connect to it.
        chosen = found.name == "bind" or found.found != defaults.get(found.name, found.found)
        if chosen and found.name != "aclfile" and not found.name.startswith("tls-"):
            yield f"  {found.name}: {' → '.join(found.displayed)}"


def open_to_all(live: Live) -> bool:
    """Whether clients need no password."""
    return any(
        {"on", "nopass"} <= set(words[2:]) for line in live.acl if (words := line.split())[1] == "default"
    )


def clocks(state: InstanceState, now: datetime) -> Iterator[str]:
    """Report clocks that differ too much for signing a certificate: clients would not accept it yet, or not for long,
    and we cannot know which of the two clocks is right."""
    there = datetime.fromtimestamp(state.machine.time, UTC)
    if state.machine.time and abs(there - now) > validity.CLOCK_SKEW:
        yield (
            f"it is {there:%Y-%m-%d %H:%M} UTC there and {now:%Y-%m-%d %H:%M} UTC here: no certificate is signed while "
            "the clocks differ by more than an hour; set the wrong one, then run again"
        )
