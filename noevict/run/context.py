"""What all hosts of one run share: their checked settings, the secrets, and which restart failed."""

import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore, RLock
from pyinfra.api.host import Host
from pyinfra.api.state import State

from noevict.acl.profiles import user_names
from noevict.errors import NoevictError
from noevict.fleet import records
from noevict.fleet.access import make_client_pem, tls_context
from noevict.fleet.endpoint import Endpoint
from noevict.pki import contexts
from noevict.pki.certificate import UserCertificate, load_user_certificate
from noevict.pki.host_names import Owners, given_names
from noevict.run.turns import RestartTurns
from noevict.secrets.host_passwords import HostIds
from noevict.secrets.store import Secrets, locate
from noevict.settings.model import Settings, build_settings

# A look costs the controller 20 ms, and these add up: with many more looks at once, each would wait so long for the
# others that its server's answers seem late. With this many, a latency of one second is still hidden.
LOOKS_AT_ONCE = 100


class RunContext:
    """Holds what the hosts of one run share; made once a run, from the data of all its hosts.

    ``owners``: the owners of the names of all hosts of hosts.yml, if hosts.yml has more hosts than the run.

    Raise NoevictError with every mistake of every host.
    """

    def __init__(
        self, root: Path, data: Mapping[str, Mapping[str, Any]], owners: Owners | None = None
    ) -> None:
        self.owners = owners or Owners({host: given_names(host, values) for host, values in data.items()})
        self.settings: dict[str, Settings] = {}
        mistakes: list[str] = []
        for host, values in data.items():
            try:
                self.settings[host] = build_settings(host, values)
            except NoevictError as error:
                mistakes += error.lines
        if mistakes:
            raise NoevictError.collect(mistakes)
        self.root = root
        self.now = datetime.now(UTC)
        path = locate(root)
        there = Secrets.load(path)
        self.made_before = there is not None
        self._names = {name for each in self.settings.values() for name in user_names(each.redis_users)}
        self.secrets = (there or Secrets.draft(path)).draft_passwords(self._names)
        self._saving = RLock()
        self._saved = False
        self._client_pem: str | None = None
        self._record_failed = self._unrecorded = False
        self._ids: tuple[Secrets, HostIds] | None = None
        self._own: dict[tuple[str, str, str], UserCertificate] = {}
        # Certificates of the user's that clients accept, and the name that they accept them for.
        self._tried: set[tuple[str | None, ...]] = set()
        at_once = min((s.redis_restart_at_once for s in self.settings.values()), default=1)
        self.restarts = RestartTurns(at_once)
        self._machines: dict[str, dict[str, None]] = {}  # a machine's identity -> its hosts, in order
        self.looks = BoundedSemaphore(LOOKS_AT_ONCE)  # held while a host and its server are looked at
        self.managed: set[str] = set()  # hosts that noevict managed before, among those looked at
        self.restart_failed_on: str | None = None

    def note_managed(self, host: str, *, managed: bool) -> None:
        """Note whether noevict managed the host before, as the last look found."""
        (self.managed.add if managed else self.managed.discard)(host)

    def looked_at(self, host: str, machine: str) -> None:
        """Note the identity of the host's machine, as the look found it; "" if it is unknown."""
        if machine:
            self._machines.setdefault(machine, {})[host] = None

    def duplicate_of(self, host: str, machine: str) -> str | None:
        """Return another host that is the same machine; None if no look found one."""
        return next((other for other in self._machines.get(machine, ()) if other != host), None)

    def secrets_of(self, host: str, claimed: str) -> Secrets:
        """Return the secrets as the host knows them. ``claimed``: what its id file says, "" if it has none."""
        if self._ids is None or self._ids[0] is not self.secrets:
            self._ids = (self.secrets, self.secrets.host_ids(self.owners.hosts))
        return self.secrets.of_host(self._ids[1].key(host, claimed))

    def record_id(self, host: str, host_id: str) -> str | None:
        """Save the id of a verified host. If that fails, return why, once a run."""
        try:
            self.secrets.record_id(host, host_id, self.owners.hosts)
        except NoevictError as error:
            reported, self._unrecorded = self._unrecorded, True
            return None if reported else str(error)
        return None

    def refresh_secrets(self) -> None:
        """Use the secrets that another run of this checkout has saved since, in place of those drafted here."""
        with self._saving:
            there = None if self.made_before else Secrets.load(self.secrets.path)
            if there is not None:
                self._take(there.draft_passwords(self._names))

    def _take(self, secrets: Secrets) -> None:
        if secrets.ca.fingerprint != self.secrets.ca.fingerprint:
            self._client_pem = None  # signed by a CA that nobody has
        self.secrets, self.made_before = secrets, True

    def save_secrets(self, managed_hosts: Iterable[str]) -> Secrets:
        """Write what is new in the secrets, once, before the first change that needs them.

        Raise NoevictError if this would make a new CA although hosts of this run already have one.
        """
        with self._saving:
            if not self._saved:
                self.refresh_secrets()
                managed = sorted(managed_hosts)
                if managed and not self.made_before:
                    raise NoevictError(
                        f"{self.secrets.path}: should hold the secrets that {', '.join(managed)} was made with: "
                        "copy them there, or name their directory in NOEVICT_SECRETS; nothing was changed"
                    )
                self._take(self.secrets.save())
                self._saved = True
            return self.secrets

    def client_pem(self) -> str:
        """Return noevict's own certificate and key (PEM), for servers that ask for one; valid for a day."""
        if self._client_pem is None:
            self._client_pem = make_client_pem(self.secrets, self.now)
        return self._client_pem

    def record(
        self, host: str, look: records.Drift | None, seen: Mapping[str, Any] | None = None
    ) -> str | None:
        """Save what a verification saw, for monitoring. If that fails, return why, once a run.

        ``seen``: other fields of the host's Record; without ``look``, only when its exporter's certificate ends.
        """
        seen = seen or {}
        try:
            state = records.place(self.root)
            if look is not None:
                records.write_drift(state, {host: look}, {host: seen})
            else:
                records.write_exporter(state, {host: seen["exporter_ends"]})
        except NoevictError as error:
            reported, self._record_failed = self._record_failed, True
            return None if reported else str(error)
        return None

    def record_before(self, host: str) -> records.Record:
        """Return what earlier runs saved of the host."""
        return records.read_one(records.locate(self.root), host)

    def trusting(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Return how this run checks a server's certificate. Raise NoevictError as ``tls_context``."""
        return tls_context(endpoint, self.secrets, self.client_pem())

    def try_own_certificate(self, settings: Settings, endpoint: Endpoint) -> None:
        """Check by a handshake in memory that a client of the endpoint accepts the user's own certificate.

        Raise NoevictError if it does not, and as ``own_certificate``.
        """
        own, name = self.own_certificate(settings), endpoint.host
        tried = (settings.redis_tls_cert, settings.redis_tls_ca, name)
        if own is None or tried in self._tried:
            return
        if problem := contexts.refusal(self.trusting(endpoint), own.chain + own.key, name):
            raise NoevictError(
                f"redis_tls_cert: no client that has {settings.redis_tls_ca} would accept it for {name}: {problem} "
                "(intermediates go below it in the same file, the root into redis_tls_ca)"
            )
        self._tried.add(tried)

    def own_certificate(self, settings: Settings) -> UserCertificate | None:
        """Return the user's own certificate, None without settings for it. Raise NoevictError if it is wrong."""
        files = (settings.redis_tls_cert, settings.redis_tls_key, settings.redis_tls_ca)
        if None in files:
            return None
        names = tuple(str(self.root / str(name)) for name in files)
        key = (names[0], names[1], names[2])
        if key not in self._own:
            self._own[key] = load_user_certificate(Path(key[0]), Path(key[1]), Path(key[2]), self.now)
        return self._own[key]


_contexts: dict[State, RunContext] = {}


def context_of(state: State) -> RunContext:
    """Return the run's context, made of the data of all hosts (``--data`` included). Raise NoevictError."""
    if state not in _contexts:
        data = {host.name: _settings_data(host) for host in state.inventory}
        # These are all hosts, with --limit too: who owns a name does not depend on which hosts are looked at.
        given = {host.name: given_names(host.name, _all_data(host)) for host in state.inventory}
        _contexts[state] = RunContext(Path(state.cwd or "."), data, Owners(given))
    return _contexts[state]


def _all_data(host: Host) -> dict[str, Any]:
    every: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
    return every


def _settings_data(host: Host) -> dict[str, Any]:
    return {name: value for name, value in _all_data(host).items() if name.startswith("redis_")}
