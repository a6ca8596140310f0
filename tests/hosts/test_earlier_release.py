"""Hosts that an earlier release deployed, and this one takes on: all are brought up to date, and no client notices.

The earlier release is kept as an archive, made by ``git archive`` of its commit, without tests and documents. A user
upgrades by ``git pull`` in the same checkout: hosts.yml, secrets/, state/ and the virtual environment stay.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from noevict.companions.exporter.wanted import WITHHELD
from tests.hosts.conftest import Boot
from tests.hosts.connected_clients import Connected, connected_clients
from tests.hosts.deployment import DEPLOY, assert_clean, changes, deploy
from tests.hosts.exporter_checks import DRY as DRY_MONITOR
from tests.hosts.exporter_checks import monitor, process
from tests.hosts.fault_injection import Fault, actions, inject_faults, stop_injecting
from tests.hosts.manual_changes import file_states, lines_about
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample

EARLIER = Path(__file__).parent / "earlier"
RELEASES = {path.name.removesuffix(".tar.xz"): path for path in sorted(EARLIER.glob("*.tar.xz"))}
DRY = ("pyinfra", "--dry", "inventory", "deploy.py")
KEYS = 500

RDB_ONLY = {"redis_appendonly": False, "redis_save": "3600 1"}
MUTUAL = {"redis_tls_auth_clients": "yes"}
USERS = {
    "shop": {"profile": "app", "keys": ["shop:*"], "channels": ["shop:*"]},
    "reports": "readonly",
    "sweeper": "~cache:* -@all +scan +unlink +ttl +type",
    "default": "app",
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "aof-12": ("bookworm", {"redis_queues": ["email"]}),
    "rdb-12": ("bookworm", {**RDB_ONLY, **MUTUAL}),
    "aof-13": ("trixie", MUTUAL),
    "rdb-13": ("trixie", RDB_ONLY),
    "valkey": ("trixie", {"redis_engine": "valkey", **MUTUAL}),
    "users": ("trixie", {"redis_users": USERS, "redis_plaintext_port": 6380}),
}


@dataclass
class Estate:
    """Hosts as the earlier release left them, and the checkout that it was in."""

    checkout: Checkout
    hosts: dict[str, Host]
    monitored: bool
    passwords: dict[str, str] = field(repr=False)

    @classmethod
    def deployed(
        cls, checkout: Checkout, hosts: dict[str, Host], each: dict[str, Any], *, monitored: bool = True
    ) -> "Estate":
        """By the release in the checkout, with keys, and with exporters if they are ``monitored``."""
        checkout.list_hosts(hosts.values(), each=each)
        deploy(checkout)
        if monitored:
            monitor(checkout)
        made = checkout.run("noevict", "cert", "test")
        assert made.returncode == 0, made
        passwords = yaml.safe_load((checkout.secrets / "users.yml").read_text())
        estate = cls(checkout, hosts, monitored, passwords)
        for host in hosts.values():
            with closing(estate.connect(host, "app")) as client:
                client.mset({f"string:{number}": f"value {number}" for number in range(KEYS)})
        return estate

    def connect(self, host: Host, user: str, **options: Any) -> "redis.Redis":
        """With the password that the earlier release made."""
        standing: dict[str, Any] = {
            "host": host.address,
            "username": user,
            "password": self.passwords[user],
            "ssl": True,
            "ssl_ca_certs": str(self.checkout.secrets / "ca.crt"),
            "ssl_check_hostname": True,
            "ssl_certfile": str(self.checkout.secrets / "clients/test.crt"),
            "ssl_keyfile": str(self.checkout.secrets / "clients/test.key"),
            "decode_responses": True,
            "socket_timeout": 10,
            "socket_connect_timeout": 10,
            "retry": Retry(NoBackoff(), 0),
        }
        return redis.Redis(**(standing | options))

    @contextmanager
    def clients(self, *names: str) -> Iterator[dict[str, Connected]]:
        """Connected to each of these hosts, all while the block runs."""
        with ExitStack() as stack:
            yield {
                name: stack.enter_context(
                    connected_clients(
                        self.hosts[name], partial(self.connect, self.hosts[name]), exporter=self.monitored
                    )
                )
                for name in names
            }

    def run_id(self, name: str) -> str:
        with closing(self.connect(self.hosts[name], "app")) as client:
            return str(client.info("server")["run_id"])

    def assert_keys(self, name: str) -> None:
        with closing(self.connect(self.hosts[name], "app")) as client:
            found = client.mget([f"string:{number}" for number in range(KEYS)])
            assert found == [f"value {number}" for number in range(KEYS)]


@dataclass
class Step:
    """One of the users' commands, and what the clients of each host noticed meanwhile."""

    done: Result
    noticed: dict[str, list[str]]
    run_ids: dict[str, str]
    ids: dict[str, dict[str, str | None]]
    exporters: dict[str, str]
    file_states: dict[str, set[str]]


@dataclass
class Story:
    estate: Estate
    steps: dict[str, Step]
    acl_log: dict[str, list[Any]]


STEPS: dict[str, tuple[str, ...]] = {
    "the earlier release again": DEPLOY,
    "its monitoring again": ("pyinfra", "-y", "--json", "inventory", "deploys/monitoring.py"),
    "dry": DRY,
    "drift": ("noevict", "drift", "--format", "json"),
    "run": DEPLOY,
    "run again": DEPLOY,
    "drift again": ("noevict", "drift"),
    "dry monitoring": DRY_MONITOR,
    "monitoring": ("pyinfra", "-y", "--json", "inventory", "deploys/monitoring.py"),
    "monitoring again": ("pyinfra", "-y", "--json", "inventory", "deploys/monitoring.py"),
    "run after monitoring": DEPLOY,
    "run at last": DEPLOY,
}
UPGRADE_BEFORE = "dry"


def take_step(estate: Estate, clients: dict[str, Connected], command: tuple[str, ...]) -> Step:
    done = estate.checkout.run(*command)
    for each in clients.values():
        each.wait_for_more()
    return Step(
        done,
        {name: each.take_errors() for name, each in clients.items()},
        {name: estate.run_id(name) for name in clients},
        {name: each.ids() for name, each in clients.items()},
        {name: process(host) for name, host in estate.hosts.items()},
        {name: file_states(host) for name, host in estate.hosts.items()},
    )


@pytest.fixture(scope="module", params=RELEASES)
def story(
    request: pytest.FixtureRequest, boot_for_module: Boot, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    checkout = Checkout(tmp_path_factory.mktemp("user"), RELEASES[request.param])
    booted = boot_for_module(*(Spec(suite, name=name) for name, (suite, _) in KINDS.items()))
    each = {name: settings for name, (_, settings) in KINDS.items()}
    estate = Estate.deployed(checkout, {host.name: host for host in booted}, each)
    steps = {}
    with estate.clients(*KINDS) as clients:
        for name, command in STEPS.items():
            if name == UPGRADE_BEFORE:
                checkout.upgrade()
            steps[name] = take_step(estate, clients, command)
        refused = {name: client.admin.acl_log() for name, client in clients.items()}
    return Story(estate, steps, refused)


def due(done: Result, host: Host) -> list[str]:
    return [line for line in lines_about(done, host) if line.startswith("due: ")]


def verified(done: Result, host: Host) -> list[str]:
    return [line for line in lines_about(done, host) if line.startswith("verified: ")]


@pytest.mark.parametrize("name", STEPS)
def test_no_client_notices_anything(story: Story, name: str) -> None:
    assert story.steps[name].noticed == {host: [] for host in KINDS}


@pytest.mark.parametrize("name", STEPS)
def test_no_connection_is_cut_and_no_server_restarted(story: Story, name: str) -> None:
    first = next(iter(story.steps.values()))
    step = story.steps[name]
    assert step.run_ids == first.run_ids
    assert step.ids == first.ids
    assert None not in {each for ids in step.ids.values() for each in ids.values()}


@pytest.mark.parametrize("name", ["the earlier release again", "its monitoring again"])
def test_the_earlier_release_itself_was_done_with_these_hosts(story: Story, name: str) -> None:
    done = story.steps[name].done
    assert (done.returncode, changes(done)) == (0, 0), done


@pytest.mark.parametrize("host", KINDS)
def test_dry_names_each_change_and_makes_none(story: Story, host: str) -> None:
    dry, run = (story.steps[name] for name in ("dry", "run"))
    assert dry.done.returncode == 0, dry.done
    assert due(dry.done, story.estate.hosts[host]) == due(run.done, story.estate.hosts[host])
    for name in "dry", "drift":
        assert story.steps[name].file_states[host] == story.steps["its monitoring again"].file_states[host]


def test_the_drift_report_names_them_too(story: Story) -> None:
    drift, dry = story.steps["drift"].done, story.steps["dry"].done
    some = any(due(dry, host) for host in story.estate.hosts.values())
    assert drift.returncode == (2 if some else 0), drift


@pytest.mark.parametrize("host", KINDS)
def test_one_run_brings_them_up_to_date(story: Story, host: str) -> None:
    done = story.steps["run"].done
    assert done.returncode == 0, done
    assert verified(done, story.estate.hosts[host]), done
    story.estate.assert_keys(host)


@pytest.mark.parametrize("name", ["run again", "monitoring again", "run after monitoring", "run at last"])
def test_the_next_run_is_clean(story: Story, name: str) -> None:
    done = story.steps[name].done
    assert (done.returncode, changes(done)) == (0, 0), done
    assert "due:" not in done.output, done


def test_there_is_no_drift_after_it(story: Story) -> None:
    done = story.steps["drift again"].done
    assert done.returncode == 0, done


@pytest.mark.parametrize("host", KINDS)
def test_monitoring_follows_and_says_so_before_it_restarts_an_exporter(story: Story, host: str) -> None:
    dry, run = (story.steps[name] for name in ("dry monitoring", "monitoring"))
    there = story.estate.hosts[host]
    assert (dry.done.returncode, run.done.returncode) == (0, 0), (dry.done, run.done)
    assert due(dry.done, there) == due(run.done, there)
    assert verified(run.done, there), run.done
    restarts = [line for line in due(dry.done, there) if "[restart]" in line]
    assert (run.exporters[host] != dry.exporters[host]) == bool(restarts), due(dry.done, there)


def test_deploys_restart_no_exporter(story: Story) -> None:
    exporters = [story.steps[name].exporters for name in ("its monitoring again", "run", "run again")]
    assert exporters[0] == exporters[1] == exporters[2]


@pytest.mark.parametrize("host", KINDS)
def test_no_user_was_refused_anything(story: Story, host: str) -> None:
    """But for noevict itself, which tries a host's own password first, then the fleet's old one.

    CLIENT SETINFO is redis-py's own; not every user may use it. The exporter has to do without one command.
    """
    refused = {(each["username"], each["reason"], each["object"]) for each in story.acl_log[host]}
    expected = {"client|setinfo", WITHHELD}
    others = {each for each in refused if each[2] not in expected and each[:2] != ("admin", "auth")}
    assert others == set()


def test_applications_keep_their_url(story: Story) -> None:
    estate = story.estate
    for host in (estate.hosts["aof-12"], estate.hosts["users"]):
        made = estate.checkout.run("noevict", "url", host.name)
        assert made.returncode == 0, made
        assert made.stdout.strip() == f"rediss://app:{estate.passwords['app']}@{host.address}:6379/0"


# --- hosts that come later -----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_hosts_that_are_left_out_or_out_of_reach_come_along_later(
    boot: Boot, tmp_path: Path, release: str
) -> None:
    checkout = Checkout(tmp_path, RELEASES[release])
    booted = boot(*(Spec("trixie", name=name) for name in ("first", "second", "away")))
    each = {"second": MUTUAL, "away": RDB_ONLY}
    hosts = {host.name: host for host in booted}
    estate = Estate.deployed(checkout, hosts, each, monitored=False)
    first, second, away = booted
    with estate.clients(*estate.hosts) as clients:
        before = {name: client.ids() for name, client in clients.items()}
        checkout.upgrade()
        done = checkout.run(*DEPLOY, "--limit", "first")
        assert (done.returncode, bool(verified(done, first))) == (0, True), done
        away.run("systemctl stop ssh.socket ssh.service; true")
        done = checkout.run(*DEPLOY)
        assert done.returncode == 1, done
        assert done.json["results"]["failed_hosts"] == ["away"]
        assert verified(done, first), done
        assert verified(done, second), done
        done = checkout.run(
            *("pyinfra", "-y", "--json", "inventory", "deploys/monitoring.py", "--limit", "second")
        )
        assert done.returncode == 0, done
        away.run("systemctl start ssh.service")
        done = checkout.run(*DEPLOY)
        assert (done.returncode, bool(verified(done, away))) == (0, True), done
        assert due(done, first) == due(done, second) == []
        monitor(checkout)
        assert_clean(checkout)
        for name, client in clients.items():
            client.wait_for_more()
            assert (name, client.take_errors()) == (name, [])
            assert client.ids() == before[name]
            estate.assert_keys(name)


# --- runs that are killed ------------------------------------------------------------------------------------

Moment = tuple[str, int, str]  # of a step or an act, at which time, before or after it


def moments(checkout: Checkout, host: Host) -> list[Moment]:
    """Before and after all that a run does on this host, as ``inject_faults`` records it."""
    found: list[Moment] = []
    seen: dict[str, int] = {}
    for name, moment in actions(checkout):
        if name == host.name:
            seen[moment] = seen.get(moment, 0) + 1
            found += [(moment, seen[moment], "before"), (moment, seen[moment], "after")]
    return found


def some(found: list[Moment], most: int) -> list[Moment]:
    """Spread over all of them, with the first and the last."""
    if len(found) <= most:
        return found
    return [found[round(number * (len(found) - 1) / (most - 1))] for number in range(most)]


@pytest.mark.parametrize(
    "most", [pytest.param(4, id="some"), pytest.param(500, id="all", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("script", sample(["deploy.py", "deploys/monitoring.py"], "deploy.py"))
@pytest.mark.parametrize("release", RELEASES)
def test_a_run_that_is_killed_at_any_step_ends_the_same(
    boot: Boot, tmp_path: Path, release: str, script: str, most: int
) -> None:
    """What is done is learnt on one host; then each step is struck on a host of its own."""
    settings = {**MUTUAL, "redis_users": USERS}
    command = (*DEPLOY[:-1], script)
    learning = Checkout(tmp_path / "learning", RELEASES[release])
    [host] = boot(Spec("trixie", name="learning"))
    Estate.deployed(learning, {host.name: host}, {host.name: settings})
    learning.upgrade()
    if script != "deploy.py":
        deploy(learning)
    inject_faults(learning, deploy=script)
    done = learning.run(*command)
    assert done.returncode == 0, done
    chosen = some(moments(learning, host), most)
    suites = ("trixie", "bookworm")
    booted = boot(*(Spec(suites[n % 2], name=f"killed-{n}") for n in range(len(chosen))))
    checkout = Checkout(tmp_path / "killed", RELEASES[release])
    estate = Estate.deployed(
        checkout, {host.name: host for host in booted}, {host.name: settings for host in booted}
    )
    if not chosen:
        return
    with estate.clients(*estate.hosts) as clients:
        checkout.upgrade()
        if script != "deploy.py":
            deploy(checkout)
        before = {name: (estate.run_id(name), client.ids()) for name, client in clients.items()}
        for there, (moment, count, when) in zip(booted, chosen, strict=True):
            inject_faults(checkout, Fault(moment, when, host=there.name, count=count), deploy=script)
            killed = checkout.run(*command, "--limit", there.name)
            assert killed.returncode == -signal.SIGKILL, (moment, count, when, killed)
            stop_injecting(checkout, script)
            finish(checkout, command, there)
        for again in (script, "deploy.py", "deploys/monitoring.py", "deploy.py"):
            done = checkout.run(*DEPLOY[:-1], again)
            assert done.returncode == 0, done
            if again == script:
                assert changes(done) == 0, done
        assert_clean(checkout)
        for name, client in clients.items():
            client.wait_for_more()
            assert (name, client.take_errors()) == (name, [])
            assert (estate.run_id(name), client.ids()) == before[name]
            estate.assert_keys(name)


def finish(checkout: Checkout, command: tuple[str, ...], host: Host) -> None:
    """Run again; once more if a command of the killed run was still at work."""
    done = checkout.run(*command, "--limit", host.name)
    if done.returncode:
        at_work = (
            r"changed since looked at \(.*\): run again|is being changed by a command of an earlier run: .*"
        )
        assert [line for line in lines_about(done, host) if re.fullmatch(at_work, line)], done
        done = checkout.run(*command, "--limit", host.name)
    assert done.returncode == 0, done
