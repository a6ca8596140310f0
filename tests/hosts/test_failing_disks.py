"""A disk that is full, or that nothing can be written to: only that host fails, and with a line; nothing is half done.

How much is free decides which write fails: the hosts have a little more each, so that every write is the first one that
fails on some host.
"""

from dataclasses import dataclass

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, deploy, run_id, wait_for
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    fill,
    gets_misconf,
    lines_about,
    wait_until_loaded,
)
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host

KEYS = 500
DISK = 128  # MiB
FILL = "dd if=/dev/zero of=/filler bs=4k status=none 2>/dev/null; truncate -s -{free}k /filler; sync"
# KiB that are left. What a remediation writes (files, a certificate, an AOF) is some hundred; an installation takes
# more than ten thousand.
OF_A_REMEDIATION = (0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 16500)
OF_AN_INSTALLATION = (0, 16, 64, 256, 1024, 4096, 8192, 12288)


@dataclass
class Story:
    """Hosts whose disks were filled, one run over them all, and its output."""

    hosts: list[Host]
    done: Result
    good: Host


def full(host: Host, free: int) -> None:
    host.run(FILL.format(free=free))


def without_a_trace(done: Result) -> None:
    """Every host that failed says why, in words."""
    assert "Traceback" not in done.output, done
    for name in done.json["results"]["failed_hosts"]:
        reported = [line for line in done.output.splitlines() if f"[{name}]" in line]
        assert [line for line in reported if " failed: " in line or "KiB free, a restart needs" in line], (
            reported
        )


def test_a_remediation_on_a_full_disk_fails_whole_or_not_at_all(boot: Boot, checkout: Checkout) -> None:
    good, *hosts = boot("trixie", *[Spec("trixie", disk=DISK) for _ in OF_A_REMEDIATION])
    checkout.list_hosts([good, *hosts])
    deploy(checkout)
    for host in good, *hosts:
        with admin(checkout, host) as client:
            fill(client, KEYS)
    for host, free in zip(hosts, OF_A_REMEDIATION, strict=True):
        # All kinds of files are due, a certificate, and a restart.
        apply_changes(checkout, host, ("rm /etc/sysctl.d/60-noevict.conf", "chmod 644 ETC/users.acl"))
        full(host, free)
    due = {"redis_config": {"databases": 32, "hz": 20}, "redis_tls_names": ["queue.example.com"]}
    checkout.list_hosts([good, *hosts], **due)
    done = checkout.run(*DEPLOY)
    assert good.name not in done.json["results"]["failed_hosts"], done
    assert hosts[0].name in done.json["results"]["failed_hosts"], done
    without_a_trace(done)
    assert "did not come back" not in done.output, done
    for host in hosts:
        # With what is on its disk it can start again, whatever was written: nothing is half there.
        host.run("rm /filler; systemctl restart redis-server", timeout=60)
        wait_until_loaded(checkout, host)
        with admin(checkout, host) as client:
            assert_filled(client, KEYS)
    deploy(checkout)
    assert_clean(checkout)
    for host in hosts:
        with admin(checkout, host) as client:
            assert_filled(client, KEYS)


def test_an_installation_on_a_full_disk_is_finished_once_there_is_room(
    boot: Boot, checkout: Checkout
) -> None:
    good, *hosts = boot("bookworm", *[Spec("trixie", disk=DISK) for _ in OF_AN_INSTALLATION])
    for host, free in zip(hosts, OF_AN_INSTALLATION, strict=True):
        full(host, free)
    checkout.list_hosts([good, *hosts])
    done = checkout.run(*DEPLOY)
    assert good.name not in done.json["results"]["failed_hosts"], done
    assert hosts[0].name in done.json["results"]["failed_hosts"], done
    without_a_trace(done)
    for host in hosts:
        host.run("rm /filler")
    deploy(checkout)
    assert_clean(checkout)


def test_a_server_that_cannot_write_its_append_only_files_is_not_restarted(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot(Spec("trixie", disk=DISK))
    checkout.list_hosts([host])
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, KEYS)
        full(host, 0)
        # Redis hears of a full disk with its next write there, and then takes no further write.
        wait_for("writes are refused", lambda: gets_misconf(client))
    server = run_id(checkout, host)
    checkout.list_hosts([host], redis_config={"databases": 32})
    done = deploy(checkout, code=1)
    assert [line for line in lines_about(done, host) if "failed: " in line or "not restarted" in line], done
    assert run_id(checkout, host) == server
    host.run("rm /filler")
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)


@dataclass(frozen=True)
class Locked:
    """A place that nothing can be written to."""

    id: str
    lock: tuple[str, ...]
    unlock: tuple[str, ...]


LOCKED = (
    Locked(
        "/etc/redis",
        ("mount --bind ETC ETC", "mount -o remount,bind,ro ETC"),
        ("mount -o remount,bind,rw ETC",),
    ),
    Locked(
        "/etc",
        ("mount --bind /etc /etc", "mount -o remount,bind,ro /etc"),
        ("mount -o remount,bind,rw /etc",),
    ),
    Locked(
        "the data",
        ("mount --bind DATA DATA", "mount -o remount,bind,ro DATA"),
        ("mount -o remount,bind,rw DATA",),
    ),
)


def test_what_is_mounted_read_only_fails_that_host_and_stops_no_server(
    boot: Boot, checkout: Checkout
) -> None:
    good, *hosts = boot(*["trixie"] * (len(LOCKED) + 1))
    checkout.list_hosts([good, *hosts])
    deploy(checkout)
    servers = {}
    for host, locked in zip(hosts, LOCKED, strict=True):
        with admin(checkout, host) as client:
            fill(client, KEYS)
        servers[host.name] = run_id(checkout, host)
        apply_changes(checkout, host, locked.lock)
    checkout.list_hosts([good, *hosts], redis_config={"databases": 32})
    done = checkout.run(*DEPLOY)
    assert sorted(done.json["results"]["failed_hosts"]) == sorted(host.name for host in hosts), done
    assert "Traceback" not in done.output, done
    for host in hosts:
        assert [line for line in lines_about(done, host) if "mount its file system read-write" in line], done
        assert run_id(checkout, host) == servers[host.name], done
        with admin(checkout, host) as client:
            assert_filled(client, KEYS)
    for host, locked in zip(hosts, LOCKED, strict=True):
        apply_changes(checkout, host, locked.unlock)
    deploy(checkout)
    assert_clean(checkout)
    for host in hosts:
        with admin(checkout, host) as client:
            assert_filled(client, KEYS)
