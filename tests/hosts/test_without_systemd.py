"""A host whose PID 1 is not systemd: the package's own init script, with everything else the same."""

import pytest

from noevict.engine import ENGINES
from tests.hosts.conftest import Boot
from tests.hosts.deployed import (
    Fleet,
    admin,
    assert_clean,
    config,
    deploy,
    engine_of,
    operations,
    run_id,
)
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

NAMES = ("bookworm", "trixie", "valkey")


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """A Debian 12 of 2000 MiB and two Debian 13, one with Valkey, reached as a user with sudo."""
    hosts = boot_for_module(
        Spec("bookworm", name="bookworm", systemd=False, memory=2000),
        Spec("trixie", name="trixie", systemd=False),
        Spec("trixie", name="valkey", systemd=False),
    )
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts(user="admin")
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
    return fleet


@pytest.fixture(params=NAMES)
def host(request: pytest.FixtureRequest, fleet: Fleet) -> Host:
    """One of them, with the settings as shipped."""
    fleet.list_hosts(user="admin")
    deploy(fleet.checkout)
    return fleet[request.param]


def service(host: Host, verb: str) -> str:
    return host.run(f"service {engine_of(host)}-server {verb}", check=False).stdout


def test_it_serves_by_its_init_script(fleet: Fleet, host: Host) -> None:
    assert "systemd" not in host.read("/proc/1/comm")
    assert "is running" in service(host, "status")
    found = config(fleet.checkout, host, "supervised", "daemonize", "maxmemory")
    assert (found["supervised"], found["daemonize"]) == ("no", "yes")
    assert host.name != "bookworm" or found["maxmemory"] == str(1600 << 20)
    assert host.run(f"ls /etc/rc3.d | grep -c 'S..{engine_of(host)}-server'").stdout == "1\n"


def test_a_drift_that_only_a_restart_repairs_is_repaired(fleet: Fleet, host: Host) -> None:
    with admin(fleet.checkout, host) as client:
        client.set("kept", "1")
    before = run_id(fleet.checkout, host)
    engine = ENGINES[engine_of(host)]
    host.run(f"sed -i 's/^databases .*/databases 20/' {engine.conf}")
    service(host, "restart")
    assert run_id(fleet.checkout, host) != before
    done = deploy(fleet.checkout)
    assert "databases: 20 → 16 [restart]" in done.output, done
    with admin(fleet.checkout, host) as client:
        assert client.config_get("databases") == {"databases": "16"}
        assert client.getdel("kept") == "1"
    assert_clean(fleet.checkout)


def test_a_stopped_server_is_started(fleet: Fleet, host: Host) -> None:
    service(host, "stop")
    assert operations(deploy(fleet.checkout))[-1] == "Start the server"
    assert_clean(fleet.checkout)


def test_a_server_killed_is_started(fleet: Fleet, host: Host) -> None:
    pid = host.run(f"cat {ENGINES[engine_of(host)].pidfile}").stdout.strip()
    host.run(f"kill -KILL {pid}; while [ -e /proc/{pid} ]; do sleep 0.05; done")
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)


def test_a_disabled_service_is_enabled(fleet: Fleet, host: Host) -> None:
    host.run(f"update-rc.d {engine_of(host)}-server disable")
    before = run_id(fleet.checkout, host)
    deploy(fleet.checkout)
    assert run_id(fleet.checkout, host) == before
    assert host.run(f"ls /etc/rc3.d | grep -c 'S..{engine_of(host)}-server'").stdout == "1\n"
    assert_clean(fleet.checkout)


def test_a_restart_that_fails_puts_the_old_configuration_back(fleet: Fleet, host: Host) -> None:
    engine = ENGINES[engine_of(host)]
    with admin(fleet.checkout, host) as client:
        client.set("kept", "1")
    before = host.read(engine.conf)
    # What no test of a candidate sees: the address is there when it is looked at, and nobody may bind the port.
    wrapper = (
        f"#!/bin/sh\ncase $* in *{engine.conf}*) grep -q '^databases 32' {engine.conf} && exit 1;; esac\n"
    )
    host.run(f"cp -p {engine.binary} {engine.binary}.real")
    host.run(f"rm {engine.binary}")
    host.write(engine.binary, f'{wrapper}exec {engine.binary}.real "$@"\n', mode=0o755)
    try:
        fleet.list_hosts(user="admin", redis_config={"databases": 32})
        done = deploy(fleet.checkout, code=1)
        assert f"[{host.name}]" in done.output
        assert "the old configuration is back, and serves" in done.output, done
        assert host.read(engine.conf) == before
        with admin(fleet.checkout, host) as client:
            assert client.get("kept") == "1"
    finally:
        host.run(f"mv {engine.binary}.real {engine.binary}")
    fleet.list_hosts(user="admin")
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)


def test_after_a_boot_that_starts_no_services_it_is_started(fleet: Fleet, host: Host) -> None:
    host.reboot()
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
