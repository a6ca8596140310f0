"""A host that takes long, or that fails, holds up no other one, and keeps no lock longer than it must."""

import re
import shutil

import pytest

from noevict.engines.package_layout import LAYOUTS
from noevict.fleet import records
from tests.hosts.big_data import Deploy, assert_big, fill_big, slow_loading
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, assert_clean, config, deploy, wait_for
from tests.hosts.manual_changes import lines_about
from tests.hosts.test_two_runs import ended, holder, stopped
from tests.lab.checkout import REPOSITORY, Checkout
from tests.lab.host import Host
from tests.sampling import sample

MIB = 100
DATABASES = {"redis_config": {"databases": 32}}  # takes a restart


def hurry(checkout: Checkout) -> None:
    """Nobody waits for another host longer than a second."""
    lane = (REPOSITORY / "noevict/ssh/lane.py").read_text()
    assert "LONGEST = 60.0" in lane
    checkout.write("noevict/ssh/lane.py", lane.replace("LONGEST = 60.0", "LONGEST = 1.0"))


def provision(checkout: Checkout, big: Host, *others: Host) -> None:
    """The first one has so much data that it can be made to load it slowly."""
    checkout.list_hosts([big, *others])
    deploy(checkout)
    with admin(checkout, big, decode_responses=False, socket_timeout=60) as client:
        fill_big(client, MIB)
    hurry(checkout)


def assert_kept(checkout: Checkout, host: Host) -> None:
    with admin(checkout, host, decode_responses=False) as client:
        assert_big(client, MIB)


def verified(line: Host) -> str:
    return rf"\[{line.name}\] verified: "


@pytest.mark.parametrize("restarts", sample({"in the run": True, "before it": False}, "in the run"))
def test_while_one_host_loads_its_data_the_others_are_done(
    boot: Boot, checkout: Checkout, restarts: bool
) -> None:
    big, other = boot("trixie", "bookworm")
    provision(checkout, big, other)
    shutil.rmtree(checkout.root / "state")
    settings = DATABASES if restarts else {"redis_config": {"hz": 20}}
    checkout.list_hosts([big, other], each={big.name: settings}, redis_config={"hz": 20})
    with slow_loading(big):
        if not restarts:
            unit = LAYOUTS["redis"].unit
            big.run(f"systemctl restart --no-block {unit}")
            state = f"systemctl is-active {unit}"
            wait_for("loading", lambda: big.run(state, check=False).stdout == "activating\n", 60)
        going = Deploy(checkout).until(verified(other))
        assert not holder(other)
        assert bool(holder(big)) == restarts  # while it only loads, another run may have it
        assert not [line for line in going.so_far if re.search(verified(big), line)]
        assert checkout_records(checkout).keys() == {other.name}
        assert going.process.poll() is None
    done = going.finish()
    assert [line for line in lines_about(done, big) if line.startswith("verified: ")], done
    assert config(checkout, other, "hz") == {"hz": "20"}
    assert_kept(checkout, big)
    assert not holder(big)
    assert_clean(checkout)


def checkout_records(checkout: Checkout) -> dict[str, records.Record]:
    return records.read(checkout.root / "state")


def test_a_host_that_fails_in_a_step_keeps_no_lock_and_leaves_a_record(
    boot: Boot, checkout: Checkout
) -> None:
    bad, good = boot("trixie", "bookworm")
    checkout.list_hosts([bad, good])
    deploy(checkout)
    ciphers = {"redis_config": {"tls-ciphers": "NONE-OF-THEM"}}  # no server starts with that
    checkout.list_hosts([bad, good], each={bad.name: ciphers}, redis_config={"hz": 20})
    with stopped(checkout, "Verify as a client") as run:
        assert not holder(bad)
        assert holder(good)
        found = checkout_records(checkout)[bad.name].drift
        assert found
        assert found.by == "deploy"
        assert found.differences is None
        assert "would not start with this configuration" in (found.failure or "")
    done = ended(run)
    assert done.json["results"]["failed_hosts"] == [bad.name], done
    assert checkout_records(checkout)[good.name].drift.differences == 0  # type: ignore[union-attr]
