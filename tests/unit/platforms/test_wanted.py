"""What a host should have: memory, addresses, names and files, from its settings and what it is."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.engines.engine import Server
from noevict.errors import NoevictError
from noevict.machine.addresses import Address, leased_addresses, private_addresses
from noevict.pki.certificate import Certificate, UserCertificate, normalise
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import (
    MIB,
    Target,
    make_target,
    wanted_bind,
    wanted_ca,
    wanted_maxmemory,
    wanted_names,
)
from noevict.settings.model import Settings, build_settings
from tests.unit.looks.captured import HOSTS, MANAGED
from tests.unit.looks.managed import fresh, managed

STATE = fresh().state


def settings(**values: object) -> Settings:
    return build_settings("host", {f"redis_{name}": value for name, value in values.items()})


def with_memory(memtotal: int, *limits: int) -> InstanceState:
    return replace(STATE, machine=replace(STATE.machine, memtotal=memtotal), limits=limits)


# What there is, the settings -> maxmemory in bytes.
MEMORY: Mapping[str, tuple[InstanceState, dict[str, object], int]] = {
    "2000 MiB": (with_memory(2000 * MIB), {}, 1600 * MIB),
    "256 MiB": (with_memory(256 * MIB), {}, 204 * MIB),
    "1.5 TiB": (with_memory(3 << 39), {}, 1258291 * MIB),
    "a machine of 16 GB as it says itself": (with_memory(16384256 * 1024), {}, 12800 * MIB),
    "a cgroup's limit below the RAM": (with_memory(64 << 30, 1 << 30), {}, 819 * MIB),
    "a limit above the RAM": (with_memory(1000 * MIB, 1 << 40), {}, 800 * MIB),
    "the smallest of several limits": (with_memory(1 << 40, 900 * MIB, 500 * MIB, 700 * MIB), {}, 400 * MIB),
    "half": (with_memory(2001 * MIB), {"maxmemory_percent": 50}, 1000 * MIB),
    "one per cent": (with_memory(100 * MIB), {"maxmemory_percent": 1}, MIB),
    "an absolute size": (with_memory(2000 * MIB), {"maxmemory": "1gb"}, 1 << 30),
    "an absolute size in odd bytes": (with_memory(2000 * MIB), {"maxmemory": 104857601}, 104857601),
    "an absolute size beside a percentage": (
        with_memory(2000 * MIB),
        {"maxmemory": "100mb", "maxmemory_percent": 90},
        100 * MIB,
    ),
}


@pytest.mark.parametrize("case", MEMORY)
def test_maxmemory_is_the_size_asked_for_or_a_share_of_the_ram_there_is(case: str) -> None:
    state, given_, wanted = MEMORY[case]
    assert wanted_maxmemory(settings(**given_), state) == wanted


@given(st.integers(1 << 20, 1 << 45), st.lists(st.integers(1 << 20, 1 << 45)), st.integers(1, 95))
def test_a_share_of_the_memory_is_whole_mebibytes_and_never_too_much(
    memtotal: int, limits: list[int], percent: int
) -> None:
    found = wanted_maxmemory(settings(maxmemory_percent=percent), with_memory(memtotal, *limits))
    share = min(memtotal, *limits, memtotal) * percent
    assert found % MIB == 0
    assert found * 100 <= share < (found + MIB) * 100


@pytest.mark.parametrize("name", HOSTS)
def test_a_real_host_of_2000_mib_gets_exactly_1600(name: str) -> None:
    host = fresh() if name == "fresh" else managed(name)
    assert host.target.maxmemory == 1600 * MIB
    assert host.target.config["maxmemory"] == "1677721600"
    assert "\nmaxmemory 1600mb\n" in host.target.text(host.target.layout.conf)


@given(
    st.lists(
        st.builds(
            Address, st.sampled_from(["eth0", "docker0"]), st.ip_addresses().map(str), leased=st.booleans()
        ),
        max_size=14,
    )
)
def test_any_addresses_give_loopback_and_private_ones(addresses: list[Address]) -> None:
    ipv4, ipv6, *private = wanted_bind(settings(), tuple(addresses))
    assert (ipv4, ipv6) == ("127.0.0.1", "-::1")
    assert all(ip_address(address.removeprefix("-")).is_private for address in private)
    leased = {entry.address for entry in addresses if entry.leased}
    assert set(leased_addresses((ipv4, ipv6, *private))) <= leased


WAITS = "ExecStartPre=+"


def leasing(*leased: str, **values: object) -> Target:
    """The target of a host with these leased addresses beside its own."""
    host = fresh(**{f"redis_{name}": value for name, value in values.items()})
    addresses = tuple(Address("ens5", address, leased=True) for address in leased)
    return host.but(addresses=(*host.state.machine.addresses, *addresses)).target


def test_a_start_waits_for_leased_addresses_that_noevict_chose_and_for_no_others() -> None:
    target = leasing("10.0.0.5", "fd00::5")
    assert {"-10.0.0.5", "-fd00::5"} < set(target.bind)
    assert {"10.0.0.5", "fd00::5"} < set(target.names)
    [line] = [each for each in target.text(target.layout.dropin).splitlines() if each.startswith(WAITS)]
    assert line.endswith(" sh 10.0.0.5 fd00::5")
    for other in (
        leasing(),
        leasing("10.0.0.5", bind="127.0.0.1 -10.0.0.5"),
        leasing("10.0.0.5", bind="loopback"),
    ):
        assert other.leased == ()
        assert WAITS not in other.text(other.layout.dropin)


def test_only_loopback_can_be_asked_for() -> None:
    assert wanted_bind(settings(bind="loopback"), (Address("eth0", "10.0.0.1"),)) == ("127.0.0.1", "-::1")


def test_addresses_that_were_asked_for_are_bound_as_they_are() -> None:
    asked = settings(bind="* -::*")
    assert wanted_bind(asked, (Address("eth0", "10.0.0.1"),)) == ("*", "-::*")
    assert wanted_bind(settings(bind=["127.0.0.1", "203.0.113.7"]), ()) == ("127.0.0.1", "203.0.113.7")


def test_more_private_addresses_than_redis_binds_are_a_mistake_that_says_so() -> None:
    addresses = tuple(Address("eth0", f"10.0.0.{number}") for number in range(1, 16))
    assert len(wanted_bind(settings(), addresses[:14])) == 16
    with pytest.raises(NoevictError, match="at most 16 addresses, got 17"):
        wanted_bind(settings(), addresses)


@pytest.mark.parametrize(("permanent", "leased", "bound"), [(1, 20, 13), (14, 3, 0), (14, 0, 0), (0, 14, 14)])
def test_leased_addresses_get_the_room_that_permanent_ones_leave(
    permanent: int, leased: int, bound: int
) -> None:
    """Anybody who answers router advertisements gives a host as many as he likes."""
    fixed = [Address("eth0", f"fd00::ffff:{number:x}") for number in range(permanent)]
    given = [Address("eth0", f"fd00::{number:x}", leased=True) for number in range(1, leased + 1)]
    words = wanted_bind(settings(), (*given, *fixed))
    assert words[:2] == ("127.0.0.1", "-::1")
    assert len(words) <= 16
    assert words[2:] == (*(f"-{each.address}" for each in given[:bound]), *(each.address for each in fixed))


def test_leased_addresses_without_room_are_neither_bound_nor_signed_and_reported() -> None:
    many = [f"fd00::{number}" for number in range(1, 10)] + [f"fd00::{number}" for number in range(10, 21)]
    host = fresh()
    host = host.but(
        addresses=(*host.state.machine.addresses, *(Address("ens5", each, leased=True) for each in many))
    )
    target = host.target
    own = len(private_addresses(fresh().state.machine.addresses))
    bound = 14 - own
    assert target.leased == tuple(many[:bound])
    assert target.unbound == tuple(many[bound:])
    assert not {*many[bound:]} & {*target.names}
    [printed] = [each for each in host.plan.notices if each.startswith("does not listen on")]
    assert f"{', '.join(many[bound : bound + 3])} and {len(many) - bound - 3} more, leased" in printed
    three = host.but(addresses=host.state.machine.addresses[: own + bound + 3])
    [printed] = [each for each in three.plan.notices if each.startswith("does not listen on")]
    assert f"{', '.join(many[bound : bound + 3])}, leased" in printed
    asked = replace(host, settings=settings(bind="loopback"))
    assert asked.target.unbound == ()


def names(
    host: str, ssh_hostname: str = "", addresses: tuple[str, ...] = (), **values: object
) -> tuple[str, ...]:
    asked = settings(**values)
    machine = replace(
        STATE.machine,
        names=("host-7", "host-7.example.com"),
        addresses=tuple(Address("e", a) for a in addresses),
    )
    state = replace(STATE, machine=machine)
    return wanted_names(host, asked, state, wanted_bind(asked, state.machine.addresses), ssh_hostname)[0]


def test_a_certificate_covers_every_name_that_clients_may_use() -> None:
    found = names(
        "cache-1",
        "203.0.113.9",
        ("10.0.0.5", "2001:db8::5"),
        address="redis.example.com",
        tls_names=["*.cache.example.com", "10.9.9.9"],
    )
    assert found == (
        *("cache-1", "203.0.113.9", "redis.example.com", "host-7", "host-7.example.com", "localhost"),
        *("*.cache.example.com", "10.9.9.9", "127.0.0.1", "::1", "10.0.0.5"),
    )


def test_this_machine_is_covered_by_its_own_names() -> None:
    assert names("@local") == ("host-7", "host-7.example.com", "localhost", "127.0.0.1", "::1")


EVERYWHERE = ("*", "* -::*", "0.0.0.0", "::", "0.0.0.0 ::", ["*"])  # noqa: S104 - no test binds anything


@pytest.mark.parametrize("bind", EVERYWHERE)
def test_a_host_that_binds_everything_is_covered_at_all_its_addresses(bind: object) -> None:
    found = names("a", addresses=("10.0.0.5", "203.0.113.7", "fd00::5"), bind=bind)
    assert {"127.0.0.1", "::1", "10.0.0.5", "203.0.113.7", "fd00::5"} <= set(found)
    assert not {"*", "::*", *map(str, EVERYWHERE)} & set(found)


def test_a_name_that_no_certificate_can_hold_is_left_out() -> None:
    assert names("cache one", "büro.example")[:1] == ("host-7",)


@given(st.text(), st.text())
def test_any_names_at_all_can_be_in_a_certificate_and_stand_once(host: str, ssh_hostname: str) -> None:
    found = names(host, ssh_hostname)
    assert all(normalise(name) for name in found)
    assert len(found) == len(set(found))


def test_the_fleets_ca_stands_behind_the_users_own() -> None:
    host = managed("trixie")
    fleet = host.secrets.ca.certificate_pem
    certificate = Certificate.parse(host.state.certificate or "")
    assert certificate is not None
    own = UserCertificate(certificate, "chain", "their CA\n", "key")
    assert wanted_ca(host.secrets, None) == fleet
    assert wanted_ca(host.secrets, own) == f"their CA\n{fleet}"


@pytest.mark.parametrize("name", MANAGED)
def test_no_file_is_another_users_and_no_secret_is_readable_by_all(name: str) -> None:
    target = managed(name).target
    user = target.layout.user
    for file in target.files:
        assert (file.owner, file.group) in {(user, user), ("root", user), ("root", "root")}
        assert not int(file.mode, 8) & 0o022 or file.mode == "3770"
        if file.path.endswith((".key", ".acl", ".conf")) and file.path.startswith("/etc/" + user):
            assert int(file.mode, 8) & 0o007 == 0, file
    directories = [file.directory for file in target.files]
    assert directories == sorted(directories, reverse=True)  # before what is in them


@pytest.mark.parametrize("name", MANAGED)
def test_no_password_is_in_any_file_or_in_what_is_printed_of_a_target(name: str) -> None:
    host = managed(name)
    texts = "".join(file.content or "" for file in host.target.files)
    for password in host.secrets.passwords.values():
        assert password not in texts
        assert password not in repr(host.target) + repr(host.plan) + repr(host.state)
    for digest in host.secrets.digests(["admin", "app"]).values():
        assert digest in texts
        assert digest not in repr(host.target) + repr(host.plan) + repr(host.state)


def test_live_values_follow_the_release_that_runs_until_another_reads_the_files() -> None:
    host = managed("bookworm")
    older, newer = Server("redis", (7, 0, 15)), Server("redis", (8, 0, 2))
    target = make_target(
        host.name, host.layout, host.settings, host.state, host.secrets, None, newer, "", running=older
    )
    assert target.server == newer
    for name in ("io-threads-do-reads", "server_cpulist"):
        assert name in target.live
    for name in ("locale-collate", "server-cpulist"):
        assert name not in target.live


def test_a_file_that_is_not_wanted_has_no_text() -> None:
    with pytest.raises(StopIteration):
        managed("trixie").target.text("/etc/passwd")
