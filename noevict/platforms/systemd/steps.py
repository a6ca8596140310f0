"""Which steps of a run a plan takes. Pure: deploy.py asks, in the order in which it makes them."""

from noevict.plan.change import Change, How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from noevict.server.live import Reach

# Live values that the look at the host finds too: in its sockets, its files.
SEEN_OUTSIDE = ("appendonly", "bind", "port", "tls-port")


def installs_server(plan: Plan[Target]) -> bool:
    package = plan.target.layout.package
    return any(change.subject == package for change in plan.due(How.PACKAGE))


def tests_candidate(plan: Plan[Target]) -> bool:
    """Whether a server is there to test the new configuration, and something is new for it."""
    paths = (plan.target.layout.conf, plan.target.layout.aclfile)
    new = any(change.path in paths for change in plan.due(How.FILE))
    return not installs_server(plan) and (new or bool(plan.due(How.RESTART)))


def access_due(plan: Plan[Target]) -> tuple[Change, ...]:
    """Owners and modes of what is not written whole: of directories, certificates, data."""
    written = {file.path for file in plan.target.files if file.placed}
    due = plan.due(How.FILE)
    return tuple(change for change in due if change.part is Part.ACCESS and change.path not in written)


def writes_files(plan: Plan[Target]) -> bool:
    return len(plan.due(How.FILE, How.KERNEL)) > len(access_due(plan))


def sets_live(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether the running server is changed before files are: a foreign one only gets its AOF turned on."""
    live, wanted = found.live, plan.target.live
    off = live.config.get("appendonly") == "no" or found.aof_unwritten(plan.target.layout)
    return (live.reached and wanted["appendonly"] == "yes" and off) or bool(plan.due(How.LIVE))


def changes_only_redis(plan: Plan[Target]) -> bool:
    """Whether all that is due is seen in what the server itself reports: no file, port or login changes with it."""
    return bool(plan.changes) and all(
        change.how is How.LIVE and change.directive and change.directive not in SEEN_OUTSIDE
        for change in plan.changes
    )


def starts_server(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether a server that is installed is started; one that takes another's place is started in that step."""
    stopped = found.live.reach is Reach.NOT_RUNNING
    return stopped and not installs_server(plan) and not plan.due(How.ENGINE)


def prepares_data(plan: Plan[Target], found: InstanceState) -> bool:
    """Whether a server is to start on an RDB file."""
    starts = starts_server(plan, found) or (installs_server(plan) and not plan.due(How.ENGINE))
    return starts and found.file(f"{plan.target.layout.data}/dump.rdb") is not None
