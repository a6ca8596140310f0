"""What is not as wanted, with all the places it stands in: from the plan, and nothing beside it."""

from collections.abc import Callable

import pytest

from noevict.drift.side_by_side import Finding, FoundValue, findings
from noevict.plan.change import How
from noevict.server.live import Reach
from tests.unit.looks.deviations import ACL, ALL, CONF, OTHER, TLS, UNIT, package, unit
from tests.unit.looks.managed import Managed, fresh, managed


def found_on(host: Managed) -> dict[str, Finding]:
    """By what they are about; no two are about the same."""
    every = findings(host.plan, host.state)
    named = {each.what: each for each in every}
    assert len(named) == len(every)
    return named


def rewritten(host: Managed, old: str, new: str) -> Managed:
    """With other words in redis.conf."""
    text = str(host.state.conf)
    assert old in text
    return host.but_file(CONF, sha256=OTHER).but(conf=text.replace(old, new))


@pytest.mark.parametrize("case", ALL)
def test_every_change_of_the_plan_is_in_a_finding_and_nothing_else_is(case: str) -> None:
    host = ALL[case][0](managed("trixie"))
    every = findings(host.plan, host.state)
    assert [how for finding in every for how in finding.how] == [c.how for c in host.plan.changes]
    for finding in every:
        places = [place for place in (finding.file, finding.live) if place is not None]
        assert [place for place in places if place.right is False], finding


def test_nothing_is_found_on_a_provisioned_or_refused_host() -> None:
    assert findings(managed("trixie").plan, managed("trixie").state) == ()


def test_a_live_value_is_shown_beside_what_the_file_says() -> None:
    [finding] = found_on(managed("trixie").but_config(maxmemory_policy="volatile-lru")).values()
    assert finding == Finding(
        "maxmemory-policy",
        "noeviction",
        FoundValue("noeviction", True),
        FoundValue("volatile-lru", False),
        (How.LIVE,),
        "",
        restarts=False,
    )


def test_a_directive_that_differs_live_and_in_the_file_is_one_finding() -> None:
    host = rewritten(managed("trixie"), "maxmemory-policy noeviction", "maxmemory-policy allkeys-lru")
    [finding] = found_on(host.but_config(maxmemory_policy="volatile-lru")).values()
    assert (finding.file, finding.live) == (
        FoundValue("allkeys-lru", False),
        FoundValue("volatile-lru", False),
    )
    assert (finding.how, finding.restarts) == ((How.LIVE, How.FILE), False)


def test_a_directive_that_only_a_start_reads_restarts() -> None:
    host = rewritten(managed("trixie"), "databases 16", "databases 64").but_config(databases="32")
    [finding] = found_on(host).values()
    assert (finding.wanted, finding.file, finding.live) == (
        "16",
        FoundValue("64", False),
        FoundValue("32", False),
    )
    assert (finding.restarts, finding.why) == (True, "read at start only")


def test_a_directive_without_a_line_has_its_default_in_the_file() -> None:
    assert found_on(managed("trixie").but_config(hz="77"))["hz"].file == FoundValue(
        "no line; 10 by default", True
    )
    [finding] = found_on(rewritten(managed("trixie"), "tcp-keepalive 60\n", "")).values()
    assert (finding.file, finding.live) == (
        FoundValue("no line; 300 by default", False),
        FoundValue("60", True),
    )


def test_sizes_are_shown_as_a_file_has_them_in_one_unit() -> None:
    finding = found_on(managed("trixie").but_config(maxmemory="1073741824"))["maxmemory"]
    assert (finding.wanted, finding.file, finding.live) == (
        "1600mb",
        FoundValue("1600mb", True),
        FoundValue("1024mb", False),
    )


def test_a_long_value_is_shown_whole() -> None:
    long = "noeviction" * 20
    host = managed("trixie").but_config(tls_ciphers=long)
    assert found_on(host)["tls-ciphers"].live == FoundValue(long, False)
    assert long not in str(host.plan.changes)


def test_if_the_file_is_gone_there_are_only_live_values() -> None:
    host = managed("trixie").but_file(CONF, gone=True).but(conf=None).but_config(hz="77")
    assert found_on(host)["hz"].file == FoundValue("no file", False)


def test_if_the_server_is_down_there_are_only_values_of_the_file() -> None:
    host = rewritten(managed("trixie"), "maxmemory-policy noeviction", "maxmemory-policy allkeys-lru")
    finding = found_on(host.but({"reach": Reach.NOT_RUNNING}))["maxmemory-policy"]
    assert (finding.file, finding.live) == (
        FoundValue("allkeys-lru", False),
        FoundValue("is not running", None),
    )


def test_no_secret_of_the_file_or_the_server_is_shown() -> None:
    text = "requirepass hunter2\nsome-module-password hunter2\nuser eve on >hunter2\n"
    host = managed("trixie").but_file(CONF, sha256=OTHER).but(conf=f"{managed('trixie').state.conf}{text}")
    displayed = found_on(host.but_config(requirepass="hunter2"))
    assert {"requirepass", "some-module-password", "user"} <= displayed.keys()
    assert "hunter2" not in repr(displayed)
    assert displayed["requirepass"].file == displayed["requirepass"].live == FoundValue("set", False)


BESIDE: dict[str, tuple[Callable[[Managed], Managed], str, FoundValue | None, FoundValue | None]] = {
    "a user, live alone": (
        lambda host: host.but_acl("user eve on nopass ~* +@all"),
        "user eve",
        FoundValue("as wanted", True),
        FoundValue("not in the settings", False),
    ),
    "a user, saved": (
        lambda host: host.but_acl("user eve on nopass ~* +@all").but_file(ACL, sha256=OTHER),
        "user eve",
        FoundValue("not as wanted", False),
        FoundValue("not in the settings", False),
    ),
    "a mode": (lambda host: host.but_file(CONF, mode="777"), f"{CONF} mode", FoundValue("777", False), None),
    "a file's mode is not its content": (
        lambda host: host.but_acl("user eve on nopass ~* +@all").but_file(ACL, mode="777"),
        "user eve",
        FoundValue("as wanted", True),
        FoundValue("not in the settings", False),
    ),
    "a kernel's value": (
        lambda host: host.but(kernel={"overcommit": 0, "somaxconn": 4096}),
        "vm.overcommit_memory",
        FoundValue("as wanted", True),
        FoundValue("0", False),
    ),
    "a certificate": (
        lambda host: host.but_file(f"{TLS}/server.crt", gone=True),
        f"{TLS}/server.crt",
        FoundValue("none", False),
        None,
    ),
    "a certificate that is not loaded": (
        lambda host: host.but({"certificate": b"another"}),
        "the certificate served",
        FoundValue("as wanted", True),
        FoundValue("not the one in the file", False),
    ),
    "a service": (unit(UnitFileState="disabled"), UNIT, None, FoundValue("disabled", False)),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_is_no_directive_is_reported_by_the_place_it_is_in(case: str) -> None:
    change, what, file, live = BESIDE[case]
    finding = found_on(change(managed("trixie")))[what]
    assert (finding.file, finding.live, finding.restarts) == (file, live, False)


def test_only_what_ends_a_running_server_restarts() -> None:
    half = package("redis-tools", "install", "unpacked")(managed("trixie"))
    assert [f.restarts for f in findings(half.plan, half.state)] == [True]
    stopped = half.but({"reach": Reach.NOT_RUNNING})
    assert not any(f.restarts for f in findings(stopped.plan, stopped.state))
    assert not any(f.restarts for f in findings(fresh().plan, fresh().state))
    lost = managed("trixie").but({"user": "eve"})
    assert "the running Redis" in {f.what for f in findings(lost.plan, lost.state) if f.restarts}
