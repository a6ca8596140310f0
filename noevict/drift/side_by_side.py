"""Groups changes by what they are about, with the values in the file and in the running server. For people; pure.

Each finding is made of changes of the plan. Only the plan decides what is a change: findings put values side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from noevict.directives.table import defaults
from noevict.directives.values import same, side_by_side
from noevict.plan.change import RESTARTING, Change, How, Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from noevict.redisconf import diff as conf_diff
from noevict.server.live import Reach


@dataclass(frozen=True)
class FoundValue:
    """The value in one place. ``right``: whether it is as wanted; None if that is not known."""

    text: str
    right: bool | None


@dataclass(frozen=True)
class Finding:
    """One thing that differs. ``file``: its value for the next start; ``live``: the one in force; None: no such place.

    ``how``: all that its repair takes. ``restarts``: whether the repair restarts a running server.
    """

    what: str
    wanted: str
    file: FoundValue | None
    live: FoundValue | None
    how: tuple[How, ...]
    why: str
    restarts: bool


def findings(plan: Plan[Target], state: InstanceState) -> tuple[Finding, ...]:
    """Return findings in the order of the plan. Changes of one directive, live and in the file, are one finding."""
    about: dict[object, list[Change]] = {}
    for number, change in enumerate(plan.changes):
        about.setdefault(change.directive or number, []).append(change)
    return tuple(_finding(plan, state, changes) for changes in about.values())


def _finding(plan: Plan[Target], state: InstanceState, changes: Sequence[Change]) -> Finding:
    first = changes[0]
    return Finding(
        first.directive or first.what,
        *(_directive(plan.target, state, first) if first.directive else (first.wanted, *_thing(plan, first))),
        tuple(dict.fromkeys(change.how for change in changes)),
        "; ".join(dict.fromkeys(change.why for change in changes if change.why)),
        any(_restarts(plan, state, change) for change in changes),
    )


def _restarts(plan: Plan[Target], state: InstanceState, change: Change) -> bool:
    """Whether a change restarts a running server. apt does so too if its package was left half upgraded."""
    running = state.live.reach is not Reach.NOT_RUNNING
    package = change.part is Part.PACKAGE and change.subject == plan.target.layout.package
    return change.how in RESTARTING or (package and running)


def _thing(plan: Plan[Target], change: Change) -> tuple[FoundValue | None, FoundValue | None]:
    """Return (file, live) of a change that is not a directive's: the change itself is about one of the two places."""
    found = FoundValue(change.found, False)
    if change.how is How.FILE or (change.how is How.CERTIFICATE and not change.file):
        return found, None
    if not change.file:
        return None, found
    differs = any(other.path == change.file and other.part is not Part.ACCESS for other in plan.changes)
    return FoundValue("not as wanted" if differs else "as wanted", not differs), found


def _directive(target: Target, state: InstanceState, change: Change) -> tuple[str, FoundValue, FoundValue]:
    """Return (wanted, file, live) of a directive: whole values, which the change shortens, and sizes in one unit."""
    name, live = change.directive, state.live
    wanted = target.config.get(name, target.live.get(name))
    line = None if state.conf is None else conf_diff.file_values(state.conf, target.server).get(name)
    default = (target.probed_defaults or defaults(target.server) or {}).get(name)
    value = conf_diff.live_values(live.config, live.server).get(name) if live.ours and live.server else None
    values = [each for each in (wanted, default if line is None else line, value) if each is not None]
    texts = dict(zip(values, side_by_side(name, values), strict=True))

    def found(value: str, how: str = "{}") -> FoundValue:
        right = wanted is not None and same(name, wanted, value)
        return FoundValue(how.format(conf_diff.displayed(name, texts[value])), right)

    if state.conf is None:
        file = FoundValue("no file", False)
    elif line is not None:
        file = found(line)
    else:
        file = (
            FoundValue("no line", wanted is None)
            if default is None
            else found(default, "no line; {} by default")
        )
    if not live.ours or live.server is None:
        running = FoundValue(live.reach.value, None)
    else:
        running = FoundValue("not there", wanted is None) if value is None else found(value)
    return change.wanted if wanted is None else conf_diff.displayed(name, texts[wanted]), file, running
