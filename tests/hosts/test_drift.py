"""What differs from the settings is reported by --dry and `noevict drift`, repaired by the next run, and then clean.

Each drift has a host of its own; all hosts go through each step together.
"""

from dataclasses import dataclass, field

import pytest

from noevict.engines.engine import EngineName
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, changes, deploy
from tests.hosts.drifts import DRIFTS, KINDS, Drift
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    changed_operations,
    file_states,
    fill,
    lines_about,
    process_identity,
    with_names,
)
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample, selected_cases

KEYS = 100
CHOSEN = (
    "policy",
    "AOF off",
    "another TLS port",
    "a new address",
    "databases, restarted",
    "an include, restarted",
    "CONFIG renamed",
    "every directive of Redis 7.0.15",
    "every directive of a start of Redis 8.0.2",
    "default on",
    "admin gone",
    "app's password",
    "admin's password",
    "all users gone",
    "conf broken, restarted",
    "conf gone",
    "conf a link",
    "every owner",
    "no rights for anybody",
    "every file a link",
    "every file gone",
    "every file garbage",
    "every line of redis.conf",
    "data of another's",
    "data of another's, restarted",
    "no diversion",
    "AOF files gone",
    "certificate gone",
    "all of tls gone",
    "certificate of another CA",
    "certificate replaced, not loaded",
    "stopped",
    "stopped and masked",
    "failed, at its start limit",
    "logs of root",
    "drop-in not read",
    "drop-in gone",
    "kernel's overcommit",
    "package removed",
    "openssl removed",
)


@dataclass
class Subject:
    """A drift and the host it happens to."""

    drift: Drift
    engine: EngineName
    host: Host
    process_identity: str = ""  # its server's, once the drift is there
    file_states: dict[str, set[str]] = field(default_factory=dict)  # with the drift; after the looks


@dataclass
class Story:
    """What each step showed, of all hosts."""

    checkout: Checkout
    subjects: dict[str, Subject]
    drift: Result
    dry: Result
    repair: Result
    again: Result
    drift_again: Result


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    """The hosts provisioned, filled, changed by hand, looked at, repaired, and run again."""
    checkout = checkout_for_module
    asked = selected_cases(request, "subject")
    kind_of = {drift.id: drift.kind or tuple(KINDS)[n % len(KINDS)] for n, drift in enumerate(DRIFTS)}
    drifts = [drift for drift in DRIFTS if drift.id in asked]
    kinds = [kind_of[drift.id] for drift in drifts]
    hosts = boot_for_module(*(Spec(suite, name=f"h{number}") for number, (suite, _) in enumerate(kinds)))
    checkout.list_hosts(
        hosts, each={host.name: {"redis_engine": kinds[n][1]} for n, host in enumerate(hosts)}
    )
    subjects = {
        drift.id: Subject(drift, engine, host)
        for drift, (_, engine), host in zip(drifts, kinds, hosts, strict=True)
    }
    deploy(checkout)
    for subject in subjects.values():
        with admin(checkout, subject.host) as client:
            fill(client, KEYS)
        apply_changes(checkout, subject.host, subject.drift.manual_changes, subject.engine)
        subject.process_identity = process_identity(subject.host, subject.engine)
        subject.file_states["drift"] = file_states(subject.host)
    drift = checkout.run("noevict", "drift", "--json")
    dry = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
    for subject in subjects.values():
        subject.file_states["looks"] = file_states(subject.host)
    repair = checkout.run(*DEPLOY)
    again = checkout.run(*DEPLOY)
    return Story(checkout, subjects, drift, dry, repair, again, checkout.run("noevict", "drift"))


@pytest.fixture(params=sample((drift.id for drift in DRIFTS), *CHOSEN))
def subject(request: pytest.FixtureRequest, story: Story) -> Subject:
    return story.subjects[request.param]


def test_drift_is_reported_by_name_and_nothing_else_is(story: Story, subject: Subject) -> None:
    reported = {change["what"] for change in story.drift.json["hosts"][subject.host.name]["drift"]}
    assert reported == {with_names(what, subject.engine) for what in subject.drift.reported}


def test_drift_reports_whether_the_repair_restarts_a_running_server(story: Story, subject: Subject) -> None:
    reported = story.drift.json["hosts"][subject.host.name]["restarts"]
    assert reported == (subject.drift.restarts and "MainPID=" in subject.process_identity)


def test_dry_reports_the_same_and_nothing_is_changed(story: Story, subject: Subject) -> None:
    lines = lines_about(story.dry, subject.host)
    for what in subject.drift.reported:
        assert [line for line in lines if line.startswith(f"due: {with_names(what, subject.engine)}: ")], (
            lines
        )
    assert subject.file_states["looks"] == subject.file_states["drift"]


def test_the_next_run_repairs_it_and_restarts_only_if_nothing_less_does(
    story: Story, subject: Subject
) -> None:
    lines = lines_about(story.repair, subject.host)
    assert subject.host.name not in story.repair.json["results"]["failed_hosts"], lines
    assert changed_operations(story.repair, subject.host), lines
    assert (
        process_identity(subject.host, subject.engine) != subject.process_identity
    ) == subject.drift.restarts


def test_no_key_is_lost_over_a_drift_and_its_repair(story: Story, subject: Subject) -> None:
    with admin(story.checkout, subject.host) as client:
        assert_filled(client, KEYS)
        for key, value in subject.drift.kept.items():
            assert client.get(key) == value


def test_the_run_after_a_repair_is_clean(story: Story, subject: Subject) -> None:
    assert not changed_operations(story.again, subject.host)
    assert not [line for line in lines_about(story.again, subject.host) if line.startswith("due: ")]


def test_all_hosts_are_as_wanted_in_the_end(story: Story) -> None:
    assert (story.drift.returncode, story.dry.returncode) == (2, 0), story.drift.stderr
    assert story.repair.returncode == 0, story.repair
    assert (story.again.returncode, changes(story.again)) == (0, 0), story.again
    assert story.drift_again.returncode == 0, story.drift_again


def test_no_password_is_printed_whatever_was_done_by_hand(story: Story) -> None:
    """A server in which AUTH is renamed repeats the whole command."""
    secrets = Secrets.load(story.checkout.secrets)
    assert secrets is not None
    for done in (story.drift, story.dry, story.repair, story.again, story.drift_again):
        assert [user for user, password in secrets.passwords.items() if password in done.output] == []
