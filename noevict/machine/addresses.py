"""The addresses of a machine: which are private, which it has only for a time, which belong to another host. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from noevict.pki.host_names import Owner
from noevict.settings.validators import LOOPBACK

# The container bridges and links of Docker, Podman, CNI, LXC, libvirt: their addresses do not count as the host's.
BRIDGES = ("docker", "br-", "cni", "veth", "virbr", "lxcbr", "lxdbr", "podman", "flannel", "cali", "kube")
PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))


@dataclass(frozen=True)
class Address:
    """An address of the host, of global scope. ``leased``: for a time, by DHCP or a router's advertisement."""

    device: str
    address: str
    leased: bool = False


def is_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one of RFC 1918, or a ULA."""
    return any(address in network for network in PRIVATE if network.version == address.version)


def lent_addresses(addresses: tuple[Address, ...], owner: Owner) -> tuple[tuple[str, str], ...]:
    """Return leased addresses that hosts.yml gives to another host, with that host's name.

    A host cannot refuse a lease, so this is not a fault; such an address is neither bound nor signed.
    """
    permanent = {entry.address for entry in addresses if not entry.leased}
    leased = dict.fromkeys(entry.address for entry in addresses if entry.leased)
    return tuple(
        (each, other) for each in leased if each not in permanent and (other := owner(each)) is not None
    )


def private_addresses(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """Return RFC 1918 and ULA addresses, without container bridges, as words of ``bind`` in a fixed order, IPv4 first.

    A leased one is optional (``-10.0.0.5``): a server starts without it.
    """
    entries = [entry for entry in addresses if not entry.device.partition("@")[0].startswith(BRIDGES)]
    permanent = {ipaddress.ip_address(entry.address) for entry in entries if not entry.leased}
    found = {ipaddress.ip_address(entry.address) for entry in entries}
    ordered = sorted(filter(is_private, found), key=lambda a: (a.version, a))
    return tuple(str(address) if address in permanent else f"-{address}" for address in ordered)


def leased_addresses(bind: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses that ``private_addresses`` marked as leased, among words of ``bind``."""
    return tuple(word.removeprefix("-") for word in bind if word.startswith("-") and word not in LOOPBACK)
