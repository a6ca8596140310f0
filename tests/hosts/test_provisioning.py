"""A bare host becomes a production Redis host, and a second run changes nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from noevict.engine import ENGINES, EngineName
from tests.hosts.conftest import Boot
from tests.hosts.deployed import (
    admin,
    assert_clean,
    changes,
    config,
    connect,
    deploy,
    managed_files,
    operations,
    run_id,
    wait_for,
    write_settings,
)
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host


@dataclass
class Fleet:
    """Three hosts, provisioned together by one command."""

    checkout: Checkout
    hosts: dict[str, Host]


def engine_of(host: Host) -> EngineName:
    return "valkey" if host.name == "valkey" else "redis"


NAMES = ("bookworm", "trixie", "valkey")


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """A Debian 12 of 2000 MiB, a Debian 13, and a Debian 13 that gets Valkey; bare until the first test asks."""
    hosts = boot_for_module(
        Spec("bookworm", name="bookworm", memory=2000),
        Spec("trixie", name="trixie"),
        Spec("trixie", name="valkey", memory=2000),
    )
    checkout_for_module.list_hosts(hosts, each={"valkey": {"redis_engine": "valkey"}})
    before = controller_files(checkout_for_module)
    dry = checkout_for_module.run("pyinfra", "--dry", "inventory", "deploy.py")
    assert dry.returncode == 0, dry
    assert dry.output.count("due: package") == 3, dry
    assert controller_files(checkout_for_module) == before
    for host in hosts:
        assert untouched(host), host
    deploy(checkout_for_module)
    return Fleet(checkout_for_module, {host.name: host for host in hosts})


def controller_files(checkout: Checkout) -> dict[Path, int]:
    """Everything in the checkout and the user's home, with its time of change; what ssh remembers aside."""
    trees = (checkout.root, checkout.home)
    paths = (path for tree in trees for path in tree.rglob("*") if path.name != "known_hosts")
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file()}


def untouched(host: Host) -> bool:
    """Whether nothing of a Redis, and nothing of noevict, is on the host."""
    look = "ls -d /etc/redis /etc/valkey /var/lib/noevict /run/noevict* /etc/sysctl.d/60-noevict.conf"
    there = host.run(f"{look} 2>/dev/null; getent passwd redis valkey; ls /var/lib/apt/lists", check=False)
    return there.stdout.split() in ([], ["auxfiles"], ["lock", "partial"], ["auxfiles", "lock", "partial"])


@pytest.fixture(params=NAMES)
def host(request: pytest.FixtureRequest, fleet: Fleet) -> Host:
    return fleet.hosts[request.param]


def test_a_fresh_host_serves_what_was_asked(fleet: Fleet, host: Host) -> None:
    found = config(fleet.checkout, host, "*")
    wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "port": "0", "tls-port": "6379"}
    assert {name: found[name] for name in wanted} == wanted
    assert found["bind"] == f"127.0.0.1 -::1 {host.address}"
    assert found["tls-protocols"] == "TLSv1.2 TLSv1.3"


@pytest.mark.parametrize("name", ["bookworm", "valkey"])
def test_a_host_of_2000_mib_gets_exactly_1600_mb(fleet: Fleet, name: str) -> None:
    host = fleet.hosts[name]
    assert config(fleet.checkout, host, "maxmemory")["maxmemory"] == "1677721600"
    assert "\nmaxmemory 1600mb\n" in host.read(ENGINES[engine_of(host)].conf)


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    hosts = fleet.hosts.values()
    before = {host.name: (run_id(fleet.checkout, host), managed_files(host, engine_of(host))) for host in hosts}
    rewrites = {host.name: calls(fleet.checkout, host, "config|rewrite") for host in hosts}
    assert_clean(fleet.checkout)
    for host in hosts:
        assert calls(fleet.checkout, host, "config|rewrite") == rewrites[host.name] + 1
        found, conf = managed_files(host, engine_of(host)), ENGINES[engine_of(host)].conf
        ids, files = before[host.name]
        assert run_id(fleet.checkout, host) == ids
        for path, file in found.items():
            assert (file.sha256, file.owner, file.mode) == (files[path].sha256, files[path].owner, files[path].mode)
            assert path == conf or file.changed == files[path].changed, path


def calls(checkout: Checkout, host: Host, command: str) -> int:
    """How often a command was called since the server started."""
    with admin(checkout, host) as client:
        return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))
