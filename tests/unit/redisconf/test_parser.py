"""Any redis.conf, and any line of it, read as the servers read it. tests/server/test_reading.py asks them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.redisconf.parser import is_whole, parse, split, split_bytes, together


def test_any_redis_conf_is_read() -> None:
    text = (
        "# a comment\n"
        "\t# ??? unknown-line\n"
        "\n"
        "  Port   6380  \n"
        "slaveof 10.0.0.1 6379\r\n"
        'save 900 1\nsave 300 "10"\nsave ""\n'
        'requirepass "a b\\"\\x41\\n"\n'
        "logfile '/var/log/it\\'s'\n"
        'rename-command FLUSHALL ""\n'
        'proc-title-template "unclosed \n'
        "Xtra-Directive 1 X\n"
        "X# is no comment\n"
        '"#" neither\n'
        "daemonize\n"
    )
    assert parse(text) == {
        "port": ["6380"],
        "replicaof": ["10.0.0.1 6379"],
        "save": ["900 1", "300 10", ""],
        "requirepass": ['a b"A\n'],
        "logfile": ["/var/log/it's"],
        "rename-command": ["FLUSHALL "],
        "proc-title-template": ["unclosed"],
        "xtra-directive": ["1 X"],
        "x#": ["is no comment"],
        "#": ["neither"],
        "daemonize": [""],
    }


@given(st.text())
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    found = parse(text)
    assert all(lines for lines in found.values())


def test_what_is_no_text_in_utf_8_can_be_read_as_well() -> None:
    assert split("a \ud800") == ["a", "?"]
    assert split(r'a "\xff\xc3\xa9"') == ["a", r"\xffé"]


@pytest.mark.parametrize(
    ("name", "lines", "value"),
    [
        ("hz", ["10", "20"], "20"),
        ("save", ["60 1"], "60 1"),
        ("save", ["60 1", "5 5"], "60 1 5 5"),
        ("save", ["60 1", ""], ""),
        ("save", ["60 1", "", "5 5", "", "7 7", "8 8"], "7 7 8 8"),
        ("client-output-buffer-limit", ["normal 1 1 1", "pubsub 2 2 2"], "normal 1 1 1 pubsub 2 2 2"),
    ],
)
def test_of_several_lines_the_last_counts_or_all_add_up(name: str, lines: list[str], value: str) -> None:
    assert together(name, lines) == value


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b"  GET  a ", [b"GET", b"a"]),
        (b"SET a \"\\x00\\xff\\n b\" ''", [b"SET", b"a", b"\0\xff\n b", b""]),
        (b"SET '' \"a\" 'b' c", [b"SET", b"", b"a", b"b", b"c"]),
        (b"SET a 'it\\'s'", [b"SET", b"a", b"it's"]),
        (b"SET a 'no\\n'", [b"SET", b"a", b"no\\n"]),
        (rb'"\n\r\t\b\a" "\q\\\"\x4" "\x4G"', [b"\n\r\t\b\a", b'q\\"x4', b"x4G"]),
        (b"\"a\\\nb\n\" 'c\nd'", [b"a\nb\n", b"c\nd"]),
        (b"a\"b c\"'d'e f", [b"ab cde", b"f"]),  # Valkey 9's; the others refuse the line
        ("SET é \udcff".encode("utf-8", "surrogateescape"), [b"SET", "é".encode(), b"\xff"]),
    ],
)
def test_a_line_is_split_as_redis_cli_does(line: bytes, words: list[bytes]) -> None:
    assert split_bytes(line) == words
    assert is_whole(line)


@pytest.mark.parametrize("line", [b'GET "a', b"GET 'a", b'GET "a\\"', b"GET 'a\\'", b'"', b"GET \"a' "])
def test_a_quote_that_is_not_closed_is_seen(line: bytes) -> None:
    assert not is_whole(line)
