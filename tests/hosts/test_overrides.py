"""An override of noevict's configuration is reported, kept, and fails only that host; what only they set is not drift.

Each has a host of its own; all hosts go through each step together.
"""

from dataclasses import dataclass, field

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, config, deploy, managed_files, run_id
from tests.hosts.manual_changes import (
    MUTABLE,
    apply_changes,
    assert_filled,
    file_states,
    fill,
    lines_about,
    wait_until_loaded,
    with_names,
)
from tests.hosts.overrides import FINE, OVERRIDES, Override
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample, selected_cases

KEYS = 100
SUITES = ("trixie", "bookworm")
CHOSEN = (
    "a drop-in over ours",
    "another start",
    "a directory for redis.conf",
    "a link for ETC/tls",
    "a kernel value over ours",
    "CONF immutable, changed",
    "ETC/tls/server.crt immutable, changed",
    "DATA immutable, changed",
)


@dataclass
class Subject:
    """A override and the host it happens to."""

    override: Override
    host: Host
    run_id: str = ""
    file_states: dict[str, set[str]] = field(default_factory=dict)  # with it; after two runs
    hz: dict[str, str] = field(default_factory=dict)  # changed by hand beside it: after two runs; in the end

    @property
    def reported(self) -> str:
        return with_names(self.override.reported, "redis")


@dataclass
class Story:
    """What each step showed, of all hosts. ``other``: one that nothing was done to."""

    checkout: Checkout
    subjects: dict[str, Subject]
    other: Host
    drift: Result
    dry: Result
    runs: tuple[Result, Result]
    drift_after: Result
    undone: Result
    drift_in_the_end: Result


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    checkout = checkout_for_module
    overrides = [each for each in OVERRIDES if each.id in selected_cases(request, "subject")]
    names = [f"h{number}" for number in range(len(overrides) + 1)]
    other, *hosts = boot_for_module(*(Spec(SUITES[n % 2], name=name) for n, name in enumerate(names)))
    checkout.list_hosts([other, *hosts])
    deploy(checkout)
    subjects = {each.id: Subject(each, host) for each, host in zip(overrides, hosts, strict=True)}
    try:
        for subject in subjects.values():
            with admin(checkout, subject.host) as client:
                fill(client, KEYS)
            subject.run_id = run_id(checkout, subject.host)
            apply_changes(
                checkout, subject.host, ("redis: CONFIG SET hz 50", *subject.override.manual_changes)
            )
            subject.file_states["before"] = file_states(subject.host)
        drift = checkout.run("noevict", "drift")
        dry = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
        runs = checkout.run(*DEPLOY), checkout.run(*DEPLOY)
        for subject in subjects.values():
            subject.file_states["after"] = file_states(subject.host)
            subject.hz["after"] = hz(checkout, subject.host)
        drift_after = checkout.run("noevict", "drift")
    finally:
        for subject in subjects.values():
            undo = subject.override.undo
            # The disk of a host could not be cleared away with them.
            apply_changes(
                checkout, subject.host, [command for command in undo if command.startswith(MUTABLE)]
            )
    for subject in subjects.values():
        apply_changes(
            checkout,
            subject.host,
            [each for each in subject.override.undo if not each.startswith(MUTABLE)],
        )
    undone = checkout.run(*DEPLOY)
    in_the_end = checkout.run("noevict", "drift")
    return Story(checkout, subjects, other, drift, dry, runs, drift_after, undone, in_the_end)


def hz(checkout: Checkout, host: Host) -> str:
    """By a client that takes any certificate: somebody's may be in place."""
    with admin(checkout, host, ssl_cert_reqs="none", ssl_check_hostname=False) as client:
        return str(client.config_get("hz")["hz"])


@pytest.fixture(params=sample((each.id for each in OVERRIDES), *CHOSEN))
def subject(request: pytest.FixtureRequest, story: Story) -> Subject:
    return story.subjects[request.param]


def test_drift_and_dry_report_it(story: Story, subject: Subject) -> None:
    looks = (story.drift, story.drift_after) if subject.override.at_once else (story.drift_after,)
    for drift in looks:
        lines = [line for line in drift.stdout.splitlines() if line.startswith(f"{subject.host.name} ")]
        assert [line for line in lines if subject.reported in line], drift
    dry = lines_about(story.dry, subject.host)
    reported = [line for line in dry if line.startswith(subject.reported)]
    assert bool(reported) == subject.override.at_once, dry


def test_it_fails_its_host_in_every_run_and_is_left(story: Story, subject: Subject) -> None:
    for done in story.runs:
        lines = lines_about(done, subject.host)
        assert subject.host.name in done.json["results"]["failed_hosts"]
        assert [line for line in lines if line.startswith(subject.reported)], lines


def test_beside_it_everything_is_repaired_or_nothing_is_changed(subject: Subject) -> None:
    assert subject.hz["after"] == ("50" if subject.override.only_repair else "10")
    if subject.override.only_repair:
        assert subject.file_states["after"] == subject.file_states["before"]


def test_once_it_is_taken_back_the_host_is_as_wanted_without_a_restart_or_a_lost_key(
    story: Story, subject: Subject
) -> None:
    assert subject.host.name not in story.undone.json["results"]["failed_hosts"]
    assert run_id(story.checkout, subject.host) == subject.run_id
    assert config(story.checkout, subject.host, "hz") == {"hz": "10"}
    with admin(story.checkout, subject.host) as client:
        assert_filled(client, KEYS)


def test_the_other_host_is_as_wanted_all_the_time(story: Story) -> None:
    for done in story.runs:
        assert done.returncode == 1
        assert "No changes" in lines_about(done, story.other), done
    assert [story.drift.returncode, story.drift_after.returncode] == [2, 2]
    assert (story.undone.returncode, story.drift_in_the_end.returncode) == (0, 0), story.undone


@dataclass
class Fine:
    """What a look and a run say of hosts with things of somebody's own on them."""

    checkout: Checkout
    hosts: dict[str, Host]
    before: dict[str, tuple[str, set[str]]]  # what its server is, and its files
    drift: Result
    run: Result


@pytest.fixture(scope="module")
def fine(boot_for_module: Boot, checkout_for_module: Checkout) -> Fine:
    checkout = checkout_for_module
    booted = boot_for_module(*(Spec(SUITES[n % 2], name=f"f{n}") for n in range(len(FINE))))
    hosts = dict(zip(FINE, booted, strict=True))
    checkout.list_hosts(booted)
    deploy(checkout)
    for name, host in hosts.items():
        apply_changes(checkout, host, FINE[name])
        wait_until_loaded(checkout, host)
    before = {name: (run_id(checkout, host), file_states(host)) for name, host in hosts.items()}
    return Fine(checkout, hosts, before, checkout.run("noevict", "drift", "--json"), checkout.run(*DEPLOY))


@pytest.mark.parametrize("name", FINE)
def test_what_somebody_put_there_that_contradicts_nothing_is_no_drift(fine: Fine, name: str) -> None:
    host = fine.hosts[name]
    reported = fine.drift.json["hosts"][host.name]
    assert reported == {
        "urgency": "healthy",
        "writesRefused": False,
        "failure": [],
        "drift": [],
        "restarts": False,
        "faults": [],
        "notices": reported["notices"],
    }
    assert "No changes" in lines_about(fine.run, host), lines_about(fine.run, host)
    # CONFIG REWRITE, at the end of each run, replaces redis.conf, and so changes its directory.
    server, there = fine.before[name]
    assert {line for line in file_states(host) ^ there if not line.startswith("/etc/redis")} == set()
    assert run_id(fine.checkout, host) == server


def test_one_machine_under_two_names_is_reported_and_left(boot: Boot, checkout: Checkout) -> None:
    mine, other = boot("trixie", "bookworm")
    checkout.list_hosts([mine, other])
    once = checkout.hosts_yml.read_text()
    entry = once[once.index(f"  {mine.name}:") : once.index(f"  {other.name}:")]
    twice = once + entry.replace(mine.name, "the-same")

    def is_reported(done: Result) -> bool:
        lines = [
            f"is the same machine as {mine.name}: list it once",
            "is the same machine as the-same: list it once",
        ]
        return all(line in done.output for line in lines)

    checkout.hosts_yml.write_text(twice)
    done = checkout.run(*DEPLOY)
    assert (done.returncode, is_reported(done)) == (1, True), done
    assert sorted(done.json["results"]["failed_hosts"]) == sorted([mine.name, "the-same"])
    assert mine.run("ls /etc/redis", check=False).returncode != 0
    checkout.hosts_yml.write_text(once)
    deploy(checkout)
    assert_clean(checkout)
    before = run_id(checkout, mine), managed_files(mine)
    checkout.hosts_yml.write_text(twice)
    done = checkout.run(*DEPLOY)
    assert (done.returncode, is_reported(done), "No changes" in lines_about(done, other)) == (
        1,
        True,
        True,
    ), done
    drift = checkout.run("noevict", "drift")
    assert (drift.returncode, is_reported(drift)) == (1, True), drift
    assert (run_id(checkout, mine), managed_files(mine)) == before
