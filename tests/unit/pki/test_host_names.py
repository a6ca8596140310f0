"""Whose a name is: what hosts.yml gives to one host is signed for no other, whatever that one calls itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from noevict.machine.addresses import Address
from noevict.pki.authority import make_ca, sign_request
from noevict.pki.certificate import Certificate
from noevict.pki.host_names import Owners, given_names
from noevict.pki.validity import problems
from noevict.plan.plan import Plan
from noevict.platforms.systemd.compare import make_plan
from noevict.platforms.systemd.wanted import Target, make_target
from tests.unit.looks.managed import Managed, managed

HOSTS: dict[str, dict[str, Any]] = {
    "trixie": {"ssh_hostname": "10.0.0.1", "redis_tls_names": ("vip.example.com", "10.0.0.100")},
    "cache-2": {
        "ssh_hostname": "10.0.0.2",
        "redis_address": "redis.example.com",
        "redis_tls_names": ("vip.example.com", "10.0.0.100", "*.two.example.com", "fd00::2"),
    },
    "@local": {},
    "@ssh/cache-4": {"ssh_hostname": "127.0.0.1"},
}
OWNERS = Owners({host: given_names(host, data) for host, data in HOSTS.items()})


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("cache-2", "cache-2"),
        ("CACHE-2.", "cache-2"),
        ("10.0.0.2", "cache-2"),
        ("::ffff:10.0.0.2", "cache-2"),
        ("redis.example.com", "cache-2"),
        ("FD00:0:0::0002", "cache-2"),
        ("[fd00::2]", "cache-2"),
        # A wildcard has each name it stands for, and no more.
        ("a.two.example.com", "cache-2"),
        ("*.two.example.com", "cache-2"),
        ("a.b.two.example.com", None),
        ("two.example.com", None),
        # One that would stand for another's.
        ("*.example.com", "cache-2"),
        ("*.example.org", None),
        ("cache-4", "@ssh/cache-4"),
        # Its own, shared or not.
        ("trixie", None),
        ("10.0.0.1", None),
        ("vip.example.com", None),
        ("10.0.0.100", None),
        # Everybody's, nobody's, and none at all.
        ("localhost", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("host-7", None),
        ("10.0.0.7", None),
        ("not a name", None),
        ("", None),
    ],
)
def test_a_name_that_hosts_yml_gives_to_another_host_is_that_hosts(name: str, owner: str | None) -> None:
    assert OWNERS.of("trixie")(name) == owner


def test_a_name_that_its_own_wildcard_stands_for_is_a_hosts_own() -> None:
    assert OWNERS.of("cache-2")("a.two.example.com") is None
    assert OWNERS.of("cache-2")("*.two.example.com") is None


def test_nothing_stands_for_an_address_and_no_host_has_localhost_for_itself() -> None:
    """As clients read them: a wildcard stands for names only."""
    owner = Owners({"a": given_names("a", {"redis_tls_names": ["*.0.0.1", "localhost"]})}).of("b")
    assert owner("10.0.0.1") is None
    assert owner("localhost") is None
    assert owner("x.0.0.1") == "a"


def test_the_hosts_of_hosts_yml_are_known_in_their_order() -> None:
    assert OWNERS.hosts == tuple(HOSTS)


def test_names_that_are_no_list_or_not_given_are_none() -> None:
    assert given_names("@local", {"redis_tls_names": "a.example", "redis_address": None}) == frozenset()
    assert given_names("a", {"redis_tls_names": ["b", 7, ""], "ssh_hostname": 5}) == {"a", "b"}
    assert given_names("@ssh/a", {"redis_tls_names": ("::ffff:10.0.0.2", "B.")}) == {"a", "10.0.0.2", "b"}


@dataclass(frozen=True)
class Fleet:
    """A provisioned host among HOSTS."""

    host: Managed

    @property
    def target(self) -> Target:
        host, ssh = self.host, HOSTS["trixie"]["ssh_hostname"]
        args = (host.settings, host.state, host.secrets, host.own, host.server, ssh)
        return make_target(host.name, host.layout, *args, owner=OWNERS.of("trixie"))

    @property
    def plan(self) -> Plan:
        host = self.host
        return make_plan(host.settings, host.state, self.target, host.secrets, host.own, host.now)


def claiming(*names: str, addresses: tuple[str, ...] = (), **settings: Any) -> Fleet:
    host = managed("trixie", redis_tls_names=HOSTS["trixie"]["redis_tls_names"], **settings)
    found = tuple(Address("dummy0", address) for address in addresses)
    return Fleet(
        host.but(names=(*host.state.machine.names, *names), addresses=(*host.state.machine.addresses, *found))
    )


def test_what_a_host_claims_of_its_neighbours_is_not_signed_and_is_a_fault() -> None:
    fleet = claiming("cache-2", "redis.example.com", addresses=("10.0.0.2", "10.0.0.7"))
    signed = set(fleet.target.names)
    assert {"trixie", "10.0.0.1", "vip.example.com", "10.0.0.100", "10.0.0.7", "localhost"} <= signed
    assert not {"cache-2", "redis.example.com", "10.0.0.2"} & signed
    named, also, address = fleet.plan.faults
    assert named.startswith(
        "its name cache-2 belongs to cache-2 in hosts.yml: no certificate is signed for it here"
    )
    assert also.startswith("its name redis.example.com belongs to cache-2")
    assert address.startswith("its address 10.0.0.2 belongs to cache-2")
    assert not fleet.plan.refusals


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, "it is not listened on, nor in the certificate"),
        ({"redis_bind": "* -::*"}, "it is not in the certificate"),
        ({"redis_bind": "127.0.0.1 -10.0.0.2"}, "it is not in the certificate"),
    ],
    ids=str,
)
def test_a_leased_address_of_another_host_is_no_fault_and_is_neither_bound_nor_signed(
    settings: dict[str, Any], left: str
) -> None:
    """To remove it would not help: the host gets it again."""
    leased = Address("eth1", "10.0.0.2", leased=True)
    fleet = claiming(addresses=("10.0.0.7",), **settings)
    fleet = Fleet(fleet.host.but(addresses=(*fleet.host.state.machine.addresses, leased)))
    assert fleet.plan.faults == ()
    assert "10.0.0.2" not in (*fleet.target.names, *fleet.target.leased, *fleet.target.unbound)
    assert ("-10.0.0.2" in fleet.target.bind) == (settings.get("redis_bind") == "127.0.0.1 -10.0.0.2")
    [printed] = [each for each in fleet.plan.notices if "10.0.0.2" in each]
    assert f"has 10.0.0.2, leased, which hosts.yml gives to cache-2: {left}" in printed
    also = Fleet(fleet.host.but(addresses=(*fleet.host.state.machine.addresses, Address("eth2", "10.0.0.2"))))
    assert also.plan.faults  # permanent too, so that it can be removed
    assert not [each for each in also.plan.notices if "10.0.0.2, leased" in each]


def test_what_hosts_yml_gives_to_both_is_signed_for_both() -> None:
    fleet = claiming("vip.example.com", addresses=("10.0.0.100",))
    assert {"vip.example.com", "10.0.0.100"} <= set(fleet.target.names)
    assert fleet.plan.faults == ()


def test_a_host_that_calls_itself_by_a_wildcard_gets_none() -> None:
    fleet = claiming("*.example.org")
    assert "*.example.org" not in fleet.target.names
    [fault] = fleet.plan.faults
    assert fault.startswith("calls itself *.example.org: no certificate")


def test_an_address_that_is_bound_by_setting_is_signed_unless_it_is_another_hosts() -> None:
    """One list of addresses for a group, each of which listens on its own."""
    fleet = claiming(redis_bind="127.0.0.1 -10.0.0.1 -10.0.0.2 -10.0.0.7")
    assert {"10.0.0.1", "10.0.0.7"} <= set(fleet.target.names)
    assert "10.0.0.2" not in fleet.target.names
    assert fleet.plan.faults == ()  # which is not here, so that it is no claim
    assert claiming(addresses=("10.0.0.2",), redis_bind="-10.0.0.2").plan.faults


def test_a_name_of_another_host_in_a_certificate_is_drift_and_any_other_beyond_those_wanted_is_not() -> None:
    now = datetime.now(UTC)
    ca, key = make_ca(now), ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    request_pem = request.public_bytes(serialization.Encoding.PEM).decode()

    def due(*names: str) -> tuple[str, ...]:
        found = Certificate.parse(sign_request(ca, request_pem, ["trixie", *names], now))
        assert found
        return problems(found, found.key_digest, ca.certificate, ["trixie"], now, owner=OWNERS.of("trixie"))

    assert due("old.example.com", "10.0.0.7", "*.example.org", "vip.example.com", "localhost") == ()
    assert due("10.0.0.2") == ("covers 10.0.0.2, which is cache-2's",)
    assert due("*.example.com", "cache-2") == (
        "covers *.example.com, which is cache-2's",
        "covers cache-2, which is cache-2's",
    )


LABELS = st.sampled_from(["a", "b", "*", "example"])
NAMES = st.one_of(
    st.lists(LABELS, min_size=1, max_size=4).map(".".join),
    st.sampled_from(
        ["10.0.0.1", "10.0.0.2", "fd00::1", "FD00::0001", "localhost", "127.0.0.1", "A.EXAMPLE."]
    ),
)
FLEETS = st.dictionaries(st.sampled_from(["h1", "h2", "h3"]), st.lists(NAMES, max_size=4), min_size=1)


@given(FLEETS, st.lists(NAMES, max_size=6), st.sampled_from(["h1", "h2", "h3"]))
def test_nothing_that_a_host_claims_is_signed_that_a_client_of_another_would_accept(
    fleet: dict[str, list[str]], claims: list[str], host: str
) -> None:
    """But for what hosts.yml gives to both of them."""
    given_to = {name: given_names(name, {"redis_tls_names": names}) for name, names in fleet.items()}
    owner, own = Owners(given_to).of(host), bearing(given_to.get(host, frozenset()))
    others = frozenset().union(*(names for name, names in given_to.items() if name != host))
    for claim in claims:
        assert owner(claim) == owner(claim.upper()) != host
        if owner(claim) is None:
            signed = bearing(given_names("@local", {"redis_tls_names": [claim]}))
            let_down = {name for name in others if signed.covers(name) and not own.covers(name)}
            assert let_down <= {"localhost", "127.0.0.1"}


def bearing(names: frozenset[str]) -> Certificate:
    now = datetime.now(UTC)
    return Certificate(names, now, now, "", "", parsed=None)  # type: ignore[arg-type]
