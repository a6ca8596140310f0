"""A host whose PID 1 is not systemd: the package's own init script, with everything else the same."""

import pytest

from noevict.engines.package_layout import LAYOUTS, Layout
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
)
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host


@pytest.fixture(scope="module")
def shared(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """A Debian 12 of 2000 MiB and two Debian 13, one with Valkey, reached as a user with sudo."""
    hosts = boot_for_module(
        Spec("bookworm", name="bookworm", systemd=False, memory=2000),
        Spec("trixie", name="trixie", systemd=False),
        Spec("trixie", name="valkey", systemd=False),
    )
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts(user="admin")
    deploy(fleet.checkout)
    return fleet


@pytest.fixture
def fleet(shared: Fleet) -> Fleet:
    """The same for each test, with the settings as shipped, and clean."""
    shared.list_hosts(user="admin")
    deploy(shared.checkout)
    return shared


def engine(host: Host) -> Layout:
    return LAYOUTS[engine_of(host)]


def service(host: Host, verb: str) -> str:
    return host.run(f"service {engine(host).package} {verb}", check=False).stdout


def test_it_serves_by_its_init_script(fleet: Fleet) -> None:
    assert_clean(fleet.checkout)
    for host in fleet.hosts:
        assert "systemd" not in host.read("/proc/1/comm")
        assert "is running" in service(host, "status")
        found = config(fleet.checkout, host, "supervised", "daemonize")
        assert found == {"supervised": "no", "daemonize": "yes"}
        assert starts_at_boot(host)
    assert config(fleet.checkout, fleet["bookworm"], "maxmemory") == {"maxmemory": str(1600 << 20)}


def starts_at_boot(host: Host) -> bool:
    return host.run(f"ls /etc/rc3.d/S??{engine(host).package}", check=False).returncode == 0


def test_a_drift_that_only_a_restart_repairs_is_repaired(fleet: Fleet) -> None:
    before = run_ids(fleet)
    for host in fleet.hosts:
        with admin(fleet.checkout, host) as client:
            client.set("kept", "1")
        host.run(f"sed -i 's/^databases .*/databases 20/' {engine(host).conf}")
        service(host, "restart")
    assert not set(run_ids(fleet)) & set(before)
    done = deploy(fleet.checkout)
    assert done.output.count("databases: 20 → 16 [restart]") == len(fleet.hosts), done
    for host in fleet.hosts:
        with admin(fleet.checkout, host) as client:
            assert client.config_get("databases") == {"databases": "16"}
            assert client.getdel("kept") == "1"
    assert_clean(fleet.checkout)


def test_a_server_that_was_stopped_or_killed_is_started(fleet: Fleet) -> None:
    stopped, killed, _ = fleet.hosts
    service(stopped, "stop")
    pid = killed.read(engine(killed).pidfile).strip()
    killed.run(f"kill -KILL {pid}; while [ -e /proc/{pid} ]; do sleep 0.05; done")
    done = deploy(fleet.checkout)
    assert operations(done)[-1] == "Start the server"
    assert done.output.count("not running → running") == 2, done
    assert_clean(fleet.checkout)


def test_a_disabled_service_is_enabled_and_keeps_running(fleet: Fleet) -> None:
    before = run_ids(fleet)
    for host in fleet.hosts:
        host.run(f"update-rc.d {engine(host).package} disable")
        assert not starts_at_boot(host)
    deploy(fleet.checkout)
    assert run_ids(fleet) == before
    assert all(map(starts_at_boot, fleet.hosts))
    assert_clean(fleet.checkout)


def test_a_restart_that_fails_puts_the_old_configuration_back_and_spares_the_other_hosts(
    fleet: Fleet,
) -> None:
    before, texts = run_ids(fleet), {host.name: host.read(engine(host).conf) for host in fleet.hosts}
    with admin(fleet.checkout, fleet.hosts[0]) as client:
        client.set("kept", "1")
    # The test of a candidate gives it a socket of its own.
    fleet.list_hosts(user="admin", redis_config={"unixsocket": "/nowhere/socket"})
    done = deploy(fleet.checkout, code=1)
    assert done.output.count("Redis runs again, with its old configuration") == 1, done
    assert done.output.count("did not come back; fix that first") == 2, done
    assert "ailed opening Unix socket" in done.output, done
    for host in fleet.hosts:
        assert host.read(engine(host).conf) == texts[host.name]
    assert len(set(run_ids(fleet)) & set(before)) == 2
    with admin(fleet.checkout, fleet.hosts[0]) as client:
        assert client.getdel("kept") == "1"


def test_after_a_boot_that_starts_no_services_it_is_started(fleet: Fleet) -> None:
    host = fleet["trixie"]
    host.reboot()
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
