"""Changes to the running server that need no restart."""

from noevict.acl import diff as acl_diff
from noevict.client.client import Client
from noevict.operations.data.append_only import write_append_only_files
from noevict.operations.data.directories import keep_aside
from noevict.operations.data.persistence import save
from noevict.plan.change import How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd.takeover import empty_elsewhere
from noevict.platforms.systemd.wanted import Target
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun


@host_operation
def set_live(run: InstanceRun) -> None:
    """AOF first, and waited for; then every other value at once; then ACL users, without ACL LOAD."""
    live, target, client = run.found.live, run.plan.target, run.client
    off = live.config.get("appendonly") == "no" or run.found.aof_unwritten(run.layout)
    if target.live["appendonly"] == "yes" and off:
        if not empty_elsewhere(live, run.layout):
            write_append_only_files(run)
        elif any(path.startswith(f"{run.layout.append_only}/") for path in run.found.data):
            keep_aside(run)  # there is nothing to write, and what ours would find is of an earlier time
    if live.user != "admin" or live.server is None:
        return  # somebody else's server: the rest comes with the restart
    if target.live["appendonly"] == "no" and live.config.get("appendonly") == "yes":
        save(run, client)  # only the last RDB is loaded from now on
    _set(client, run.plan)
    users = {change.subject for change in run.plan.due(How.LIVE) if change.part is Part.USER}
    change_users(client, acl_diff.repair_commands(target.users, users))


def _set(client: Client, plan: Plan[Target]) -> None:
    """Every directive that is due. ``bind`` is one for new addresses too: setting it again makes the server listen."""
    due = (change.directive for change in plan.due(How.LIVE) if change.directive)
    values = {name: plan.target.live[name] for name in due}
    if {"port", "tls-port"} <= values.keys():
        # One may want the port that the other has: it is given up first.
        client.execute_command("CONFIG SET", "port", "0")
        client.execute_command("CONFIG SET", "tls-port", values.pop("tls-port"))
    if values:
        # All or none: a value that is refused leaves all as they were.
        client.execute_command("CONFIG SET", *(word for pair in values.items() for word in pair))


def change_users(client: Client, commands: tuple[tuple[str, ...], ...]) -> None:
    """All of them or none."""
    if commands:
        with client.pipeline(transaction=True) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            pipe.execute()
