"""Which steps a run has to make for a plan. Pure: deploy.py asks, in the order of its steps."""

from noevict.machine.files import WantedFile, is_due
from noevict.plan.change import Change, How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.preflight import takes_over
from noevict.platforms.systemd.takeover import elsewhere, empty_elsewhere, places
from noevict.platforms.systemd.wanted import Target, logs_directory
from noevict.server.live import Reach

# Live values that a look also finds outside of Redis: in sockets and files.
SEEN_OUTSIDE = ("appendonly", "bind", "port", "tls-port")


def installs_server(plan: Plan[Target]) -> bool:
    package = plan.target.layout.package
    return any(change.subject == package for change in plan.due(How.PACKAGE))


def missing_tools(plan: Plan[Target]) -> tuple[str, ...]:
    """Return the packages to install besides the server's own."""
    package = plan.target.layout.package
    return tuple(change.subject for change in plan.due(How.PACKAGE) if change.subject != package)


def tests_candidate(plan: Plan[Target]) -> bool:
    """Whether a server is installed that can test the new configuration, and there is something to test."""
    paths = (plan.target.layout.conf, plan.target.layout.aclfile)
    new = any(change.path in paths for change in plan.due(How.FILE))
    return not installs_server(plan) and (new or bool(plan.due(How.RESTART)))


def access_due(plan: Plan[Target]) -> tuple[Change, ...]:
    """Return owners and modes to set on what is not written as a whole: directories, certificates, data."""
    written = {file.path for file in plan.target.files if file.placed}
    due = plan.due(How.FILE)
    return tuple(change for change in due if change.part is Part.ACCESS and change.path not in written)


def owners_and_modes(plan: Plan[Target]) -> tuple[str, ...]:
    """Return a line "OWNER GROUP MODE PATH" for each path of ``access_due``; the mode "-": it stays as it is."""
    layout, user = plan.target.layout, plan.target.layout.user
    wanted = (
        *((file.owner, file.group, file.mode, file.path) for file in plan.target.files),
        *((user, user, "-", path) for path in (layout.rdb, layout.append_only, layout.single_aof)),
        (user, "adm", logs_directory(layout).mode, layout.logs),
        (user, "adm", "640", layout.logfile),
    )
    due = {change.path for change in access_due(plan)}
    return tuple(" ".join(each) for each in wanted if each[-1] in due)


def files_to_write(plan: Plan[Target]) -> tuple[WantedFile, ...]:
    """Return the files to write whole and the directories to make."""
    files = (*plan.target.files, logs_directory(plan.target.layout))
    return tuple(file for file in files if is_due(file, plan.changes))


def writes_files(plan: Plan[Target]) -> bool:
    return len(plan.due(How.FILE, How.KERNEL)) > len(access_due(plan))


def sets_live(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether the running server is changed before files are: a foreign one only gets its AOF turned on."""
    return _turns_aof_on(plan, found) or bool(plan.due(How.LIVE))


def writes_append_only_files(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether the running server writes all its keys to append-only files first."""
    return _turns_aof_on(plan, found) and not empty_elsewhere(found.live, plan.target.layout)


def waits_for_first_rewrite(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether the running server already writes its keys to append-only files, and a start now would find data."""
    live = found.live
    under_way = live.config.get("appendonly") == "yes" and live.writing_aof
    there = found.file(plan.target.layout.manifest) is not None or not found.starts_with_aof
    return under_way and not live.number("aof_rewrites_consecutive_failures") and there


def sets_old_aof_aside(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether the running server has no keys, and our start would load append-only files of an earlier time."""
    layout = plan.target.layout
    there = any(path.startswith(f"{layout.append_only}/") for path in found.data)
    return _turns_aof_on(plan, found) and empty_elsewhere(found.live, layout) and there


def _turns_aof_on(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether AOF is wanted, and is off or has not all of its files."""
    off = found.live.config.get("appendonly") == "no" or found.aof_unwritten(plan.target.layout)
    return off and plan.target.live["appendonly"] == "yes"


def turns_aof_off(plan: Plan[Target]) -> bool:
    """Whether the running server stops writing append-only files: from then on, a start loads only the last RDB."""
    due = any(change.directive == "appendonly" for change in plan.due(How.LIVE))
    return due and plan.target.live["appendonly"] == "no"


def changes_only_redis(plan: Plan[Target]) -> bool:
    """Whether the server itself reports all that is due: no file, port or login changes."""
    return bool(plan.changes) and all(
        change.how is How.LIVE and change.directive and change.directive not in SEEN_OUTSIDE
        for change in plan.changes
    )


def loads_certificate(found: InstanceState) -> bool:
    """Whether the running server is ours and serves TLS: it has to load a certificate that was replaced."""
    return found.live.ours and bool(found.live.config.get("tls-cert-file"))


def ends_takeover(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether a server that is being taken over has started with our configuration."""
    there = found.file(plan.target.layout.takeover) is not None
    return there and found.live.ours and not plan.due(How.RESTART)


def starts_server(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether an installed server is started. One that replaces the other engine's is started in that step."""
    stopped = found.live.reach is Reach.NOT_RUNNING
    return stopped and not installs_server(plan) and not plan.due(How.ENGINE)


def keeps_configuration(plan: Plan[Target], found: InstanceState) -> str:
    """Return whether the present configuration is kept for a start that fails, as place.sh takes it.

    "yes": it works now, or is somebody else's; "stopped": its server does not run; "no".
    """
    if found.pid or takes_over(found, plan.target.layout):
        return "yes"
    return "stopped" if starts_server(plan, found) else "no"


def data_directives(plan: Plan[Target], found: InstanceState) -> dict[str, str]:
    """Return the directives that say where the server's data is by now, for a configuration that is put back.

    Nothing for a server that could not be asked: its old configuration reads the files that it has.
    """
    layout = plan.target.layout
    stopped = found.live.reach is Reach.NOT_RUNNING
    if found.live.ours or (stopped and not any(elsewhere(found, layout, ours=True))):
        return {"appendonly": plan.target.live["appendonly"], **places(layout)}
    return {}


def kept_users(plan: Plan[Target], found: InstanceState) -> str:
    """Return the users' file to keep for a failure: of a server that is taken over. A managed server's users stay."""
    layout = plan.target.layout
    return layout.aclfile if takes_over(found, layout) else ""


def sets_kernel(plan: Plan[Target]) -> bool:
    """Whether a kernel value is due, in its file or in the kernel."""
    return any(change.part is Part.KERNEL for change in plan.changes)


def may_come_up(found: InstanceState) -> bool:
    """Whether a server does not run, and systemd may be about to start it again, as its unit says (Restart=)."""
    return found.live.reach is Reach.NOT_RUNNING and found.unit.get("LoadState") == "loaded"


def prepares_data(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether a server will start with an RDB file."""
    starts = starts_server(plan, found) or (installs_server(plan) and not plan.due(How.ENGINE))
    return starts and found.file(plan.target.layout.rdb) is not None
