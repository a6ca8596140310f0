"""pyinfra's exit codes: 0 is for what was done, and hosts that are named are there."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noevict.errors import NoevictError
from noevict.inventory.reader import read_fleet
from noevict.inventory.ssh_options import key_mistakes, shorten_log
from noevict.run import command_line
from noevict.run.command_line import check_limits
from tests.lab.terminal import terminal
from tests.unit.project_copy import copy_project, environment, run_pyinfra

HOSTS = """
redis:
  cache-1:
  cache-2:
valkey:
  cache-3:
  "@ssh/cache-4":
"""
LOCAL = 'redis:\n  "@local":\n'
# On @local, without a shell, so that no root is needed.
DEPLOY = """
from pyinfra.operations import python

def leave_a_trace():
    open("executed", "w").close()

python.call(name="Execute", function=leave_a_trace)
"""


@pytest.mark.parametrize(
    ("limits", "excluded", "left"),
    [
        ((), (), "1 2 3 4"),
        (("cache-1",), (), "1"),
        (("cache-[12]", "valkey"), (), "1 2 3 4"),
        (("inventory",), (), "1 2 3 4"),
        (("@ssh/cache-4",), ("cache-1",), "4"),
        (("*cache-4",), (), "4"),
        (("redis",), ("cache-1",), "2"),
        ((), ("valkey",), "1 2"),
    ],
)
def test_names_groups_and_patterns_of_hosts_are_accepted(
    tmp_path: Path, limits: tuple[str, ...], excluded: tuple[str, ...], left: str
) -> None:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    assert [host[-1] for host in check_limits(read_fleet(tmp_path), limits, excluded)] == left.split()


@pytest.mark.parametrize(
    ("limits", "excluded", "answer"),
    [
        (("cach-1",), (), "--limit 'cach-1': should be a host or group of hosts.yml (did you mean cache-1?)"),
        (
            ("cache-O",),
            (),
            "--limit 'cache-O': should be a host or group of hosts.yml (did you mean cache-1, cache-2 or cache-3?), "
            "matches none",
        ),
        (
            ("cache-1,cache-2",),
            (),
            "--limit 'cache-1,cache-2': should be a host or group of hosts.yml (one --limit for each), matches none",
        ),
        (
            (),
            ("cache-1, redis",),
            "--exclude 'cache-1, redis': should be a host or group of hosts.yml (one --exclude",
        ),
        (("cache-1", "db-*"), (), "--limit 'db-*': should be a host or group of hosts.yml, matches none"),
        (
            (),
            ("valkye",),
            "--exclude 'valkye': should be a host or group of hosts.yml (did you mean valkey?)",
        ),
        (("valkey",), ("*cache-[34]",), "--exclude: should leave at least one host, leaves none"),
        ((), ("inventory",), "--exclude: should leave at least one host, leaves none"),
        (("all",), (), "--limit 'all': should be"),  # pyinfra knows no such group either
        (("cache-4",), (), "--limit 'cache-4': should be"),  # nor this host, but as @ssh/cache-4
    ],
)
def test_what_matches_no_host_is_a_mistake(
    tmp_path: Path, limits: tuple[str, ...], excluded: tuple[str, ...], answer: str
) -> None:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    with pytest.raises(NoevictError) as caught:
        check_limits(read_fleet(tmp_path), limits, excluded)
    (line,) = caught.value.lines
    assert line.startswith(answer)


def test_a_group_data_file_without_a_group_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    project = copy_project(tmp_path, LOCAL, reddis="redis_port = 7000\n")
    (project / "deploy.py").write_text(DEPLOY)
    done = run_pyinfra(project, "-y", "inventory", "deploy.py")
    assert (done.returncode, (project / "executed").exists()) == (0, True), done.stderr
    [line] = [line for line in done.stderr.splitlines() if "group_data" in line]
    assert line.startswith("warning: group_data/reddis.py: should have the name of a group in hosts.yml")
    assert line.endswith(", is ignored")


def test_a_limit_that_matches_no_host_ends_the_command_before_any_connection(tmp_path: Path) -> None:
    done = run_pyinfra(copy_project(tmp_path, LOCAL), "-y", "--limit", "cach-1", "inventory", "deploy.py")
    assert done.returncode == 1
    assert "--limit 'cach-1': should be a host or group of hosts.yml" in done.stderr
    assert "Connecting" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "executed"),
    [("\n", 0, True), ("y\n", 0, True), ("n\n", 1, False), ("", 1, False)],
)
def test_an_answer_but_enter_or_y_changes_nothing_and_says_so(
    tmp_path: Path, answer: str, code: int, executed: bool
) -> None:
    project = copy_project(tmp_path, LOCAL)
    (project / "deploy.py").write_text(DEPLOY)
    done = run_pyinfra(project, "inventory", "deploy.py", answer=answer)
    assert (done.returncode, (project / "executed").exists()) == (code, executed), done.stderr
    assert ("nothing was changed: only Enter or y continues" in done.stderr) == (not executed)
    assert ("there is no terminal" in done.stdout + done.stderr) == (answer == "")
    assert "Traceback" not in done.stderr


def test_ctrl_d_at_a_terminal_is_a_no(tmp_path: Path) -> None:
    project = copy_project(tmp_path, LOCAL)
    (project / "deploy.py").write_text(DEPLOY)
    command = [str(Path(sys.executable).parent / "pyinfra"), "inventory", "deploy.py"]
    with terminal(*command, cwd=project, env=environment()) as seat:
        seat.read_until("Press enter to execute", 60)
        seat.type("\x04")
        seat.read_until("never printed", 60)
        assert seat.process.wait(60) == 1
    assert "none (ctrl-d)" in seat.displayed
    assert "there is no terminal" not in seat.displayed
    assert "nothing was changed" in seat.displayed
    assert not (project / "executed").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dry", "inventory", "deploy.py"),
        ("--json", "inventory", "deploy.py"),
        ("inventory", "debug-inventory"),
        ("-y", "inventory", "deploy.py"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_who_asks_for_no_change_or_gets_it_has_exit_code_0(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    project = copy_project(tmp_path, LOCAL)
    (project / "deploy.py").write_text(DEPLOY)
    done = run_pyinfra(project, *arguments)
    assert done.returncode == 0, done.stderr
    assert (project / "executed").exists() == ("-y" in arguments)


@pytest.mark.parametrize("dry", [("--dry",), ("--dry", "-y")], ids=" ".join)
def test_a_look_at_hosts_on_which_a_run_would_fail_fails(tmp_path: Path, dry: tuple[str, ...]) -> None:
    project = copy_project(tmp_path, LOCAL)
    (project / "deploy.py").write_text(
        'from noevict.run import command_line\ncommand_line.failing.add("cache-1")\n'
    )
    done = run_pyinfra(project, *dry, "inventory", "deploy.py")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "a run would fail on cache-1")


@pytest.mark.parametrize("when", ["asked", "at work"])
def test_ctrl_c_has_the_exit_code_of_an_interrupted_program(tmp_path: Path, when: str) -> None:
    project = copy_project(tmp_path, LOCAL)
    deploy = DEPLOY.replace(
        'open("executed", "w").close()', 'print("now", flush=True); import time; time.sleep(60)'
    )
    (project / "deploy.py").write_text(deploy)
    command = [
        str(Path(sys.executable).parent / "pyinfra"),
        *(["-y"] if when == "at work" else ()),
        "inventory",
        "deploy.py",
    ]
    with terminal(*command, cwd=project, env=environment()) as seat:
        seat.read_until("now" if when == "at work" else "Press enter to execute", 60)
        seat.process.send_signal(signal.SIGINT)
        seat.read_until("never printed", 60)
        assert seat.process.wait(60) == command_line.INTERRUPTED == 130
    assert ("interrupted; run it again to finish" in seat.displayed) == (when == "at work")
    assert "interrupted" in seat.displayed
    assert "Traceback" not in seat.displayed


def test_a_wrong_ssh_key_is_a_mistake_of_its_own_line_before_any_connection(tmp_path: Path) -> None:
    """Of hosts that are named: who has no key of another host continues."""
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "good"), check=True)
    subprocess.run(
        ("ssh-keygen", "-q", "-t", "ed25519", "-N", "geheim", "-f", tmp_path / "locked"), check=True
    )
    (tmp_path / "text").write_text("hello\n")
    hosts = {
        "a.invalid": "ssh_key: good",
        "b.invalid": "ssh_key: nowhere",
        "c.invalid": "ssh_key: text",
        "d.invalid": "ssh_key: good.pub",
        "e.invalid": "ssh_key: locked, ssh_key_password: geheim",
        "f.invalid": "ssh_key: locked, ssh_key_password: hunter2",
    }
    text = "redis:\n" + "".join(f"  {name}: {{{data}}}\n" for name, data in hosts.items())
    project = copy_project(tmp_path, text)
    mistakes = [
        "b.invalid: ssh_key: should be the file of a private key on this machine (it is not there), got 'nowhere' "
        "(hosts.yml:3)",
        "c.invalid: ssh_key: should be the file of a private key, got 'text' (hosts.yml:4)",
        "d.invalid: ssh_key: should be the file of a private key (that is a public one), got 'good.pub' (hosts.yml:5)",
        "f.invalid: ssh_key_password: should be the passphrase of ssh_key, is not (hosts.yml:7)",
    ]
    fleet = read_fleet(project)
    assert key_mistakes(fleet, fleet.hosts) == mistakes
    assert key_mistakes(fleet, ["a.invalid", "e.invalid"]) == []
    done = run_pyinfra(project, "-y", "--limit", "b.invalid", "inventory", "deploy.py")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == ["1 to put right, no host was connected to:", mistakes[0]]
    assert "Connecting" not in done.stderr


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", None),
        ("    ssh-keygen -R 10.0.0.1", None),
        ("No host key for 10.0.0.1 found in known_hosts", None),
        ("[a] SSH error (StrictPolicy: No host key for 10.0.0.1 found in known_hosts)", "as it is"),
        (
            "[a] SSH host key error (Host key for 10.0.0.1 does not match.)",
            "[a] SSH host key error (Host key for 10.0.0.1 is not the one in known_hosts: somebody may intercept the "
            "connection. Only if the host was reinstalled: ssh-keygen -R 10.0.0.1 "
            "(with -f FILE for its ssh_known_hosts_file))",
        ),
        ("[a] the certificate does not match.", "as it is"),
    ],
)
def test_a_changed_host_key_is_one_line_with_what_to_do(
    printed: str, left: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    shorten_log()
    shorten_log()
    logging.getLogger("pyinfra").warning("%s", printed)
    assert caplog.messages == ([] if left is None else [printed if left == "as it is" else left])
