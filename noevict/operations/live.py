"""Changes to the running server that need no restart."""

import time
from typing import Any

import redis

from noevict import acl_live, conf, directives
from noevict.client import Client
from noevict.errors import NoevictError
from noevict.operations.data import keep_aside
from noevict.operations.step import step
from noevict.run import HostRun
from noevict.target import Target

REWRITE_SECONDS = 3600  # for an AOF rewrite or a BGSAVE of large data
PROGRESS_SECONDS = 10


@step
def set_live(run: HostRun) -> None:
    """AOF first, and waited for; then every other value at once; then ACL users, without ACL LOAD."""
    live, target, client = run.found.live, run.plan.target, run.client
    if target.live["appendonly"] == "yes" and live.config.get("appendonly") == "no":
        keep_aside(run)
        turn_aof_on(run, client)
    if live.user != "admin" or live.server is None:
        return  # somebody else's server: the rest comes with the restart
    if target.live["appendonly"] == "no" and live.config.get("appendonly") == "yes":
        save(run, client)  # only the last RDB is loaded from now on
    if any(change.what == run.engine.manifest for change in run.plan.changes):
        rewrite_aof(run, client)
    _set(client, run.plan.target, live.config, live.server)
    if live.catalogue is not None:
        found = acl_live.differences(target.users, live.acl, live.catalogue)
        _change_users(client, acl_live.repair_commands(target.users, found))


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


def _change_users(client: Client, commands: tuple[tuple[str, ...], ...]) -> None:
    if commands:
        with client.pipeline(transaction=True) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            pipe.execute()


def turn_aof_on(run: HostRun, client: Client) -> None:
    """Over data that is there. Only when the first rewrite is done may the file say so: a start before is empty."""
    client.config_set("appendonly", "yes")
    _wait_until_written(run, client)


def rewrite_aof(run: HostRun, client: Client) -> None:
    """New append-only files, of all that is in memory, in place of those that are gone."""
    client.bgrewriteaof()
    _wait_until_written(run, client)


def _wait_until_written(run: HostRun, client: Client) -> None:
    def done(info: dict[str, Any]) -> bool:
        # aof_rewrite_in_progress alone is 0 as well while a BGSAVE delays the rewrite.
        if info.get("aof_rewrite_scheduled") or info.get("aof_rewrite_in_progress"):
            return False
        if info.get("aof_last_bgrewrite_status") != "ok" or info.get("aof_last_write_status") != "ok":
            raise NoevictError(
                "writing the append-only files failed: see the server's log; its data is as it was"
            )
        return bool(info.get("aof_enabled")) and int(info.get("aof_base_size", 0)) > 0

    wait_for(run, client, done, "the append-only files")


def save(run: HostRun, client: Client) -> None:
    """An RDB of everything there is now. Raises NoevictError where it fails."""

    def idle(info: dict[str, Any]) -> bool:
        return not info.get("rdb_bgsave_in_progress") and not info.get("aof_rewrite_in_progress")

    wait_for(run, client, idle, "the save under way")
    before = client.info("persistence").get("rdb_saves", 0)
    try:
        client.bgsave()
    except redis.ResponseError as error:
        raise NoevictError(f"BGSAVE is refused: {error}") from error
    wait_for(run, client, idle, "BGSAVE")
    info = client.info("persistence")
    if info.get("rdb_last_bgsave_status") != "ok" or info.get("rdb_saves", 1) == before:
        raise NoevictError(
            "BGSAVE failed: free space on the data's disk, then run again; nothing was restarted"
        )


def wait_for(run: HostRun, client: Client, done: Any, what: str) -> None:
    """Poll INFO persistence until ``done`` says so. Raises NoevictError after REWRITE_SECONDS."""
    began = told = time.monotonic()
    while not done(client.info("persistence")):
        now = time.monotonic()
        if now - began > REWRITE_SECONDS:
            raise NoevictError(f"{what} is not done after {REWRITE_SECONDS} s")
        if now - told > PROGRESS_SECONDS:
            run.log(f"waiting for {what}: {now - began:.0f} s")
            told = now
        time.sleep(0.1)
