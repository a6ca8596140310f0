"""Changes the running server, without a restart."""

from noevict.acl import diff as acl_diff
from noevict.client.client import Client
from noevict.operations.data.append_only import turn_aof_off, write_append_only_files
from noevict.operations.data.directories import keep_old_aof
from noevict.plan.change import How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.wanted import Target
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun


@host_operation
def set_live(run: InstanceRun) -> None:
    """Turn AOF on or off first, and wait for it; then set all that is due at once; then ACL users, without ACL LOAD."""
    plan, client = run.plan, run.client
    if steps.writes_append_only_files(plan, run.found):
        write_append_only_files(run)
    elif steps.sets_old_aof_aside(plan, run.found):
        keep_old_aof(run)
    if steps.turns_aof_off(plan):
        turn_aof_off(run)
    # Nothing of this is due on somebody else's server: the restart brings it.
    _set(client, plan)
    users = {change.subject for change in plan.due(How.LIVE) if change.part is Part.USER}
    change_users(client, acl_diff.repair_commands(plan.target.users, users))


def _set(client: Client, plan: Plan[Target]) -> None:
    """Set every directive that is due. ``bind`` is due for new addresses too: the server then listens on them."""
    due = (change.directive for change in plan.due(How.LIVE) if change.directive)
    values = {name: plan.target.live[name] for name in due}
    if {"port", "tls-port"} <= values.keys():
        # One may need the port that the other has: free that port first.
        client.execute_command("CONFIG SET", "port", "0")
        client.execute_command("CONFIG SET", "tls-port", values.pop("tls-port"))
    if values:
        # All or none: if one value is refused, all stay as they were.
        client.execute_command("CONFIG SET", *(word for pair in values.items() for word in pair))


def change_users(client: Client, commands: tuple[tuple[str, ...], ...]) -> None:
    """Run all of the commands, or none of them."""
    if commands:
        with client.pipeline(transaction=True) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            pipe.execute()
