"""What differs on a running server, over what it reports and what is wanted, without any platform."""

from dataclasses import replace

import pytest

from noevict.pki.certificate import Certificate
from noevict.plan.change import How, Part
from noevict.server import compare
from noevict.server.live import Live, Reach
from tests.unit.looks.managed import managed

HOST = managed("trixie")
LIVE, WANTED = HOST.state.live, HOST.target


def due(live: Live) -> list[tuple[str, str, str, How]]:
    found = compare.differences(live, WANTED)
    changes = (*compare.live_changes(live, WANTED, found), *compare.restart_changes(live, WANTED, found))
    return [(change.subject, change.found, change.why, change.how) for change in changes]


def test_a_directive_is_set_or_needs_a_restart_as_the_release_reads_it() -> None:
    assert due(LIVE) == []
    found = due(replace(LIVE, config={**LIVE.config, "hz": "50", "databases": "32"}))
    assert found == [("hz", "50", "", How.LIVE), ("databases", "32", "read at start only", How.RESTART)]


@pytest.mark.parametrize(
    ("reach", "user", "found"),
    [
        (Reach.PLAINTEXT, "default", "another configuration"),
        (Reach.TLS, "default", "another configuration"),
        (Reach.REFUSED, "", "rejects the password"),
        (Reach.MUTE, "admin", "rejects noevict's commands"),
        (Reach.NOT_RUNNING, "", ""),
    ],
)
def test_only_a_restart_makes_a_running_server_ours(reach: Reach, user: str, found: str) -> None:
    live = replace(LIVE, reach=reach, user=user, config={})
    assert due(live) == ([("Redis", found, "", How.RESTART)] if found else [])


def test_lines_that_config_get_does_not_report_are_dropped_by_a_restart() -> None:
    def lines(conf: str | None) -> list[tuple[str, str, str, How]]:
        changes = compare.lines_to_drop(conf, WANTED)
        return [(change.subject, change.found, change.wanted, change.how) for change in changes]

    assert lines(None) == lines("port 0\n") == []
    assert lines("loadmodule /x.so\nport 0\nRENAME-COMMAND get g\n") == [
        ("rename-command", "in redis.conf", "none", How.RESTART),
        ("loadmodule", "in redis.conf", "none", How.RESTART),
    ]


def test_the_certificate_served_is_the_one_in_the_file() -> None:
    certificate = Certificate.parse(HOST.state.certificate or "")
    assert certificate is not None
    assert list(compare.served_change(LIVE, certificate, "/x.crt")) == []
    other = replace(LIVE, certificate=b"other")
    [change] = compare.served_change(other, certificate, "/x.crt")
    assert (change.part, change.subject, change.how) == (Part.SERVED, "/x.crt", How.CERTIFICATE)
    for live in (replace(other, user="default"), replace(LIVE, certificate=None)):
        assert list(compare.served_change(live, certificate, "/x.crt")) == []
