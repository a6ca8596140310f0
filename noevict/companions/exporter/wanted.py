"""What a host's exporter should be, from the settings, the host's Redis, and the secrets. Pure."""

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from noevict import queues
from noevict.engines.package_layout import LAYOUTS, dropin_of
from noevict.machine.addresses import Address, is_private, private_addresses
from noevict.machine.files import WantedFile
from noevict.pki.certificate import UserCertificate
from noevict.platforms.systemd import wanted
from noevict.settings.model import Settings
from noevict.templates import render

USER = "exporter"  # in Redis
# Both releases ask for this at each scrape and are refused: it would show the arguments of other clients' commands.
WITHHELD = "slowlog|get"
_LAYOUT = LAYOUTS["redis"]  # the exporter is the same beside Valkey
PACKAGE = _LAYOUT.exporter
UNIT = f"{PACKAGE}.service"
BINARY = f"/usr/bin/{PACKAGE}"
ETC = _LAYOUT.exporter_etc
CREDENTIALS = _LAYOUT.exporter_credentials
PASSWORDS, CA, CERTIFICATE, KEY = (
    f"{ETC}/{name}" for name in ("passwords.json", "ca.crt", "client.crt", "client.key")
)
DROPIN = dropin_of(UNIT)
HANDED = (PASSWORDS, CA, CERTIFICATE, KEY)
FILTERS_SINCE = 253  # systemd's LogFilterPatterns

# The states of BullMQ 5 and 6 (docs.bullmq.io) that may have jobs, the most important first: a queue without jobs in a
# state has no key for it, and 1.69 stops at the first key that is missing.
STATES = tuple(dict.fromkeys(("wait", "active", *queues.STATES, "completed", "waiting-children")))
_EVERY = {4: {"*", "0.0.0.0"}, 6: {"::*", "::"}}  # noqa: S104 - words of redis.conf, bound nowhere here


@dataclass(frozen=True)
class WantedExporter:
    """What the exporter should be. ``listen``: an address, "" for all. ``environment``: of the process; no secret."""

    listen: str
    port: int
    environment: Mapping[str, str]
    keys: tuple[str, ...]  # whose lengths are exported
    files: tuple[WantedFile, ...] = field(repr=False)

    @property
    def loopback(self) -> bool:
        """Whether it can be scraped only on the host itself."""
        return bool(self.listen) and ipaddress.ip_address(self.listen).is_loopback

    @property
    def asked(self) -> str:
        """The address at which we scrape it, on the host itself."""
        return self.listen or "127.0.0.1"

    def file(self, path: str) -> WantedFile:
        return next(file for file in self.files if file.path == path)

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file's wanted content, hex; "" if its content is made elsewhere."""
        content = self.file(path).content
        return "" if content is None else hashlib.sha256(content.encode()).hexdigest()


def make_target(
    settings: Settings,
    redis: wanted.Target,
    addresses: tuple[Address, ...],
    client_name: str,
    password: str,
    user_certificate: UserCertificate | None,
    systemd: int,
) -> WantedExporter:
    """Compute the target. ``redis``: its Redis. ``client_name``: the name clients use. ``systemd``: its version."""
    listen = listen_address(redis.bind, (client_name,), addresses)
    port = settings.redis_exporter_port
    name = redis_name(redis.bind, client_name, user_certificate)
    uri = f"rediss://{bracketed(name)}:{settings.redis_port}"
    keys = tuple(queues.key(queue, state) for state in STATES for queue in settings.redis_queues)
    environment = {
        "REDIS_ADDR": uri,
        "REDIS_USER": USER,
        "REDIS_PASSWORD_FILE": _handed(PASSWORDS),
        "REDIS_EXPORTER_TLS_CA_CERT_FILE": _handed(CA),
        "REDIS_EXPORTER_TLS_CLIENT_CERT_FILE": _handed(CERTIFICATE),
        "REDIS_EXPORTER_TLS_CLIENT_KEY_FILE": _handed(KEY),
        "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": f"{bracketed(listen)}:{port}",
        # Less than the 10 s after which Prometheus gives up: so it learns that Redis is down, not the exporter.
        "REDIS_EXPORTER_CONNECTION_TIMEOUT": "5s",
        "REDIS_EXPORTER_INCL_SYSTEM_METRICS": "true",
        # Anybody who reaches its port may ask it for any key. With this 1.69 exports no values; 1.45 ignores it.
        "REDIS_EXPORTER_DISABLE_EXPORTING_KEY_VALUES": "true",
    }
    if keys:
        environment["REDIS_EXPORTER_CHECK_SINGLE_KEYS"] = ",".join(
            f"db0={quote(key, safe=':')}" for key in keys
        )
    texts = {
        PASSWORDS: passwords_file(uri, password),
        CA: redis.ca,
        DROPIN: render("prometheus-redis-exporter.conf", **_dropin(environment, systemd)),
    }
    return WantedExporter(listen, port, environment, keys, wanted_files(texts))


def listen_address(bind: Iterable[str], names: Iterable[str], addresses: tuple[Address, ...]) -> str:
    """Return the address for Prometheus among those that Redis listens on; "" is all of them.

    The exporter takes one address, Redis up to sixteen: the one clients use, else a private one, else any, else
    loopback. Go's "0.0.0.0" and "::" are each all addresses of both kinds.
    """
    bound = tuple(bind)
    every = {
        version for version, words in _EVERY.items() if words & {each.removeprefix("-") for each in bound}
    }
    if len(every) == 2:
        return ""
    there = {entry.address for entry in addresses}
    single = [each for each in bound if _is_there(each, there)]
    open_ones = [
        str(address)
        for address in (*_addresses(private_addresses(addresses)), *_addresses(there))
        if address.version in every
    ]
    usable = [a for a in _addresses((*single, *open_ones)) if not a.is_loopback]
    named = [a for a in _addresses(names) if a in usable]
    private = filter(is_private, usable)
    loopback = [a for a in _addresses(single) if a.is_loopback]
    return str(next(iter((*named, *private, *usable, *loopback)), "127.0.0.1"))


def redis_name(bind: Iterable[str], client_name: str, user_certificate: UserCertificate | None) -> str:
    """Return a name or address by which the host reaches its own Redis, and which the certificate covers."""
    bare = {address.removeprefix("-") for address in bind}
    local = bare & {"127.0.0.1", "::1", *_EVERY[4], *_EVERY[6]}
    single = (str(address) for address in _addresses(bind))
    possible = (*(("localhost",) if local else ()), *single)
    # A certificate of the fleet's CA covers localhost and the addresses bound.
    covered = (
        name for name in possible if user_certificate is None or user_certificate.certificate.covers(name)
    )
    return next(covered, client_name)


def passwords_file(uri: str, password: str) -> str:
    """Return the file with the password for this server only: requests can make the exporter log in elsewhere.

    1.45 looks the password up by the plain address, 1.69 by the address with the user in it.
    """
    with_user = uri.replace("://", f"://{USER}@")
    return json.dumps({uri: password, with_user: password}, indent=1) + "\n"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def wanted_files(texts: Mapping[str, str]) -> tuple[WantedFile, ...]:
    """Return all files and directories, directories first."""
    return (
        WantedFile(ETC, "root", "root", "700", directory=True),
        WantedFile(DROPIN.rpartition("/")[0], "root", "root", "755", directory=True),
        WantedFile(PASSWORDS, "root", "root", "600", texts[PASSWORDS]),
        WantedFile(CA, "root", "root", "644", texts[CA]),
        WantedFile(DROPIN, "root", "root", "644", texts[DROPIN]),
        WantedFile(CERTIFICATE, "root", "root", "644"),
        WantedFile(KEY, "root", "root", "600"),
    )


def _handed(path: str) -> str:
    return f"{CREDENTIALS}/{path.rpartition('/')[2]}"


def _dropin(environment: Mapping[str, str], systemd: int) -> dict[str, object]:
    return {
        "binary": BINARY,
        "environment": [f"{name}={value}".replace("%", "%%") for name, value in environment.items()],
        "credentials": [f"{path.rpartition('/')[2]}:{path}" for path in HANDED],
        "filters": systemd >= FILTERS_SINCE,
    }


def _is_there(address: str, there: set[str]) -> bool:
    """Whether it is an address that the host has: Redis starts without an address after "-", the exporter does not."""
    bare = address.removeprefix("-")
    if bare in {*_EVERY[4], *_EVERY[6]}:
        return False
    return bare == address or bare in there or ipaddress.ip_address(bare).is_loopback


def _addresses(texts: Iterable[str]) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Yield the texts that are addresses, without ``-``."""
    for text in texts:
        try:
            yield ipaddress.ip_address(text.removeprefix("-"))
        except ValueError:
            continue
