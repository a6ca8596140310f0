"""What is not as wanted, with all the places it stands in: the file, the running server. For people; pure.

Each finding is made of changes of the plan, which alone decides what is one: here values are only put side by side.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from noevict import conf
from noevict.changes import RESTARTING, Change, How
from noevict.directives import defaults, find
from noevict.engine import Server
from noevict.kinds import Memory
from noevict.plan import Plan
from noevict.state import HostState, Reach
from noevict.target import Target
from noevict.values import same


@dataclass(frozen=True)
class Found:
    """What one place has. ``right``: whether that is as wanted; None where it says neither."""

    text: str
    right: bool | None


@dataclass(frozen=True)
class Finding:
    """One thing. ``file``: what the file says for the next start; ``live``: what is in force; None: no such place.

    ``how``: all that its repair takes. ``restarts``: whether a running server ends for it and starts again.
    """

    what: str
    wanted: str
    file: Found | None
    live: Found | None
    how: tuple[How, ...]
    why: str
    restarts: bool


def findings(plan: Plan, state: HostState) -> tuple[Finding, ...]:
    """In the order of the plan; what is not as wanted of one directive, live and in the file, is one finding."""
    about: dict[object, list[Change]] = {}
    for number, change in enumerate(plan.changes):
        about.setdefault(change.directive or number, []).append(change)
    return tuple(_finding(plan, state, changes) for changes in about.values())


def _finding(plan: Plan, state: HostState, changes: Sequence[Change]) -> Finding:
    first = changes[0]
    return Finding(
        first.directive or first.what,
        _wanted(plan.target, first),
        *(_directive(plan.target, state, first.directive) if first.directive else _thing(plan, first)),
        tuple(dict.fromkeys(change.how for change in changes)),
        "; ".join(dict.fromkeys(change.why for change in changes if change.why)),
        any(_restarts(plan, state, change) for change in changes),
    )


def _restarts(plan: Plan, state: HostState, change: Change) -> bool:
    """apt, too, starts a running server anew whose package was left half upgraded."""
    running = state.live.reach is not Reach.NOT_RUNNING
    package = change.how is How.PACKAGE and change.what == f"package {plan.target.engine.package}"
    return change.how in RESTARTING or (package and running)


def _thing(plan: Plan, change: Change) -> tuple[Found | None, Found | None]:
    """(file, live) of what is no directive: a change is of one place, and the other's are changes of their own."""
    found = Found(change.found, False)
    if change.how is How.FILE or (change.how is How.CERTIFICATE and not change.file):
        return found, None
    if not change.file:
        return None, found
    differs = any(
        other.what == change.file or other.what.startswith(f"{change.file}: ") for other in plan.changes
    )
    return Found("not as wanted" if differs else "as wanted", not differs), found


def _wanted(target: Target, change: Change) -> str:
    """Of a directive the whole value, where the change has it shortened."""
    name = change.directive
    value = target.config.get(name, target.live.get(name)) if name else None
    return change.wanted if value is None else _text(name, value, target.server)


def _directive(target: Target, state: HostState, name: str) -> tuple[Found, Found]:
    """(file, live) of a directive."""
    wanted, live = target.config.get(name, target.live.get(name)), state.live

    def found(value: str, how: str = "{}") -> Found:
        right = wanted is not None and same(name, wanted, value)
        return Found(how.format(_text(name, value, target.server)), right)

    if state.conf is None:
        file = Found("no file", False)
    elif (line := conf.said(state.conf, target.server).get(name)) is not None:
        file = found(line)
    elif (default := (target.fresh or defaults(target.server) or {}).get(name)) is not None:
        file = found(default, "no line; {} by default")
    else:
        file = Found("no line", wanted is None)
    if not live.ours or live.server is None:
        return file, Found(live.reach.value, None)
    value = conf.told(live.config, live.server).get(name)
    return file, Found("not there", wanted is None) if value is None else found(value)


def _text(name: str, value: str, server: Server) -> str:
    """Sizes as redis.conf has them: 1gb for 1073741824."""
    directive = find(name)
    measured = directive.on(server) if directive else None
    if measured is not None and isinstance(measured.kind, Memory):
        with contextlib.suppress(ValueError):
            value = " ".join(measured.kind.written(measured.kind.canonical(value)))
    return conf.shown(name, value)
