"""An address that is configured as optional and comes later is listened on with the next run, live."""

import re

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import Fleet, admin, assert_clean, changes, config, deploy, run_id
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

LATER = "10.99.0.7"
SUITES = {"bookworm": "bookworm", "trixie": "trixie", "valkey": "trixie"}


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Hosts whose settings let them listen on an address that they do not have."""
    hosts = boot_for_module(*(Spec(suite, name=name) for name, suite in SUITES.items()))
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts({host.name: {"redis_bind": f"127.0.0.1 -::1 {host.address} -{LATER}"} for host in hosts})
    deploy(fleet.checkout)
    return fleet


def listened_on(host: Host) -> set[str]:
    """The addresses of port 6379, as ss prints them."""
    reported = host.run("ss -Hltn 'sport = :6379'").stdout
    return {line.split()[3].rpartition(":")[0] for line in reported.splitlines()}


def test_an_optional_address_that_comes_later_is_drift_and_is_bound_live(fleet: Fleet) -> None:
    checkout, hosts = fleet.checkout, fleet.hosts
    assert_clean(checkout)  # of one that is not there nothing is due
    before = {host.name: (run_id(checkout, host), listened_on(host)) for host in hosts}
    for host in hosts:
        assert f"-{LATER}" in config(checkout, host, "bind")["bind"]
        host.run(f"ip address add {LATER}/24 dev host0")

    drift = checkout.run("noevict", "drift", "--json")
    assert drift.returncode == 2, drift
    for host in hosts:
        [found] = drift.json["hosts"][host.name]["drift"]
        assert (found["what"], found["wanted"]) == ("bind", "listening"), found
        assert LATER not in listened_on(host)
    dry = checkout.run("pyinfra", "--dry", "-y", "inventory", "deploy.py")
    for host in hosts:
        due = rf"\[{host.name}\] +due: bind: not listening on {LATER} → listening \[live\]\n"
        assert re.search(due, dry.output), dry.output

    with admin(checkout, hosts[0]) as kept:
        client_id = kept.client_id()
        assert changes(deploy(checkout)) > 0
        assert kept.client_id() == client_id
    for host in hosts:
        old_run_id, addresses = before[host.name]
        assert run_id(checkout, host) == old_run_id
        assert listened_on(host) == {*addresses, LATER}
    assert_clean(checkout)
    assert checkout.run("noevict", "drift").returncode == 0


def test_an_address_that_goes_again_is_no_drift(fleet: Fleet) -> None:
    for host in fleet.hosts:
        host.run(f"ip address del {LATER}/24 dev host0 2>/dev/null || true")
    assert_clean(fleet.checkout)
