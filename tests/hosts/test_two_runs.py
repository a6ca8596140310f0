"""Two runs at once on one host: one works, the other says who does. No lock outlives its owner, no owner its lock."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noevict.pki.certificate import Certificate
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, assert_clean, config, deploy, run_id, wait_for
from tests.hosts.fault_injection import Fault, inject_faults, stop_injecting
from tests.hosts.manual_changes import apply_changes, file_states, lines_about
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host
from tests.lab.machine import run
from tests.sampling import sample

SECONDS = 240  # for a run that is at work on one host
HELD = (
    r"is being changed by \S+ at \S+ \(process {pid}\) since \d{{4}}-\S+ \S+ \w+: wait for it, then run again"
)
OTHERS = r"is managed with other secrets.*; its CA is .*"
CHANGED = r"changed since looked at \(.*\): run again"
LOST = "has given up this run's lock, which was silent for long: run again"


def ended(process: subprocess.Popen[str]) -> Result:
    stdout, stderr = process.communicate(timeout=SECONDS)
    return Result(DEPLOY, process.returncode, stdout, stderr)


@contextmanager
def stopped(checkout: Checkout, moment: str, when: str = "before") -> Iterator[subprocess.Popen[str]]:
    """A run that has stopped at that moment, as by Ctrl-Z; it continues after the block."""
    inject_faults(checkout, Fault(moment, when, signal=signal.SIGSTOP))
    process = checkout.start(*DEPLOY)
    try:
        wait_for(f"the run stops at {moment}", lambda: state_of(process.pid) in "TZ", SECONDS)
        assert process.poll() is None, ended(process)
        stop_injecting(checkout)
        yield process
    finally:
        os.kill(process.pid, signal.SIGCONT)


def state_of(pid: int) -> str:
    """As the kernel has it: T is stopped, Z has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def assert_reported(done: Result, host: Host, line: str) -> None:
    """A run that failed on that host, with this line (a pattern)."""
    assert done.returncode == 1, done
    assert not [each for each in lines_about(done, host) if each.startswith("verified: ")], done
    assert [each for each in lines_about(done, host) if re.fullmatch(line, each)], done


def holder(host: Host) -> int:
    """The id, on the host, of the process that holds its lock; 0 while none does."""
    pid = host.run("sed -n 3p /run/noevict.lock", check=False).stdout.strip()
    return int(pid) if pid and host.run(f"test -d /proc/{pid}", check=False).returncode == 0 else 0


def give_up(host: Host) -> None:
    """As lock.sh gives the lock up after 90 seconds of silence, which a test of its own waits for."""
    pid = holder(host)
    assert pid
    host.run(f"kill {pid}")
    wait_for("the lock is free", lambda: not holder(host))


def test_of_two_runs_at_once_one_works_and_the_other_says_who_does(boot: Boot, checkout: Checkout) -> None:
    host, other = boot("bookworm", "trixie")
    checkout.list_hosts([host])
    with stopped(checkout, "packages", "after") as first:
        checkout.list_hosts([host, other])
        second = checkout.run(*DEPLOY)
        before = file_states(host)
        assert checkout.run("pyinfra", "--dry", "inventory", "deploy.py").returncode == 0
        assert file_states(host) == before
    assert_reported(second, host, HELD.format(pid=first.pid))
    assert second.json["results"]["failed_hosts"] == [host.name]
    assert [line for line in lines_about(second, other) if line.startswith("verified: ")], second
    done = ended(first)
    assert done.returncode == 0, done
    assert_clean(checkout)


def test_a_run_that_was_killed_holds_no_lock(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host], user="admin")
    inject_faults(checkout, Fault("packages", "after"))
    assert checkout.run(*DEPLOY).returncode == -signal.SIGKILL
    stop_injecting(checkout)
    deploy(checkout)
    assert_clean(checkout)


WAKES = {
    "Files and kernel values": "a step with a script",
    "place": "within a step, before a script",
    "CONFIG SET maxclients": "before a command to Redis",
    "Verify as a client": "before the check at the end",
}


@pytest.mark.parametrize("moment", sample(list(WAKES), "place"))
def test_an_owner_that_wakes_up_after_its_lock_was_lost_changes_nothing_more(
    boot: Boot, checkout: Checkout, moment: str
) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    checkout.list_hosts([host], redis_config={"maxclients": 5000})
    with stopped(checkout, moment) as first:
        give_up(host)
        checkout.list_hosts([host], redis_config={"maxclients": 7000})
        second = deploy(checkout)
        assert [line for line in lines_about(second, host) if line.startswith("takes over the lock of ")], (
            second
        )
        before, server = file_states(host), run_id(checkout, host)
    done = ended(first)
    assert_reported(done, host, LOST)
    assert file_states(host) == before
    assert (run_id(checkout, host), config(checkout, host, "maxclients")) == (server, {"maxclients": "7000"})
    assert_clean(checkout)


def test_an_owner_that_wakes_up_to_a_free_lock_changes_nothing_more(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("bookworm")
    checkout.list_hosts([host])
    with stopped(checkout, "request") as first:
        give_up(host)
        before = file_states(host)
    assert_reported(ended(first), host, LOST)
    assert file_states(host) == before
    deploy(checkout)
    assert_clean(checkout)


@pytest.mark.long
def test_a_stopped_owner_loses_its_lock_after_90_seconds(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    with stopped(checkout, "packages", "after") as first:
        wait_for("the lock is given up", lambda: not holder(host), 150)
        deploy(checkout)
    assert_reported(ended(first), host, LOST)
    assert_clean(checkout)


@pytest.mark.long
def test_an_owner_whose_network_fell_silent_loses_its_lock_and_ends(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    link = f"vb-{host.machine}"
    with stopped(checkout, "packages", "after") as first:
        run("ip", "link", "set", link, "down")
    try:
        wait_for("the lock is given up", lambda: not holder(host), 150)
    finally:
        run("ip", "link", "set", link, "up")
    deploy(checkout)
    done = ended(first)
    assert done.returncode == 1, done
    assert_clean(checkout)


def test_a_host_that_changed_since_it_was_looked_at_is_left_for_the_next_run(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    server = run_id(checkout, host)
    checkout.list_hosts([host], redis_config={"hz": 20})
    command = ("pyinfra", "inventory", "deploy.py")
    asking = subprocess.Popen(
        command,
        cwd=checkout.root,
        env=checkout.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert asking.stdout
    reported = ""
    while "Detected changes displayed above" not in reported:
        reported += (more := asking.stdout.read(1))
        assert more, reported
    apply_changes(checkout, host, ("redis: CONFIG SET maxclients 5000",))
    output = reported + asking.communicate("\n", timeout=60)[0]
    done = Result(command, asking.returncode, output, "")
    assert done.returncode == 1, done
    assert "changed since it was looked at (config): run again" in lines_about(done, host), done
    assert config(checkout, host, "hz", "maxclients") == {"hz": "10", "maxclients": "5000"}
    deploy(checkout)
    assert config(checkout, host, "hz", "maxclients") == {"hz": "20", "maxclients": "10000"}
    assert run_id(checkout, host) == server


def test_runs_that_change_nothing_take_no_lock(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("bookworm")
    checkout.list_hosts([host])
    deploy(checkout)
    # Somebody's lock, as a run that changes something holds it.
    host.run("systemd-run -q flock -x /run/noevict.lock sleep infinity")
    assert_clean(checkout)
    apply_changes(checkout, host, ("redis: CONFIG SET hz 20",))
    before = file_states(host)
    assert checkout.run("pyinfra", "--dry", "inventory", "deploy.py").returncode == 0
    assert checkout.run("noevict", "drift").returncode == 2
    assert file_states(host) == before
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert [line for line in lines_about(done, host) if line.startswith("is being changed by ")], done


NewCheckout = Callable[[], Checkout]


def test_while_an_operator_is_at_work_one_with_other_secrets_learns_who(
    boot: Boot, new_checkout: NewCheckout
) -> None:
    [host] = boot("trixie")
    mine, theirs = new_checkout(), new_checkout()
    for checkout in (mine, theirs):
        checkout.list_hosts([host])
    with stopped(mine, "Files and kernel values", "after") as first:
        before = file_states(host)
        second = theirs.run(*DEPLOY)
        assert file_states(host) == before
    assert_reported(second, host, f"{HELD.format(pid=first.pid)}|{OTHERS}")
    assert not theirs.secrets.exists()
    done = ended(first)
    assert done.returncode == 0, done
    assert_clean(mine)


@pytest.mark.long
def test_of_two_operators_who_start_at_once_one_has_the_host(boot: Boot, new_checkout: NewCheckout) -> None:
    [host] = boot("bookworm")
    both = [new_checkout(), new_checkout()]
    for checkout in both:
        checkout.list_hosts([host])
    started = [checkout.start(*DEPLOY) for checkout in both]
    ends = [ended(process) for process in started]
    assert sorted(done.returncode for done in ends) == [0, 1], ends
    won = [done.returncode for done in ends].index(0)
    pid = started[won].pid
    assert_reported(ends[1 - won], host, f"{HELD.format(pid=pid)}|{CHANGED}|{OTHERS}")
    assert_clean(both[won])
    refused = both[1 - won].run(*DEPLOY)
    assert_reported(refused, host, OTHERS)
    ca = Certificate.parse((both[won].secrets / "ca.crt").read_text())
    assert ca
    assert ca.fingerprint in refused.output


def test_of_two_runs_of_one_checkout_that_start_at_once_each_host_is_done_by_one(
    boot: Boot, checkout: Checkout
) -> None:
    hosts = boot("bookworm", "trixie", "trixie")
    checkout.list_hosts(hosts)
    started = [checkout.start(*DEPLOY) for _ in range(2)]
    ends = [ended(process) for process in started]
    for host in hosts:
        did = [any(line.startswith("verified: ") for line in lines_about(done, host)) for done in ends]
        assert sorted(did) == [False, True], (host.name, *ends)
        other = HELD.format(pid=started[did.index(True)].pid)
        assert_reported(ends[did.index(False)], host, f"{other}|{CHANGED}")
    assert Secrets.load(checkout.secrets)
    assert_clean(checkout)


@pytest.mark.long
def test_a_run_that_began_before_there_were_secrets_continues_with_those_there_by_now(
    boot: Boot, checkout: Checkout
) -> None:
    host, other = boot("trixie", "bookworm")
    checkout.list_hosts([host, other])
    with stopped(checkout, "Lock the host, as it was looked at") as second:
        checkout.list_hosts([host])
        deploy(checkout)
        made = (checkout.secrets / "ca.crt").read_text()
    checkout.list_hosts([host, other])
    done = ended(second)
    assert [line for line in lines_about(done, other) if line.startswith("verified: ")], done
    assert_reported(done, host, CHANGED)
    assert (checkout.secrets / "ca.crt").read_text() == made
    assert_clean(checkout)
