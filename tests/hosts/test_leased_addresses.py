"""Addresses of DHCP under `redis_bind = "private"`: bound live, waited for at a start, and no start fails for one."""

import re
from collections.abc import Mapping

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import Fleet, admin, assert_clean, deploy, run_id, wait_for
from tests.hosts.test_listening import listened_on
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

FIRST, SECOND = "10.99.0.8", "10.99.0.9"
SUITES = {"bookworm": "bookworm", "trixie": "trixie", "valkey": "trixie"}
SERVER, CLIENT = "br-dhcp", "uplink"  # the first is named as a bridge of containers: noevict does not bind it
RANGE = "10.98.0."
LATE_SECONDS = 6


def network(name: str, *lines: str) -> str:
    text = "\n".join(lines)
    return (
        f"[Match]\nName={name}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nLinkLocalAddressing=no\n{text}\n"
    )


# One host has a DHCP server of its own, on the other end of a cable, which starts late at each boot.
DHCP = {
    "/etc/systemd/network/20-dhcp.netdev": f"[NetDev]\nName={SERVER}\nKind=veth\n\n[Peer]\nName={CLIENT}\n",
    "/etc/systemd/network/20-client.network": network(CLIENT, "DHCP=ipv4"),
    "/etc/late.network": network(SERVER, f"Address={RANGE}1/24", "DHCPServer=yes"),
    "/etc/systemd/system/late.service": "[Service]\nType=exec\nExecStart=/bin/sh -c 'sleep ${SECONDS_LATE}; "
    "mkdir -p /run/systemd/network; cp /etc/late.network /run/systemd/network/20-server.network; networkctl reload'\n"
    f"Environment=SECONDS_LATE={LATE_SECONDS}\n",
    "/etc/systemd/system/multi-user.target.d/late.conf": "[Unit]\nWants=late.service\n",
}


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Hosts provisioned with a lease, the one that has DHCP, and without."""
    files = {"trixie": DHCP}
    hosts = boot_for_module(*(Spec(suite, name, files=files.get(name, {})) for name, suite in SUITES.items()))
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts()
    host_lease(fleet["trixie"])  # not in the middle of the run
    deploy(fleet.checkout)
    return fleet


def lease(host: Host, address: str) -> None:
    """As a DHCP client sets it."""
    host.run(f"ip address add {address}/24 dev host0 valid_lft 3600 preferred_lft 3600")


def accepted_at(host: Host, address: str) -> bool:
    """Whether a client of the fleet's CA gets through TLS there, by that address."""
    etc = "/etc/valkey" if host.name == "valkey" else "/etc/redis"
    reported = host.run(
        f"openssl s_client -connect {address}:6379 -verify_ip {address} -verify_return_error -CAfile {etc}/tls/ca.crt "
        "</dev/null 2>&1",
        check=False,
    )
    return "Verify return code: 0 (ok)" in reported.stdout


def test_a_lease_and_another_one_are_bound_live_and_the_certificate_covers_them(fleet: Fleet) -> None:
    checkout, hosts = fleet.checkout, [fleet["bookworm"], fleet["valkey"]]
    before = {host.name: (run_id(checkout, host), listened_on(host)) for host in hosts}
    for host in hosts:
        lease(host, FIRST)
    dry = checkout.run("pyinfra", "--dry", "-y", "inventory", "deploy.py")
    for host in hosts:
        opens = (
            rf"\[{host.name}\] +due: bind: .* \[live\] \(opens port 6379 on {re.escape(FIRST)} \(DHCP\)\)\n"
        )
        assert re.search(opens, dry.output), dry.output
        assert FIRST not in listened_on(host)
    assert_bound(fleet, hosts, FIRST, before)
    for host in hosts:
        host.run(f"ip address del {FIRST}/24 dev host0")
        lease(host, SECOND)
    assert_bound(fleet, hosts, SECOND, before)


def assert_bound(
    fleet: Fleet, hosts: list[Host], address: str, before: Mapping[str, tuple[str, set[str]]]
) -> None:
    """By the next run, which cuts nobody off."""
    with admin(fleet.checkout, hosts[0]) as kept:
        client_id = kept.client_id()
        done = deploy(fleet.checkout)
        assert f"listens on {address}, leased by DHCP" in done.output
        assert kept.client_id() == client_id
    for host in hosts:
        old_run_id, own = before[host.name]
        assert run_id(fleet.checkout, host) == old_run_id
        assert listened_on(host) == {*own, address}
        assert accepted_at(host, address)


def test_a_start_without_the_lease_waits_a_minute_and_what_comes_later_is_bound_live(fleet: Fleet) -> None:
    """Beside it, on another host: a reboot, after which the lease of a real DHCP server comes late."""
    checkout, host, rebooted = fleet.checkout, fleet["valkey"], fleet["trixie"]
    host.run(f"ip address del {SECOND}/24 dev host0")
    before = logged_at(host, "Starting valkey-server")
    host.run("systemctl restart --no-block valkey-server")
    wait_for("it is about to start", lambda: logged_at(host, "Starting valkey-server") > before)
    began = logged_at(host, "Starting valkey-server")

    address = host_lease(rebooted)
    assert address in listened_on(rebooted)
    assert f"{RANGE}1" not in listened_on(rebooted)
    rebooted.reboot()
    assert address not in listened_on(rebooted)
    wait_for(
        "its server is up",
        lambda: rebooted.run("systemctl is-active redis-server || true").stdout.strip() == "active",
    )
    assert host_lease(rebooted) == address
    assert address in listened_on(rebooted)
    assert "this host does not have it" not in rebooted.run("journalctl -b -u redis-server").stdout

    wait_for("it has started", lambda: listened_on(host), 90)
    assert logged_at(host, f"started without {SECOND}: this host does not have it yet") - began >= 55
    assert SECOND not in listened_on(host)
    lease(host, SECOND)
    started = run_id(checkout, host)
    drift = checkout.run("noevict", "drift", "--json").json["hosts"]
    [found] = drift[host.name]["drift"]
    assert (found["what"], found["wanted"]) == ("bind", "listening"), found
    assert drift[rebooted.name]["drift"] == []
    deploy(checkout)
    assert SECOND in listened_on(host)
    assert run_id(checkout, host) == started
    assert_clean(checkout)


def logged_at(host: Host, text: str) -> float:
    """When the server's journal last had a line with this text: seconds, by the host's own clock."""
    lines = host.run("journalctl -o short-unix -u valkey-server").stdout.splitlines()
    return max(float(line.split()[0]) for line in lines if text in line)


def host_lease(host: Host) -> str:
    """The address that its DHCP client got, once it has one."""
    command = f"ip -4 -o address show dev {CLIENT} dynamic | grep -o '{RANGE}[0-9]*' | head -1"
    wait_for("there is a lease", lambda: host.run(command).stdout, 30)
    return host.run(command).stdout.strip()
