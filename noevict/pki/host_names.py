"""Which host a name belongs to: a name that hosts.yml gives to one host is not signed for another one. Pure.

A host claims its host name, its FQDN and the addresses of its interfaces. Root on the host chooses them, and a name
server may choose the FQDN.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from noevict.pki.certificate import normalise

# Name or address -> another host that it belongs to; None if it is free, or belongs (also) to the host that asks.
Owner = Callable[[str], str | None]


def nobody(name: str) -> str | None:  # noqa: ARG001 - an Owner
    """Return None: the Owner to use if no other host is known."""
    return None


def given_names(host: str, data: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that hosts.yml, with the data of its groups, gives to a host, in the form of certificates."""
    named = data.get("redis_tls_names")
    texts = (
        host.removeprefix("@ssh/"),  # "@local" is no name
        data.get("ssh_hostname"),
        data.get("redis_address"),
        *(named if isinstance(named, list | tuple) else ()),
    )
    return frozenset(filter(None, (_key(str(text)) for text in texts if text)))


class Owners:
    """Which host has which name, for all hosts of hosts.yml. It is made once a run."""

    def __init__(self, given: Mapping[str, frozenset[str]]) -> None:
        """Index names. ``given``: host -> its ``given_names``."""
        self._given = given
        self._hosts: dict[str, list[str]] = {}
        for host, names in given.items():
            for name in names:
                self._hosts.setdefault(name, []).append(host)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self._given)

    def of(self, host: str) -> Owner:
        """Return the Owner for this host. A wildcard has each name it stands for; loopback belongs to every host."""
        names = self._given.get(host, frozenset())

        def owner(name: str) -> str | None:
            key = _key(name)
            if key is None or _is_loopback(key) or key in names or _wildcard(key) in names:
                return None
            return next(self._all(key, names), None)

        return owner

    def _all(self, key: str, names: frozenset[str]) -> Iterator[str]:
        yield from self._hosts.get(key, ())
        yield from self._hosts.get(_wildcard(key), ())
        if key.startswith("*."):
            for name, hosts in self._hosts.items():
                if _wildcard(name) == key and name not in names:
                    yield from hosts


def _key(name: str) -> str | None:
    """Return the one spelling of a name; for an IPv6 address that stands for an IPv4 address, the latter."""
    found = normalise(name)
    if found is None:
        return None
    address = _address(found)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped) if mapped else found


def _wildcard(name: str) -> str:
    """Return the wildcard for a name: "*.b.c" for "a.b.c" and itself; "" for an address."""
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
