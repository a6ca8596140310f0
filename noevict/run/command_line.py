"""Checks the hosts that pyinfra's command line names, and makes exit code 0 mean that the work was done.

It uses public means only: click's context, Python's ``input`` and signals. Without click's context it does nothing.
"""

import builtins
import signal
import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from functools import partial
from typing import Any

import click
from pyinfra.api.state import StateStage
from pyinfra.context import state

from noevict.errors import NoevictError
from noevict.inventory.reader import FILE_GROUP, Inventory
from noevict.inventory.ssh_options import key_mistakes, shorten_log
from noevict.messages import displayed, nearest, one_line

INTERRUPTED = 128 + signal.SIGINT

# Hosts on which a run would fail, as their look shows; with any, ``--dry`` ends with exit code 1.
failing: set[str] = set()


def take_charge(fleet: Inventory) -> None:
    """Check the hosts that the command line names, and correct its exit code when it ends.

    Warn about group_data files without a group.

    Raise NoevictError for a ``--limit`` or ``--exclude`` that matches no host, and if both together leave no host.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return
    for line in fleet.unused_group_data():
        click.echo(one_line(f"warning: {line}"), err=True)
    hosts = check_limits(fleet, context.params["limit"], context.params["exclude"])
    if mistakes := key_mistakes(fleet, hosts):
        raise NoevictError.collect(mistakes)
    shorten_log()
    signal.signal(signal.SIGINT, _interrupt)
    builtins.input = partial(_answer, builtins.input)
    context.call_on_close(partial(_end, context.params))


def check_limits(fleet: Inventory, limits: tuple[str, ...], excluded: tuple[str, ...]) -> list[str]:
    """Return the hosts that are left. A pattern is a group's name or matches hosts' names. Raise as ``take_charge``."""
    groups = {**fleet.groups(), FILE_GROUP: list(fleet.hosts)}

    def matched(pattern: str) -> set[str]:
        return set(groups.get(pattern) or (host for host in fleet.hosts if fnmatch(host, pattern)))

    known = (*fleet.hosts, *groups)
    mistakes = [
        f"{option} {displayed(pattern)}: should be a host or group of hosts.yml"
        f"{f' (one {option} for each)' if ',' in pattern else nearest(pattern, known)}, matches none"
        for option, patterns in (("--limit", limits), ("--exclude", excluded))
        for pattern in patterns
        if not matched(pattern)
    ]
    wanted = set().union(*map(matched, limits)) if limits else set(fleet.hosts)
    left = wanted.difference(*map(matched, excluded))
    if not (mistakes or left):
        mistakes = ["--exclude: should leave at least one host, leaves none"]
    if mistakes:
        raise NoevictError.collect(mistakes)
    return [host for host in fleet.hosts if host in left]


def _answer(ask: Callable[..., str], prompt: object = "", /) -> str:
    """Answer pyinfra's own questions, which have no prompt: y and yes count as Enter, the end of the input as a no."""
    if prompt:
        return ask(prompt)
    try:
        reply = ask()
    except EOFError:
        return "none (ctrl-d)" if sys.stdin.isatty() else "none (there is no terminal: -y does not ask)"
    return "" if reply.strip().lower() in {"y", "yes"} else reply


def _interrupt(*_: object) -> None:
    unfinished = "; run it again to finish" if state.current_stage is StateStage.Execute else ""
    click.echo(f"interrupted{unfinished}", err=True)
    sys.exit(INTERRUPTED)


def _end(params: Mapping[str, Any]) -> None:
    """Turn exit code 0 into 1 if the work was not done."""
    ending = sys.exc_info()[1]
    if isinstance(ending, SystemExit) and not ending.code and (why := _undone(params)):
        click.echo(why, err=True)
        sys.exit(1)


def _undone(params: Mapping[str, Any]) -> str | None:
    """Return why the work was not done; None if it was."""
    if not all(operation.endswith(".py") for operation in params["operations"]):
        return None  # no deploy: debug-inventory, facts
    if params["dry"] or (params["json_output"] and not params["yes"]):
        return f"a run would fail on {', '.join(sorted(failing))}" if failing else None
    if params["debug_operations"] or params["debug_facts"] or state.current_stage >= StateStage.Execute:
        return None
    return "nothing was changed: only Enter or y continues"
