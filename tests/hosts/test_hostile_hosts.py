"""Hosts that answer garbage, without end or not at all: each fails by itself, in time, and takes no memory or terminal.

All of them are of one run, beside one host that is as it should be.
"""

import contextlib
import json
import re
from dataclasses import dataclass

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, deploy
from tests.hosts.manual_changes import lines_about
from tests.hosts.misbehaving_sshd import ESCAPES, SERVERS, listening
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host

MEBIBYTES = 250  # of the controller's, as with fifty hosts that are as they should be
SECONDS = 900  # a look has 60; on a busy machine all that they pour takes its time to be read
GOOD = "good"


@dataclass(frozen=True)
class Strange:
    """``program``, which a look runs, does that (sh) on a host; ``reported``: what the line about it has in it."""

    program: str
    does: str
    reported: str


OCTAL = "".join(f"\\{ord(character):03o}" for character in ESCAPES)
PROGRAMS = {
    "lines without end": Strange("bash", "exec yes", "printed more than 4 MiB"),
    "a line without end": Strange("bash", "tr '\\0' x </dev/zero", "printed more than 4 MiB"),
    "errors without end": Strange("bash", "exec yes >&2", "printed more than 4 MiB"),
    "empty lines without end": Strange("bash", "yes '' | head -c 3000000", "printed more than 4 MiB or 100000 lines"),
    "garbage": Strange("bash", "exec cat /dev/urandom", "printed more than 4 MiB"),
    "a little garbage": Strange("bash", "head -c 50000 /dev/urandom", "is incomplete"),
    "escapes and a failure": Strange("bash", f"printf '{OCTAL}' >&2; exit 1", "?]0;owned??[2J"),
    "escapes in an answer": Strange(
        "bash", f'/bin/bash "$@" | sed "s/^uid.*/uid $(printf \'{OCTAL}\')/"', "should be reached as root"
    ),
    "numbers that are none": Strange("bash", '/bin/bash "$@" | sed "s/^time.*/time 1e9/"', "cannot be parsed"),
    "no end": Strange("bash", "exec sleep 1000000", "took longer than 60 s"),
    "a sudo without end": Strange("sudo", "exec yes", "printed more than 4 MiB"),
    "a dpkg-query without end": Strange("dpkg-query", "exec yes", "printed more than 4 MiB"),
}  # fmt: skip
HANDSHAKE = "SSH error (the host accepted the connection, but the SSH handshake was not done after 30 s)"
REPORTED = {
    "never says a word": HANDSHAKE,
    "pours before its banner": "the host sends data without end before the login",
    "has a banner of escapes": "\\x1b]0;owned\\x07\\x1b[2J",
    "stalls after its banner": HANDSHAKE,
    "stalls after the login": "the connection to the host broke",
    "stalls before the command": "took longer than 20 s",
    "stalls in the command": "took longer than 60 s",
    "pours in the command": "printed more than 4 MiB",
}


def name(case: str) -> str:
    return case.replace(" ", "-")


@dataclass
class Story:
    good: Host
    deploy: Result
    drift: Result
    peak: int  # the most memory that the deploy took, bytes


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    checkout = checkout_for_module
    specs = [Spec("trixie", name=GOOD), *(Spec("bookworm", name=name(case)) for case in PROGRAMS)]
    good, *odd = boot_for_module(*specs)
    for host, strange in zip(odd, PROGRAMS.values(), strict=True):
        host.write(f"/usr/local/bin/{strange.program}", f"#!/bin/sh\n{strange.does}\n", mode=0o755)
    checkout.list_hosts([good])
    deploy(checkout)
    sudo = {host.name: {"ssh_user": "admin", "_sudo": True} for host in odd if "sudo" in host.name}
    checkout.list_hosts([good, *odd], each=sudo)
    with contextlib.ExitStack() as stack:
        with checkout.hosts_yml.open("a") as hosts_yml:
            for case in SERVERS:
                where = {
                    "ssh_hostname": "127.0.0.1",
                    "ssh_port": stack.enter_context(listening(case)),
                    "ssh_key": str(good.claim.key),
                    "ssh_strict_host_key_checking": "no",
                }
                hosts_yml.write(f"  {name(case)}: {json.dumps(where)}\n")
        drifting = checkout.start("noevict", "drift")
        done, cost = checkout.measure(*DEPLOY, timeout=SECONDS)
        stdout, stderr = drifting.communicate(timeout=SECONDS)
    return Story(good, done, Result(("noevict", "drift"), drifting.returncode, stdout, stderr), cost.peak)


@pytest.mark.parametrize("case", [*PROGRAMS, *SERVERS])
def test_such_a_host_fails_with_a_line_of_its_own(story: Story, case: str) -> None:
    reported = PROGRAMS[case].reported if case in PROGRAMS else REPORTED[case]
    assert name(case) in story.deploy.json["results"]["failed_hosts"], story.deploy
    lines = re.findall(rf"(?m)^ *\[{name(case)}\] +(.*)$", story.deploy.output)
    assert [line for line in lines if reported in line], story.deploy
    failures = [line for line in story.drift.stderr.splitlines() if line.startswith(f"{name(case)}: ")]
    assert [line for line in failures if reported in line], story.drift


def test_the_host_beside_them_is_done(story: Story) -> None:
    assert [line for line in lines_about(story.deploy, story.good) if line.startswith("verified: ")], (
        story.deploy
    )
    assert GOOD not in story.deploy.json["results"]["failed_hosts"]
    assert (story.deploy.returncode, story.drift.returncode) == (1, 1)
    assert f"1 of {1 + len(PROGRAMS) + len(SERVERS)} hosts as wanted" in story.drift.stdout


def test_nothing_of_them_reaches_the_terminal_as_more_than_text(story: Story) -> None:
    # pyinfra's own colours aside.
    output = re.sub(r"\x1b\[[0-9;]*m", "", story.deploy.output) + story.drift.output
    assert {character for character in output if not character.isprintable()} == {"\n"}
    assert "Traceback" not in output


def test_they_take_no_more_memory_of_the_controller_than_fifty_hosts_do(story: Story) -> None:
    assert story.peak < MEBIBYTES << 20
