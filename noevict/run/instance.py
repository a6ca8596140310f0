"""One server in one run: its settings, what a look found, the plan, and the connection to it."""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import replace

from noevict.client import client as client_
from noevict.client import login
from noevict.client.client import Client
from noevict.client.failures import sentence
from noevict.directives import table
from noevict.engines.engine import Server
from noevict.engines.package_layout import LAYOUTS, Layout
from noevict.errors import NoevictError
from noevict.fleet.endpoint import Endpoint, make_endpoint
from noevict.inventory.reader import client_host
from noevict.pki import contexts
from noevict.pki.certificate import UserCertificate
from noevict.plan.change import How
from noevict.plan.plan import Plan
from noevict.platforms.systemd import steps
from noevict.platforms.systemd.certificate import proving_key
from noevict.platforms.systemd.compare import make_plan
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.preflight import managed, of_others
from noevict.platforms.systemd.wanted import Target, make_target
from noevict.run.machine import MachineRun
from noevict.scripts import confirm_peer, script, throwaway_server
from noevict.secrets.store import Secrets
from noevict.server import lost_keys, password_rotation
from noevict.settings.model import Settings
from noevict.ssh import tunnel
from noevict.ssh.shell import HOST_FAILURES, SEEN_SECONDS, explain


class InstanceRun:
    """One server in one run. Operations get it after ``look()``, and make their part of its ``plan``.

    ``layout``: of the other engine, for the server that this one will replace.
    """

    def __init__(self, machine: MachineRun, layout: Layout | None = None) -> None:
        self.machine, self.context, self.name = machine, machine.context, machine.name
        self.settings: Settings = self.context.settings[self.name]
        self.layout = layout or LAYOUTS[self.settings.redis_engine]
        self.state: InstanceState | None = None
        self.predecessor: InstanceRun | None = None  # the other engine's server, if this one will replace it
        self._client: Client | None = None
        self._plan: Plan[Target] | None = None
        # Defaults of releases that were not measured, as this host reported them: they are used for no other host.
        self.probed_defaults: dict[Server, dict[str, str]] = {}
        self.failure: tuple[str, ...] = ()
        self.changed = False  # whether this run changed anything here
        self.failing = False  # systemd was trying to start its server, until this run stopped that
        # Puts the host back after a failure (its lines); returns the lines to report.
        self.undo: Callable[[tuple[str, ...]], tuple[str, ...]] | None = None
        before = self.context.record_before(self.name)
        self.refused_before = before.refusals  # new refusals of writes are counted from these
        self.keys_before = before.keys  # when its server was last seen with keys

    def __repr__(self) -> str:
        return repr(self.machine)  # pyinfra prints arguments

    @property
    def plan(self) -> Plan[Target]:
        """Return the plan of the last look. Raise NoevictError before the first look."""
        if self._plan is None:
            raise NoevictError("was not looked at")
        return self._plan

    @property
    def found(self) -> InstanceState:
        """Return what the last look found. Raise NoevictError before the first look."""
        if self.state is None:
            raise NoevictError("was not looked at")
        return self.state

    @property
    def managed(self) -> bool:
        """Return whether noevict managed this host before, with either engine."""
        return self.state is not None and (managed(self.state, self.layout) or self.predecessor is not None)

    @property
    def of_others(self) -> tuple[str, ...]:
        """Return why this host belongs to other secrets; () if it does not."""
        if not self.managed:
            return ()
        return tuple(of_others(self.found, self.plan.target, self.secrets))

    @property
    def secrets(self) -> Secrets:
        """Return the fleet's secrets as this host knows them, by what the last look found."""
        return self.context.secrets_of(self.name, self.machine.id)

    def admin_passwords(self, found: InstanceState) -> tuple[str, ...]:
        """Return the passwords to try as admin, by a look; none if this run has drafted the secrets."""
        secrets = self.context.secrets_of(self.name, found.machine.id)
        return password_rotation.admin_logins(secrets, found) if self.context.made_before else ()

    @property
    def looked(self) -> bool:
        """Return whether there is a plan, and not only a failure."""
        return self._plan is not None

    def look(self) -> "InstanceRun":
        """Look at the host and its Redis, and plan. Whatever fails becomes this host's ``failure``."""
        try:
            self.look_again()
            repairs = bool(self.plan.changes) and not self.plan.blocked
            self.failure = (
                self.machine.duplicate_of or self.plan.refusals or (() if repairs else self.plan.faults)
            )
        except NoevictError as error:
            self.failure = error.lines
        except (*HOST_FAILURES, ValueError) as error:
            self.failure = (f"could not be looked at: {sentence(error)}",)
        except Exception as error:  # fails only this host
            self.failure = explain(error)
        return self

    def look_again(self) -> Plan[Target]:
        """Look as ``look`` does, but raise what fails: NoevictError or one of HOST_FAILURES."""
        with self.context.looks:
            self._own_certificate()  # before any look: its clients have to accept it
            ca = self.context.secrets.ca.fingerprint
            plan = self._look_once()
            if self.managed:
                self.context.refresh_secrets()
            # With secrets that were only drafted, it looks like another fleet's host.
            return plan if self.context.secrets.ca.fingerprint == ca else self._look_once()

    def ask_again(self) -> Plan[Target]:
        """Ask only the server, over the connection that is open, and plan. Raise as ``look_again``."""
        self.state = replace(self.found, live=client_.ask_again(self.client, self.found.live))
        return self.make_plan()

    def _look_once(self) -> Plan[Target]:
        found = self._look_at_servers()
        if found.too_busy:
            self.state = found = self._look_at_servers().after(found)
        self.context.looked_at(self.name, found.machine.identity)
        self.context.note_managed(self.name, managed=self.managed)
        server = found.live.server
        if server is not None and table.defaults(server) is None:
            self._ask_defaults(server)
        return self.make_plan()

    def _look_at_servers(self) -> InstanceState:
        self.close_client()
        self.predecessor = None
        ports = (self.settings.redis_port, self.settings.redis_plaintext_port)
        found, *other = self.machine.look((self.layout, self.layout.other), ports)
        if other:
            # The server that clients used until now.
            self.predecessor = InstanceRun(self.machine, self.layout.other)
            found = replace(found, predecessor=self.predecessor._look_at_server(other[0]))
        return self._look_at_server(found)

    def _look_at_server(self, found: InstanceState) -> InstanceState:
        known = managed(found, self.layout)
        self._client, live = login.look_at_redis(
            self._route(found), found.listeners, running=bool(found.pid), known=known
        )
        if self._client is not None:
            self._client.wire.again = self.machine.confirm_lock
        self.state = self._counted(replace(found, live=live))
        return self.state

    def _counted(self, found: InstanceState) -> InstanceState:
        """Count the keys in files beside a server that has no keys; do nothing for any other server."""
        paths = lost_keys.beside(found, self.layout)
        if not paths:
            return found
        count = script("as_user", user=self.layout.user) + script("count_keys", paths="\n".join(paths))
        counts = [
            line.removeprefix("keys ")
            for line in self.machine.shell(count, what="counting the keys in its data")
        ]
        keys = [int(each) if each.isdigit() else None for each in counts]
        return replace(found, keys_beside=dict(zip(paths, keys, strict=False)))

    def make_plan(self) -> Plan[Target]:
        """Plan from the last look, the current secrets, and the releases known by now.

        If a release runs that is not the installed one, it reads and writes the files until it is restarted.
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
            self.layout,
            settings,
            found,
            secrets,
            own,
            server,
            self.machine.ssh_hostname,
            self.probed_defaults.get(running),
            running,
            self.context.owners.of(self.name),
        )
        return make_plan(settings, found, target, secrets, own, self.context.now, self.keys_before)

    def _ask_defaults(self, server: Server) -> None:
        """Ask a throwaway server on the host for the defaults of a release newer than this noevict, once a run."""
        if server not in self.probed_defaults:
            asked = throwaway_server(self.layout) + script("defaults")
            lines = self.machine.shell(asked, what=f"asking {server} for its defaults")
            pairs = dict(zip(lines[::2], lines[1::2], strict=False))
            self.probed_defaults[server] = {**table.portable(pairs, server), "unixsocket": ""}

    def _own_certificate(self) -> UserCertificate | None:
        """Return the user's own certificate, if the settings name one. Raise NoevictError if it does not fit."""
        own = self.context.own_certificate(self.settings)
        if own is not None and not own.certificate.covers(self.endpoint.host):
            covered = ", ".join(sorted(own.certificate.names)) or "no name"
            raise NoevictError(
                f"redis_tls_cert: should cover {self.endpoint.host}, by which clients reach this host "
                f"(set redis_address if clients use another name), covers {covered}"
            )
        self.context.try_own_certificate(self.settings, self.endpoint)
        return own

    @functools.cached_property
    def endpoint(self) -> Endpoint:
        """Return where its clients connect. Raise NoevictError if redis_tls_ca cannot be read."""
        data = {"redis_address": self.settings.redis_address, "ssh_hostname": self.machine.ssh_hostname}
        return make_endpoint(self.context.root, self.name, client_host(self.name, data), self.settings)

    @property
    def client(self) -> Client:
        """Return the logged-in connection of the last look. Raise NoevictError if there is none."""
        if self._client is None:
            raise NoevictError(f"{self.layout.title} could not be reached")
        return self._client

    def connected(self) -> Client:
        """Return the connection that is open, or a new one as from ``reconnect``."""
        return self._client or self.reconnect()

    def close_client(self) -> None:
        if self.predecessor is not None:
            self.predecessor.close_client()
        if self._client is not None:
            with contextlib.suppress(*HOST_FAILURES):
                self._client.close()
            self._client = None

    def reconnect(self) -> Client:
        """Connect again as admin, with certificate and host name checked. Raise as ``login.connect_as_admin``."""
        self.close_client()
        self._client = login.connect_as_admin(self._route(self.found), self.plan.target.bind)
        self._client.wire.again = self.machine.confirm_lock
        self.machine.confirm_lock(since=SEEN_SECONDS)
        return self._client

    def _route(self, found: InstanceState) -> login.Route:
        directly = self.settings.redis_connect == "direct" and not self.name.startswith("@")
        return login.Route(
            self.endpoint.host,
            self.endpoint.port,
            self.admin_passwords(found),
            self.secrets.takeover,
            functools.partial(tunnel.open_direct, self.endpoint.host) if directly else None,
            functools.partial(tunnel.open_tcp, self.machine.host),
            functools.partial(self.context.trusting, self.endpoint),
            lambda: contexts.unchecked(self.context.client_pem()),
            proving_key(found, self.layout),
            functools.partial(self._holds_connections, found),
        )

    def _holds_connections(self, found: InstanceState, address: str, port: int) -> bool:
        """Return whether the unit's server is at the other end of noevict's connection to a socket of its host."""
        if not found.machine.root:
            return False  # it cannot see whose they are
        text = confirm_peer(self.layout, address, port)
        return self.machine.shell(text, what="asking who answers")[-1:] == ["yes"]
