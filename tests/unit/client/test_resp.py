"""RESP without I/O: what replies become, however their bytes are cut, and what is refused before memory is taken."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.client.resp import (
    DEEPEST,
    LONGEST_LINE,
    MORE,
    ErrorReply,
    Frames,
    Garbage,
    Reader,
    Reply,
    SimpleString,
    pack,
    without_password,
)


def packed(reply: Reply) -> bytes:
    """As a server sends it."""
    match reply:
        case SimpleString(text):
            return b"+%b\r\n" % text
        case ErrorReply():
            return b"-%b\r\n" % str(reply).encode()
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case None:
            return b"$-1\r\n"
        case _:
            return b"*%d\r\n" % len(reply) + b"".join(map(packed, reply))


def plain(reply: Reply) -> object:
    """What can be compared: exceptions are not equal to each other."""
    if isinstance(reply, list):
        return [plain(each) for each in reply]
    return ("error", str(reply)) if isinstance(reply, ErrorReply) else reply


def read(reader: Reader, *parts: bytes) -> list[Reply]:
    found = []
    for part in parts:
        reader.feed(part)
        while (reply := reader.gets()) is not MORE:
            found.append(reply)
    return found


words = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))
replies = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary()
    | words.map(lambda text: SimpleString(text.encode()))
    | words.map(ErrorReply),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(replies, max_size=4), st.lists(st.integers(1, 9), min_size=1))
def test_what_a_server_sends_is_read_however_it_is_cut(sent: list[Reply], sizes: list[int]) -> None:
    data, parts = b"".join(map(packed, sent)), []
    while data:
        size = sizes[len(parts) % len(sizes)]
        parts.append(data[:size])
        data = data[size:]
    found = read(Reader(text=1000, elements=1000), *parts)
    assert [plain(each) for each in found] == [plain(each) for each in sent]


def test_a_status_is_no_text_and_nothing_no_empty_list() -> None:
    sent = b"*6\r\n+OK\r\n$2\r\nOK\r\n$-1\r\n*-1\r\n*0\r\n*1\r\n+OK\r\n"
    (found,) = read(Reader(text=10, elements=10), sent)
    assert found == [SimpleString(b"OK"), b"OK", None, None, [], [SimpleString(b"OK")]]


def test_an_error_keeps_its_first_word() -> None:
    (found,) = read(Reader(text=10), b"-WRONGPASS no \xff\r\n")
    assert isinstance(found, ErrorReply)
    assert str(found) == "WRONGPASS no \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"+OK\n",
        b"$1e3\r\n",
        b"$\r\n",
        b":+5\r\n",
        b":99999999999999999999\r\n",
        b":9999999999999999999\r\n",  # more than 64 bits
        b"$2\r\nabc\r\n",
        b"$2\r\na\r\n\r\n",
        b"%1\r\n",  # of RESP 3
    ],
)
def test_what_is_no_reply_is_garbage(sent: bytes) -> None:
    with pytest.raises(Garbage):
        read(Reader(text=10, elements=10), sent)


def test_garbage_is_quoted_in_part() -> None:
    with pytest.raises(Garbage) as refused:
        read(Reader(text=10), b"x\x1b\xff" * 1000 + b"\r\n")
    assert str(refused.value) == "is not Redis: it answered '" + r"x\x1b\\xff" * 33 + "x'"


# Of a reply with texts of 10 bytes and 4 elements at most, what is within the bounds and what is one beyond.
BOUNDS = {
    "a text": (b"$10\r\n" + b"x" * 10 + b"\r\n", b"$11\r\n"),
    "an array": (b"*4\r\n" + b":1\r\n" * 4, b"*5\r\n"),
    "arrays in arrays": (b"*2\r\n*2\r\n:1\r\n:1\r\n:1\r\n", b"*2\r\n*3\r\n"),
    "a line": (b"+" + b"x" * (LONGEST_LINE - 3) + b"\r\n", b"+" + b"x" * (LONGEST_LINE - 2) + b"\r\n"),
    "a line without end": (b"+OK\r\n", b"+" + b"x" * LONGEST_LINE),
}


@pytest.mark.parametrize("what", BOUNDS)
def test_what_is_out_of_bounds_is_refused_and_what_is_within_is_not(what: str) -> None:
    within, beyond = BOUNDS[what]
    reader = Reader(text=10, elements=4)
    assert len(read(reader, within * 3)) == 3  # each reply by itself
    with pytest.raises(Garbage):
        read(reader, beyond)


def test_arrays_are_as_deep_as_allowed() -> None:
    assert len(read(Reader(text=10, elements=1000), b"*1\r\n" * DEEPEST + b":1\r\n")) == 1
    with pytest.raises(Garbage):
        read(Reader(text=10, elements=1000), b"*1\r\n" * (DEEPEST + 1))


@pytest.mark.parametrize(
    "sent",
    [
        b"*2147483647\r\n",
        b"*4294967295\r\n",
        b"*-2147483648\r\n*2147483647\r\n",
        b"$2147483647\r\n",
        b"*1000\r\n" * 10_000,
        b"*1\r\n" * 100_000,
    ],
)
def test_what_a_hostile_server_announces_takes_no_memory(sent: bytes) -> None:
    reader = Reader(text=1 << 20, elements=1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(Garbage):
            read(reader, sent)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_text_that_is_too_long_to_be_kept_is_dropped_and_the_next_is_read() -> None:
    reader = Reader(text=1 << 20, kept=10)
    tracemalloc.start()
    try:
        chunk = b"x" * 1024
        parts = [b"$10\r\n0123456789\r\n$1048576\r\n", *[chunk] * 1024, b"\r\n$-1\r\n$2\r\nOK\r\n"]
        first, dropped, nothing, last = read(reader, *parts)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert (first, nothing, last) == (b"0123456789", None, b"OK")
    assert isinstance(dropped, ErrorReply)
    assert str(dropped) == "is not Redis: its answer has 1048576 bytes, should have 10 at most"


def test_frames_keep_what_is_behind_what_was_taken() -> None:
    frames = Frames(text=10, elements=1)
    frames.feed(b"+PO")
    assert frames.take() is None
    frames.feed(b"NG\r\n$5\r\nhe")
    assert (frames.take(), frames.whole, frames.unread) == (b"+PONG\r\n", True, b"$5\r\nhe")
    assert (frames.take(), frames.whole, frames.unread) == (b"$5\r\nhe", False, b"")


def test_a_command_is_words_of_any_bytes() -> None:
    assert pack("SET", b"\xff\r\n", "é") == b"*3\r\n$3\r\nSET\r\n$3\r\n\xff\r\n\r\n$2\r\n\xc3\xa9\r\n"


@pytest.mark.parametrize(
    ("answer", "displayed"),
    [
        (
            "ERR unknown command 'AUTH', with args beginning with: 'app' 's3cret'",
            "ERR unknown command 'AUTH'",
        ),
        (
            "ERR unknown command 'AUTH', with args: 's3cret'",
            "ERR unknown command 'AUTH', with args: '(hidden)'",
        ),
        ("WRONGPASS invalid", "WRONGPASS invalid"),
    ],
)
def test_a_password_that_is_repeated_is_hidden(answer: str, displayed: str) -> None:
    assert without_password(answer, "s3cret") == displayed
    assert without_password("NOAUTH", "") == "NOAUTH"
