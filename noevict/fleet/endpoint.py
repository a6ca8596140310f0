"""Where clients find each host's Redis, and what a login there takes."""

import ssl
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noevict.acl.profiles import user_names
from noevict.errors import NoevictError
from noevict.inventory.reader import Inventory, client_host, read_fleet
from noevict.messages import nearest, shown
from noevict.pki import authority
from noevict.pki.certificate import certificates_in
from noevict.pki.contexts import client_context
from noevict.secrets.store import IDS, load_secrets, locate
from noevict.settings.model import Settings, read_settings

HEALTH, EXPORTER = "health", "exporter"
_CERTIFICATE_DAYS = 1  # of noevict's client certificate, for servers that ask for one
_RENEW = timedelta(hours=12)


@dataclass(frozen=True)
class Endpoint:
    """One host's Redis. ``ca``: PEM of the CA of its certificate, if that is not the fleet's CA."""

    name: str  # in hosts.yml
    host: str
    port: int
    ca: str | None = field(default=None, repr=False)
    asks_certificate: bool = False
    queues: tuple[str, ...] = ()  # as in redis_queues
    runbooks: str = "docs/runbooks"  # redis_runbooks
    cache: bool = False  # redis_allow_eviction: it may be full and still be well


class Access:
    """Passwords and TLS contexts for the targets, from ``secrets/``. They are read again if they change there."""

    def __init__(self, root: Path) -> None:
        """Read the secrets. Raises NoevictError if there are none yet."""
        self._root = root
        self._contexts: dict[tuple[str | None, bool], tuple[datetime, ssl.SSLContext]] = {}
        self._take()

    def passwords(self, user: str, host: str) -> tuple[str, ...]:
        """Return passwords as ``Secrets.unseen``. Raises NoevictError for a user that has none."""
        return self._secrets.of_host(self._ids.key(host)).unseen(user)

    def context(self, target: Endpoint, now: datetime) -> ssl.SSLContext:
        """Return the context for all hosts of a CA, with a client certificate for servers that ask for one.

        Raises NoevictError if the CA cannot be read.
        """
        key = (target.ca, target.asks_certificate)
        made, context = self._contexts.get(key, (now, None))
        if context is None or (target.asks_certificate and now - made > _RENEW):
            context = self._make_context(target, now)
            self._contexts[key] = (now, context)
        return context

    def check(self, target: Endpoint) -> None:
        """Check that everything needed to ask this host is there. Raises NoevictError."""
        self.context(target, datetime.now(UTC))
        for user in (HEALTH, EXPORTER) if target.queues else (HEALTH,):
            self.passwords(user, target.name)

    def refresh(self) -> bool:
        """Read the secrets again. Returns whether they have changed: a run may have made passwords or a CA since."""
        if self._stamp() == self._read:
            return False
        try:
            self._take()
        except NoevictError:  # they may be copied there just now
            return False
        self._contexts.clear()
        return True

    def _take(self) -> None:
        self._read = self._stamp()
        self._secrets = load_secrets(self._root)
        self._ids = self._secrets.host_ids(read_fleet(self._root).hosts)

    def _stamp(self) -> tuple[float, ...]:
        found = []
        for name in ("users.yml", "ca.crt", IDS):
            with suppress(OSError):
                found.append((locate(self._root) / name).stat().st_mtime)
        return tuple(found)

    def _make_context(self, target: Endpoint, now: datetime) -> ssl.SSLContext:
        ca = self._secrets.ca.certificate_pem if target.ca is None else target.ca
        certificate = None
        if target.asks_certificate:
            certificate = "".join(
                authority.make_client_certificate(self._secrets.ca, "noevict", now, _CERTIFICATE_DAYS)
            )
        try:
            return client_context(ca.encode(), certificate, strict=target.ca is None)
        except ssl.SSLError:
            raise NoevictError(
                f"{target.name}: redis_tls_ca: should hold certificates in PEM, has one that is none"
            ) from None


def read_targets(root: Path, only: Collection[str] = ()) -> list[Endpoint]:
    """Return the hosts of hosts.yml, or only those in ``only``, in its order.

    Raises NoevictError for hosts that cannot be watched.
    """
    fleet, settings = read_settings(root)
    for host in only:
        if host not in fleet.hosts:
            raise NoevictError(
                f"{shown(host)}: should be a host in hosts.yml{nearest(host, fleet.hosts)}, is not"
            )
    names = [name for name in fleet.hosts if not only or name in only]
    if mistakes := [line for name in names for line in _mistakes(name, settings[name])]:
        raise NoevictError.collect(mistakes)
    return [target_of(fleet, name, settings[name]) for name in names]


def target_of(fleet: Inventory, name: str, settings: Settings) -> Endpoint:
    """Return one host's endpoint. Raises NoevictError for a redis_tls_ca that cannot be read."""
    return Endpoint(
        name,
        client_host(name, fleet.data(name)),
        settings.redis_port,
        _own_ca(fleet.root, name, settings),
        asks_certificate=settings.redis_tls_auth_clients == "yes",
        queues=settings.redis_queues,
        runbooks=settings.redis_runbooks,
        cache=settings.redis_allow_eviction,
    )


def _own_ca(root: Path, name: str, settings: Settings) -> str | None:
    if settings.redis_tls_ca is None:
        return None
    path = root / Path(settings.redis_tls_ca).expanduser()
    try:
        found = certificates_in(path.read_text(encoding="ascii", errors="replace"))
    except OSError as error:
        raise NoevictError(f"{name}: redis_tls_ca: {path}: cannot be read: {error.strerror}") from None
    if not found:
        raise NoevictError(f"{name}: redis_tls_ca: should hold certificates in PEM, has none")
    return "\n".join(found)


def _mistakes(name: str, settings: Settings) -> list[str]:
    """Return a mistake for each user that watching needs and that is switched off."""
    asked = (HEALTH, EXPORTER) if settings.redis_queues else (HEALTH,)
    there = user_names(settings.redis_users)
    return [
        f"{name}: redis_users.{user}: should be left on for monitoring, got off"
        for user in asked
        if user not in there
    ]
