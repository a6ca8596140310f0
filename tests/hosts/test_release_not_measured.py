"""A release that noevict's table of directives does not know: its own server reports its defaults."""

from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, assert_clean, deploy
from tests.lab.checkout import Checkout


def test_a_release_that_was_not_measured_is_provisioned_and_its_drift_is_seen(
    boot: Boot, checkout: Checkout
) -> None:
    table = checkout.root / "noevict/directives/measured.json"
    table.write_text(table.read_text().replace("Redis 8.0.", "Redis 8.9."))
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, host) as client:
        client.config_set("hz", "50")

    seen = checkout.run("noevict", "drift", "--json")

    assert seen.returncode == 2, seen
    assert [change["what"] for change in seen.json["hosts"][host.name]["drift"]] == ["hz"]
    deploy(checkout)
    assert_clean(checkout)
