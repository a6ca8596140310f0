"""What a login shell adds to a command is undone: by real shells, as a host runs them."""

import subprocess
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noevict.ssh import commands
from noevict.ssh.login_shell import BEGIN, PATH, PLAIN, begun, own_output
from noevict.ssh.sudo import refusal_of_sudo

NOISE = "echo hello; echo last login >&2; "


def program(script: str) -> commands.Program:
    """It runs here, as on a host without SSH."""
    host = cast(Any, SimpleNamespace(connector=SimpleNamespace()))
    return commands.start(host, script)


def test_what_was_printed_before_is_cut_off_both_streams() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{NOISE}{PLAIN} printf 'mine\\n'; echo wrong >&2"], capture_output=True, check=True
    )
    assert own_output(done.stdout) == b"mine\n"
    assert own_output(done.stderr) == b"wrong\n"


def test_nothing_is_cut_off_if_the_command_never_began() -> None:
    assert own_output(b"sudo: a password is required\n") == b"sudo: a password is required\n"
    assert not begun(f"{BEGIN}, not a whole line".encode())


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_environment_is_a_known_one(shell: str) -> None:
    script = f'umask 077; {PLAIN} echo "$PATH ${{BASH_ENV-none}}"; umask'
    reported = subprocess.run(
        [shell, "-c", script],
        env={"PATH": "/usr/bin:/bin", "BASH_ENV": "/dev/null"},
        capture_output=True,
        check=True,
    )
    assert own_output(reported.stdout).decode() == f"{PATH} none\n0022\n"


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (f"{NOISE}{PLAIN} echo locked; cat", "locked"),  # it is not waited for
        (f"{NOISE}{PLAIN} echo why >&2", "why"),
        ("echo 'sudo: no' >&2; exit 1", "sudo: no"),
        (f"{PLAIN} exit 1", ""),
    ],
)
def test_the_answer_of_a_program_is_its_own_first_line(script: str, answer: str) -> None:
    running = program(f"exec sh -c '{script.replace(chr(39), chr(34))}'")
    try:
        assert commands.read_answer(running) == answer
    finally:
        commands.close(running)


def test_a_program_that_prints_without_end_is_not_waited_for() -> None:
    running = program("exec yes")
    with pytest.raises(commands.TooMuch):
        commands.read_answer(running)
    commands.close(running)


ASKPASS = "/tmp/pyinfra-sudo-askpass-x"


@pytest.mark.parametrize(
    ("printed", "reported"),
    [
        ("sudo: a password is required", "sudo wants a password"),
        ("sudo-rs: interactive authentication is required", "sudo wants a password"),
        ("sudo: 3 incorrect password attempts", "sudo rejects the password"),
        (
            f"sudo: unable to run {ASKPASS}: Permission denied\nsudo: a password is required",
            "sudo cannot run the program that pyinfra puts into /tmp",
        ),
        ("mkdir: cannot create directory", ""),
    ],
)
def test_a_refusal_of_sudo_is_reported_by_what_to_do(printed: str, reported: str) -> None:
    line = refusal_of_sudo(printed.splitlines())
    assert line.startswith(reported)
    assert bool(line) == bool(reported)
