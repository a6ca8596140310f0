"""Where each host's Redis is, as its clients know it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from noevict.acl.profiles import user_names
from noevict.errors import NoevictError
from noevict.inventory.reader import Inventory, client_host
from noevict.messages import displayed, nearest
from noevict.pki.certificate import certificates_in
from noevict.settings.model import Settings, read_settings

HEALTH, EXPORTER = "health", "exporter"


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


def read_endpoints(root: Path, only: Collection[str] = ()) -> list[Endpoint]:
    """Return the hosts of hosts.yml, or only those in ``only``, in its order.

    Raise NoevictError for hosts that cannot be watched.
    """
    fleet, settings = read_settings(root)
    for host in only:
        if host not in fleet.hosts:
            raise NoevictError(
                f"{displayed(host)}: should be a host in hosts.yml{nearest(host, fleet.hosts)}, is not"
            )
    names = [name for name in fleet.hosts if not only or name in only]
    if mistakes := [line for name in names for line in _mistakes(name, settings[name])]:
        raise NoevictError.collect(mistakes)
    return [endpoint_of(fleet, name, settings[name]) for name in names]


def endpoint_of(fleet: Inventory, name: str, settings: Settings) -> Endpoint:
    """Return the one of a host in hosts.yml. Raise NoevictError for a redis_tls_ca that cannot be read."""
    return make_endpoint(fleet.root, name, client_host(name, fleet.data(name)), settings)


def make_endpoint(root: Path, name: str, host: str, settings: Settings) -> Endpoint:
    """``host``: the name or address that clients use. Raise as ``endpoint_of``."""
    return Endpoint(
        name,
        host,
        settings.redis_port,
        _own_ca(root, name, settings),
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
