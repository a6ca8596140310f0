"""Finds what noevict did not set up on a host, and why it leaves that alone: other servers, a unit that is not the
package's, modules, data in places where our start would not find it. Pure."""

from collections.abc import Iterator

from noevict.engines.package_layout import Layout
from noevict.machine.found import Listener, OtherServer
from noevict.messages import one_line
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from noevict.redisconf.parser import parse
from noevict.server.live import Live
from noevict.server.refusals import name_modules
from noevict.settings.model import Settings

MANUAL = "docs/taking-over.md"
# Besides `dir`, these say where a start finds the data: the defaults of every server.
FILES = {"appenddirname": "appendonlydir", "appendfilename": "appendonly.aof", "dbfilename": "dump.rdb"}
UNIT_DIRECTORIES = ("/usr/lib/systemd/system/", "/lib/systemd/system/")
GENERATED = "/run/systemd/generator"  # units made from an init script, which a removed package may have left
# Properties that only the package's unit sets, and those that our drop-in sets.
OF_THE_PACKAGE = frozenset({"ExecStart", "Type", "User", "Group", "RootDirectory", "RootImage"})
OF_OURS = frozenset({"TimeoutSec", "TimeoutStartSec", "RestartSec", "LimitNOFILE", "OOMScoreAdjust"})


# --- other servers -----------------------------------------------------------------------------------------------


def ports_in_use(settings: Settings, state: InstanceState, target: Target) -> Iterator[str]:
    """Report a port of ours that another program uses, except a server that will hand over to this one."""
    listener = _port_in_use(settings, state)
    if listener is None:
        return
    by = server_on_our_port(settings, state, target.layout)
    advice = "stop it, or set redis_port" if by is None else f"{_described(by)}: {_advice(by)}"
    yield (
        f"port {listener.port} is in use on {listener.address} by a program that is not {target.layout.unit}: {advice}"
    )


def server_on_our_port(settings: Settings, state: InstanceState, layout: Layout) -> OtherServer | None:
    """Return the other server that ``ports_in_use`` reports; None if it is not one, or none is known to have it."""
    listener = _port_in_use(settings, state)
    if listener is None:
        return None
    return next((each for each in others(state, layout) if listener.port in each.ports), None)


def _port_in_use(settings: Settings, state: InstanceState) -> Listener | None:
    before = () if state.predecessor is None else state.predecessor.listeners
    handed_over = {listener.port for listener in before if listener.ours}
    wanted = {settings.redis_port, settings.redis_plaintext_port} - handed_over
    return next((each for each in state.listeners if each.port in wanted and not each.ours), None)


def others(state: InstanceState, layout: Layout) -> Iterator[OtherServer]:
    """Yield every other Redis or Valkey, running or enabled, except one that will hand over to this one, or did."""
    for each in state.others:
        named = each.unit in (layout.other.unit, layout.other.package)
        unnamed = not state.machine.systemd and not each.unit and each.program == layout.other.package
        if not (state.other_engine and (named or unnamed)):
            yield each


def other_servers(state: InstanceState, layout: Layout, reported: OtherServer | None = None) -> Iterator[str]:
    """Yield a line about each of ``others``, except one already ``reported``."""
    for each in others(state, layout):
        if each == reported:
            continue
        does = "runs here" if each.running else "starts at each boot"
        yield f"another {_title(each)} {does} ({_described(each)}): noevict manages one server a host: {_advice(each)}"


def shares_data(state: InstanceState, layout: Layout) -> bool:
    """Whether another server runs in our server's data directory: each would overwrite the other's files."""
    return any(each.running and each.directory == layout.data for each in others(state, layout))


def _title(other: OtherServer) -> str:
    return "Valkey" if "valkey" in other.program.rpartition("/")[2] else "Redis"


def _described(other: OtherServer) -> str:
    """Describe a server by its unit, port, directory and configuration, as far as they are known."""
    ports = ", ".join(map(str, other.ports))
    parts = (
        other.unit or "started by hand",
        f"port {ports}" if ports else "",
        f"data in {other.directory}" if other.directory else "",
        f"configuration {other.conf}" if other.conf else "",
    )
    return ", ".join(filter(None, parts))


def _advice(other: OtherServer) -> str:
    if other.enabled:
        now = " --now" if other.running else ""
        what = "stop and disable it" if other.running else "disable it"
        command = f" (systemctl disable{now} {other.unit})" if other.unit.endswith(".service") else ""
    else:
        what = "stop it, and whatever starts it"
        command = f" (systemctl stop {other.unit})" if other.unit.endswith((".service", ".scope")) else ""
        if " of " in other.unit:  # a user's unit, which the system's systemctl does not know
            command = ""
    return f"{what}{command}; {MANUAL} says how its data moves"


# --- the unit ----------------------------------------------------------------------------------------------------


def unit_refusals(state: InstanceState, layout: Layout) -> Iterator[str]:
    """Report, on a host that noevict does not manage yet, somebody's unit, or drop-ins that would override ours."""
    unit = state.unit
    place = unit.get("Shadow") or unit.get("FragmentPath", "")
    if place and unit.get("LoadState") != "masked" and not _of_the_package(state, layout, place):
        program = unit.get("Program", "")
        facts = (f"Type={unit['Type']}" if unit.get("Type") else "", f"starts {program}" if program else "")
        what = ", ".join(filter(None, facts))
        yield (
            f"{layout.unit} is {place}, not the package's{f' ({what})' if what else ''}: stop what it runs, remove "
            f"that file (systemctl daemon-reload), then run again; {MANUAL} says how its data moves"
        )
        return
    setting = [each for each in state.dropins if OF_THE_PACKAGE & each.sets]
    for each in setting:
        names = ", ".join(sorted(OF_THE_PACKAGE & each.sets))
        starts = f" (starts {unit['Program']})" if "Program" in unit and "ExecStart" in each.sets else ""
        yield (
            f"{layout.unit}: {names} should be the package's, set by {each.path}{starts}; remove that (directives "
            "belong in redis_config)"
        )
    ours = layout.dropin.rpartition("/")[2]
    for each in state.dropins:
        if OF_OURS & each.sets and each.path.rpartition("/")[2] > ours:
            yield (
                f"{layout.unit}: {', '.join(sorted(OF_OURS & each.sets))}, set by {each.path}, would override "
                "noevict's; remove that"
            )
    if not setting:
        yield from unit_differences(state, layout)


def unit_differences(state: InstanceState, layout: Layout) -> Iterator[str]:
    """Report properties of the unit that are not the package's, whatever changed them."""
    unit = state.unit
    if unit.get("LoadState") != "loaded":
        return
    for name, wanted in {"Type": "notify", "User": layout.user}.items():
        if unit.get(name, wanted) != wanted:
            yield f"{layout.unit}: {name} should be {wanted}, is {unit[name]}: {_set_by(state, layout)}; remove that"


def _set_by(state: InstanceState, layout: Layout) -> str:
    paths = [path for path in state.unit.get("DropInPaths", "").split() if path != layout.dropin]
    return f"set by {', '.join(paths) or state.unit.get('Shadow') or 'the unit itself'}"


def _of_the_package(state: InstanceState, layout: Layout, place: str) -> bool:
    if place.startswith(GENERATED):
        return layout.package in state.machine.packages
    return place.startswith(UNIT_DIRECTORIES)


# --- modules and included files ----------------------------------------------------------------------------------


def modules_in_file(state: InstanceState) -> Iterator[str]:
    """Report modules that the redis.conf of a server that does not run loads."""
    lines = parse(state.conf or "").get("loadmodule", [])
    yield from name_modules(
        [line.split(" ")[0].rpartition("/")[2] for line in lines], "loads, by its redis.conf,"
    )


def modules_of_package(state: InstanceState, layout: Layout) -> Iterator[str]:
    """Report modules of a package that is not the distribution's, before its server is taken over."""
    package = state.machine.packages.get(layout.package)
    if package is not None and package.unpacked:
        yield from name_modules(state.packaged_modules, f"is {package.name} {package.version}, which brings")


def included(state: InstanceState) -> Iterator[str]:
    """Report files that the redis.conf of a server that does not run includes. Their content is not known."""
    files = parse(state.conf or "").get("include", [])
    if files:
        yield (
            f"its redis.conf includes other files ({', '.join(map(one_line, files))}), which may name other data: "
            "start it, then run again, so that noevict can ask it"
        )


# --- data --------------------------------------------------------------------------------------------------------


def missed_data(live: Live, layout: Layout, target: Target) -> Iterator[str]:
    """Report keys of a running server of that engine that a start with our configuration would not load."""
    if not live.keys and not live.loading:
        return
    for name, wanted in places(layout).items():
        if name == "dbfilename" and target.live["appendonly"] == "yes":
            continue  # before a restart everything is in the append-only files
        if live.config.get(name, wanted) == "":
            yield (
                f"its {name}, {wanted}, was removed: its {live.keys} keys are only in memory; do not stop it, "
                "copy them with redis-cli --rdb first"
            )
        elif live.config.get(name, wanted) != wanted:
            unsaved = live.info.get("rdb_last_bgsave_status", "ok") != "ok"
            saves = ", and its last save failed" if unsaved else ""
            yield (
                f"its {name} is {live.config[name]}, noevict's is {wanted}: its data would not be found{saves}; do not "
                f'stop it: copy its keys while it runs, as "Data elsewhere" in {MANUAL} says'
            )
    databases = int(target.live.get("databases", "16"))
    beyond = [
        name
        for name in live.info
        if name.startswith("db") and name[2:].isdigit() and int(name[2:]) >= databases
    ]
    if beyond:
        yield f"has keys in {', '.join(beyond)}, and would have {databases} databases: set redis_config databases"


def empty_elsewhere(live: Live, layout: Layout) -> bool:
    """Whether somebody else's server has no keys, and reads append-only files that our start would not find."""
    if live.ours or live.keys or live.loading:
        return False
    wanted = places(layout)
    return any(live.config.get(name, wanted[name]) != wanted[name] for name in ("dir", "appenddirname"))


def places(layout: Layout) -> dict[str, str]:
    """Return the directives that say where a server of ours has its data."""
    return {"dir": layout.data, **FILES}


def elsewhere(state: InstanceState, layout: Layout, *, ours: bool) -> Iterator[str]:
    """Report data of a server that does not run in another place, by its redis.conf.

    ``ours``: noevict manages it. If a change by hand took its ``dir`` away, it could not write anywhere else.
    """
    if state.conf is None:
        return
    lines = parse(state.conf)
    for name, wanted in places(layout).items():
        # Without a line it is the directory in which the unit starts it; the unit does not set one.
        default = "." if name == "dir" and not ours else wanted
        found = lines.get(name, [default])[-1].removesuffix("/") or "/"
        if found != wanted:
            yield (
                f"its redis.conf says {name} {found}, noevict's is {wanted}: data there would not be found; "
                "move it and put that line right first"
            )


def data_files(state: InstanceState, layout: Layout) -> tuple[str, ...]:
    """Return the files that a server may have left in its data directory, whatever its configuration is."""
    named = tuple(path for path in (layout.rdb, layout.single_aof, layout.manifest) if path in state.data)
    unnamed = (path for path in state.data if path.startswith(f"{layout.append_only}/"))
    return named if layout.manifest in named else (*named, *unnamed)


def ambiguous(state: InstanceState, layout: Layout) -> Iterator[str]:
    """Report two sets of data if no redis.conf says which of them is the newer one."""
    single = state.file(layout.single_aof) is not None
    both = state.file(layout.rdb) is not None and (single or state.file(layout.manifest) is not None)
    known = state.starts_with_aof or (state.conf is not None and not single)
    if both and not known and not state.empty_rdb:
        aof = layout.single_aof if single else layout.append_only
        yield (
            f"has both {layout.rdb} and {aof}, and nothing says which holds its last keys: keep the one that its "
            "server read (the append-only files, if AOF was on), and move the other away"
        )


# --- giving back -------------------------------------------------------------------------------------------------


def keys_in_rdb(state: InstanceState, layout: Layout) -> bool:
    """Whether the server's own configuration starts from an RDB with keys: append-only files would hide those."""
    written = bool(state.pid) or (state.file(layout.rdb) is not None and not state.empty_rdb)
    return written and not state.starts_with_aof


def ran_without_aof(state: InstanceState) -> bool:
    """Whether AOF was off before the take-over, which an earlier run may have begun."""
    off = state.aof_before is not None or state.live.config.get("appendonly") == "no"
    return off and not state.starts_with_aof
