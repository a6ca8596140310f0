"""What whoever reaches the port of `noevict serve` may take of it: files, lines of its log, names to ask it by."""

import ipaddress
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.errors import NoevictError
from noevict.monitor.asking import fleet
from noevict.monitor.web import log_limit, open_files
from noevict.monitor.web.host_names import HostNames, parse_names

NAMES = HostNames(parse_names(["Status.Example.com.", "noevict"]))


@given(st.integers(0, 1 << 20), st.integers(0, 5000))
def test_polling_always_keeps_its_own_files(limit: int, hosts: int) -> None:
    clients = open_files.clients(limit, hosts)
    assert 8 <= clients <= open_files.MOST_CLIENTS
    if limit >= open_files.needed(hosts):
        assert clients + 6 * hosts + 3 * open_files.BACKLOG + 64 <= limit


def test_1024_files_are_enough_for_fifty_hosts_and_all_clients() -> None:
    assert open_files.clients(1024, 50) == open_files.MOST_CLIENTS
    assert open_files.clients(1024, 500) == 8
    assert open_files.needed(500) > 1024


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_answered_to(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    displayed = f"[{address}]" if address.version == 6 else str(address)
    assert NAMES.allow(displayed)
    assert NAMES.allow(f"{displayed}:{port}")


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost:8080", "STATUS.example.com", "noevict:80", "status.example.com.", ""]
)
def test_names_of_this_machine_and_names_allowed_are_answered_to(host: str) -> None:
    assert NAMES.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "x.status.example.com",
        "status.example.com.evil.net",
        "notlocalhost",
        "localhost.evil.net",
        "127.0.0.1.evil.net",
        "[127.0.0.1]",
        "::1",
        "[evil.net]",
        "localhost:80:evil.net",
        "localhost@evil.net",
        "evil.net:80@localhost",
        "localhost/evil.net",
        ":80",
        " ",
        "\x00",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not NAMES.allow(host)


@given(st.text())
def test_any_host_has_an_answer(host: str) -> None:
    assert NAMES.allow(host) in {True, False}


@pytest.mark.parametrize("name", ["", "a:80", "http://a", "*.example.com", "a b", "a" * 254, "a..b"])
def test_what_is_no_name_cannot_be_allowed(name: str) -> None:
    with pytest.raises(NoevictError, match="--allow-host: should be a name without port, got"):
        parse_names([name])


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_a_flood_of_lines_is_cut_and_counted_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert fleet.time is time
    found = Lines()
    found.addFilter(log_limit.LogLimit())
    theirs, ours = logging.Logger("uvicorn.error"), logging.Logger("noevict")
    for logger in (theirs, ours):
        logger.addHandler(found)
    for number in range(500):
        theirs.warning("connection %d is bad", number)
    assert found.lines == [f"connection {number} is bad" for number in range(10)]
    for number in range(500):
        ours.warning("h%d: unhealthy", number)
    assert len(found.lines) == 510
    now += 60
    theirs.warning("connection %d is bad", 7)
    theirs.warning("connection %d is bad", 8)
    assert found.lines[510:] == ["connection 7 is bad (lines like this left out before: 490)"]
