"""Which ways into a server are reported by a verification."""

from collections.abc import Mapping

import pytest

from noevict.machine.found import Listener
from noevict.server.exposure import failed_writes, ways_in
from noevict.server.live import Live, Reach

FINE = Live(Reach.TLS, user="admin", port=6379)


def reported(live: Live, *listeners: Listener, plaintext_port: int = 0) -> list[str]:
    return list(
        ways_in(live, listeners, title="Redis", host="cache-1", port=6379, plaintext_port=plaintext_port)
    )


def own(port: int, answer: str = "none") -> Listener:
    return Listener(True, "10.0.0.1", port, answer)


def test_a_server_that_answers_over_tls_on_its_port_only_is_fine() -> None:
    assert reported(FINE, own(6379), Listener(False, "10.0.0.1", 22, "answer +PONG")) == []
    assert reported(FINE, own(6379), own(6380, "answer -NOAUTH"), plaintext_port=6380) == []


CASES: Mapping[str, tuple[Live, tuple[Listener, ...], str]] = {
    "without a password": (
        Live(Reach.TLS, user="admin", port=6379, open=True),
        (),
        "port 6379: answers without a password",
    ),
    "without TLS": (
        Live(Reach.PLAINTEXT, why="(no TLS)"),
        (),
        "TLS on port 6379: should answer, Redis answers without TLS (no TLS)",
    ),
    "untrusted": (
        Live(Reach.TLS, untrusted="expired"),
        (),
        "the certificate is not accepted for cache-1: expired",
    ),
    "another port": (FINE, (own(7000),), "port 7000: should be closed, Redis listens on 10.0.0.1"),
    "plaintext on the port for TLS": (
        FINE,
        (own(6379, "answer -NOAUTH"),),
        "port 6379: should be TLS only, answers without it",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_other_way_in_is_a_line(case: str) -> None:
    live, listeners, line = CASES[case]
    assert reported(live, *listeners) == [line]


def test_a_plaintext_port_that_wants_no_password_is_reported_even_if_it_is_asked_for() -> None:
    lines = reported(FINE, own(6380, "answer +PONG"), plaintext_port=6380)
    assert lines == ["port 6380: answers without a password"]


def test_a_certificate_is_not_judged_if_nothing_answers_over_tls() -> None:
    [line] = reported(Live(Reach.UNREACHED, why="timed out", untrusted="expired"))
    assert line == "TLS on port 6379: should answer, Redis could not be looked at timed out"


@pytest.mark.parametrize(
    "name", ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"]
)
def test_a_write_to_disk_that_failed_is_reported(name: str) -> None:
    assert list(failed_writes(Live(Reach.TLS, info={name: "err"}))) == [f"{name}: should be ok, is err"]
    assert list(failed_writes(Live(Reach.TLS, info={name: "ok"}))) == []
    assert list(failed_writes(Live(Reach.TLS))) == []
