"""The addresses that a server listens on: which are missing or impossible, and which a change of bind opens. Pure.

CONFIG GET bind repeats what was configured. If the host did not have an optional address (``-10.0.0.5``) when the
server bound its addresses, nothing listens on it once the host has it, although CONFIG GET bind names it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from noevict.machine.found import Listener, MachineState
from noevict.settings.validators import address_of

Address = IPv4Address | IPv6Address


class Wanted(Protocol):
    """The part of the wanted state that this module needs."""

    @property
    def bind(self) -> tuple[str, ...]: ...
    @property
    def leased(self) -> tuple[str, ...]: ...
    @property
    def live(self) -> Mapping[str, str]: ...


def missing(bind: Iterable[str], sockets: Collection[str], own: Collection[str], *, ipv6: bool) -> list[str]:
    """Return the words of ``bind`` for which no socket listens although the host has the address.

    ``sockets``: the addresses that the server's sockets of one port are bound to; ``own``: the host's addresses,
    including IPv6 loopback; ``ipv6``: whether its kernel has IPv6. Except for ``bind``, which has words of redis.conf,
    addresses may have any form that ip_address takes.
    """
    bound = {ip_address(each) for each in sockets}
    held = {ip_address(each) for each in own}
    return list(dict.fromkeys(_missing(bind, bound, held, ipv6=ipv6)))


def refusals(
    wanted: Wanted, machine: MachineState, listeners: Iterable[Listener], *, low_ports: bool | None
) -> Iterator[str]:
    """Yield why a server would not start: the trial start of a configuration binds no address and no port.

    What the server listens on now, it can bind. ``low_ports``: whether it may bind ports that not every user may bind.
    What is not known is no reason.
    """
    sockets = [each for each in listeners if each.ours]
    absent = _absent(wanted.bind, machine, [each.address for each in sockets])
    if absent:
        yield (
            f"redis_bind: should be addresses that this host has, got {', '.join(absent)}: a server would not start "
            f"with that; write -{absent[0]} if the address comes later"
        )
    first, bound = machine.first_port, {each.port for each in sockets}
    for setting, directive in {"redis_port": "tls-port", "redis_plaintext_port": "port"}.items():
        port = int(wanted.live[directive])
        if first is not None and 0 < port < first and port not in bound and low_ports is False:
            yield (
                f"{setting}: should be {first} or more, got {port}: on this host the server may not listen on lower "
                "ports"
            )


def kernel_names(address: str, port: int) -> tuple[str, ...]:
    """Return how /proc/net/tcp and tcp6 write an address and port: words of four bytes, each as a number of the host's.

    A socket of IPv6 may also take connections to an IPv4 address.
    """
    found = ip_address(address)
    mapped = (found, ip_address(f"::ffff:{found}")) if found.version == 4 else (found,)
    words = ([each.packed[n : n + 4][::-1] for n in range(0, len(each.packed), 4)] for each in mapped)
    return tuple(f"{b''.join(each).hex().upper()}:{port:04X}" for each in words)


def opens(before: str, wanted: Wanted) -> str:
    """Return where a change of bind lets clients connect who could not before; "" if nowhere."""
    where = ", ".join(
        f"{each} (DHCP)" if each in wanted.leased else each for each in opened(before.split(), wanted.bind)
    )
    plain = "" if wanted.live["port"] == "0" else f" and port {wanted.live['port']} without TLS"
    return f"opens port {wanted.live['tls-port']}{plain} on {where}" if where else ""


def opened(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Return the addresses, except loopback, that a server listens on after a change of ``bind``, but not before.

    Both are words of redis.conf. ``before`` may also hold names, which somebody else's redis.conf may have.
    """
    known = []
    for word in before:
        with suppress(ValueError):
            known.append(str(address_of(word)))
    addresses = {word: address_of(word) for word in after}
    own = [str(address) for address in addresses.values()]
    return [word for word in missing(addresses, known, own, ipv6=True) if not address_of(word).is_loopback]


def _absent(bind: Iterable[str], machine: MachineState, sockets: Iterable[str]) -> list[str]:
    """Return the words of ``bind`` that the host does not have, and that a server does not start without."""
    if machine.other_addresses is None:
        return []
    own = (entry.address for entry in machine.addresses)
    held = {ip_address(each) for each in (*own, *machine.other_addresses, *sockets)}
    return [
        word for word in bind if not (word.startswith("-") or _can_be_bound(address_of(word), held, machine))
    ]


def _missing(bind: Iterable[str], bound: set[Address], held: set[Address], *, ipv6: bool) -> Iterator[str]:
    for word in bind:
        address = address_of(word)
        if _there(address, held, ipv6=ipv6) and not bound & {address, type(address)(0)}:
            yield word.removeprefix("-")


def _can_be_bound(address: Address, held: set[Address], machine: MachineState) -> bool:
    if address.version == 6 and "any" not in machine.ipv6:
        return True  # without IPv6 in the kernel, a server starts without the address
    unscoped = ip_address(str(address).partition("%")[0])
    return address.version in machine.nonlocal_bind or _there(unscoped, held, ipv6=True)


def _there(address: Address, held: set[Address], *, ipv6: bool) -> bool:
    """Whether the host has the address now: no socket is expected for an address that it does not have."""
    if address.is_unspecified:
        return ipv6 or address.version == 4
    if address.version == 4 and address.is_loopback:
        return True  # a host has all of 127.0.0.0/8
    return address in held
