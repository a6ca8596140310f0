"""A fleet that is watched: what runs leave for monitoring, and what `noevict serve` says of real hosts meanwhile."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, deploy
from tests.hosts.manual_changes import lines_about
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.lab.servers import wait_for
from tests.server.served_fleet import Service

QUEUES = ["email"]


@pytest.fixture
def hosts(boot: Boot, checkout: Checkout) -> list[Host]:
    booted = boot("bookworm", "trixie")
    valkey = {booted[1].name: {"redis_engine": "valkey", "redis_tls_auth_clients": "yes"}}
    checkout.list_hosts(booted, each=valkey, redis_queues=QUEUES)
    deploy(checkout)
    return booted


@pytest.fixture
def service(hosts: list[Host], checkout: Checkout) -> Iterator[Service]:
    assert hosts
    running = Service(checkout.root, "--interval", "1")
    yield running
    assert running.end() == 0


def record(checkout: Checkout, host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkout.root / "state" / f"{host.name}.json").read_text())
    return found


def test_what_happens_to_a_fleet_is_shown_to_whoever_watches(
    hosts: list[Host], checkout: Checkout, service: Service
) -> None:
    one, other = hosts
    for host in hosts:
        reported = service.health(host.name)
        assert reported["status"] == "healthy", reported
        assert (reported["drift"]["by"], reported["drift"]["differences"], reported["drift"]["failure"]) == (
            "deploy",
            0,
            None,
        )
        assert reported["queues"]["email"]["wait"] == 0
        assert reported["certificateDaysLeft"] > 390
        assert reported["persistence"]["aofEnabled"]
    with admin(checkout, one) as client:
        client.config_set("maxmemory-policy", "volatile-lru")
    reported = service.get("/health/redis").json
    assert (reported["status"], reported["evictionPolicy"]) == ("healthy", "volatile-lru")
    assert "'volatile-lru'" in reported["warning"]
    assert checkout.run("noevict", "drift").returncode == 2
    assert (record(checkout, one)["drift"]["by"], record(checkout, one)["drift"]["differences"]) == (
        "drift",
        1,
    )
    assert record(checkout, other)["drift"]["differences"] == 0
    assert f'noevict_drift{{host="{one.name}"}} 1.0' in service.get("/metrics").text
    assert checkout.run("pyinfra", "-y", "inventory", "deploys/verify.py").returncode == 1
    assert (record(checkout, one)["drift"]["by"], record(checkout, one)["drift"]["differences"]) == (
        "deploy",
        1,
    )
    deploy(checkout)
    reported = service.get("/health/redis").json
    assert "warning" not in reported
    assert reported["hosts"][one.name]["drift"]["differences"] == 0
    other.kill()
    wait_for(
        "a host that is gone is reported", lambda: service.health(other.name)["status"] == "unhealthy", 60
    )
    assert service.health(one.name)["status"] == "healthy"
    assert checkout.run("noevict", "drift").returncode == 1
    assert record(checkout, other)["drift"]["differences"] is None
    assert record(checkout, other)["drift"]["failure"]


def test_a_backup_is_on_record_and_a_look_that_changes_nothing_leaves_none(
    hosts: list[Host], checkout: Checkout
) -> None:
    before = {host: record(checkout, host) for host in hosts}
    assert checkout.run("pyinfra", "--dry", "inventory", "deploy.py").returncode == 0
    assert {host: record(checkout, host) for host in hosts} == before
    at = ("--at", "2026-01-15T10:30:00")
    assert checkout.run("noevict", "backed-up", hosts[0].name, *at).output == ""
    assert record(checkout, hosts[0]) == {
        **before[hosts[0]],
        "backup": {"at": "2026-01-15T10:30:00+00:00"},
    }
    wrong = checkout.run("noevict", "backed-up", "cache-9")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "should be a host in hosts.yml" in wrong.stderr
    later = checkout.run("noevict", "backed-up", hosts[0].name, "--at", "2999-01-01")
    assert (later.returncode, later.stderr) == (
        1,
        "--at: should not be in the future, got 2999-01-01 00:00:00 UTC\n",
    )
    # Another hosts file has a state of its own, and what may be of its hosts is not lost without a word.
    shutil.copy(checkout.hosts_yml, checkout.root / "other.yml")
    other, mine = {"NOEVICT_HOSTS": "other.yml"}, {host: record(checkout, host) for host in hosts}
    asked = checkout.run("noevict", "drift", env=other)
    assert asked.returncode == 0, asked
    assert f"for monitoring: {checkout.root}/other.state: should hold what is recorded of" in asked.stderr
    assert "earlier releases kept in" in checkout.run("noevict", "status", env=other).stderr
    (checkout.root / "other.state").mkdir()
    looked = checkout.run("noevict", "drift", env=other)
    assert (looked.returncode, "for monitoring" in looked.stderr) == (0, False), looked
    assert {host: record(checkout, host) for host in hosts} == mine
    assert {path.stem for path in (checkout.root / "other.state").glob("*.json")} == {
        host.name for host in hosts
    }
    # If it cannot be written, the runs themselves do their work.
    for path in (checkout.root / "state").iterdir():
        path.unlink()
    (checkout.root / "state").rmdir()
    (checkout.root / "state").touch()
    looked = checkout.run("noevict", "drift")
    assert looked.returncode == 0, looked
    assert looked.stderr.count("for monitoring: ") == 1
    done = deploy(checkout)
    assert (
        len([line for host in hosts for line in lines_about(done, host) if "for monitoring: " in line]) == 1
    ), done
