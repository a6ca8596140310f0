"""Runs commands one after the other, from a terminal or a program. What is typed is kept only in memory."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

from noevict.client.resp import ErrorReply, Reply, SimpleString
from noevict.console.connection import ConsoleConnection
from noevict.console.replies import is_for_people, raw, readable
from noevict.errors import NoevictError
from noevict.messages import one_line
from noevict.redisconf.parser import is_whole, split_bytes

_ENDLESS = {b"subscribe", b"psubscribe", b"ssubscribe", b"monitor"}  # what they answer has no end
_ENDS = {b"quit", b"exit"}
_CLOSES = {b"exec", b"discard", b"reset"}


class Console:
    """A console for one host. The next command replaces a lost connection; no command is sent twice."""

    def __init__(self, name: str, dial: Callable[[], ConsoleConnection]) -> None:
        """``dial`` connects, and may raise NoevictError."""
        self._name, self._dial = name, dial
        self._connection: ConsoleConnection | None = None
        self._database, self._queueing = b"", False
        self._terminal = sys.stdout.isatty()

    def run(self, words: list[bytes]) -> bool:
        """Send a command and print the reply. Return False for an error reply, which goes to stderr in a pipe.

        Raise NoevictError if the host cannot be reached. KeyboardInterrupt closes the connection, whose next reply
        would be this command's.
        """
        command = words[0].lower()
        endless = command in _ENDLESS and not self._queueing
        try:
            with self._reaching(words):
                self.connect().send(words)
            reply = self._read(words)
            while endless and not isinstance(reply, ErrorReply):
                reply = self._read(words)
        except KeyboardInterrupt:
            self.close()
            if endless:
                return True
            raise
        self._follow(command, words, reply)
        return not isinstance(reply, ErrorReply)

    def _read(self, words: list[bytes]) -> Reply:
        with self._reaching(words):
            reply = self.connect().read()
        self._print(reply, words)
        return reply

    @contextmanager
    def _reaching(self, words: list[bytes]) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError) as error:
            self.close()
            why = str(error) or "the connection ended"
            raise NoevictError(
                f"{self._name}: {why}: whether {_text(words[:1])} was done is not known"
            ) from None

    def converse(self) -> bool:
        """Run commands until the input ends, or one says ``quit``. Return True at a terminal, else if all was well."""
        fine = True
        for line in self._lines():
            words = split_bytes(line)
            if not words:
                continue
            if words[0].lower() in _ENDS:
                break
            try:
                if not is_whole(line):
                    raise NoevictError("a quote should be closed, is not")
                fine = self.run(words) and fine
            except NoevictError as error:
                fine = False
                click.echo(str(error), err=True)
            except KeyboardInterrupt:
                if not self._asks:
                    raise
                click.echo(f"interrupted: whether {_text(words[:1])} was done is not known", err=True)
        return fine or self._asks

    def connect(self) -> ConsoleConnection:
        """Return the open connection, or a new one."""
        if self._connection is None:
            self._connection = self._dial()
        return self._connection

    def close(self) -> None:
        """Close the connection, and forget its database and transaction."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
        self._connection, self._database, self._queueing = None, b"", False

    @property
    def _asks(self) -> bool:
        return self._terminal and sys.stdin.isatty()

    def _lines(self) -> Iterator[bytes]:
        if not self._asks:
            yield from sys.stdin.buffer
            return
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415 - gives input() line editing and a history in memory
        while True:
            try:
                yield input(self._prompt()).encode("utf-8", "surrogateescape")
            except KeyboardInterrupt:
                click.echo()
            except EOFError:
                click.echo()
                return

    def _prompt(self) -> str:
        database = f"[{_text([self._database])}]" if self._database.strip(b"0") else ""
        return f"{self._name}{database}{'(TX)' if self._queueing else ''}> "

    def _follow(self, command: bytes, words: list[bytes], reply: Reply) -> None:
        """Follow the connection's state, which the prompt shows."""
        if command == b"multi" and isinstance(reply, SimpleString):
            self._queueing = True
        elif command in _CLOSES:
            self._queueing = False
        if command == b"reset":
            self._database = b""
        if command == b"select" and len(words) == 2 and reply == SimpleString(b"OK"):
            self._database = words[1]

    def _print(self, reply: Reply, words: list[bytes]) -> None:
        if self._terminal:
            click.echo(readable(reply, lines=is_for_people(words)))
        elif isinstance(reply, ErrorReply):
            click.echo(one_line(f"{self._name}: {reply}"), err=True)
        else:
            text = raw(reply)
            sys.stdout.buffer.write(text if is_for_people(words) and text.endswith(b"\n") else text + b"\n")
            sys.stdout.buffer.flush()


def _text(words: list[bytes]) -> str:
    return b" ".join(words).decode("utf-8", "backslashreplace")
