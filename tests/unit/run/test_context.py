"""What the hosts of one run share, while another run of the same checkout makes secrets/."""

from pathlib import Path

import gevent
import pytest
from pyinfra.api.host import Host

from noevict.drift.all_hosts import look_for_drift
from noevict.errors import NoevictError
from noevict.inventory import reader
from noevict.plan.plan import Plan
from noevict.run.context import LOOKS_AT_ONCE, RunContext
from noevict.run.instance import InstanceRun
from noevict.secrets.store import Secrets

MANAGED = ["cache-1"]


def parts(secrets: Secrets | None) -> tuple[str, dict[str, str]]:
    """What makes secrets the same; keys have no equality."""
    assert secrets
    return secrets.ca.fingerprint, dict(secrets.passwords)


def fleet(root: Path) -> RunContext:
    return RunContext(root, {"cache-1": {}, "cache-2": {}})


@pytest.fixture
def late(tmp_path: Path) -> RunContext:
    """A run that began before there were secrets, which another has made since."""
    late = fleet(tmp_path)
    late.client_pem()
    fleet(tmp_path).save_secrets([])
    return late


def test_secrets_made_since_are_taken_up_whole(late: RunContext, tmp_path: Path) -> None:
    drafted, pem = late.secrets, late.client_pem()
    late.refresh_secrets()
    assert late.made_before
    assert parts(late.secrets) == parts(Secrets.load(tmp_path / "secrets")) != parts(drafted)
    assert late.client_pem() != pem


@pytest.mark.parametrize("managed", [[], MANAGED], ids=["fresh", "managed"])
def test_secrets_made_since_are_saved_over_by_nothing_and_no_reason_to_refuse(
    late: RunContext, tmp_path: Path, managed: list[str]
) -> None:
    there = parts(Secrets.load(tmp_path / "secrets"))
    assert parts(late.save_secrets(managed)) == parts(late.secrets) == there
    assert parts(Secrets.load(tmp_path / "secrets")) == there


def test_a_user_of_only_this_run_gets_a_password_beside_those_made_since(tmp_path: Path) -> None:
    late = RunContext(tmp_path, {"cache-1": {"redis_users": {"worker": {"profile": "app"}}}})
    made = fleet(tmp_path).save_secrets([])
    saved = late.save_secrets(MANAGED)
    assert saved.ca.fingerprint == made.ca.fingerprint
    assert {**saved.passwords, **made.passwords} == saved.passwords
    assert saved.password("worker")


def test_without_secrets_a_managed_host_is_refused_and_none_are_made(tmp_path: Path) -> None:
    mine = fleet(tmp_path)
    drafted = mine.secrets
    mine.refresh_secrets()
    assert mine.secrets is drafted
    with pytest.raises(NoevictError, match="should hold the secrets that cache-1 was made with"):
        mine.save_secrets(MANAGED)
    assert not (tmp_path / "secrets").exists()


def test_of_many_hosts_no_more_are_looked_at_at_once_than_answers_are_waited_for_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looking: set[str] = set()
    most = 0

    def look(run: InstanceRun) -> Plan:
        nonlocal most
        looking.add(run.name)
        most = max(most, len(looking))
        gevent.sleep(0)  # the others have their turn
        looking.remove(run.name)
        raise NoevictError("looked at")

    monkeypatch.setattr(InstanceRun, "_look_once", look)
    monkeypatch.setattr(Host, "connect", lambda *_, **__: True)
    names = [f"cache-{number}" for number in range(3 * LOOKS_AT_ONCE)]
    hosts = {name: reader.Host(name, ("redis",), {}) for name in names}
    reports = look_for_drift(tmp_path, reader.Inventory(tmp_path, hosts, {}))
    assert [(report.host, report.failure) for report in reports] == [(name, ("looked at",)) for name in names]
    assert most == LOOKS_AT_ONCE


def test_hosts_that_are_one_machine_are_each_others_twins(tmp_path: Path) -> None:
    mine = fleet(tmp_path)
    assert mine.duplicate_of("cache-1", "a") is None
    for host, machine in (("cache-1", "a"), ("cache-2", "b"), ("cache-3", "a"), ("cache-1", "a")):
        mine.looked_at(host, machine)
    assert [mine.duplicate_of(f"cache-{n}", machine) for n, machine in ((1, "a"), (2, "b"), (3, "a"))] == [
        "cache-3",
        None,
        "cache-1",
    ]


def test_hosts_that_do_not_report_which_machine_they_are_are_nobodys_duplicates(tmp_path: Path) -> None:
    mine = fleet(tmp_path)
    mine.looked_at("cache-1", "")
    mine.looked_at("cache-2", "")
    assert mine.duplicate_of("cache-1", "") is None
