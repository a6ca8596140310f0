"""A server that systemd starts again and again, as several looks meet it; and what its unit allows."""

import pytest

from noevict.machine.found import DropIn, Listener
from noevict.operations.lock import changed_fields
from noevict.platforms.systemd.found import InstanceState
from noevict.server.live import Live, Reach
from tests.unit.looks.managed import fresh, managed

OTHER = Listener(False, "0.0.0.0", 6379, "-")  # noqa: S104 - found, not bound
OWN = Listener(True, "127.0.0.1", 6379, "closed")


def starting(pid: int, reach: Reach = Reach.UNREACHED) -> InstanceState:
    host = managed("trixie").but(pid=pid, starting=True, aof_open=True, listeners=(OTHER, OWN))
    return host.but(live={"reach": reach, "why": "timed out"}).state


def test_two_processes_that_did_not_answer_are_no_server() -> None:
    found = starting(8).after(starting(7))
    assert (found.pid, found.starting, found.aof_open, found.listeners) == (0, False, False, (OTHER,))
    assert found.live == Live(Reach.NOT_RUNNING)
    assert found.files == starting(8).files


def test_one_process_that_is_too_busy_to_answer_stays_what_it_is() -> None:
    assert starting(7).after(starting(7)) == starting(7)
    assert starting(7).after(starting(7)).pid == 7


def test_a_process_that_answers_counts_whatever_was_there_before() -> None:
    assert starting(8, Reach.TLS).after(starting(7)).pid == 8
    assert starting(8).after(starting(7, Reach.TLS)).pid == 8


def test_a_server_that_answers_or_is_not_being_started_is_not_too_busy() -> None:
    assert starting(7).too_busy
    assert not starting(7, Reach.TLS).too_busy
    assert not managed("trixie").but(live={"reach": Reach.UNREACHED}).state.too_busy


def test_ports_of_a_server_that_was_being_started_are_not_compared() -> None:
    host, later = managed("trixie"), (OWN,)
    assert changed_fields(host.state, host.but(listeners=later).state) == ["listeners"]
    assert changed_fields(host.but(starting=True).state, host.but(listeners=later).state) == []
    loading = host.but_info(loading=1)
    assert changed_fields(loading.state, host.but(listeners=later).state) == []


# Properties of the unit -> whether its server may bind a port that not every user may.
LOW_PORTS = {
    "the package's": ({}, False),
    "with the capability, in a namespace where that means nothing": (
        {"AmbientCapabilities": "cap_net_bind_service"},
        False,
    ),
    "with the capability": (
        {"PrivateUsers": "no", "AmbientCapabilities": "cap_chown cap_net_bind_service"},
        True,
    ),
    "with another capability": ({"PrivateUsers": "no", "AmbientCapabilities": "cap_chown"}, False),
    "with what its program's file may bring": ({"PrivateUsers": "no", "NoNewPrivileges": "no"}, None),
    "not there yet": ({"LoadState": "not-found", "PrivateUsers": "no", "NoNewPrivileges": "no"}, False),
}


@pytest.mark.parametrize("case", LOW_PORTS)
def test_the_unit_says_whether_its_server_may_bind_low_ports(case: str) -> None:
    properties, may = LOW_PORTS[case]
    host = managed("trixie")
    assert host.but(unit={**host.state.unit, **properties}).state.binds_low_ports is may


def test_what_a_unit_does_not_say_about_low_ports_is_not_known() -> None:
    assert managed("init").state.binds_low_ports is None
    host = managed("trixie")
    unit = {name: value for name, value in host.state.unit.items() if name != "AmbientCapabilities"}
    assert host.but(unit={**unit, "PrivateUsers": "no"}).state.binds_low_ports is None
    opened = (DropIn("/etc/systemd/system/redis-server.service.d/low.conf", frozenset({"PrivateUsers"})),)
    assert fresh().but(dropins=opened).state.binds_low_ports is None
    assert fresh().but(dropins=()).state.binds_low_ports is False
