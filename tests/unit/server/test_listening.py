"""On which addresses a server should listen and does not: of those the host has, and of no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.machine.addresses import Address
from noevict.machine.found import Listener
from noevict.plan.change import How
from noevict.server.listening import kernel_names, missing, opened, opens, refusals
from tests.unit.looks.captured import MANAGED
from tests.unit.looks.managed import Managed, managed

ALL = "0.0.0.0"  # noqa: S104 - reported, bound nowhere
OWN = ("10.0.0.5", "fd00::5", "::1")
LOOPBACK = ("127.0.0.1", "-::1")
EXPANDED = "0000:0000:0000:0000:0000:0000:0000:0001"  # as the look prints ::1


CASES: dict[str, tuple[Sequence[str], Sequence[str], list[str]]] = {
    "all": (("127.0.0.1", "-::1", "10.0.0.5"), ("127.0.0.1", EXPANDED, "10.0.0.5"), []),
    "an optional one that came later": ((*LOOPBACK, "-10.0.0.5"), ("127.0.0.1", "::1"), ["10.0.0.5"]),
    "an optional one that is not there": ((*LOOPBACK, "-10.0.0.6"), ("127.0.0.1", "::1"), []),
    "one that is not there": (("127.0.0.1", "10.0.0.6"), ("127.0.0.1",), []),
    "of IPv6": (("127.0.0.1", "-fd00:0::5"), ("127.0.0.1",), ["fd00:0::5"]),
    "its loopback address": (LOOPBACK, ("127.0.0.1",), ["::1"]),
    "every address, one by one": (("*",), ("127.0.0.1", "10.0.0.5"), ["*"]),
    "every address": (("*", "-::*"), (ALL, "::"), []),
    "every address by number": ((ALL, "::"), (ALL, "::"), []),
    "every address of IPv6 too": (("*", "-::*"), (ALL,), ["::*"]),
    "covered by all of its kind": (("10.0.0.5", "-fd00::5"), (ALL, "::"), []),
    "all of IPv6 are none of IPv4": (("10.0.0.5", "::*"), ("::",), ["10.0.0.5"]),
    "all of IPv4 are none of IPv6": (("*", "fd00::5"), (ALL,), ["fd00::5"]),
    "another loopback address": (("127.0.0.1", "-127.9.9.9"), ("127.0.0.1",), ["127.9.9.9"]),
    "none at all": (("127.0.0.1", "-10.0.0.5"), (), ["127.0.0.1", "10.0.0.5"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_listened_on_is_found(case: str) -> None:
    bind, sockets, expected = CASES[case]
    assert missing(bind, sockets, OWN, ipv6=True) == expected


def test_a_host_without_ipv6_misses_nothing_of_it() -> None:
    words = ("*", "-::*", "-::1", "-fd00::5")
    assert missing(words, [ALL], ["10.0.0.5"], ipv6=False) == []


# What bind was, what it is -> what is open only since then.
OPENED = {
    "nothing": ((*LOOPBACK, "10.0.0.5"), (*LOOPBACK, "10.0.0.5"), []),
    "one": (LOOPBACK, (*LOOPBACK, "-10.0.0.5"), ["10.0.0.5"]),
    "one instead of another": (("10.0.0.5",), ("10.0.0.6", "-fd00::6"), ["10.0.0.6", "fd00::6"]),
    "none that becomes optional": (("10.0.0.5",), ("-10.0.0.5",), []),
    "none by loopback": (("10.0.0.5",), ("127.0.0.1", "-::1", "10.0.0.5"), []),
    "none after all of its kind": (("*",), ("10.0.0.5",), []),
    "one after all of another kind": (("::*",), ("10.0.0.5",), ["10.0.0.5"]),
    "every one": (LOOPBACK, ("*", "-::*"), ["*", "::*"]),
    "one after a name": (("localhost", "10.0.0.5"), ("10.0.0.5", "10.0.0.6"), ["10.0.0.6"]),
}


@pytest.mark.parametrize("case", OPENED)
def test_what_a_change_opens_is_found(case: str) -> None:
    before, after, expected = OPENED[case]
    assert opened(before, after) == expected


@dataclass(frozen=True)
class Wanted:
    """What redis.conf should say."""

    bind: tuple[str, ...]
    leased: tuple[str, ...] = ()
    port: str = "0"

    @property
    def live(self) -> dict[str, str]:
        return {"port": self.port, "tls-port": "7000"}


@pytest.mark.parametrize(
    ("before", "wanted", "reported"),
    [
        ("127.0.0.1 10.0.0.5", Wanted(("127.0.0.1", "10.0.0.5")), ""),
        ("127.0.0.1", Wanted(("10.0.0.5",)), "opens port 7000 on 10.0.0.5"),
        (
            "127.0.0.1",
            Wanted(("10.0.0.5", "-10.0.0.6"), ("10.0.0.6",), "6379"),
            "opens port 7000 and port 6379 without TLS on 10.0.0.5, 10.0.0.6 (DHCP)",
        ),
    ],
)
def test_what_a_change_opens_is_reported_with_its_ports(before: str, wanted: Wanted, reported: str) -> None:
    assert opens(before, wanted) == reported


V4 = st.sampled_from(["10.0.0.5", "10.0.0.6", "192.168.1.1", "127.0.0.1", "127.0.0.9"])
V6 = st.sampled_from(["fd00::5", "fd00::6", "::1"])
KIND = {4: ("*", ALL), 6: ("::*", "::")}


@st.composite
def binds(draw: st.DrawFn) -> list[str]:
    """What redis.conf takes: no address twice, and none beside all of its kind; any of them optional."""
    words: list[str] = []
    for version, each in ((4, V4), (6, V6)):
        words += draw(
            st.lists(each, unique=True, max_size=4) | st.sampled_from([[word] for word in KIND[version]])
        )
    return [draw(st.sampled_from(["", "-"])) + word for word in draw(st.permutations(words))]


def bound(words: Sequence[str], own: set[str], ipv6: bool) -> list[str]:
    """The sockets of a server that binds these on a host that has those addresses, spelled out."""
    bare = [word.removeprefix("-") for word in words]
    found = [
        address
        for word in bare
        for version in (4, 6)
        for address in KIND[version][1:]
        if word in KIND[version]
    ]
    every = [address for address in found if ipv6 or address != "::"]
    there = own | ({"127.0.0.1", "127.0.0.9"})
    return every + [ip_address(word).exploded for word in bare if word in there and word not in found]


@given(binds(), st.sets(V4 | V6), st.booleans(), st.data())
def test_of_a_server_that_listens_nothing_is_missing_and_each_socket_that_is_gone_is(
    words: list[str], own: set[str], ipv6: bool, data: st.DataObject
) -> None:
    own = own if ipv6 else {each for each in own if isinstance(ip_address(each), IPv4Address)}
    sockets = bound(words, own, ipv6)
    assert missing(words, sockets, own, ipv6=ipv6) == []
    if sockets:
        gone = data.draw(st.sampled_from(sockets))
        [word] = missing(words, [each for each in sockets if each != gone], own, ipv6=ipv6)
        every: dict[str, IPv4Address | IPv6Address] = {"*": IPv4Address(0), "::*": IPv6Address(0)}
        assert (every.get(word) or ip_address(word)) == ip_address(gone)


# --- in the plan ---


def later(host: Managed, address: str = "10.99.0.7", *, there: bool = True) -> Managed:
    """With an optional address in redis_bind, which the host has or not, and nothing that listens on it."""
    asked = host.but_set(redis_bind=f"127.0.0.1 -::1 -{address}")
    asked = asked.but_config(bind=f"127.0.0.1 -::1 -{address}")
    own = [listener for listener in asked.state.listeners if listener.address in {"127.0.0.1", EXPANDED}]
    addresses = (Address("dummy0", address),) if there else ()
    return asked.but(listeners=tuple(own), addresses=(*asked.state.machine.addresses, *addresses))


def live(host: Managed) -> list[tuple[str, str, str]]:
    return [(each.what, each.found, each.wanted) for each in host.plan.due(How.LIVE)]


@pytest.mark.parametrize("name", MANAGED)
def test_an_optional_address_that_came_later_is_due_live_and_nothing_restarts(name: str) -> None:
    host = later(managed(name))
    assert live(host) == [("bind", "not listening on 10.99.0.7", "listening")]
    assert host.plan.due(How.RESTART) == ()
    listener = Listener(True, "10.99.0.7", 6379, "same")
    assert live(host.but(listeners=(*host.state.listeners, listener))) == []
    other_port = Listener(True, "10.99.0.7", 6380, "same")
    assert live(host.but(listeners=(*host.state.listeners, other_port))) != []


def test_an_optional_address_that_is_not_there_is_not_due() -> None:
    assert live(later(managed("trixie"), there=False)) == []


def test_nothing_is_reported_of_sockets_if_bind_itself_differs_or_they_could_not_be_looked_at() -> None:
    host = later(managed("trixie"))
    assert [what for what, *_ in live(host.but_config(bind="127.0.0.1"))] == ["bind"]
    assert live(host.but_config(bind="127.0.0.1")) != live(host)
    assert live(host.but(listeners=())) == []


def test_both_ports_are_looked_at() -> None:
    host = managed("trixie").but_set(redis_plaintext_port=6380).but_config(port="6380")
    assert live(host) == [
        ("bind", f"not listening on 127.0.0.1, ::1, {host.state.machine.addresses[0].address}", "listening")
    ]
    also = tuple(Listener(True, each.address, 6380, "same") for each in host.state.listeners if each.ours)
    assert live(host.but(listeners=(*host.state.listeners, *also))) == []


# --- what a server would not start with --------------------------------------------------------------------------

# Words of bind, what is changed about the machine, the addresses listened on -> the addresses that are refused.
ABSENT: dict[str, tuple[str, dict[str, object], Sequence[str], str]] = {
    "its own, loopback's, and all": ("127.0.0.1 127.9.9.9 ::1 10.231.4.11", {}, (), ""),
    "one that it does not have": ("127.0.0.1 10.9.9.9", {}, (), "10.9.9.9"),
    "two of them": ("10.9.9.9 fd00::9", {}, (), "10.9.9.9, fd00::9"),
    "an optional one": ("127.0.0.1 -10.9.9.9", {}, (), ""),
    "every address": ("0.0.0.0 ::", {}, (), ""),
    "every address by its star": ("* ::*", {}, (), ""),
    "one that it listens on": ("10.9.9.9", {}, ("10.9.9.9",), ""),
    "a leased one": ("10.0.0.7", {"addresses": (Address("eth0", "10.0.0.7", leased=True),)}, (), ""),
    "one of another scope": ("169.254.7.7", {"other_addresses": frozenset({"169.254.7.7"})}, (), ""),
    "a link's, with its device": ("fe80::7%eth0", {"other_addresses": frozenset({"fe80::7"})}, (), ""),
    "its addresses are not known": ("10.9.9.9", {"other_addresses": None}, (), ""),
    "addresses that are not there may be bound": ("10.9.9.9", {"nonlocal_bind": frozenset({4})}, (), ""),
    "those of the other version may be": ("10.9.9.9", {"nonlocal_bind": frozenset({6})}, (), "10.9.9.9"),
    "no loopback address of IPv6": ("::1", {"other_addresses": frozenset({"127.0.0.1"})}, (), "::1"),
    "no IPv6, without which a server starts": ("fd00::9", {"ipv6": frozenset()}, (), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ABSENT)
def test_an_address_that_the_host_does_not_have_is_refused(case: str) -> None:
    bind, machine, sockets, absent = ABSENT[case]
    host = managed("trixie", redis_bind=bind).but(**machine)
    listeners = [Listener(True, address, 6379, "none") for address in sockets]
    listeners.append(Listener(False, "10.9.9.9", 443, "-"))  # another program's
    lines = list(refusals(host.target, host.state.machine, listeners, low_ports=None))
    advice = "a server would not start with that"
    start = f"redis_bind: should be addresses that this host has, got {absent}: {advice}; write -"
    assert [line.startswith(start) for line in lines] == ([True] if absent else [])


@pytest.mark.parametrize(
    ("first", "may", "bound", "refused"),
    [
        (1024, False, 6379, True),
        (1024, False, 443, False),
        (444, False, 6379, True),
        (443, False, 6379, False),
        (0, False, 6379, False),
        (None, False, 6379, False),
        (1024, None, 6379, False),
        (1024, True, 6379, False),
    ],
)
def test_a_port_that_its_user_may_not_bind_is_refused(
    first: int | None, may: bool | None, bound: int, refused: bool
) -> None:
    listeners = [Listener(True, "127.0.0.1", bound, "none"), Listener(False, "10.0.0.5", 443, "-")]
    for settings, name in (({"redis_port": 443}, "redis_port"),
                           ({"redis_plaintext_port": 443}, "redis_plaintext_port")):  # fmt: skip
        host = managed("trixie", **settings).but(first_port=first)
        lines = list(refusals(host.target, host.state.machine, listeners, low_ports=may))
        advice = "on this host the server may not listen on lower ports"
        assert lines == [f"{name}: should be {first} or more, got 443: {advice}"] * refused


def test_a_socket_has_the_kernel_s_names() -> None:
    # As /proc/net/tcp and tcp6 of a little-endian machine have them.
    assert kernel_names("127.0.0.1", 6379) == ("0100007F:18EB", "0000000000000000FFFF00000100007F:18EB")
    assert kernel_names("::1", 80) == ("00000000000000000000000001000000:0050",)
    assert kernel_names("fd00:0:0:0:1:2:3:4", 6379) == ("000000FD000000000200010004000300:18EB",)
