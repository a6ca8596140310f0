"""Changes to the running server that need no restart."""

import contextlib
from collections.abc import Callable
from typing import Any

import redis

from noevict import acl_live, conf, directives
from noevict.changes import How
from noevict.client import Client
from noevict.errors import NoevictError
from noevict.operations.data import keep_aside
from noevict.operations.step import step
from noevict.patience import Info, Patience, is_saving, saving
from noevict.plan import BIND, Plan
from noevict.run import HostRun
from noevict.target import Target


@step
def set_live(run: HostRun) -> None:
    """AOF first, and waited for; then every other value at once; then ACL users, without ACL LOAD."""
    live, target, client = run.found.live, run.plan.target, run.client
    if target.live["appendonly"] == "yes" and live.config.get("appendonly") == "no":
        keep_aside(run)
        turn_aof_on(run, client)
    elif target.live["appendonly"] == "yes" and run.found.aof_unwritten(run.engine):
        # A run that ended half way turned it on.
        (wait_until_written if live.writing_aof else rewrite_aof)(run, client)
    if live.user != "admin" or live.server is None:
        return  # somebody else's server: the rest comes with the restart
    if target.live["appendonly"] == "no" and live.config.get("appendonly") == "yes":
        save(run, client)  # only the last RDB is loaded from now on
    _set(client, run.plan.target, live.config, live.server)
    _listen(client, run.plan)
    if live.catalogue is not None:
        found = acl_live.differences(target.users, live.acl, live.catalogue)
        change_users(client, acl_live.repair_commands(target.users, found))


def _set(client: Client, target: Target, config: Any, server: Any) -> None:
    values = {
        found.name: target.live[found.name]
        for found in conf.differences(target.live, config, server)
        if directives.changes_live(found.name, server)
    }
    if {"port", "tls-port"} <= values.keys():
        # One may want the port that the other has: it is given up first.
        client.execute_command("CONFIG SET", "port", "0")
        client.execute_command("CONFIG SET", "tls-port", values.pop("tls-port"))
    if values:
        # All or none: a value that is refused leaves all as they were.
        client.execute_command("CONFIG SET", *(word for pair in values.items() for word in pair))


def _listen(client: Client, plan: Plan) -> None:
    """On addresses that came after it bound its own. Connections that are open stay so."""
    if any(change.what == BIND and change.wanted == "listening" for change in plan.due(How.LIVE)):
        client.execute_command("CONFIG SET", "bind", plan.target.live["bind"])


def change_users(client: Client, commands: tuple[tuple[str, ...], ...]) -> None:
    """All of them or none."""
    if commands:
        with client.pipeline(transaction=True) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            pipe.execute()


def turn_aof_on(run: HostRun, client: Client) -> None:
    """Over data that is there. Only when the first rewrite is done may the file say so: a start before is empty."""
    _begin(client, "CONFIG SET", "appendonly", "yes")
    wait_until_written(run, client)


def rewrite_aof(run: HostRun, client: Client) -> None:
    """New append-only files, of all that is in memory, in place of those that are gone."""
    wait_until_idle(run, client)
    _begin(client, "BGREWRITEAOF")
    wait_until_written(run, client)


def wait_until_written(run: HostRun, client: Client) -> None:
    """Until the append-only files hold everything. Raises NoevictError where writing them fails."""

    def done(info: Info) -> bool:
        # aof_rewrite_in_progress alone is 0 as well while a BGSAVE delays the rewrite.
        if info.get("aof_rewrite_scheduled") or info.get("aof_rewrite_in_progress"):
            return False
        if info.get("aof_last_bgrewrite_status") != "ok" or info.get("aof_last_write_status") != "ok":
            raise NoevictError(
                "writing the append-only files failed: see the server's log; its data is as it was"
            )
        if not info.get("aof_enabled"):
            return False
        # Of no key a file of commands is empty.
        return int(info.get("aof_base_size", 0)) > 0 or not client.info("keyspace")

    wait_for(run, client, done, "writing the append-only files")


def save(run: HostRun, client: Client) -> None:
    """An RDB of everything there is now. Raises NoevictError where it fails."""
    wait_until_idle(run, client)
    before = client.info("persistence").get("rdb_saves", 0)
    try:
        _begin(client, "BGSAVE")
    except redis.ResponseError as error:
        if not is_saving(client.info("persistence")):
            raise NoevictError(f"BGSAVE is refused: {error}") from error
        save(run, client)  # another began by itself in between
        return
    wait_until_idle(run, client)
    info = client.info("persistence")
    if info.get("rdb_last_bgsave_status") != "ok" or info.get("rdb_saves", 1) == before:
        raise NoevictError(
            "BGSAVE failed: free space on the data's disk, then run again; nothing was restarted"
        )


def wait_until_idle(run: HostRun, client: Client) -> None:
    """Until no child of the server writes: a stop would cut it off, or wait for it for ever."""
    wait_for(run, client, lambda info: not is_saving(info), "saving the data")


def wait_for(run: HostRun, client: Client, done: Callable[[Info], bool], what: str) -> None:
    """Poll INFO persistence until ``done`` says so. Raises NoevictError where nothing moves any more."""
    patience = Patience(f"{run.engine.title} is {what}", run.log)
    while True:
        try:
            info: Info = client.info("persistence")
            if done(info):
                return
            patience.wait(*saving(info))
        except redis.TimeoutError:
            patience.wait()


def _begin(client: Client, *command: str) -> None:
    """A command for which Redis forks before it answers: at a terabyte that takes longer than an answer may."""
    with contextlib.suppress(redis.TimeoutError):
        client.execute_command(*command)
