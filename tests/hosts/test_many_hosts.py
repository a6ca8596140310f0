"""Fifty hosts at once: what the controller needs for them, and that one that is down is the only one to fail."""

import pytest

from tests.hosts.conftest import Boot
from tests.lab.checkout import Checkout

HOSTS = 50
MEBIBYTES = 250


@pytest.mark.long
def test_fifty_hosts_take_less_than_250_mib_of_the_controller(boot: Boot, checkout: Checkout) -> None:
    hosts = boot(*["trixie"] * HOSTS)
    checkout.list_hosts(hosts)
    first = checkout.run("pyinfra", "-y", "--json", "inventory", "deploy.py", timeout=900)
    assert first.returncode == 0, first
    hosts[7].kill()

    second, cost = checkout.measure("pyinfra", "-y", "--json", "inventory", "deploy.py", timeout=300)

    assert second.returncode == 1
    assert second.json["results"]["failed_hosts"] == [hosts[7].name]
    assert second.json["results"]["totals"]["success"] == 0
    assert cost.peak < MEBIBYTES << 20
