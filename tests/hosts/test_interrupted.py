"""A run that is killed at any moment, and two at once: the next one finishes, and no key is lost."""

import itertools
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hosts.by_hand import assert_filled, do, files, fill, install_foreign, plain, said
from tests.hosts.conftest import Boot
from tests.hosts.deployed import DEPLOY, admin, assert_clean, config, deploy, run_id
from tests.lab.checkout import REPOSITORY, Checkout, Result

KEYS = 2000
OPERATIONS = re.findall(r'name="(.+)"', Path(REPOSITORY, "deploy.py").read_text())
# Of a run that provisions one host, and takes over one whose server runs and one whose server is stopped.
MOMENTS = [name for name in OPERATIONS if not name.startswith("Leave alone")]


def start(checkout: Checkout, until: str) -> subprocess.Popen[str]:
    """A run that has just said so. Raises AssertionError where it ends without a word of it."""
    process = checkout.start(*DEPLOY)
    assert process.stderr
    told = []
    for line in process.stderr:
        told.append(line)
        if until in line:
            return process
    raise AssertionError(f"it never said {until!r}: {''.join(told)}")


@pytest.mark.parametrize(("moment", "after"), list(zip(MOMENTS, itertools.cycle((0, 0.2)), strict=False)))
def test_a_run_that_is_killed_is_finished_by_the_next(
    boot: Boot, checkout: Checkout, moment: str, after: float
) -> None:
    bare, running, stopped = boot("trixie", "bookworm", "trixie")
    for host in running, stopped:
        install_foreign(host)
        with plain(host) as client:
            fill(client, KEYS)
    do(checkout, stopped, ("systemctl disable --now UNIT", "chmod 755 DATA"))
    checkout.list_hosts([bare, running, stopped], redis_takeover=True)
    process = start(checkout, f"--> Starting operation: {moment}")
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finish(checkout)
    for host in running, stopped:
        with admin(checkout, host) as client:
            assert_filled(client, KEYS)
    with admin(checkout, bare) as client:
        assert client.dbsize() == 0
    assert_clean(checkout)


def finish(checkout: Checkout) -> None:
    """Run again; once more where a command of the killed run was still at work on a host."""
    done = checkout.run(*DEPLOY)
    if done.returncode:
        at_work = r"changed since looked at \(.*\): run again|is being changed by a command of an earlier run: wait .*"
        failed = done.json["results"]["failed_hosts"]
        told = re.findall(rf"^ +\[(\S+)\] +(?:{at_work})$", done.output, re.MULTILINE)
        assert sorted(failed) == sorted(told), done
        deploy(checkout)


def test_of_two_runs_at_once_one_works_and_the_other_says_who_does(boot: Boot, checkout: Checkout) -> None:
    host, other = boot("bookworm", "trixie")
    checkout.list_hosts([host])
    first = start(checkout, "--> Starting operation: Prepare packages")
    os.kill(first.pid, signal.SIGSTOP)
    try:
        checkout.list_hosts([host, other])
        second = checkout.run(*DEPLOY)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode == 1, second
    held = rf"is being changed by \S+ at \S+ \(process {first.pid}\) since .*: wait for it, then run again"
    assert [line for line in said(second, host) if re.fullmatch(held, line)], second
    assert [line for line in said(second, other) if line.startswith("verified: ")], second
    stdout, stderr = first.communicate(timeout=120)
    assert first.returncode == 0, Result(DEPLOY, first.returncode, stdout, stderr)
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
    told = ""
    while "Detected changes displayed above" not in told:
        told += (more := asking.stdout.read(1))
        assert more, told
    do(checkout, host, ("redis: CONFIG SET maxclients 5000",))
    output = told + asking.communicate("\n", timeout=60)[0]
    done = Result(command, asking.returncode, output, "")
    assert done.returncode == 1, done
    assert "changed since looked at (config): run again" in said(done, host), done
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
    do(checkout, host, ("redis: CONFIG SET hz 20",))
    before = files(host)
    assert checkout.run("pyinfra", "--dry", "inventory", "deploy.py").returncode == 0
    assert checkout.run("noevict", "drift").returncode == 2
    assert files(host) == before
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert [line for line in said(done, host) if line.startswith("is being changed by ")], done
