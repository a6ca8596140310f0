"""The client against what only calls itself a server: a clear error, in bounded time and memory."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing, suppress

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from noevict.client import wire
from noevict.client.client import connect, gather_facts
from noevict.client.failures import certificate_fault
from noevict.pki.contexts import unchecked
from noevict.server.live import Live, Reach

Talk = Callable[[socket.socket], None]


def opener_of(talk: Talk) -> Callable[[], socket.socket]:
    """Opens connections to somebody who does as ``talk`` does, and then hangs up."""

    def work(theirs: socket.socket) -> None:
        with theirs, suppress(OSError):
            talk(theirs)

    def open_one() -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=work, args=(theirs,), daemon=True).start()
        return ours

    return open_one


def says(data: bytes) -> Talk:
    """Says that, once it was spoken to, and hangs up when the client does."""

    def talk(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(data)
        silence(sock)

    return talk


def endlessly(data: bytes, pause: float = 0) -> Talk:
    def talk(sock: socket.socket) -> None:
        while True:
            sock.sendall(data)
            time.sleep(pause)

    return talk


def hang_up(_sock: socket.socket) -> None:
    pass


def silence(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


STRANGERS: dict[str, tuple[Talk, str]] = {
    "a web server": (
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        r"is not Redis: it answered 'HTTP/1.1 400 Bad Request'",
    ),
    "bytes": (says(bytes(range(256)) + b"\r\n"), "is not Redis: it answered"),
    "an endless line": (endlessly(b"x" * 65536), "is not Redis: a line of its answer has no end"),
    "endless lines": (endlessly(b"x\r\n" * 20000), "is not Redis: it answered 'x'"),
    "an endless line that begins well": (
        endlessly(b"+PONG" * 9999),
        "is not Redis: a line of its answer has no end",
    ),
    "nothing": (silence, "Timeout"),
    "nothing, at once": (hang_up, "hung up|closed|reset|Broken pipe|is not Redis"),
    "half an answer": (says(b"+PON"), "Timeout"),
    "a byte now and then": (endlessly(b"x", 0.05), r"not whole after 0\.5 s"),
    "protected mode": (
        says(b"-DENIED Redis is running in protected mode because ...\r\n"),
        "refuses connections: DENIED Redis is running in protected mode",
    ),
    "no room": (says(b"-ERR max number of clients reached\r\n"), "refuses connections: ERR max number"),
}


@pytest.mark.parametrize("password", [None, "a password"])
@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_answers_otherwise_is_an_error_in_bounded_time(stranger: str, password: str | None) -> None:
    talk, words = STRANGERS[stranger]
    began = time.monotonic()
    with pytest.raises((redis.ConnectionError, redis.TimeoutError), match=words) as refused:
        connect(opener_of(talk), user="admin", password=password, seconds=0.5)
    assert time.monotonic() - began < 3
    assert not isinstance(refused.value, redis.AuthenticationError)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_answers_tls_otherwise_is_an_error_in_bounded_time(stranger: str) -> None:
    talk, _ = STRANGERS[stranger]
    began = time.monotonic()
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)) as refused:
        connect(opener_of(talk), context=unchecked(), name="localhost", seconds=0.5)
    assert time.monotonic() - began < 3
    assert certificate_fault(refused.value) is None


def test_an_answer_to_auth_that_is_none_of_redis_is_no_wrong_password() -> None:
    def talk(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"-NOAUTH Authentication required.\r\n")
        sock.recv(4096)
        sock.sendall(b":7\r\n")
        silence(sock)

    with pytest.raises(redis.ConnectionError, match="is not Redis: it answered ':7'") as refused:
        connect(opener_of(talk), user="admin", password="a password", seconds=2)
    assert not isinstance(refused.value, redis.AuthenticationError)


def after_login(*replies: bytes, then: Talk = silence) -> Talk:
    """Lets everybody in, and answers the look with these bytes."""

    def talk(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"+PONG\r\n")
        sock.recv(65536)
        for reply in replies:
            sock.sendall(reply)
        then(sock)

    return talk


def look_at(talk: Talk, seconds: float = 0.5) -> Live:
    with closing(connect(opener_of(talk), seconds=seconds)) as connection:
        return gather_facts(connection, Reach.PLAINTEXT, user="default", port=1)


INFO = b"$36\r\nredis_version:99.0.0\r\nrole:master\r\n\r\n\r\n"
CONFIG = b"*2\r\n$4\r\nport\r\n$1\r\n0\r\n"
ACL = b"*1\r\n$16\r\nuser default off\r\n"
NONSENSE = {
    "an array in an array, and so on": (b"*1\r\n" * 200_000,),
    "an array of a thousand million": (b"*1000000000\r\n",),
    "arrays of a million in each other": (b"*1000000\r\n" * 50,),
    "a text of a thousand million": (b"$1000000000\r\n",),
    "a number of ten thousand digits": (b"*" + b"9" * 10_000 + b"\r\n",),
    "numbers": (b":1\r\n" * 4,),
    "nothing": (b"$-1\r\n" * 4,),
    "no list": (b"*-1\r\n" * 4,),
    "texts": (b"+OK\r\n" * 4,),
    "lists in lists": (b"*1\r\n*1\r\n:1\r\n" * 4,),
    "an odd list": (b"*1\r\n$4\r\nport\r\n", ACL, INFO, b":1\r\n"),
    "the right ones in another order": (ACL, INFO, CONFIG, b":1\r\n"),
    "no users": (CONFIG, b"*1\r\n:1\r\n", INFO, b":1\r\n"),
    "other users": (CONFIG, b"+OK\r\n", INFO, b":1\r\n"),
    "no release": (CONFIG, ACL, b"$2\r\nhi\r\n", b":1\r\n"),
    "no count": (CONFIG, ACL, INFO, b"*0\r\n"),
    "an error": (CONFIG, b"-ERR unknown command\r\n", INFO, b":1\r\n"),
    "a byte that begins no reply": (b"?what\r\n",),
    "no bytes": (),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_answers_that_make_no_sense_are_an_error_in_bounded_time(what: str) -> None:
    began = time.monotonic()
    with pytest.raises((redis.RedisError, OSError)) as refused:
        look_at(after_login(*NONSENSE[what]))
    assert time.monotonic() - began < 3
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "start",
    [b"$99999999999\r\n", b"*99999999999\r\n:1\r\n", b"*1000000000\r\n:1\r\n", b"+", b"*1\r\n*1\r\n$", b""],
)
def test_an_answer_without_end_is_an_error_before_memory_is_full(start: bytes) -> None:
    more = {b"*": b":1\r\n", b"": b"*1\r\n"}.get(start[:1], b"x") * 16384
    tracemalloc.start()
    try:
        with pytest.raises((redis.RedisError, OSError)):
            look_at(after_login(start, then=endlessly(more)), seconds=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * wire.LONGEST


def test_an_answer_that_comes_a_byte_now_and_then_is_given_up_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError, match=r"not whole after 0\.5 s"):
        look_at(after_login(b"$1000\r\n", then=endlessly(b"x", 0.05)))
    assert time.monotonic() - began < 3


def test_a_connection_may_be_used_for_longer_than_one_reply_may_take() -> None:
    def talk(sock: socket.socket) -> None:
        while sock.recv(4096):
            sock.sendall(b"+PONG\r\n")

    with closing(connect(opener_of(talk), seconds=1)) as connection:
        began = time.monotonic()
        while time.monotonic() - began < 1.2:
            assert connection.ping()
        time.sleep(1.2)  # idle is not slow
        assert connection.ping()


def resp(value: object) -> bytes:
    """A value as RESP 2 says it."""
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(resp, value))
    if isinstance(value, int):
        return b":%d\r\n" % value
    if value is None:
        return b"$-1\r\n"
    data = str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


words = st.sampled_from(
    ["user default off", "redis_version:8.0.2", "server_name:valkey", "valkey_version:9", "", "port"]
)
values = st.recursive(
    st.none() | st.integers(-9, 9) | words | st.text(max_size=5), lambda inner: st.lists(inner, max_size=4)
)


@given(st.lists(values, min_size=4, max_size=4))
def test_any_four_answers_are_a_look_or_an_error(answers: list[object]) -> None:
    with suppress(redis.RedisError, OSError):
        assert isinstance(look_at(after_login(*map(resp, answers), then=hang_up), seconds=5), Live)
