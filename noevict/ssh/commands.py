"""Runs commands on a host, over its open SSH connection or on this machine: in bounded time, with bounded output.

Everything that runs on a host is run by this module; pyinfra's own commands (for a sudo password) too.
"""

import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import gevent
import paramiko
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.output import echo
from pyinfra.api.state import State
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command_for_host

from noevict.messages import one_line
from noevict.ssh.login_shell import PLAIN, begun, own_output
from noevict.ssh.transport import within

SECONDS = 120  # for a command without a timeout of its own
ANSWER_SECONDS = 20  # for a program's next line, and for what a connection needs besides
MOST_BYTES = 4 << 20  # of a command's output; the largest, a look, may have 800,000
MOST_LINES = 100_000
LONGEST_ANSWER = 65536  # bytes of a program's first line, with all that is printed before it
CHUNK = 65536

# What a program on a host, or the connection to it, may raise if it is gone.
GONE = (OSError, EOFError, paramiko.SSHException)


class TooMuch(OSError):
    """The host sends more than any command of noevict's prints."""


class Program(Protocol):
    """A program that runs on the host. Each method may block: call it ``within`` some time."""

    def read(self, stream: str) -> bytes:
        """Return some of its "stdout" or "stderr"; b"" at the end."""

    def write(self, data: bytes) -> None: ...
    def end_input(self) -> None: ...

    def code(self) -> int:
        """Wait for its exit code. Raise EOFError if the connection ended first."""

    def close(self) -> None:
        """Stop reading from it. A program that reads its input to the end will end."""


class _RemoteProgram:
    def __init__(self, transport: paramiko.Transport, command: str, pty: bool) -> None:
        self._channel = transport.open_session()
        if pty:
            self._channel.get_pty()
        self._channel.exec_command(command)

    def read(self, stream: str) -> bytes:
        return self._channel.recv(CHUNK) if stream == "stdout" else self._channel.recv_stderr(CHUNK)

    def write(self, data: bytes) -> None:
        self._channel.sendall(data)

    def end_input(self) -> None:
        self._channel.shutdown_write()

    def code(self) -> int:
        code = self._channel.recv_exit_status()
        if code < 0:
            error = self._channel.get_transport().get_exception()
            raise error if error is not None and str(error) else EOFError("it hung up")
        return code

    def close(self) -> None:
        self._channel.close()


class _LocalProgram:
    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101, PT018 - PIPEs
        self._input = self._process.stdin
        self._outputs = {"stdout": self._process.stdout, "stderr": self._process.stderr}

    def read(self, stream: str) -> bytes:
        data: bytes = self._outputs[stream].read(CHUNK)
        return data

    def write(self, data: bytes) -> None:
        while data:
            data = data[self._input.write(data) :]

    def end_input(self) -> None:
        self._input.close()

    def code(self) -> int:
        return self._process.wait()

    def close(self) -> None:
        for pipe in (self._input, *self._outputs.values()):
            with suppress(OSError):
                pipe.close()


def start(host: Host, command: str, pty: bool = False) -> Program:
    """Start a program through the host's connection. Raise TimeoutError or, without a connection, one of GONE."""
    client = getattr(host.connector, "client", None)
    if client is None:
        return _LocalProgram(command)
    transport = client.get_transport()
    if transport is None or not transport.is_active():
        raise EOFError("the SSH connection is gone")
    with within(ANSWER_SECONDS):
        return _RemoteProgram(transport, command, pty)


def end(host: Host) -> None:
    """Close the SSH connection to a host that must send nothing more."""
    client = getattr(host.connector, "client", None)
    if client is not None:
        with suppress(*GONE), within(ANSWER_SECONDS):
            client.close()


def close(program: Program) -> None:
    """Close a program, in whatever state it is."""
    with suppress(*GONE), within(ANSWER_SECONDS):
        program.close()


def read_answer(program: Program) -> str:
    """Return the first line that a program itself prints; if it ends without one, all that was printed.

    Raise TooMuch or TimeoutError.
    """
    with within(ANSWER_SECONDS):
        printed = _read(program, "stdout", lambda data: begun(data) and b"\n" in own_output(data))
        if begun(printed) and (line := own_output(printed).partition(b"\n")[0]):
            return _text(line)
        printed += own_output(_read(program, "stderr", lambda _: False))
    return " / ".join(_text(line) for line in own_output(printed).splitlines())


def _read(program: Program, stream: str, enough: Callable[[bytes], bool]) -> bytes:
    data = b""
    while not enough(data) and (more := program.read(stream)):
        data += more
        if len(data) > LONGEST_ANSWER:
            raise TooMuch("printed more than a line")
    return data


def write(program: Program, data: bytes) -> None:
    with within(ANSWER_SECONDS):
        program.write(data)


def open_program(state: State, host: Host, script: str, arguments: dict[str, Any]) -> Program:
    """Start ``script`` (bash) on the host with pyinfra's connector arguments (``_sudo``, ...); its input stays open."""
    how = {**arguments, "_shell_executable": "bash --norc"}  # below sshd, bash may read .bashrc
    command = _command(state, host, StringCommand(script), how)
    return start(host, command.get_raw_value())


def limit(state: State, host: Host) -> None:
    """From now on, run every command on the host with ``run``, pyinfra's own too."""
    vars(host.connector)["run_shell_command"] = partial(run, state, host)


def run(
    state: State,
    host: Host,
    command: StringCommand | str,
    print_output: bool = False,
    print_input: bool = False,
    **arguments: Any,
) -> tuple[bool, CommandOutput]:
    """Run a command as pyinfra's run_shell_command does, but in bounded time, and report a sudo that wants a password.

    pyinfra would ask for the password at a terminal, where nobody may be. Raise TimeoutError, TooMuch, or another of
    GONE if the connection ends. A command that has begun continues on the host.
    """
    seconds = arguments.get("_timeout") or SECONDS
    wanted = StringCommand(command) if isinstance(command, str) else command
    output = _Output()
    with within(seconds):
        whole = _command(state, host, wanted, arguments)
        if print_input:
            echo(f"{host.print_prefix}>>> {whole}", err=True)
        program = start(host, whole.get_raw_value(), bool(arguments.get("_get_pty")))
        try:
            code = _talk(program, _bytes(arguments.get("_stdin")), output)
        except TooMuch:
            end(host)  # more may be on its way
            raise
        finally:
            close(program)
    lines = CommandOutput(output.lines())
    if print_output:
        for line in lines:
            echo(f"{host.print_prefix}{one_line(line.line)}", err=True)
    return code in (arguments.get("_success_exit_codes") or (0,)), lines


def _talk(program: Program, data: bytes, output: "_Output") -> int:
    readers = [gevent.spawn(output.read, program, stream) for stream in ("stdout", "stderr")]
    try:
        with suppress(*GONE):  # it need not read all its input: its exit code counts
            program.write(data)
            program.end_input()
        gevent.joinall(readers)
    finally:
        gevent.killall(readers)
    if output.too_much:
        raise TooMuch(f"printed more than {MOST_BYTES >> 20} MiB or {MOST_LINES} lines")
    return program.code()


class _Output:
    """A command's output, limited in size, and without control characters."""

    def __init__(self) -> None:
        self._kept: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self._bytes = self._lines = 0
        self.too_much = False

    def read(self, program: Program, stream: str) -> None:
        """Read a stream to its end, or until both streams together are too much."""
        with suppress(*GONE):  # the exit code counts
            while not self.too_much and (data := program.read(stream)):
                self._kept[stream].append(data)
                self._bytes += len(data)
                self._lines += data.count(b"\n")
                if self._bytes > MOST_BYTES or self._lines > MOST_LINES:
                    self.too_much = True
                    program.close()  # this ends the other reader too

    def lines(self) -> list[OutputLine]:
        return [
            OutputLine(name, _text(line))
            for name, data in self._kept.items()
            if (own := own_output(b"".join(data)))
            for line in own.removesuffix(b"\n").split(b"\n")
        ]


def _text(line: bytes) -> str:
    """Replace control characters, which a terminal would obey. Only tabs stay: noevict's scripts need them."""
    text = line.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\t" else "?" for each in text)


def _bytes(stdin: Iterable[str] | None) -> bytes:
    lines = [stdin] if isinstance(stdin, str) else stdin or ()
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines).encode()


def _command(state: State, host: Host, command: StringCommand, arguments: dict[str, Any]) -> StringCommand:
    how = {key: value for key, value in arguments.items() if key not in _ABOUT_RUNNING}
    whole = make_unix_command_for_host(state, host, StringCommand(PLAIN, command), **how)
    # sudo's messages are parsed: have them in English.
    return StringCommand("env", "LC_ALL=C", whole) if how.get("_sudo") else whole


# pyinfra's arguments that say how a command is run, and not how it is written.
_ABOUT_RUNNING = ("_success_exit_codes", "_timeout", "_get_pty", "_stdin")
