"""A host whose PID 1 is not systemd: the package's own init script, with everything else the same."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

import pytest

from noevict.engines.package_layout import LAYOUTS, Layout
from noevict.scripts import script
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
    # Whose turn comes first is not known.
    assert len(re.findall("(?:Redis|Valkey) runs again, with its old configuration", done.output)) == 1, done
    assert done.output.count("did not come back; fix that first") == 2, done
    assert "ailed opening Unix socket" in done.output, done
    for host in fleet.hosts:
        assert host.read(engine(host).conf) == texts[host.name]
    assert len(set(run_ids(fleet)) & set(before)) == 2
    with admin(fleet.checkout, fleet.hosts[0]) as client:
        assert client.getdel("kept") == "1"


def as_server(host: Host, command: str) -> str:
    """Run it as somebody who has become the server's user."""
    return host.run(f"runuser -u {engine(host).user} -- sh -c {shlex.quote(command)}").stdout


def shadow(host: Host) -> str:
    return host.run("stat -c '%U %G %a' /etc/shadow; md5sum /etc/shadow").stdout


def run_service(host: Host, verb: str, other: Layout | None = None) -> str:
    """Run verbs of service.sh as a run does, and return the last line."""
    layout = other or engine(host)
    text = script("as_user", user=layout.user)
    text += script("main_pid", unit=layout.unit, user=layout.user, pidfile=layout.pidfile)
    names = ("package", "unit", "user", "data", "binary", "conf", "pidfile")
    more = {name: getattr(layout, name) for name in names}
    text += script("service", **more, verb=verb, again="no", old=0)
    return host.run("bash -s", input=text).stdout.splitlines()[-1]


def test_a_link_for_the_pid_file_gives_nothing_of_root_away(fleet: Fleet) -> None:
    before = {host.name: shadow(host) for host in fleet.hosts}
    for host in fleet.hosts:
        service(host, "stop")
        as_server(host, f"ln -s /etc/shadow {engine(host).pidfile}")
    deploy(fleet.checkout)
    assert {host.name: shadow(host) for host in fleet.hosts} == before
    assert_clean(fleet.checkout)
    # A restart starts it too, and nobody can tell when the link comes.
    for host in fleet.hosts:
        as_server(host, f"ln -sf /etc/shadow {engine(host).pidfile}")
        run_service(host, "restart")
    assert {host.name: shadow(host) for host in fleet.hosts} == before
    for host in fleet.hosts:
        host.run(f"kill $(pgrep -u {engine(host).user}); rm -f {engine(host).pidfile}")
    deploy(fleet.checkout)


POLICY = "/usr/sbin/policy-rc.d"
ALLOWS = "#!/bin/sh\nexit 104\n"
# Of those who read the service's defaults, only the init script has a description.
NOTES = 'case "$DESC/$1" in ?*/*start) echo "$1" >>/run/asked ;; esac'


@pytest.fixture
def init_script(fleet: Fleet) -> Iterator[None]:
    """It starts no server, although a policy of the hosts' own allows every start. The policy stays."""
    for host in fleet.hosts:
        host.write(POLICY, ALLOWS, 0o755)
        host.run(f"echo {shlex.quote(NOTES)} >>/etc/default/{engine(host).package}")
    yield
    for host in fleet.hosts:
        assert host.run("cat /run/asked", check=False).stdout == ""
        assert host.read(POLICY) == ALLOWS
        assert host.run("ls -A /var/lib/noevict | grep apt", check=False).stdout == ""
        host.run(f"rm {POLICY}; sed -i /DESC/d /etc/default/{engine(host).package}")


@pytest.mark.usefixtures("init_script")
def test_nor_does_an_installation(fleet: Fleet) -> None:
    """Its user and directory are still there when the package is not."""
    host = fleet["valkey"]
    layout, before = engine(host), shadow(host)
    service(host, "stop")
    host.run(f"dpkg --remove --force-depends {layout.package}")
    host.run(f"install -d -o {layout.user} -g {layout.user} {layout.pidfile.rpartition('/')[0]}")
    as_server(host, f"ln -sf /etc/shadow {layout.pidfile}")
    deploy(fleet.checkout)
    assert shadow(host) == before
    assert_clean(fleet.checkout)


@pytest.mark.usefixtures("init_script")
def test_nor_does_an_upgrade_of_somebody_else_that_a_run_finishes(fleet: Fleet) -> None:
    """The server runs: when the package's script restarts it, its user may put a link there in between."""
    for host in fleet.hosts:
        host.run(f"dpkg --unpack /opt/debs/{engine(host).package}_*.deb /opt/debs/{engine(host).tools}_*.deb")
    before = run_ids(fleet)
    done = deploy(fleet.checkout)
    assert done.output.count("unpacked → installed") == len(fleet.hosts), done
    assert not set(run_ids(fleet)) & set(before)  # their programs are others
    assert_clean(fleet.checkout)


def test_a_start_waits_until_the_server_has_written_its_pid(fleet: Fleet) -> None:
    """Its parent ends before: on a busy machine long before."""
    host = fleet["trixie"]
    pidfile = f"{engine(host).pidfile}.slow"
    slow = replace(engine(host), binary="/usr/bin/slow-server", conf="/tmp/slow.sh", pidfile=pidfile)
    host.run(f"cp /bin/bash {slow.binary}")
    host.write(slow.conf, f"(sleep 5; echo $BASHPID >{pidfile}; exec sleep 600) &\n", 0o644)
    assert run_service(host, "start", slow).startswith("state running ")
    host.write(slow.conf, "exit 1\n", 0o644)
    host.run(f"kill $(cat {pidfile}); rm {pidfile}")
    assert run_service(host, "start", slow).startswith("state stopped ")
    host.run(f"rm {slow.binary}")


def test_a_start_ends_whatever_the_servers_user_wrote_into_its_configuration(fleet: Fleet) -> None:
    """It writes there after the run has: the run would wait for ever, and the next ones for that."""
    host = fleet["trixie"]
    layout = engine(host)
    service(host, "stop")
    as_server(host, f"echo 'daemonize no' >>{layout.conf}")
    host.run(f"sed -i 's/^ULIMIT=.*/ULIMIT=15000/' /etc/default/{layout.package}")
    assert run_service(host, "start").startswith("state running ")
    about = host.run(f"cat /proc/$(cat {layout.pidfile})/limits; stat -c '%U %a' {layout.pidfile}").stdout
    assert re.search(r"Max open files +15000 +15000 ", about), about
    assert about.splitlines()[-1].startswith(f"{layout.user} ")
    service(host, "stop")
    as_server(host, f"mkfifo {layout.data}/log; echo 'logfile {layout.data}/log' >>{layout.conf}")
    assert run_service(host, "start").startswith("state stopped ")
    assert host.run(f"pgrep -u {layout.user}", check=False).stdout == ""
    as_server(host, f"rm {layout.data}/log")
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)


def test_after_a_boot_that_starts_no_services_it_is_started(fleet: Fleet) -> None:
    host = fleet["trixie"]
    host.reboot()
    deploy(fleet.checkout)
    assert_clean(fleet.checkout)
