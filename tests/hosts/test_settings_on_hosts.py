"""Settings beyond the defaults: where it listens, and directives that have no setting of their own."""

from functools import partial

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    Fleet,
    admin,
    assert_clean,
    config,
    deploy,
    engine_of,
    operations,
    run_ids,
    wait_for,
)
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

RESTART = "Restart, one host at a time"
ULA = "fd00:6e6f::{}/64"


@pytest.fixture(scope="module")
def shared(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Redis 7.0, Redis 8.0 and Valkey, with a private IPv6 address, a public address and a container bridge."""
    bridge = "[NetDev]\nName=docker0\nKind=bridge\n"
    address = "[Match]\nName=docker0\n[Network]\nAddress=172.17.0.1/16\nConfigureWithoutCarrier=yes\n"
    files = {
        "/etc/systemd/network/20-docker0.netdev": bridge,
        "/etc/systemd/network/20-docker0.network": address,
    }
    suites = {"bookworm": "bookworm", "trixie": "trixie", "valkey": "trixie"}
    hosts = boot_for_module(
        *(
            Spec(suite, name=name, addresses=[ULA.format(n), f"203.0.113.{n}/24"], files=files)
            for n, (name, suite) in enumerate(suites.items(), 1)
        )
    )
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts()
    deploy(fleet.checkout)
    return fleet


@pytest.fixture
def fleet(shared: Fleet) -> Fleet:
    """The same for each test, with the settings as shipped, and clean."""
    shared.list_hosts()
    deploy(shared.checkout)
    return shared


def listening(host: Host) -> set[str]:
    """``address:port`` of each socket that its server listens on."""
    lines = host.run(f"ss -Hltnp | grep {engine_of(host)}-server", check=False).stdout.splitlines()
    return {line.split()[3] for line in lines}


def test_it_listens_only_on_loopback_and_private_addresses(fleet: Fleet) -> None:
    for number, host in enumerate(fleet.hosts, 1):
        assert "172.17.0.1" in host.run("ip address").stdout
        ula = ULA.format(number).partition("/")[0]
        assert config(fleet.checkout, host, "bind") == {"bind": f"127.0.0.1 -::1 {host.address} {ula}"}
        assert listening(host) == {"127.0.0.1:6379", "[::1]:6379", f"{host.address}:6379", f"[{ula}]:6379"}
    assert_clean(fleet.checkout)


def test_addresses_that_are_named_are_bound_and_no_others_without_a_restart(fleet: Fleet) -> None:
    before = run_ids(fleet)
    fleet.list_hosts({host.name: {"redis_bind": ["127.0.0.1", host.address]} for host in fleet.hosts})
    assert RESTART not in operations(deploy(fleet.checkout))
    for host in fleet.hosts:
        assert listening(host) == {"127.0.0.1:6379", f"{host.address}:6379"}
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)
    fleet.list_hosts(redis_bind="* -::*")
    deploy(fleet.checkout)
    for host in fleet.hosts:
        assert listening(host) == {"0.0.0.0:6379", "[::]:6379"}
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_only_loopback_is_reached_through_ssh(fleet: Fleet) -> None:
    fleet.list_hosts(redis_bind="127.0.0.1")
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
    for host in fleet.hosts:
        assert listening(host) == {"127.0.0.1:6379"}


def test_another_port_is_moved_to_without_a_restart(fleet: Fleet) -> None:
    before = run_ids(fleet)
    fleet.list_hosts(redis_port=6390)
    assert RESTART not in operations(deploy(fleet.checkout))
    assert_clean(fleet.checkout)
    for host, started in zip(fleet.hosts, before, strict=True):
        with admin(fleet.checkout, host, port=6390) as client:
            assert client.info("server")["run_id"] == started
        assert {address.rpartition(":")[2] for address in listening(host)} == {"6390"}


def test_a_second_port_without_tls_wants_a_password_and_goes_away_again(fleet: Fleet) -> None:
    before = run_ids(fleet)
    fleet.list_hosts(redis_plaintext_port=6380, redis_users={"default": "app"})
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
    secrets = Secrets.load(fleet.checkout.secrets)
    assert secrets
    for host in fleet.hosts:
        plain = {"port": 6380, "ssl": False, "username": None}
        with (
            pytest.raises(redis.AuthenticationError),
            admin(fleet.checkout, host, **plain, password=None) as client,
        ):
            client.ping()
        for how in (plain, {"username": None}):
            with admin(fleet.checkout, host, **how, password=secrets.password("default")) as client:
                assert client.set("old client", 1)
                assert client.delete("old client") == 1
    fleet.list_hosts()
    deploy(fleet.checkout)
    for host in fleet.hosts:
        assert {address.rpartition(":")[2] for address in listening(host)} == {"6379"}
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_directives_that_can_be_are_changed_live(fleet: Fleet) -> None:
    before = run_ids(fleet)
    live = {"hz": 50, "maxclients": 5000, "client-output-buffer-limit": "pubsub 64mb 16mb 60"}
    fleet.list_hosts(redis_config={**live, "notify-keyspace-events": "Ex", "lazyfree-lazy-expire": False})
    assert RESTART not in operations(deploy(fleet.checkout))
    for host in fleet.hosts:
        found = config(fleet.checkout, host, "*")
        assert (found["hz"], found["maxclients"], found["lazyfree-lazy-expire"]) == ("50", "5000", "no")
        assert set(found["notify-keyspace-events"]) == set("xE")
        assert "pubsub 67108864 16777216 60" in found["client-output-buffer-limit"]
    assert_clean(fleet.checkout)
    fleet.list_hosts()
    assert RESTART not in operations(deploy(fleet.checkout))
    for host in fleet.hosts:
        assert config(fleet.checkout, host, "hz") == {"hz": "10"}
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_a_directive_read_only_at_start_takes_one_restart_that_loses_nothing(fleet: Fleet) -> None:
    for host in fleet.hosts:
        with admin(fleet.checkout, host) as client:
            client.mset({f"job:{number}": "x" for number in range(1000)})
    before, starts = run_ids(fleet), [started(host) for host in fleet.hosts]
    fleet.list_hosts(redis_config={"databases": 32, "hz": 20})
    done = deploy(fleet.checkout)
    assert RESTART in operations(done)
    assert [started(host) for host in fleet.hosts] == [count + 1 for count in starts]
    assert not set(run_ids(fleet)) & set(before)
    for host in fleet.hosts:
        with admin(fleet.checkout, host) as client:
            assert client.config_get("databases") == {"databases": "32"}
            assert client.dbsize() == 1000
            client.flushall()
    assert_clean(fleet.checkout)


def started(host: Host) -> int:
    """How often systemd has started the server."""
    title = LAYOUTS[engine_of(host)].unit
    return host.journal(title).count(": Started ")


def test_a_share_of_the_memory_or_a_size_is_set_live(fleet: Fleet) -> None:
    before = run_ids(fleet)
    for host in fleet.hosts:
        host.set_memory(3000)
    fleet.list_hosts({"trixie": {"redis_maxmemory": "1gb"}}, redis_maxmemory_percent=50)
    assert RESTART not in operations(deploy(fleet.checkout))
    found = [config(fleet.checkout, host, "maxmemory")["maxmemory"] for host in fleet.hosts]
    assert [int(size) >> 20 for size in found] == [1500, 1024, 1500]
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_users_are_added_changed_and_removed_under_connected_clients(fleet: Fleet) -> None:
    before = run_ids(fleet)
    fleet.list_hosts(redis_users={"shop": {"profile": "app", "keys": ["shop:*"]}, "reports": "readonly"})
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
    for host in fleet.hosts:
        with admin(fleet.checkout, host, user="shop") as client:
            assert client.set("shop:1", "1")
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.set("other", "1")
    fleet.list_hosts(redis_users={"shop": "app"})
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
    for host in fleet.hosts:
        with admin(fleet.checkout, host, user="shop") as client:
            assert client.delete("shop:1", "other") == 1
        with pytest.raises(redis.AuthenticationError), admin(fleet.checkout, host, user="reports") as client:
            client.ping()
    assert run_ids(fleet) == before


def test_a_boot_brings_every_address_back_and_the_next_run_is_clean(fleet: Fleet) -> None:
    before = [listening(host) for host in fleet.hosts]
    for host in fleet.hosts:
        host.reboot()
    for host, addresses in zip(fleet.hosts, before, strict=True):
        wait_for(f"{host} listens as before", partial(listens, host, addresses))
    assert_clean(fleet.checkout)


def listens(host: Host, addresses: set[str]) -> bool:
    return listening(host) == addresses
