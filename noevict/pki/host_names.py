"""Which host a name belongs to: what hosts.yml gives to one host is signed for no other that claims it. Pure.

A host claims its host name, its FQDN and the addresses of its interfaces. Whoever is root there chooses them, and a
name server may choose the FQDN.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from noevict.pki.certificate import normalise

# Name or address -> another host that it belongs to; None if it is free, or (also) that of the host that asks.
Owner = Callable[[str], str | None]


def nobody(name: str) -> str | None:  # noqa: ARG001 - an Owner
    """The Owner where no other host is known."""
    return None


def given_names(host: str, data: Mapping[str, Any]) -> frozenset[str]:
    """What hosts.yml, with the data of its groups, gives to a host: as certificates hold it."""
    named = data.get("redis_tls_names")
    texts = (
        host.removeprefix("@ssh/"),  # "@local" is no name
        data.get("ssh_hostname"),
        data.get("redis_address"),
        *(named if isinstance(named, list | tuple) else ()),
    )
    return frozenset(filter(None, (_key(str(text)) for text in texts if text)))


class Owners:
    """Which host has which name, of all hosts of hosts.yml: made once a run."""

    def __init__(self, given: Mapping[str, frozenset[str]]) -> None:
        """``given``: host -> its ``given_names``."""
        self._given = given
        self._hosts: dict[str, list[str]] = {}
        for host, names in given.items():
            for name in names:
                self._hosts.setdefault(name, []).append(host)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self._given)

    def of(self, host: str) -> Owner:
        """As this host sees it. A wildcard has each name it stands for; what is loopback is every host's own."""
        own = self._given.get(host, frozenset())

        def owner(name: str) -> str | None:
            key = _key(name)
            if key is None or _is_loopback(key) or key in own or _wildcard(key) in own:
                return None
            return next(self._all(key, own), None)

        return owner

    def _all(self, key: str, own: frozenset[str]) -> Iterator[str]:
        yield from self._hosts.get(key, ())
        yield from self._hosts.get(_wildcard(key), ())
        if key.startswith("*."):
            for name, hosts in self._hosts.items():
                if _wildcard(name) == key and name not in own:
                    yield from hosts


def _key(name: str) -> str | None:
    """A name in its one spelling; that of IPv4, for an address of IPv6 that stands for one."""
    found = normalise(name)
    if found is None:
        return None
    address = _address(found)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped) if mapped else found


def _wildcard(name: str) -> str:
    """The one that stands for this name: "*.b.c" for "a.b.c" and itself; "" for an address."""
    return "" if is_address(name) else f"*.{name.partition('.')[2]}"


def is_address(name: str) -> bool:
    return _address(name) is not None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback
