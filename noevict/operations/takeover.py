"""A take-over: remembers how the host is and, if the take-over fails, gives it back without anything of noevict's.

From the first change to the last check, a file of root's on the host (``Layout.takeover``) says that the host is not
managed yet. A run that is killed in between leaves it; the next run continues, or is refused as for any server of
somebody else.
"""

from functools import partial

from noevict.client.failures import sentence
from noevict.errors import NoevictError
from noevict.machine.sysctl import SYSCTL, TITLES
from noevict.operations.data.directories import keep_old_aof
from noevict.operations.data.persistence import save
from noevict.operations.service import last_log_lines, service, settle, stop
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.takeover import keys_in_rdb, ran_without_aof
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.ssh.shell import HOST_FAILURES, SYNC_SECONDS


def begin_takeover(run: InstanceRun) -> None:
    """Save how the host is. From now on, an operation that fails gives the host back."""
    layout, found = run.layout, run.found
    placed = (
        *(layout.aclfile, layout.tls, layout.dropin, SYSCTL, layout.conf),
        *(f"{layout.conf}.debian", f"{layout.conf}.before-noevict"),
    )
    run.machine.shell(
        script(
            "remember",
            previous=layout.previous,
            etc=layout.etc,
            conf=layout.conf,
            paths="\n".join(placed),
            aof="yes" if found.starts_with_aof else "no",
            kernel="\n".join(f"{TITLES[name]} {value}" for name, value in found.machine.kernel.items()),
        ),
        what="remembering how the host is",
    )
    run.undo = partial(give_back, run)


def give_back(run: InstanceRun, why: tuple[str, ...]) -> tuple[str, ...]:
    """Put the host back as it was before the take-over, its server running if it ran. Return the lines to report."""
    title = run.layout.title
    try:
        return (*why, _give_back(run))
    except (NoevictError, *HOST_FAILURES) as error:
        return (*why, f"and {title} could not be given back as it was: {sentence(error)}; run again")


def _give_back(run: InstanceRun) -> str:
    found, layout = run.found, run.layout
    now = service(run, "state")
    untouched = bool(found.pid) and now.pid == found.pid
    if untouched:
        _set_back(run)
    elif now.state != "stopped":
        stop(run)
    # A server that ran writes an RDB of all its keys as it stops. Once AOF is on again, append-only files beside that
    # RDB would be loaded instead of it, although it is newer.
    if not untouched and keys_in_rdb(found, layout):
        keep_old_aof(run)
    put = script("rollback", conf=layout.conf, acl=layout.aclfile, previous=layout.previous, lines="")
    run.machine.shell(put, seconds=SYNC_SECONDS, what="putting the old configuration back")
    back = script("give_back", previous=layout.previous, etc=layout.etc, dropin=layout.dropin)
    run.machine.shell(back, seconds=SYNC_SECONDS, what="removing what was placed")
    if not found.enabled and not steps.installs_server(run.plan):
        service(run, "disable")
    if run.failing:
        service(run, "start")
        return f"noevict's changes were undone, and systemd tries to start {layout.title}, as before"
    if not found.pid:
        return f"noevict's changes were undone, and {layout.title} is stopped, as before"
    if untouched:
        return f"noevict's changes were undone, and {layout.title} runs, as before"
    if settle(run, "start").state != "running":
        return (
            f"noevict's changes were undone, but {layout.title} does not start with its own configuration: "
            f"{last_log_lines(run)}"
        )
    return f"noevict's changes were undone, and {layout.title} runs again with its own configuration"


def _set_back(run: InstanceRun) -> None:
    """Undo what this run, or an earlier one that was killed, set on a server that keeps its own configuration."""
    client, before = run.client, run.found.live.config
    if ran_without_aof(run.found) and client.config_get("appendonly").get("appendonly") == "yes":
        save(run, client)
        client.config_set("appendonly", "no")
        keep_old_aof(run)
    for name in {"save", "shutdown-on-sigterm"} & before.keys():
        client.config_set(name, before[name])
