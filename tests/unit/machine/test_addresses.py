"""The addresses of a machine that noevict listens on without being asked: private ones that are the machine's own."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.machine.addresses import Address, leased_addresses, lent_addresses, private_addresses

OTHERS = {
    "docker0": "172.17.0.1",
    "br-5d2a1c": "172.18.0.1",
    "cni0": "10.88.0.1",
    "cni-podman0": "10.88.1.1",
    "podman1": "10.89.0.1",
    "veth1a2b@if4": "10.90.0.1",
    "virbr0": "192.168.122.1",
    "lxcbr0": "10.0.3.1",
    "lxdbr0": "10.200.0.1",
    "flannel.1": "10.244.0.0",
    "cali1234": "10.245.0.1",
    "kube-ipvs0": "10.96.0.1",
}
PUBLIC = ("203.0.113.7", "8.8.8.8", "172.32.0.1", "11.0.0.1", "192.169.0.1", "100.64.0.1", "169.254.1.1")
PUBLIC_6 = ("2001:db8::1", "2a01:4f8::2", "fe80::1", "::1", "fec0::1")


@pytest.mark.parametrize("device", OTHERS)
def test_an_address_of_a_container_bridge_is_not_the_hosts(device: str) -> None:
    own = Address("eth0", "10.0.0.5")
    assert private_addresses((Address(device, OTHERS[device]), own)) == ("10.0.0.5",)


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_6])
def test_a_public_address_is_not_bound(address: str) -> None:
    assert private_addresses((Address("eth0", address),)) == ()


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "fc00::1", "fd12:3456::1"]
)
@pytest.mark.parametrize("device", ["eth0", "ens5", "bond0.100", "br0", "wg0", "-", "host0@if2"])
def test_a_private_address_is_bound(device: str, address: str) -> None:
    assert private_addresses((Address(device, address),)) == (address,)


@given(
    st.permutations(
        [*OTHERS.values(), *PUBLIC, "10.2.0.1", "10.10.0.1", "192.168.0.9", "fd00::2", "fd00::10"]
    )
)
def test_the_order_of_addresses_does_not_depend_on_the_hosts(reported: list[str]) -> None:
    devices = {address: device for device, address in OTHERS.items()}
    found = private_addresses(tuple(Address(devices.get(each, "eth0"), each) for each in reported))
    assert found == ("10.2.0.1", "10.10.0.1", "192.168.0.9", "fd00::2", "fd00::10")


def test_an_address_on_two_devices_is_bound_once() -> None:
    assert private_addresses((Address("eth0", "10.0.0.1"), Address("eth1", "10.0.0.1"))) == ("10.0.0.1",)


def test_a_leased_address_is_optional_and_a_permanent_one_is_not() -> None:
    leased, fixed = Address("eth0", "10.0.0.1", leased=True), Address("eth1", "10.0.0.2")
    assert private_addresses((leased, fixed)) == ("-10.0.0.1", "10.0.0.2")
    assert private_addresses((leased, replace(leased, device="eth1", leased=False))) == ("10.0.0.1",)
    assert private_addresses((replace(leased, device="docker0"),)) == ()


def test_leased_addresses_are_named_by_the_words_that_bind_has_for_them() -> None:
    assert leased_addresses(("127.0.0.1", "-::1", "10.0.0.1", "-10.0.0.2", "-fd00::2")) == (
        "10.0.0.2",
        "fd00::2",
    )


def test_a_leased_address_of_another_host_is_only_lent() -> None:
    owner = {"10.0.0.1": "cache-1", "10.0.0.2": "cache-2", "10.0.0.3": "cache-3"}.get
    found = (
        Address("eth0", "10.0.0.1"),
        *(Address("eth0", f"10.0.0.{n}", leased=True) for n in (1, 2, 4, 2)),
    )
    assert lent_addresses(found, owner) == (("10.0.0.2", "cache-2"),)
