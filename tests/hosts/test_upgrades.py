"""Packages change under a managed host: the next run is clean, or makes it so; no key is lost."""

from dataclasses import dataclass, field

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, changes, deploy, managed_files, run_id
from tests.hosts.manual_changes import assert_filled, changed_operations, fill, lines_about, with_names
from tests.hosts.package_upgrades import NEWEST, UPGRADES, Managed, Upgrade
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.images import image
from tests.sampling import sample, selected_cases

KEYS = 200
BY_ID = {upgrade.id: upgrade for upgrade in UPGRADES}
CHOSEN = (
    *("a newer package", "ours kept", "nobody to answer"),
    *("killed as it configures", "the programs unpacked alone"),
    *("unattended, held back", "unattended, ours kept", "needrestart"),
)


@dataclass
class Subject:
    """An upgrade and the host it happens to."""

    upgrade: Upgrade
    on: Managed
    run_id: str = ""  # after it
    restarted: bool = False  # by the run that came then


@dataclass
class Story:
    """What each step showed, of all hosts."""

    checkout: Checkout
    subjects: dict[str, Subject] = field(default_factory=dict)
    drift: Result = field(init=False)
    repair: Result = field(init=False)
    again: Result = field(init=False)


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    """Hosts provisioned and filled; to each something happens; then they are looked at, and run over twice."""
    asked = selected_cases(request, "id")
    story, upgrades = Story(checkout_for_module), [each for each in UPGRADES if each.id in asked]
    newer = (image("trixie") / "opt/debs",)
    specs = [
        Spec(upgrade.suite, name=f"h{number}", systemd=upgrade.systemd, binds=newer)
        for number, upgrade in enumerate(upgrades)
    ]
    hosts = boot_for_module(*specs)
    each = {
        host.name: {"redis_engine": upgrade.engine} for host, upgrade in zip(hosts, upgrades, strict=True)
    }
    story.checkout.list_hosts(hosts, each=each)
    deploy(story.checkout)
    for host, upgrade in zip(hosts, upgrades, strict=True):
        subject = Subject(upgrade, Managed(story.checkout, host, upgrade.engine))
        story.subjects[upgrade.id] = subject
        with admin(story.checkout, host) as client:
            fill(client, KEYS)
        upgrade.happens(subject.on)
        subject.run_id = seen(subject)
    story.drift = story.checkout.run("noevict", "drift", "--json")
    story.repair = story.checkout.run(*DEPLOY)
    for subject in story.subjects.values():
        subject.restarted = subject.run_id != run_id(story.checkout, subject.on.host)
    story.again = story.checkout.run(*DEPLOY)
    return story


def seen(subject: Subject) -> str:
    """Its run_id; "" if it is not one of ours that runs."""
    try:
        return run_id(subject.on.checkout, subject.on.host)
    except redis.ConnectionError:
        return ""


@pytest.fixture
def subject(story: Story, id: str) -> Subject:
    return story.subjects[id]


every_upgrade = pytest.mark.parametrize("id", sample(BY_ID.keys(), *CHOSEN))


@every_upgrade
def test_what_is_due_is_reported_and_nothing_else_is(story: Story, subject: Subject) -> None:
    reported = {change["what"] for change in story.drift.json["hosts"][subject.on.host.name]["drift"]}
    assert reported == {with_names(what, subject.on.engine) for what in subject.upgrade.reported}


@every_upgrade
def test_the_next_run_makes_it_so_and_restarts_only_if_it_must(story: Story, subject: Subject) -> None:
    lines = lines_about(story.repair, subject.on.host)
    assert subject.on.host.name not in story.repair.json["results"]["failed_hosts"], lines
    assert bool(changed_operations(story.repair, subject.on.host)) == bool(subject.upgrade.reported), lines
    assert subject.restarted == subject.upgrade.restarts
    assert subject.on.version().endswith(subject.upgrade.installed)
    assert subject.on.host.run("dpkg --audit").stdout == ""


@every_upgrade
def test_the_run_after_it_is_clean(story: Story, subject: Subject) -> None:
    assert not changed_operations(story.again, subject.on.host), lines_about(story.again, subject.on.host)
    assert [line for line in lines_about(story.again, subject.on.host) if line.startswith("verified: ")]


@every_upgrade
def test_no_key_is_lost_and_the_next_upgrade_asks_nothing(story: Story, subject: Subject) -> None:
    on = subject.on
    with admin(story.checkout, on.host) as client:
        assert_filled(client, KEYS)
    before = {path: file.sha256 for path, file in managed_files(on.host, on.engine).items()}
    if not subject.upgrade.again:
        return
    on.release(version=NEWEST, conffile="# newest\n")
    on.apt("upgrade")
    assert on.version().endswith(NEWEST)
    assert on.host.read(f"{LAYOUTS[on.engine].conf}.debian").endswith("# newest\n")
    assert {path: file.sha256 for path, file in managed_files(on.host, on.engine).items()} == before
    with admin(story.checkout, on.host) as client:
        assert_filled(client, KEYS)


def test_all_hosts_are_as_wanted_in_the_end(story: Story) -> None:
    assert story.repair.returncode == 0, story.repair
    assert (story.again.returncode, changes(story.again)) == (0, 0), story.again
    assert_clean(story.checkout)


@pytest.mark.long
def test_an_upgrade_that_dpkg_cannot_finish_is_named_with_the_way_out(boot: Boot, checkout: Checkout) -> None:
    newer = image("trixie") / "opt/debs"
    [host] = boot("bookworm", binds=(newer,))
    checkout.list_hosts([host])
    deploy(checkout)
    on = Managed(checkout, host, "redis")
    with admin(checkout, host) as client:
        fill(client, KEYS)
    on.use_release("trixie")
    on.apply_changes(
        f"dpkg --unpack {newer}/redis-tools_*.deb {newer}/redis-server_*.deb"
    )  # not what they depend on
    done = deploy(checkout, code=1)
    [line] = [line for line in lines_about(done, host) if "apt --fix-broken install" in line]
    assert "does not continue by itself (redis-tools redis-server: dependency problems" in line
    on.apt("--fix-broken install")
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
