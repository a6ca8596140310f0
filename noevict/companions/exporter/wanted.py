"""What a host should have of the exporter: from its settings, its Redis' target, and the secrets. Pure."""

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from noevict import queues
from noevict.machine.files import WantedFile
from noevict.machine.found import Address
from noevict.pki.certificate import OwnCertificate
from noevict.platforms.systemd import wanted
from noevict.platforms.systemd.wanted import private_addresses
from noevict.settings.model import Settings
from noevict.templates import render

USER = "exporter"  # of Redis
# What both releases ask at each scrape and are refused: it would show the arguments of others' commands.
WITHHELD = "slowlog|get"
PACKAGE = "prometheus-redis-exporter"
UNIT = f"{PACKAGE}.service"
BINARY = f"/usr/bin/{PACKAGE}"
ETC = f"/etc/{PACKAGE}"
PASSWORDS, CA, CERTIFICATE, KEY = (
    f"{ETC}/{name}" for name in ("passwords.json", "ca.crt", "client.crt", "client.key")
)
DROPIN = f"/etc/systemd/system/{UNIT}.d/noevict.conf"
# Where systemd puts the files that it hands to the service: they are root's alone, and the service is not root.
CREDENTIALS = f"/run/credentials/{UNIT}"
HANDED = (PASSWORDS, CA, CERTIFICATE, KEY)
FILTERS_SINCE = 253  # systemd's LogFilterPatterns

# What may hold jobs, of BullMQ 5 and 6 (docs.bullmq.io), those first that the others are missed least beside: a queue
# without jobs of a kind has no key, and 1.69 stops at the first that is not there.
STATES = tuple(dict.fromkeys(("wait", "active", *queues.STATES, "completed", "waiting-children")))
_EVERY = {4: {"*", "0.0.0.0"}, 6: {"::*", "::"}}  # noqa: S104 - words of redis.conf, bound nowhere here


@dataclass(frozen=True)
class WantedExporter:
    """``listen``: an address, "" for all. ``environment``: all that the process is told, and no secret."""

    listen: str
    port: int
    environment: Mapping[str, str]
    keys: tuple[str, ...]  # whose lengths are exported
    files: tuple[WantedFile, ...] = field(repr=False)

    @property
    def loopback(self) -> bool:
        """Whether it can be asked on the host alone."""
        return bool(self.listen) and ipaddress.ip_address(self.listen).is_loopback

    @property
    def asked(self) -> str:
        """The address at which it is asked on the host itself."""
        return self.listen or "127.0.0.1"

    def file(self, path: str) -> WantedFile:
        return next(file for file in self.files if file.path == path)

    def digest(self, path: str) -> str:
        """SHA-256 of a file's wanted content, hex; "" of what is made elsewhere."""
        content = self.file(path).content
        return "" if content is None else hashlib.sha256(content.encode()).hexdigest()


def make_target(
    settings: Settings,
    redis: wanted.Target,
    addresses: tuple[Address, ...],
    client_name: str,
    password: str,
    own: OwnCertificate | None,
    systemd: int,
) -> WantedExporter:
    """``redis``: what its Redis should be. ``client_name``: by which clients reach it. ``systemd``: its version."""
    listen = listen_address(redis.bind, (client_name,), addresses)
    port = settings.redis_exporter_port
    name = redis_name(redis.bind, client_name, own)
    uri = f"rediss://{bracketed(name)}:{settings.redis_port}"
    keys = tuple(queues.key(queue, state) for state in STATES for queue in settings.redis_queues)
    told = {
        "REDIS_ADDR": uri,
        "REDIS_USER": USER,
        "REDIS_PASSWORD_FILE": _handed(PASSWORDS),
        "REDIS_EXPORTER_TLS_CA_CERT_FILE": _handed(CA),
        "REDIS_EXPORTER_TLS_CLIENT_CERT_FILE": _handed(CERTIFICATE),
        "REDIS_EXPORTER_TLS_CLIENT_KEY_FILE": _handed(KEY),
        "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": f"{bracketed(listen)}:{port}",
        # Before Prometheus itself gives up, after 10 s: then it hears that Redis is down, not the exporter.
        "REDIS_EXPORTER_CONNECTION_TIMEOUT": "5s",
        "REDIS_EXPORTER_INCL_SYSTEM_METRICS": "true",
        # Who reaches its port may ask it for any key: 1.69 then tells none's value, 1.45 knows no such word.
        "REDIS_EXPORTER_DISABLE_EXPORTING_KEY_VALUES": "true",
    }
    if keys:
        told["REDIS_EXPORTER_CHECK_SINGLE_KEYS"] = ",".join(f"db0={quote(key, safe=':')}" for key in keys)
    texts = {
        PASSWORDS: passwords_file(uri, password),
        CA: redis.ca,
        DROPIN: render("prometheus-redis-exporter.conf", **_dropin(told, systemd)),
    }
    return WantedExporter(listen, port, told, keys, wanted_files(texts))


def listen_address(bind: Iterable[str], names: Iterable[str], addresses: tuple[Address, ...]) -> str:
    """The one of the addresses that Redis listens on by which Prometheus comes; "" is all of them.

    It takes one address alone, where Redis takes sixteen: the one clients use, else a private one, else any, else
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
    private = [a for a in usable if any(a in net for net in wanted.PRIVATE if net.version == a.version)]
    loopback = [a for a in _addresses(single) if a.is_loopback]
    return str(next(iter((*named, *private, *usable, *loopback)), "127.0.0.1"))


def redis_name(bind: Iterable[str], client_name: str, own: OwnCertificate | None) -> str:
    """A name or address of the host's Redis, as seen from the host, that its certificate covers."""
    bare = {address.removeprefix("-") for address in bind}
    local = bare & {"127.0.0.1", "::1", *_EVERY[4], *_EVERY[6]}
    single = (str(address) for address in _addresses(bind))
    possible = (*(("localhost",) if local else ()), *single)
    # Of the fleet's own: it covers localhost and what is bound.
    return next((name for name in possible if own is None or own.certificate.covers(name)), client_name)


def passwords_file(uri: str, password: str) -> str:
    """The password for that server alone: who reaches the exporter's port may have it log in anywhere.

    1.45 looks it up by the address as it is, 1.69 with the user in it.
    """
    with_user = uri.replace("://", f"://{USER}@")
    return json.dumps({uri: password, with_user: password}, indent=1) + "\n"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def wanted_files(texts: Mapping[str, str]) -> tuple[WantedFile, ...]:
    """All files and directories, directories first."""
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


def _dropin(told: Mapping[str, str], systemd: int) -> dict[str, object]:
    return {
        "binary": BINARY,
        "environment": [f"{name}={value}".replace("%", "%%") for name, value in told.items()],
        "credentials": [f"{path.rpartition('/')[2]}:{path}" for path in HANDED],
        "filters": systemd >= FILTERS_SINCE,
    }


def _is_there(address: str, there: set[str]) -> bool:
    """Whether it is one address, and there: Redis starts without one behind a "-", the exporter would not."""
    bare = address.removeprefix("-")
    if bare in {*_EVERY[4], *_EVERY[6]}:
        return False
    return bare == address or bare in there or ipaddress.ip_address(bare).is_loopback


def _addresses(texts: Iterable[str]) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Those that are addresses, ``-`` aside."""
    for text in texts:
        try:
            yield ipaddress.ip_address(text.removeprefix("-"))
        except ValueError:
            continue
