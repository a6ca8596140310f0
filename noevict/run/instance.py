"""One host in one run: its settings, what a look found, the plan, and the ways to reach it."""

import contextlib
import copy
import functools
from dataclasses import replace

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.client import client as client_
from noevict.client import login
from noevict.client.client import Client
from noevict.client.failures import sentence
from noevict.directives import table
from noevict.engines.engine import Server
from noevict.engines.layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.pki import contexts
from noevict.pki.certificate import OwnCertificate
from noevict.plan.change import How
from noevict.plan.plan import Plan
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.compare import make_plan
from noevict.platforms.systemd.found import HostState
from noevict.platforms.systemd.preflight import managed, of_others
from noevict.platforms.systemd.read import read_look
from noevict.platforms.systemd.wanted import Target, make_target
from noevict.run.context import RunContext
from noevict.scripts import own_server, script
from noevict.secrets.store import Secrets
from noevict.server import lost_keys, password_rotation
from noevict.settings.model import Settings
from noevict.ssh import tunnel
from noevict.ssh.shell import HOST_FAILURES, SEEN_SECONDS, Shell

LOOK_SECONDS = 60
# For what a killed run began: an apt that waits for another, a server that saves as it ends.
UNFINISHED_SECONDS = 600

_runs: dict[Host, "HostRun"] = {}


class HostRun(Shell):
    """Made in Prepare by ``look()``; the operations are handed it and read their part of ``plan``."""

    def __init__(self, state: State, host: Host, fleet: RunContext) -> None:
        super().__init__(state, host)
        self.fleet = fleet
        self.settings: Settings = fleet.settings[host.name]
        self.layout = LAYOUTS[self.settings.redis_engine]
        self.state: HostState | None = None
        self.predecessor: HostRun | None = None  # the other engine, where it is to hand over to this one
        self._client: Client | None = None
        self._plan: Plan[Target] | None = None
        # Defaults of releases that were not measured, of this host's own saying: they count for no other host.
        self.fresh: dict[Server, dict[str, str]] = {}
        self.failure: tuple[str, ...] = ()
        self.changed = False  # whether this run changed anything here
        before = fleet.record_before(host.name)
        self.refused_before = before.refusals  # what refusals of writes are counted from
        self.keys_before = before.keys  # when its server was last seen to have some
        _runs[self.host] = self

    @property
    def plan(self) -> Plan[Target]:
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
        return self.state is not None and (managed(self.state, self.layout) or self.predecessor is not None)

    @property
    def of_others(self) -> tuple[str, ...]:
        """Why this host belongs to other secrets; nothing where it does not."""
        if not self.managed:
            return ()
        return tuple(of_others(self.found, self.plan.target, self.secrets))

    @property
    def secrets(self) -> Secrets:
        """The fleet's, as this host knows them by what the last look found."""
        return self.fleet.secrets_of(self.name, self.state.id if self.state else "")

    def admin_passwords(self, found: HostState) -> tuple[str, ...]:
        """Those to try as admin, by a look; none where our admin was thought up in this run."""
        secrets = self.fleet.secrets_of(self.name, found.id)
        return password_rotation.admin_logins(secrets, found) if self.fleet.made_before else ()

    @property
    def twin(self) -> tuple[str, ...]:
        """Why this host is left alone though nothing is wrong with it: it is listed under another name as well."""
        other = self.fleet.twin(self.name, self.state.machine) if self.state else None
        if other is None:
            return ()
        return (
            f"is the same machine as {other}: list it once in hosts.yml; redis_tls_names is for its other names",
        )

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
            self.failure = (f"could not be looked at: {sentence(error)}",)
        return self

    def look_again(self) -> Plan[Target]:
        """As ``look``, raising what goes wrong: NoevictError or one of HOST_FAILURES."""
        with self.fleet.looks:
            self._own_certificate()  # no host is looked at with one that its clients would not accept
            ca = self.fleet.secrets.ca.fingerprint
            plan = self._look_once()
            if self.managed:
                self.fleet.refresh_secrets()
            # With secrets that were drafted alone it looks like a host of somebody else's.
            return plan if self.fleet.secrets.ca.fingerprint == ca else self._look_once()

    def ask_again(self) -> Plan[Target]:
        """Ask the server alone, over the connection there is, and plan. Raises as ``look_again``."""
        self.state = replace(self.found, live=client_.ask_again(self.client, self.found.live))
        return self.make_plan()

    def _look_once(self) -> Plan[Target]:
        self.close_client()
        self.predecessor = None
        found = self._look_at_engine()
        if found.other_engine:
            # A host run of its own: the same host, as the engine's that still is, or was, in charge.
            self.predecessor = copy.copy(self)
            self.predecessor.layout = self.layout.other
            found = replace(found, predecessor=self.predecessor._look_at_engine())
        self.state = found
        self.fleet.looked_at(self.name, found.machine)
        server = found.live.server
        if server is not None and table.defaults(server) is None:
            self._ask_defaults(server)
        return self.make_plan()

    def _look_at_engine(self) -> HostState:
        ports = {"port": self.settings.redis_port, "plaintext_port": self.settings.redis_plaintext_port}
        look = script("look", engine=self.layout.engine.name, **ports)
        looking = functools.partial(
            self.shell, look, seconds=LOOK_SECONDS, what="looking at the host", ends=True
        )
        found = read_look(looking())
        if found.unfinished and self.lock is None:
            # As a command of a run that was killed leaves it, not as it is while that is still at work.
            wait = f"flock -w {UNFINISHED_SECONDS} /run/noevict.work true || true"
            self.shell(wait, seconds=2 * UNFINISHED_SECONDS, what="waiting for a command of an earlier run")
            found = read_look(looking())
        self._client, live = login.look_at_redis(self._route(found), found, known=managed(found, self.layout))
        if self._client is not None:
            self._client.wire.again = self.confirm_lock
        self.state = self._counted(replace(found, live=live))
        return self.state

    def _counted(self, found: HostState) -> HostState:
        """With the keys in files beside a server that has none; nothing is asked of any other."""
        paths = lost_keys.beside(found, self.layout)
        if not paths:
            return found
        count = script("as_user", user=self.layout.user) + script("count_keys", paths="\n".join(paths))
        told = [
            line.removeprefix("keys ") for line in self.shell(count, what="counting the keys in its data")
        ]
        keys = [int(each) if each.isdigit() else None for each in told]
        return replace(found, keys_beside=dict(zip(paths, keys, strict=False)))

    def make_plan(self) -> Plan[Target]:
        """Plan from the last look, the secrets as they now are, and the releases known now.

        Where another release runs than is installed, it reads and writes the files until it is restarted.
        """
        found, oldest = self.found, Server(self.layout.engine.name, self.layout.engine.oldest)
        installed = found.release(self.layout) or oldest  # the oldest: for a preview
        running = (found.live.server if found.live.ours else None) or installed
        self._plan = self._plan_for(running, running)
        if running != installed and (steps.installs_server(self._plan) or self._plan.due(How.RESTART)):
            self._plan = self._plan_for(installed, running)
        return self._plan

    def _plan_for(self, server: Server, running: Server) -> Plan[Target]:
        settings, found, secrets = self.settings, self.found, self.secrets
        own = self._own_certificate()
        target = make_target(
            self.name,
            settings,
            found,
            secrets,
            own,
            server,
            self.ssh_hostname,
            self.fresh.get(running),
            running,
            self.fleet.owners.of(self.name),
        )
        return make_plan(settings, found, target, secrets, own, self.fleet.now, self.keys_before)

    def _ask_defaults(self, server: Server) -> None:
        """Of a release newer than this noevict: from a fresh server of the host's own, once a run."""
        if server not in self.fresh:
            asked = own_server(self.layout) + script("defaults")
            lines = self.shell(asked, what=f"asking {server} for its defaults")
            pairs = dict(zip(lines[::2], lines[1::2], strict=False))
            self.fresh[server] = {**table.portable(pairs, server), "unixsocket": ""}

    def _own_certificate(self) -> OwnCertificate | None:
        """The user's own, where the settings name one. Raises NoevictError where no client would accept it here."""
        own = self.fleet.own_certificate(self.settings)
        if own is not None and not own.certificate.covers(self.client_name):
            covered = ", ".join(sorted(own.certificate.names)) or "no name"
            raise NoevictError(
                f"redis_tls_cert: should cover {self.client_name}, by which clients reach this host "
                f"(redis_address says so where it is another), covers {covered}"
            )
        self.fleet.try_own_certificate(self.settings, self.client_name)
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
            raise NoevictError(f"{self.layout.title} could not be reached")
        return self._client

    def connected(self) -> Client:
        """As ``client``; where there is none yet, as ``reconnect``."""
        return self._client or self.reconnect()

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
        self._client = login.connect_as_admin(self._route(self.found), self.plan.target.bind)
        self._client.wire.again = self.confirm_lock
        self.confirm_lock(since=SEEN_SECONDS)
        return self._client

    def _route(self, found: HostState) -> login.Route:
        directly = self.settings.redis_connect == "direct" and not self.name.startswith("@")
        return login.Route(
            self.client_name,
            self.settings.redis_port,
            self.admin_passwords(found),
            self.secrets.takeover,
            functools.partial(tunnel.open_direct, self.client_name) if directly else None,
            functools.partial(tunnel.open_tcp, self.host),
            functools.partial(self.fleet.trusting, self.settings),
            lambda: contexts.unchecked(self.fleet.client_pem()),
        )

    def others(self) -> list["HostRun"]:
        """All hosts of this run, this one included."""
        return [run for run in _runs.values() if run.pyinfra is self.pyinfra]
