"""What should be left alone is: one line says why, nothing is changed, and the other hosts of the run are done."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from noevict.pki.certificate import Certificate
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, deploy, run_id
from tests.hosts.manual_changes import apply_changes, file_states, fill, install_foreign, lines_about
from tests.hosts.refusals import REFUSALS, Refusal
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample, selected_cases

BY_ID = {each.id: each for each in REFUSALS}
CHOSEN = (
    "a replica",
    "a primary with a replica",
    "Sentinel",
    "Cluster",
    "its port in use",
    "an old release",
    "not root",
    "data behind a link",
    "stopped, with data elsewhere",
    "AOF to be off while it is stopped, by a file with line ends of Windows",
)


@dataclass(frozen=True)
class As:
    """How a host is: what a run could change of it."""

    file_states: set[str]
    processes: str  # of the service and all like it, with when each was started

    @classmethod
    def found(cls, host: Host) -> "As":
        servers = "ps -C redis-server,valkey-server,redis-sentinel,python3 -o pid=,lstart=,comm= || true"
        return cls(file_states(host), host.run(servers).stdout)


@dataclass
class Story:
    """All refused hosts, and one that is not, through one run."""

    hosts: dict[str, Host]
    before: dict[str, As]
    after: dict[str, As]
    drift: Result
    dry: Result
    run: Result
    fine: Host


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    checkout = checkout_for_module
    refusals = [each for each in REFUSALS if each.id in selected_cases(request, "refusal")]
    fine, *others = boot_for_module("trixie", *(Spec(each.suite) for each in refusals))
    hosts = {each.id: host for each, host in zip(refusals, others, strict=True)}
    engines = {hosts[each.id].name: {"redis_engine": each.engine} for each in refusals}
    checkout.list_hosts([hosts[each.id] for each in refusals if each.start == "managed"], each=engines)
    deploy(checkout)
    for each in refusals:
        if each.start == "foreign":
            install_foreign(hosts[each.id], *each.conf, engine=each.engine)
        apply_changes(checkout, hosts[each.id], each.manual_changes, each.engine)
    settings = {hosts[each.id].name: {"redis_engine": each.engine, **each.settings} for each in refusals}
    checkout.list_hosts([fine, *others], each=settings)
    before = {name: As.found(host) for name, host in hosts.items()}
    drift = checkout.run("noevict", "drift")
    dry = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
    run = checkout.run(*DEPLOY)
    return Story(hosts, before, {name: As.found(host) for name, host in hosts.items()}, drift, dry, run, fine)


@pytest.fixture(params=sample(BY_ID.keys(), *CHOSEN))
def refusal(request: pytest.FixtureRequest) -> Refusal:
    return BY_ID[request.param]


def test_a_host_to_be_left_alone_is_reported_in_one_line(story: Story, refusal: Refusal) -> None:
    lines = lines_about(story.run, story.hosts[refusal.id])
    aside = ("Connected", "looking at the host: ", "Ready: ", "Error: executed 0")
    reasons = {line for line in lines if not line.startswith(aside)}
    assert len(reasons) == 1, lines
    assert reasons.pop().startswith(refusal.reported), lines


def test_drift_reports_it_too(story: Story, refusal: Refusal) -> None:
    host = story.hosts[refusal.id].name
    reported = re.findall(rf"^{host}: (.*)$", story.drift.stderr, re.MULTILINE)
    assert len(reported) == 1, reported
    assert reported[0].startswith(refusal.reported)


def test_nothing_is_changed_there_nor_stopped(story: Story, refusal: Refusal) -> None:
    assert story.after[refusal.id] == story.before[refusal.id]


def test_the_other_host_of_the_run_is_done(story: Story) -> None:
    assert (story.drift.returncode, story.dry.returncode, story.run.returncode) == (1, 1, 1)
    refused = ", ".join(sorted(host.name for host in story.hosts.values()))
    assert story.dry.stderr.splitlines()[-1] == f"a run would fail on {refused}"
    failed = story.run.json["results"]["failed_hosts"]
    assert sorted(failed) == sorted(host.name for host in story.hosts.values())
    assert [line for line in lines_about(story.run, story.fine) if line.startswith("verified: ")]


NewCheckout = Callable[[], Checkout]


@pytest.mark.parametrize("others", sample(["none", "of another fleet"], "of another fleet"))
def test_a_host_of_other_secrets_is_refused_with_its_cas_fingerprint(
    boot: Boot, new_checkout: NewCheckout, others: str
) -> None:
    host, fresh = boot("bookworm", "trixie")
    mine, theirs = new_checkout(), new_checkout()
    mine.list_hosts([host])
    deploy(mine)
    with admin(mine, host) as client:
        fill(client, 10)
    if others == "of another fleet":
        theirs.list_hosts([fresh])
        deploy(theirs)
    theirs.list_hosts([host, fresh])
    before, server = As.found(host), run_id(mine, host)
    done = theirs.run(*DEPLOY)
    assert done.returncode == 1, done
    what = {
        "none": f": {theirs.secrets} has no CA (it does not exist): ",
        "of another fleet": f" than {theirs.secrets}: ",
    }[others]
    [line] = {
        line for line in lines_about(done, host) if line.startswith(f"is managed with other secrets{what}")
    }
    assert line.endswith(f"; its CA is {fingerprint(mine)}")
    assert (As.found(host), run_id(mine, host)) == (before, server)
    if others == "none":
        # Not even for the fresh host: a second CA in one fleet would split it.
        assert not theirs.secrets.exists()
        assert [
            line for line in lines_about(done, fresh) if f"{host.name} was made with: copy them there" in line
        ], done
    else:
        assert "No changes" in lines_about(done, fresh), done
    # What the line says helps.
    shutil.rmtree(theirs.secrets, ignore_errors=True)
    shutil.copytree(mine.secrets, theirs.secrets)
    theirs.list_hosts([host])
    assert_clean(theirs)


def fingerprint(checkout: Checkout) -> str:
    text = (checkout.secrets / "ca.crt").read_text()
    return Certificate.parse(text).fingerprint  # type: ignore[union-attr]
