"""One host's exporter in one run: what was found of it, and its plan."""

from collections.abc import Callable

from noevict.acl.profiles import user_names
from noevict.companions.exporter.alerts import runbooks_of
from noevict.companions.exporter.found import FoundExporter, parse_facts
from noevict.companions.exporter.plan import make_plan
from noevict.companions.exporter.wanted import DROPIN, ETC, PACKAGE, UNIT, USER, WantedExporter, make_target
from noevict.errors import NoevictError
from noevict.plan.change import Part
from noevict.plan.plan import Plan
from noevict.platforms.systemd.preflight import clocks
from noevict.run.instance import InstanceRun
from noevict.run.machine import MachineRun
from noevict.scripts import script
from noevict.server import password_rotation


class Exporter:
    """A host's exporter, for the operations. It is made once the host's Redis was looked at."""

    def __init__(self, run: InstanceRun) -> None:
        self.run = run
        self.changed = False  # whether this run changed anything of it
        self.undo: Callable[[tuple[str, ...]], tuple[str, ...]] | None = None  # nothing to undo
        self._found: FoundExporter | None = None
        self._plan: Plan[WantedExporter] | None = None

    def __repr__(self) -> str:
        return repr(self.run)

    @property
    def planned(self) -> bool:
        """Whether there is a plan, and not only a failure."""
        return self._plan is not None

    @property
    def plan(self) -> Plan[WantedExporter]:
        """The plan made at the last look. Raise NoevictError before the first one."""
        if self._plan is None:
            raise NoevictError("was not looked at")
        return self._plan

    @property
    def found(self) -> FoundExporter:
        """What the last look found. Raise NoevictError before the first one."""
        if self._found is None:
            raise NoevictError("was not looked at")
        return self._found

    @property
    def machine(self) -> MachineRun:
        return self.run.machine

    def gather_facts(self) -> Plan[WantedExporter]:
        """Look at the exporter and plan, once its Redis was looked at.

        Raise NoevictError if that Redis is not one to monitor, or one of HOST_FAILURES.
        """
        run = self.run
        runbooks_of(run.context.settings)  # raises if they differ: there would be no rules to write
        if reasons := not_yet(run):
            raise NoevictError(*reasons)
        command = script(
            "exporter_look",
            etc=ETC,
            dropin=DROPIN,
            unit=UNIT,
            package=PACKAGE,
            port=run.settings.redis_exporter_port,
        )
        found = parse_facts(run.machine.shell(command, what="looking at its exporter"))
        target = make_target(
            run.settings,
            run.plan.target,
            run.found.machine.addresses,
            run.endpoint.host,
            run.secrets.password(USER),
            run.context.own_certificate(run.settings),
            found.systemd,
        )
        self._found, self._plan = (
            found,
            make_plan(found, target, run.context.secrets, run.context.now, left_over(run)),
        )
        return self._plan


def left_over(run: InstanceRun) -> tuple[str, ...]:
    """Return the users whose older password is not needed any more: the exporter has the new one."""
    return password_rotation.left_over(run.secrets, run.found)


def not_yet(run: InstanceRun) -> tuple[str, ...]:
    """Return why the Redis of a host that was looked at cannot be monitored yet; empty if it can."""
    if (
        left_alone := run.machine.duplicate_of
        or run.of_others
        or tuple(password_rotation.stale(run.secrets, run.found))
    ):
        return left_alone
    first = "run deploy.py first"
    if not run.managed:
        return (f"is not managed by noevict: {first}",)
    if not run.found.live.ours:
        return (f"{run.layout.title} {run.found.live.reach.value}: {first}",)
    if USER not in user_names(run.settings.redis_users):
        return (f"redis_users: {USER} should be on: {PACKAGE} logs in as that user",)
    # All users count: when older passwords end, users.acl is written whole, and must have only what is live.
    users = (change for change in run.plan.changes if change.part is Part.USER)
    if due := [change for change in users if not password_rotation.is_finishing(change)]:
        return (f"{due[0].what} should be {due[0].wanted}, is {due[0].found}: {first}",)
    return tuple(clocks(run.found, run.context.now))
