"""A run that is killed at any moment: the next one finishes, and no key is lost."""

import itertools
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hosts.by_hand import assert_filled, do, fill, install_foreign, plain
from tests.hosts.conftest import Boot
from tests.hosts.deployed import DEPLOY, admin, assert_clean, deploy
from tests.lab.checkout import REPOSITORY, Checkout

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
