"""A host that calls itself like its neighbour gets no certificate for that one's names, and loses one it had."""

from datetime import UTC, datetime

import pytest

from noevict.pki import authority
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import Fleet, admin, assert_clean, deploy
from tests.hosts.manual_changes import lines_about
from tests.hosts.test_certificates import in_place, names_in, served, tls
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

ADDRESS, OLD_NAME = "10.66.0.9", "old.example.com"


@pytest.fixture
def fleet(boot: Boot, checkout: Checkout) -> Fleet:
    fleet = Fleet(checkout, boot(Spec("trixie", name="one"), Spec("trixie", name="two")))
    fleet.list_hosts(each={"two": {"redis_tls_names": [ADDRESS]}})
    deploy(checkout)
    assert_clean(checkout)
    return fleet


def sign_as_before(fleet: Fleet, host: Host, *names: str) -> None:
    """The certificate that a noevict gave that signed whatever a host called itself."""
    secrets = Secrets.load(fleet.checkout.secrets)
    assert secrets
    request = host.run(f"openssl req -new -key {tls(host)}/server.key -subj /CN=ours").stdout
    pem = authority.sign_request(secrets.ca, request, {*names_in(in_place(host)), *names}, datetime.now(UTC))
    with admin(fleet.checkout, host) as client:
        client.ping()
        host.write(f"{tls(host)}/server.crt", pem)
        client.config_set("tls-cert-file", f"{tls(host)}/server.crt")


def test_the_names_of_a_neighbour_are_not_signed_are_reported_and_go_with_the_next_certificate(
    fleet: Fleet,
) -> None:
    one, two = fleet["one"], fleet["two"]
    sign_as_before(fleet, one, OLD_NAME)
    assert_clean(fleet.checkout)  # a name of nobody's is no drift

    one.run(f"hostname two && ip addr add {ADDRESS}/32 dev host0")
    sign_as_before(fleet, one, "two", ADDRESS)
    # Of only one host too: whose a name is does not depend on who is looked at.
    drift = fleet.checkout.run("noevict", "drift", "one")
    assert drift.returncode == 2, drift
    assert f"covers {ADDRESS}, which is two's" in drift.output, drift

    done = fleet.checkout.run("pyinfra", "-y", "--limit", "one", "inventory", "deploy.py")
    assert done.returncode == 1, done
    faults = [line for line in lines_about(done, one) if "hosts.yml" in line]
    for what in "name two", f"address {ADDRESS}":
        assert [line for line in faults if f"its {what} belongs to two in hosts.yml" in line], done
    assert served(one) == in_place(one)
    assert not {"two", ADDRESS} & names_in(served(one))
    assert {"one", one.address} <= names_in(served(one))

    done = deploy(fleet.checkout, code=1)
    assert not [line for line in lines_about(done, two) if "hosts.yml" in line]
    assert {"two", ADDRESS} <= names_in(served(two))

    one.run(f"hostname one && ip addr del {ADDRESS}/32 dev host0")
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
    assert not {"two", ADDRESS} & names_in(served(one))


def test_a_name_that_was_claimed_for_a_while_leaves_the_certificate_once_it_is_put_right(
    fleet: Fleet,
) -> None:
    one = fleet["one"]
    sign_as_before(fleet, one, "two", ADDRESS)
    done = deploy(fleet.checkout)
    assert "covers two, which is two's" in done.output, done
    assert not {"two", ADDRESS} & names_in(served(one))
    assert_clean(fleet.checkout)
