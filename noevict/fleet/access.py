"""What a login at an endpoint takes: passwords and TLS contexts, from ``secrets/``."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noevict.errors import NoevictError
from noevict.fleet.endpoint import EXPORTER, HEALTH, Endpoint
from noevict.inventory.reader import read_fleet
from noevict.pki import authority
from noevict.pki.contexts import trusting
from noevict.secrets.store import IDS, Secrets, load_secrets, locate

_CERTIFICATE_DAYS = 1  # of our own, for servers that ask for one
_RENEW = timedelta(hours=12)


def make_client_pem(secrets: Secrets, now: datetime) -> str:
    """Return noevict's own certificate and key (PEM), for servers that ask for one; valid for a day."""
    return "".join(authority.make_client_certificate(secrets.ca, "noevict", now, _CERTIFICATE_DAYS))


def tls_context(endpoint: Endpoint, secrets: Secrets, certificate: str | None) -> ssl.SSLContext:
    """Return how noevict checks a server's certificate: against its CA, strictly if that is the fleet's own CA.

    ``certificate``: noevict's own, with its key (PEM). Raise NoevictError if the CA cannot be read.
    """
    ca = secrets.ca.certificate_pem if endpoint.ca is None else endpoint.ca
    try:
        return trusting(ca.encode(), certificate, strict=endpoint.ca is None)
    except ssl.SSLError:
        raise NoevictError(
            f"{endpoint.name}: redis_tls_ca: should hold certificates in PEM, has one that cannot be read"
        ) from None


class Access:
    """Passwords and TLS contexts for the endpoints, from ``secrets/``. They are read again if they change there."""

    def __init__(self, root: Path) -> None:
        """Read the secrets. Raise NoevictError if there are none yet."""
        self._root = root
        self._contexts: dict[tuple[str | None, bool], tuple[datetime, ssl.SSLContext]] = {}
        self._take()

    def passwords(self, user: str, host: str) -> tuple[str, ...]:
        """Return passwords as ``Secrets.unseen``. Raise NoevictError for a user that has none."""
        return self._secrets.of_host(self._ids.key(host)).unseen(user)

    def context(self, endpoint: Endpoint, now: datetime) -> ssl.SSLContext:
        """Return the context for all hosts of a CA, with a client certificate for servers that ask for one.

        Raise NoevictError if the CA cannot be read.
        """
        key = (endpoint.ca, endpoint.asks_certificate)
        made, context = self._contexts.get(key, (now, None))
        if context is None or (endpoint.asks_certificate and now - made > _RENEW):
            own = make_client_pem(self._secrets, now) if endpoint.asks_certificate else None
            context = tls_context(endpoint, self._secrets, own)
            self._contexts[key] = (now, context)
        return context

    def check(self, endpoint: Endpoint) -> None:
        """Check that everything needed to ask this host is there. Raise NoevictError."""
        self.context(endpoint, datetime.now(UTC))
        for user in (HEALTH, EXPORTER) if endpoint.queues else (HEALTH,):
            self.passwords(user, endpoint.name)

    def refresh(self) -> bool:
        """Read the secrets again. Return whether they have changed: a run may have made passwords or a CA since."""
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
