"""A server that takes no writes fails its run, and only its host: nothing is rolled back, and no other host waits."""

import json
import re
from typing import Any

import pytest
import redis

from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    DEPLOY,
    Fleet,
    admin,
    assert_clean,
    changes,
    config,
    deploy,
    run_ids,
    wait_for,
)
from tests.hosts.manual_changes import apply_changes, gets_misconf, lines_about
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host

MIB = 1 << 20
CACHE = {"redis_allow_eviction": True, "redis_maxmemory_policy": "allkeys-lru"}
SIZES = {"redis_maxmemory": "64mb"}
READ_ONLY = ("mount --bind DATA DATA", "mount -o remount,bind,ro DATA")


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """``full`` comes first in every run."""
    specs = (Spec(suite, name=name) for name, suite in (("full", "bookworm"), ("valkey", "trixie")))
    fleet = Fleet(checkout_for_module, boot_for_module(*specs))
    settle(fleet)
    deploy(fleet.checkout)
    return fleet


def settle(fleet: Fleet, full: dict[str, Any] | None = None, **settings: Any) -> None:
    """Valkey is the cache here."""
    fleet.list_hosts({"full": full or {}, "valkey": CACHE}, **{**SIZES, **settings})


def failed(done: Result) -> list[str]:
    return sorted(done.json["results"]["failed_hosts"])


def refusals(done: Result, host: Host) -> list[str]:
    return [line for line in lines_about(done, host) if re.match(r"writes (are|were) refused: ", line)]


def record(fleet: Fleet, host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((fleet.checkout.root / f"state/{host.name}.json").read_text())
    return found


def fill(client: "redis.Redis") -> None:
    """To the last byte: a write is done as long as there was room before it."""
    for number in range(1000):
        try:
            client.setrange(f"big:{number}", MIB, "x")
        except redis.OutOfMemoryError:
            return
    raise AssertionError("it is never full")


def test_a_full_server_fails_its_run_with_all_else_done_and_the_remedy_is_the_command_it_names(
    fleet: Fleet,
) -> None:
    full, cache, checkout = fleet["full"], fleet["valkey"], fleet.checkout
    with admin(checkout, full) as client, admin(checkout, cache) as evicting:
        fill(client)
        for number in range(80):
            evicting.setrange(f"big:{number}", MIB, "x")
        assert evicting.info("stats")["evicted_keys"] > 0
    before = run_ids(fleet)
    settle(fleet, redis_config={"databases": 32, "hz": 20})
    dry = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
    kept = record(fleet, full)
    assert (dry.returncode, "a run would fail on full\n" in dry.output) == (1, True), dry
    verify = checkout.run("pyinfra", "--dry", "inventory", "deploys/verify.py")
    assert (verify.returncode, "a run would fail on full, valkey\n" in verify.output) == (1, True), verify
    assert "writes are refused: memory is full, 65 of 64 MiB with noeviction; " in dry.output
    # A restart and a live change are due on both: they are done, one host after the other, and stay.
    done = checkout.run(*DEPLOY)
    assert (done.returncode, failed(done)) == (1, ["full"]), done
    [line] = set(refusals(done, full)) - set(refusals(dry, full))
    assert line.endswith(
        ". Raise its redis_maxmemory or redis_maxmemory_percent, then: pyinfra inventory deploy.py --limit full "
        "(docs/runbooks/memory.md#redisoutofmemoryerrors)"
    )
    assert not [
        line for line in lines_about(done, full) if line.startswith("verified: ") or "put back" in line
    ]
    assert [line for line in lines_about(done, cache) if line.startswith("verified: ")], done
    assert refusals(done, cache) == []
    after = run_ids(fleet)
    assert all(one != other for one, other in zip(before, after, strict=True))
    for host in fleet.hosts:
        found = config(checkout, host, "databases", "hz")
        assert found == {"databases": "32", "hz": "20"}
    # What was done is on record, and a look for drift finds none; --dry has written nothing.
    assert kept["drift"]["at"] < record(fleet, full)["drift"]["at"]
    assert (record(fleet, full)["drift"]["differences"], record(fleet, full)["drift"]["failure"]) == (0, None)
    assert record(fleet, full)["refusals"]["run"] == after[0]
    again = checkout.run(*DEPLOY)
    assert (again.returncode, failed(again), changes(again)) == (1, ["full"], 0), again
    drift = checkout.run("noevict", "drift", "--json")
    assert (drift.returncode, drift.json["drift"], drift.json["writesRefused"]) == (2, False, True), drift
    assert {name: host["writesRefused"] for name, host in drift.json["hosts"].items()} == {
        "full": True,
        "valkey": False,
    }
    status = checkout.run("noevict", "status", "--json")
    assert (status.returncode, status.json["writesRefused"]) == (2, True), status
    assert status.json["hosts"]["full"]["status"] == "unhealthy"
    assert (status.json["hosts"]["valkey"]["status"], status.json["hosts"]["valkey"]["writesRefused"]) == (
        "healthy",
        False,
    )
    # The remedy: what was refused before it, and never since, is no failure of that run.
    with admin(checkout, full) as client, pytest.raises(redis.OutOfMemoryError):
        client.set("more", "1")
    settle(fleet, {"redis_maxmemory": "96mb"}, redis_config={"databases": 32, "hz": 20})
    assert checkout.run("pyinfra", "--dry", "inventory", "deploy.py").returncode == 0
    deploy(checkout)
    assert_clean(checkout)
    assert run_ids(fleet) == after
    assert checkout.run("noevict", "status").returncode == 0


def test_what_was_refused_since_the_last_run_is_reported_once(fleet: Fleet) -> None:
    full, checkout = fleet["full"], fleet.checkout
    deploy(checkout)
    before = record(fleet, full)["refusals"]
    apply_changes(checkout, full, ("redis: CONFIG SET maxmemory 1",))
    with admin(checkout, full) as client:
        for _ in range(2):
            with pytest.raises(redis.OutOfMemoryError):
                client.set("more", "1")
    apply_changes(checkout, full, ("redis: CONFIG SET maxmemory 96mb",))
    when = before["at"][:19].replace("T", " ")
    reported = f"writes were refused: 2 commands got OOM since {when} UTC. If it continues: raise its "
    status = checkout.run("noevict", "status", "full")
    assert (status.returncode, f"full: {reported}" in status.stdout) == (2, True), status
    assert record(fleet, full)["refusals"] == before
    verify = ("pyinfra", "-y", "--json", "inventory", "deploys/verify.py")
    done = checkout.run(*verify)
    assert (done.returncode, failed(done)) == (1, ["full"]), done
    assert all(line.startswith(reported) for line in refusals(done, full)), done
    assert record(fleet, full)["refusals"]["counts"]["OOM"] == before["counts"].get("OOM", 0) + 2
    assert checkout.run(*verify).returncode == 0
    assert checkout.run("noevict", "status", "full").returncode == 0
    apply_changes(checkout, full, ("redis: CONFIG RESETSTAT",))
    assert_clean(checkout)


def test_a_disk_that_is_mounted_read_only_is_reported_as_what_it_is_and_shown(fleet: Fleet) -> None:
    full, checkout = fleet["full"], fleet.checkout
    deploy(checkout)
    found = record(fleet, full)["disk"]
    free, size = (
        int(word) * 1024
        for word in full.run("df --output=avail,size -k /var/lib/redis | tail -1").stdout.split()
    )
    assert (found["size"], found["read_only"]) == (size, False)
    assert abs(found["free"] - free) < 512 * MIB
    assert (
        checkout.run("noevict", "status", "full", "--json").json["hosts"]["full"]["dataDisk"]["size"] == size
    )
    apply_changes(checkout, full, READ_ONLY)
    done = checkout.run(*DEPLOY)
    assert (done.returncode, failed(done)) == (1, ["full"]), done
    assert refusals(done, full)[0].startswith(
        "writes are refused: the disk of its data is mounted read-only. Mount it read-write, then: pyinfra "
        "inventory deploys/verify.py --limit full "
    )
    drift = checkout.run("noevict", "drift", "full", "--json")
    assert (drift.returncode, drift.json["writesRefused"]) == (2, True), drift
    assert record(fleet, full)["disk"]["read_only"] is True
    assert "read-only, now" in checkout.run("noevict", "status", "full").stdout
    apply_changes(checkout, full, ("mount -o remount,bind,rw DATA",))
    assert_clean(checkout)
    assert record(fleet, full)["disk"]["read_only"] is False


def test_a_full_disk_is_reported_as_what_it_does_to_clients(boot: Boot, checkout: Checkout) -> None:
    [host] = boot(Spec("trixie", disk=128))
    checkout.list_hosts([host])
    deploy(checkout)
    host.run("dd if=/dev/zero of=/filler bs=4k status=none 2>/dev/null; sync", check=False)
    with admin(checkout, host) as client:
        wait_for("writes are refused", lambda: gets_misconf(client))
    done = deploy(checkout, code=1)
    for line in refusals(done, host):
        assert line.startswith("writes are refused: the last AOF write failed; ")
        assert " got MISCONF since 20" in line
        assert "Free space on the disk of its data, then: pyinfra inventory deploys/verify.py " in line
    assert refusals(done, host)
    host.run("rm /filler")
    with admin(checkout, host) as client:
        wait_for("writes are taken", lambda: not gets_misconf(client))
    assert_clean(checkout)
