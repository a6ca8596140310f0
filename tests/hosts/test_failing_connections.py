"""A host is gone, hangs, or its sudo says no: only it fails, in time, and loses nothing."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, changes, deploy, run_id, wait_for
from tests.hosts.manual_changes import apply_changes, assert_filled, fill, lines_about
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host, wait_ready
from tests.sampling import sample

KEYS = 200
SUDOERS = "/etc/sudoers.d/admin"
PASSWORD = "a pass'word $of admin"


def begin(checkout: Checkout, until: str) -> "subprocess.Popen[str]":
    """A run that has just printed that."""
    process = checkout.start(*DEPLOY)
    assert process.stderr
    reported = []
    for line in process.stderr:
        reported.append(line)
        if until in line:
            return process
    raise AssertionError(f"it never printed {until!r}: {''.join(reported)}")


def finished(process: "subprocess.Popen[str]", seconds: float) -> Result:
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"not done after {seconds:.0f} s: {process.communicate()}") from None
    return Result(DEPLOY, process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Gone:
    """How a host goes, and comes back."""

    go: Callable[[Host], object]
    back: Callable[[Host], object]


def each_sshd(host: Host, signal_name: str) -> None:
    # The kernel continues to acknowledge what is sent to a process that is stopped.
    host.run(f"pkill -{signal_name} -x 'sshd|sshd-session'", check=False)


def up_again(host: Host) -> None:
    host.start()
    wait_ready([host])


GONE = {
    "cable": Gone(
        lambda host: host.run("ip link set host0 down"), lambda host: host.run("ip link set host0 up")
    ),
    "power": Gone(lambda host: host.kill(), up_again),
    "sshd": Gone(lambda host: each_sshd(host, "STOP"), lambda host: each_sshd(host, "CONT")),
}


def test_only_hosts_that_vanish_in_the_middle_of_a_run_fail_and_in_time(
    boot: Boot, checkout: Checkout
) -> None:
    names = [*GONE, "good"]
    hosts = dict(zip(names, boot(*(Spec("trixie", name=name) for name in names)), strict=True))
    for name in GONE:
        # Where each of them is at a command that takes long, when it goes.
        hosts[name].write("/usr/local/sbin/apt-cache", "#!/bin/sh\n: >/run/there\nsleep 600\n", mode=0o755)
    checkout.list_hosts(hosts.values())
    process = begin(checkout, "--> Starting operation: Prepare packages")
    try:
        for name, gone in GONE.items():
            wait_for(f"{name} is at work", lambda name=name: "there" in hosts[name].run("ls /run").stdout)
            gone.go(hosts[name])
        done = finished(process, 200)
    finally:
        for name, gone in GONE.items():
            gone.back(hosts[name])
    assert done.returncode == 1, done
    assert sorted(done.json["results"]["failed_hosts"]) == sorted(GONE), done
    for name in GONE:
        assert [
            line for line in lines_about(done, hosts[name]) if "the connection to the host broke" in line
        ], done
    assert [line for line in lines_about(done, hosts["good"]) if line.startswith("verified: ")], done
    assert "Traceback" not in done.output, done
    for name in GONE:
        apply_changes(checkout, hosts[name], ("rm /usr/local/sbin/apt-cache", "pkill -x sleep; true"))
    deploy(checkout)
    assert_clean(checkout)


def test_two_of_ten_hosts_are_down_and_the_other_eight_are_done(boot: Boot, checkout: Checkout) -> None:
    hosts = boot(*["trixie"] * 10)
    checkout.list_hosts(hosts)
    down, up = (hosts[2], hosts[7]), [host for host in hosts if host not in (hosts[2], hosts[7])]
    for host in down:
        host.kill()
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert sorted(done.json["results"]["failed_hosts"]) == sorted(host.name for host in down), done
    for host in down:
        assert [line for line in lines_about(done, host) if line.startswith("Could not connect")], done
    for host in up:
        assert [line for line in lines_about(done, host) if line.startswith("verified: ")], done
    drift = checkout.run("noevict", "drift")
    assert (drift.returncode, "8 of 10 hosts as wanted, 2 failed" in drift.stdout) == (1, True), drift
    assert {line.partition(":")[0] for line in drift.stderr.splitlines()} >= {host.name for host in down}
    for host in down:
        host.start()
    wait_ready(down)
    deploy(checkout)
    assert_clean(checkout)


def asks(host: Host) -> None:
    """The sudo of user admin wants the password."""
    host.run(f"echo 'admin ALL=(ALL) ALL' >{SUDOERS}; chpasswd", input=f"admin:{PASSWORD}\n")


def test_a_sudo_that_asks_for_a_password_is_reported_and_works_with_one(
    boot: Boot, checkout: Checkout
) -> None:
    host, other = boot("bookworm", "trixie")
    asks(host)
    checkout.list_hosts([host, other], user="admin")
    done = checkout.run(*DEPLOY)
    assert (done.returncode, done.json["results"]["failed_hosts"]) == (1, [host.name]), done
    reported = (
        "sudo wants a password: allow sudo without one (NOPASSWD) to the user that noevict logs in as, or set "
        "_sudo_password (its hazard: see README)"
    )
    assert reported in lines_about(done, host), done
    drift = checkout.run("noevict", "drift")
    assert f"{host.name}: {reported}" in drift.stderr.splitlines(), drift
    for password, fine in (("wrong", False), (PASSWORD, True)):
        checkout.list_hosts([host, other], user="admin", each={host.name: {"_sudo_password": password}})
        done = checkout.run(*DEPLOY)
        assert done.returncode == (0 if fine else 1), done
        assert password not in done.output
        if not fine:
            assert [
                line
                for line in lines_about(done, host)
                if "sudo rejects the password given as _sudo_password" in line
            ], done
    assert_clean(checkout)
    verbose = checkout.run("pyinfra", "-y", "-vvv", "--debug", "inventory", "deploy.py")
    assert (verbose.returncode, PASSWORD in verbose.output) == (0, False)
    assert "pyinfra-sudo-askpass" not in host.run("ls /tmp").stdout


DENIALS = {
    "to anybody": "",
    "but for one program": "admin ALL=(ALL) NOPASSWD: /bin/true\n",
    "by a broken file": "this is no sudoers file\n",
}


@pytest.mark.parametrize("denial", sample(list(DENIALS), "but for one program"))
def test_a_sudo_that_is_denied_is_reported(boot: Boot, checkout: Checkout, denial: str) -> None:
    host, other = boot("trixie", "bookworm")
    host.write(SUDOERS, DENIALS[denial])
    checkout.list_hosts([host, other], user="admin")
    done = checkout.run(*DEPLOY)
    assert (done.returncode, done.json["results"]["failed_hosts"]) == (1, [host.name]), done
    assert [line for line in lines_about(done, host) if "sudo" in line], done
    host.write(SUDOERS, "admin ALL=(ALL) NOPASSWD: ALL\n")
    deploy(checkout)
    assert_clean(checkout)


def test_sudo_that_is_lost_in_the_middle_leaves_nothing_half_done(boot: Boot, checkout: Checkout) -> None:
    host, other = boot("trixie", "bookworm")
    checkout.list_hosts([host, other], user="admin")
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, KEYS)
    server = run_id(checkout, host)
    checkout.list_hosts([host, other], user="admin", redis_config={"hz": 20})
    process = begin(checkout, "--> Starting operation: Lock the host")
    host.write(SUDOERS, "")
    done = finished(process, 200)
    assert (done.returncode, done.json["results"]["failed_hosts"]) == (1, [host.name]), done
    assert changes(done) > 0, done  # on the other
    host.write(SUDOERS, "admin ALL=(ALL) NOPASSWD: ALL\n")
    deploy(checkout)
    assert run_id(checkout, host) == server
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
    assert_clean(checkout)
