"""`noevict cli`: which words are the command, and how replies look."""

import socket

import pytest

from noevict.cli.main import noevict
from noevict.client.resp import ErrorReply, Reply, SimpleString
from noevict.console.connection import ConsoleConnection
from noevict.console.replies import is_for_people, raw, readable


@pytest.mark.parametrize(
    ("line", "user", "command"),
    [
        ("cache-1", "app", ()),
        ("cache-1 PING", "app", ("PING",)),
        ("cache-1 LRANGE list 0 -1", "app", ("LRANGE", "list", "0", "-1")),
        ("--user admin cache-1 INFO", "admin", ("INFO",)),
        ("cache-1 --user admin INFO", "admin", ("INFO",)),
        ("cache-1 --user=admin INFO", "admin", ("INFO",)),
        ("cache-1 ECHO --user admin", "app", ("ECHO", "--user", "admin")),
        ("cache-1 ECHO --help", "app", ("ECHO", "--help")),
        ("cache-1 ECHO --", "app", ("ECHO", "--")),
        ("cache-1 --user admin -- ECHO -h", "admin", ("ECHO", "-h")),
    ],
)
def test_what_follows_host_and_options_is_the_command(line: str, user: str, command: tuple[str, ...]) -> None:
    found = noevict.commands["cli"].make_context("cli", line.split()).params
    assert found == {"host": "cache-1", "user": user, "command": command}


@pytest.mark.parametrize(
    ("reply", "displayed", "sent"),
    [
        (SimpleString(b"OK"), "OK", b"OK"),
        (SimpleString(b"\x1b[2J"), "\\x1b[2J", b"\x1b[2J"),
        (ErrorReply("ERR \x07"), "(error) ERR \\x07", b"ERR \x07"),
        (7, "(integer) 7", b"7"),
        (None, "(nil)", b""),
        (b"", '""', b""),
        (
            b'\xc3\xa9"\\\r\n\t\a\b\x00',
            '"\\xc3\\xa9\\"\\\\\\r\\n\\t\\a\\b\\x00"',
            b'\xc3\xa9"\\\r\n\t\a\b\x00',
        ),
        ([], "(empty array)", b""),
        ([1, [b"a", []], None], '1) (integer) 1\n2) 1) "a"\n   2) (empty array)\n3) (nil)', b"1\na\n\n"),
        ([0] * 10, "\n".join(f"{n:2}) (integer) 0" for n in range(1, 11)), b"\n".join([b"0"] * 10)),
    ],
)
def test_a_reply_is_readable_or_raw(reply: Reply, displayed: str, sent: bytes) -> None:
    assert (readable(reply), raw(reply)) == (displayed, sent)


def test_lines_for_people_are_lines_and_nothing_that_a_terminal_obeys() -> None:
    assert readable(b"# A\r\nb:\x1b[2J\tc\r\n", lines=True) == "# A\nb:\\x1b[2J\tc"
    assert is_for_people([b"Info", b"memory"])
    assert is_for_people([b"CLIENT", b"list", b"TYPE", b"normal"])
    assert not is_for_people([b"CLIENT", b"ID"])
    assert not is_for_people([b"get"])


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", EOFError),
        (b"+OK", EOFError),
        (b"-ERR", EOFError),
        (b":12", EOFError),
        (b"$5\r\nab", EOFError),
        (b"+OK\n+next\r\n", OSError),
        (b"-ERR\n+next\r\n", OSError),
        (b":" + b"1" * 5000 + b"\r\n", OSError),
        (b"$2\r\nabcd\r\n", OSError),
    ],
    ids=repr,
)
def test_a_reply_that_does_not_end_as_it_should_is_no_reply(sent: bytes, error: type[Exception]) -> None:
    ours, server = socket.socketpair()
    with ours, server:
        server.sendall(sent)
        server.shutdown(socket.SHUT_WR)
        connection = ConsoleConnection(ours)
        with pytest.raises(error):
            connection.read()
        connection.close()
