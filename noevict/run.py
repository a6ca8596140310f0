"""One host in one run: its settings, what a look found, the plan, and the ways to reach it."""

import contextlib
import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis
from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict import commands, directives, reach
from noevict.certificates import OwnCertificate
from noevict.changes import Change, How
from noevict.client import Client
from noevict.engine import ENGINES, Server
from noevict.errors import NoevictError
from noevict.facts import read_look
from noevict.fleet import Fleet
from noevict.lock import AT_WORK, LOST, Lock
from noevict.patience import told_meanwhile
from noevict.plan import Plan, make_plan
from noevict.refusals import managed, other_secrets
from noevict.scripts import script
from noevict.settings import Settings
from noevict.state import HostState, Reach
from noevict.target import make_target
from noevict.wording import one_line

LOOK_SECONDS = 60
SCRIPT_SECONDS = 120
SYNC_SECONDS = (
    900  # for a script that syncs: the disk first writes what the server gave it, gigabytes perhaps
)
UNFINISHED_SECONDS = (
    600  # for what a killed run began: an apt that waits for another, a server that saves as it ends
)
LAST_WORDS = 8  # lines of a failed command that are shown

# What reaching a host may raise: it fails that host alone.
HOST_FAILURES = (OSError, EOFError, SSHException, redis.RedisError, PyinfraError)

_fleets: dict[State, Fleet] = {}
_runs: dict[Host, "HostRun"] = {}


def fleet_of(state: State) -> Fleet:
    """The run's Fleet, from the data of all hosts (``--data`` included). Raises NoevictError."""
    if state not in _fleets:
        data = {host.name: _settings_data(host) for host in state.inventory}
        _fleets[state] = Fleet(Path(state.cwd or "."), data)
    return _fleets[state]


def _all_data(host: Host) -> dict[str, Any]:
    every: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    return every


def _settings_data(host: Host) -> dict[str, Any]:
    return {name: value for name, value in _all_data(host).items() if name.startswith("redis_")}


class HostRun:
    """Made in Prepare by ``look()``; the operations are handed it and read their part of ``plan``."""

    def __init__(self, state: State, host: Host, fleet: Fleet) -> None:
        # What deploy.py imports as `host` is whichever host is being worked on: this one is the host itself.
        self.pyinfra, self.host, self.fleet = state, state.inventory.get_host(host.name), fleet
        self.settings: Settings = fleet.settings[host.name]
        self.engine = ENGINES[self.settings.redis_engine]
        self.state: HostState | None = None
        self.predecessor: HostRun | None = None  # the other engine, where it is to hand over to this one
        self._client: Client | None = None
        self._plan: Plan | None = None
        self.failure: tuple[str, ...] = ()
        self.changed = False  # whether this run changed anything here
        self.lock: Lock | None = None
        commands.limit(state, self.host)
        _runs[self.host] = self

    def __repr__(self) -> str:
        return f"<{self.host.name}>"  # pyinfra prints arguments

    @property
    def name(self) -> str:
        return str(self.host.name)

    @property
    def plan(self) -> Plan:
        """Of the last look. Raises NoevictError before there was one."""
        if self._plan is None:
            raise NoevictError("was not looked at")
        return self._plan

    @property
    def found(self) -> HostState:
        """The last look. Raises NoevictError before there was one."""
        if self.state is None:
            raise NoevictError("was not looked at")
        return self.state

    @property
    def managed(self) -> bool:
        """Whether noevict was here before, with either engine."""
        return self.state is not None and (managed(self.state, self.engine) or self.predecessor is not None)

    @property
    def of_others(self) -> tuple[str, ...]:
        """Why this host belongs to other secrets; nothing where it does not."""
        if not self.managed:
            return ()
        return tuple(other_secrets(self.found, self.plan.target, self.fleet.secrets))

    @property
    def twin(self) -> tuple[str, ...]:
        """Why this host is left alone though nothing is wrong with it: it is listed under another name as well."""
        machine = self.state.machine if self.state else ""
        others = (run for run in self.others() if run is not self and run.state is not None)
        for other in others:
            if machine and other.found.machine == machine:
                return (
                    f"is the same machine as {other.name}: list it once in hosts.yml; redis_tls_names is for its "
                    "other names",
                )
        return ()

    @property
    def installs_server(self) -> bool:
        return any(change.what == f"package {self.engine.package}" for change in self.plan.due(How.PACKAGE))

    @property
    def tests_candidate(self) -> bool:
        """Whether a server is there to test the new configuration, and something is new for it."""
        paths = (self.engine.conf, self.engine.aclfile)
        new = any(change.what.startswith(paths) for change in self.plan.due(How.FILE))
        return not self.installs_server and (new or bool(self.plan.due(How.RESTART)))

    @property
    def access_due(self) -> tuple[Change, ...]:
        """Owners and modes of what is not placed whole: of directories, certificates, data."""
        placed = tuple(f"{file.path} " for file in self.plan.target.files if file.placed)
        return tuple(
            change
            for change in self.plan.due(How.FILE)
            if change.what.endswith((" owner", " mode")) and not change.what.startswith(placed)
        )

    @property
    def places_files(self) -> bool:
        return len(self.plan.due(How.FILE, How.KERNEL)) > len(self.access_due)

    @property
    def sets_live(self) -> bool:
        """Whether the running server is changed before files are: a foreign one only gets its AOF turned on."""
        live, wanted = self.found.live, self.plan.target.live
        off = live.config.get("appendonly") == "no" or self.found.aof_unwritten(self.engine)
        return (live.reached and wanted["appendonly"] == "yes" and off) or bool(self.plan.due(How.LIVE))

    @property
    def starts_server(self) -> bool:
        """Whether one that is installed and not running is to run; one that takes another's place does so by itself."""
        stopped = self.found.live.reach is Reach.NOT_RUNNING
        return stopped and not self.installs_server and not self.plan.due(How.ENGINE)

    @property
    def prepares_data(self) -> bool:
        """Whether a server is to start on an RDB file."""
        starts = self.starts_server or (self.installs_server and not self.plan.due(How.ENGINE))
        return starts and self.found.file(f"{self.engine.data}/dump.rdb") is not None

    @property
    def looked(self) -> bool:
        """Whether there is a plan, and not just a failure."""
        return self._plan is not None

    def look(self) -> "HostRun":
        """Look at the host and its Redis, and plan. What goes wrong is this host's ``failure``."""
        try:
            self.look_again()
            repairs = bool(self.plan.changes) and not self.plan.blocked
            self.failure = self.twin or self.plan.refusals or (() if repairs else self.plan.faults)
        except NoevictError as error:
            self.failure = error.lines
        except Exception as error:  # a host or server that answers nonsense is that host's failure alone
            logger.debug("looking at %s", self.name, exc_info=True)
            self.failure = (f"could not be looked at: {reach.sentence(error)}",)
        return self

    def look_again(self) -> Plan:
        """As ``look``, raising what goes wrong: NoevictError or one of HOST_FAILURES."""
        ca = self.fleet.secrets.ca.fingerprint
        plan = self._look_once()
        if self.managed:
            self.fleet.refresh_secrets()
        # With secrets that were drafted alone it looks like a host of somebody else's.
        return plan if self.fleet.secrets.ca.fingerprint == ca else self._look_once()

    def _look_once(self) -> Plan:
        self.close_client()
        self.predecessor = None
        found = self._look_at_engine()
        if found.other_engine:
            # A host run of its own: the same host, as the engine's that still is, or was, in charge.
            self.predecessor = copy.copy(self)
            self.predecessor.engine = self.engine.other
            found = replace(found, predecessor=self.predecessor._look_at_engine())
        self.state = found
        server = found.live.server
        if server is not None and directives.defaults(server) is None:
            self._ask_defaults(server)
        return self.make_plan()

    def _look_at_engine(self) -> HostState:
        ports = {"port": self.settings.redis_port, "plaintext_port": self.settings.redis_plaintext_port}
        look = script("look", engine=self.engine.name, **ports)
        found = read_look(self.shell(look, seconds=LOOK_SECONDS, what="looking at the host"))
        if found.unfinished and self.lock is None:
            # As a command of a run that was killed leaves it, not as it is while that is still at work.
            wait = f"flock -w {UNFINISHED_SECONDS} /run/noevict.work true || true"
            self.shell(wait, seconds=2 * UNFINISHED_SECONDS, what="waiting for a command of an earlier run")
            found = read_look(self.shell(look, seconds=LOOK_SECONDS, what="looking at the host"))
        self._client, live = reach.look_at_redis(self, found)
        if self._client is not None:
            self._client.wire.again = self.confirm_lock
        self.state = replace(found, live=live)
        return self.state

    def make_plan(self) -> Plan:
        """Plan from the last look, the secrets as they now are, and the releases known now.

        Where another release runs than is installed, it reads and writes the files until it is restarted.
        """
        found, oldest = self.found, Server(self.engine.name, self.engine.oldest)
        installed = found.release(self.engine) or oldest  # the oldest: for a preview
        running = (found.live.server if found.live.ours else None) or installed
        self._plan = self._plan_for(running, running)
        if running != installed and (self.installs_server or self._plan.due(How.RESTART)):
            self._plan = self._plan_for(installed, running)
        return self._plan

    def _plan_for(self, server: Server, running: Server) -> Plan:
        settings, found, secrets = self.settings, self.found, self.fleet.secrets
        own = self._own_certificate()
        target = make_target(
            self.name,
            settings,
            found,
            secrets,
            own,
            server,
            self.ssh_hostname,
            self.fleet.fresh.get(running),
            running,
        )
        return make_plan(settings, found, target, secrets, own, self.fleet.now)

    def _ask_defaults(self, server: Server) -> None:
        """Of a release newer than this noevict: from a fresh server of the host's own, once a run."""
        if server not in self.fleet.fresh:
            engine = self.engine
            variables = {"binary": engine.binary, "cli": engine.cli, "user": engine.user}
            lines = self.shell(script("defaults", **variables), what=f"asking {server} for its defaults")
            pairs = dict(zip(lines[::2], lines[1::2], strict=False))
            self.fleet.fresh[server] = {**directives.portable(pairs, server), "unixsocket": ""}

    def _own_certificate(self) -> OwnCertificate | None:
        """The user's own, where the settings name one. Raises NoevictError where no client would accept it here."""
        own = self.fleet.own_certificate(self.settings)
        if own is not None and not own.certificate.covers(self.client_name):
            covered = ", ".join(sorted(own.certificate.names)) or "no name"
            raise NoevictError(
                f"redis_tls_cert: should cover {self.client_name}, by which clients reach this host "
                f"(redis_address says so where it is another), covers {covered}"
            )
        return own

    @property
    def ssh_hostname(self) -> str:
        return str(self.host.data.get("ssh_hostname") or "")

    @property
    def client_name(self) -> str:
        """The name or address that clients use, and that the certificate is checked against."""
        own = "localhost" if self.name.startswith("@") else self.name
        return self.settings.redis_address or self.ssh_hostname or own

    @property
    def client(self) -> Client:
        """Redis, logged in; the connection of the last look where it still stands. Raises NoevictError."""
        if self._client is None:
            raise NoevictError(f"{self.engine.title} could not be reached")
        return self._client

    def close_client(self) -> None:
        if self.predecessor is not None:
            self.predecessor.close_client()
        if self._client is not None:
            with contextlib.suppress(*HOST_FAILURES):
                self._client.close()
            self._client = None

    def reconnect(self) -> Client:
        """A new connection as admin, certificate and host name checked. Raises as noevict.client.connect."""
        self.close_client()
        self._client = reach.connect_as_admin(self)
        self._client.wire.again = self.confirm_lock
        self.confirm_lock()
        return self._client

    def confirm_lock(self) -> None:
        """Raises NoevictError where this run had the host's lock, and has it no longer."""
        if self.lock is not None:
            self.shell("true", what="asking for the lock")

    def shell(self, script: str, *, seconds: int = SCRIPT_SECONDS, what: str = "a command") -> list[str]:
        """Run a bash script on the host, given on its standard input, so that it shows nowhere.

        It runs whole or, where the connection ends first or the lock is lost, not at all; once begun it goes on to
        its end, and the next run waits for that. Its output, line by line. Raises NoevictError with its last words
        where it fails or takes too long.
        """
        command, text = ("bash -s", script) if self.lock is None else (AT_WORK, self.lock.guarded(script))
        try:
            with told_meanwhile(what, self.log):
                fine, output = self.host.run_shell_command(
                    StringCommand(command),
                    print_output=self.pyinfra.print_output,
                    print_input=self.pyinfra.print_input,
                    **{**self.arguments, "_stdin": f"{{\n{text}\n}}\n", "_timeout": seconds},
                )
        except commands.TooMuch as error:
            raise NoevictError(
                f"{what} {error}: it was cut off; find out on the host what that is"
            ) from error
        except TimeoutError as error:
            rest = "" if self.lock is None else "; it goes on there, and the next run waits for it"
            raise NoevictError(f"{what} {error}{rest}") from error
        except commands.GONE as error:
            raise NoevictError(
                f"{what}: the connection to the host broke: {reach.sentence(error)}"
            ) from error
        if not fine:
            said = output.stderr_lines or output.stdout_lines
            if refusal := commands.refusal_of_sudo(said):
                raise NoevictError(refusal)
            words = [one_line(line.strip()) for line in said if line.strip()][-LAST_WORDS:]
            if words[-1:] == [LOST]:
                raise NoevictError("has given up this run's lock, which was silent for long: run again")
            raise NoevictError(f"{what} failed: {' / '.join(words) or 'it said nothing'}")
        return output.stdout_lines

    @property
    def arguments(self) -> dict[str, Any]:
        """pyinfra's connector arguments for this host: sudo and the like."""
        every, _ = pop_global_arguments(self.pyinfra, self.host, {})
        return {key: value for key, value in every.items() if key in CONNECTOR_ARGUMENT_KEYS}

    def log(self, line: str) -> None:
        self.host.log(one_line(line), logger.info)

    def warn(self, line: str) -> None:
        self.host.log_styled(one_line(line), fg="yellow", log_func=logger.warning)

    def fail(self, line: str) -> None:
        self.host.log_styled(one_line(line), fg="red", log_func=logger.error)

    def others(self) -> list["HostRun"]:
        """All hosts of this run, this one included."""
        return [run for run in _runs.values() if run.pyinfra is self.pyinfra]

    def guard(self, work: Callable[[], object]) -> bool:
        """Do the work; where it fails, this host's own line says why. False then."""
        try:
            work()
        except NoevictError as error:
            for line in error.lines:
                self.fail(line)
            return False
        except HOST_FAILURES as error:
            self.fail(reach.sentence(error))
            return False
        except Exception as error:  # as in ``look``: pyinfra would end the run for all hosts
            logger.debug("changing %s", self.name, exc_info=True)
            self.fail(f"answered what makes no sense: {error!r}")
            return False
        return True
