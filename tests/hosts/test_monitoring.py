"""deploys/monitoring.py on real hosts: an exporter that Prometheus can ask, held to the guarantees of deploy.py.

Each drift has a host of its own, of one kind or the other; all hosts go through each step together.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from noevict.companions.exporter.wanted import DROPIN, ETC, PACKAGE, UNIT, WITHHELD
from noevict.engines.engine import EngineName
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, changes, deploy, wait_for
from tests.hosts.exporter_checks import (
    DRY,
    MONITOR,
    exporter_files,
    monitor,
    process,
    scrape,
    targets,
    value,
    verified,
)
from tests.hosts.manual_changes import changed_operations, lines_about
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.prometheus import Prometheus, scraping

QUEUES = ["email", "{bull}:in voices"]


@dataclass(frozen=True)
class Kind:
    suite: str
    engine: EngineName
    exporter: str  # its release
    settings: dict[str, object] = field(default_factory=dict)


KINDS = {
    "bookworm": Kind("bookworm", "redis", "1.45"),
    "trixie": Kind("trixie", "redis", "1.69", {"redis_tls_auth_clients": "yes"}),
    "valkey": Kind("trixie", "valkey", "1.69"),
    "mutual": Kind("bookworm", "redis", "1.45", {"redis_tls_auth_clients": "yes"}),
}


@dataclass(frozen=True)
class Drift:
    """What is done by hand, what is then reported as due, and whether the exporter is a new process after."""

    manual_changes: tuple[str, ...]
    reported: tuple[str, ...]
    restarts: bool = False
    kind: str = "trixie"


DRIFTS = {
    "nothing on bookworm": Drift((), (), kind="bookworm"),
    "nothing on trixie": Drift((), (), kind="trixie"),
    "nothing on valkey": Drift((), (), kind="valkey"),
    "nothing with mutual TLS": Drift((), (), kind="mutual"),
    "package purged": Drift(
        (f"DEBIAN_FRONTEND=noninteractive apt-get purge -qy {PACKAGE}",), (f"package {PACKAGE}",), True
    ),
    "stopped": Drift((f"systemctl stop {UNIT}",), (UNIT,), True, "bookworm"),
    "killed for good": Drift((f"systemctl mask --now {UNIT}",), (UNIT,), True, "valkey"),
    "disabled": Drift((f"systemctl disable {UNIT}",), (UNIT,)),
    "drop-in gone, and started so": Drift(
        (f"rm {DROPIN}", "systemctl daemon-reload", f"systemctl restart {UNIT}"),
        (
            DROPIN,
            *("REDIS_ADDR", "REDIS_USER", "REDIS_PASSWORD_FILE", "REDIS_EXPORTER_WEB_LISTEN_ADDRESS"),
            f"{ETC}/passwords.json",
        ),
        True,
        "bookworm",
    ),
    "drop-in edited, not read": Drift(
        (f"sed -i s/REDIS_USER=exporter/REDIS_USER=app/ {DROPIN}",), (DROPIN, UNIT), False
    ),
    "password edited, and started so": Drift(
        (f"echo '{{}}' >{ETC}/passwords.json", f"systemctl restart {UNIT}"),
        (f"{ETC}/passwords.json",),
        True,
        "valkey",
    ),
    "owners and modes": Drift(
        (f"chmod 755 {ETC}", f"chmod 644 {ETC}/passwords.json", f"chown prometheus {ETC}/client.key"),
        (f"{ETC} mode", f"{ETC}/passwords.json mode", f"{ETC}/client.key owner"),
    ),
    "key and certificate gone": Drift(
        (f"rm {ETC}/client.key {ETC}/client.crt",), (f"{ETC}/client.crt",), True, "mutual"
    ),
    "another CA": Drift(
        (f"cp {ETC}/client.crt {ETC}/ca.crt", f"systemctl restart {UNIT}"), (f"{ETC}/ca.crt",), True
    ),
}


@dataclass
class Story:
    """What each step showed, of all hosts."""

    checkout: Checkout
    hosts: dict[str, Host]
    first: Result
    targets: str
    before: dict[str, str]  # the processes, once the drift is there
    files: dict[str, list[set[str]]]  # with the drift, and after the look
    dry: Result
    repair: Result
    again: Result
    after: dict[str, list[str]]  # the processes, after the repair and after another run


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    """The hosts provisioned, monitored, changed by hand, looked at, repaired, and run again."""
    checkout = checkout_for_module
    kinds = [KINDS[drift.kind] for drift in DRIFTS.values()]
    booted = boot_for_module(*(Spec(kind.suite, name=f"h{n}") for n, kind in enumerate(kinds)))
    checkout.list_hosts(
        booted,
        each={
            host.name: {"redis_engine": kind.engine, **kind.settings}
            for host, kind in zip(booted, kinds, strict=True)
        },
        redis_queues=QUEUES,
        user="admin",
    )
    deploy(checkout)
    hosts = dict(zip(DRIFTS, booted, strict=True))
    files = client_files(checkout)
    for host in booted:
        with admin(checkout, host, **files) as client:
            client.lpush("bull:email:wait", 1, 2, 3)
            client.zadd("bull:email:delayed", {"4": 1})
    first = monitor(checkout)
    listed = (checkout.root / "state/prometheus/targets.json").read_text()
    for name, drift in DRIFTS.items():
        for command in drift.manual_changes:
            hosts[name].run(command)
    before = {name: process(host) for name, host in hosts.items()}
    seen = {name: [exporter_files(host)] for name, host in hosts.items()}
    dry = checkout.run(*DRY)
    for name, host in hosts.items():
        seen[name].append(exporter_files(host))
    repair = checkout.run(*MONITOR)
    repaired = {name: process(host) for name, host in hosts.items()}
    again = checkout.run(*MONITOR)
    after = {name: [repaired[name], process(host)] for name, host in hosts.items()}
    return Story(checkout, hosts, first, listed, before, seen, dry, repair, again, after)


def client_files(checkout: Checkout) -> dict[str, object]:
    """For servers that ask for a certificate."""
    certificate = checkout.secrets / "clients/test.crt"
    if not certificate.exists():
        made = checkout.run("noevict", "cert", "test")
        assert made.returncode == 0, made
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate.with_suffix(".key"))}


@pytest.mark.parametrize("name", [name for name in DRIFTS if name.startswith("nothing")])
def test_the_first_run_installs_it_and_prometheus_gets_what_it_asks_for(story: Story, name: str) -> None:
    host, kind = story.hosts[name], KINDS[DRIFTS[name].kind]
    assert changed_operations(story.first, host) == [
        "Lock the host, as it was looked at",
        "Configure the exporter",
        "Install the exporter",
    ]
    [line] = verified(lines_about(story.first, host))
    assert f"{PACKAGE} {kind.exporter}." in line
    assert line.endswith(f"on {host.address} port 9121")
    samples = scrape(host)
    assert value(samples, "redis_up") == 1
    assert value(samples, "redis_instance_info", maxmemory_policy="noeviction", role="master") == 1
    assert value(samples, "redis_key_size", db="db0", key="bull:email:wait") == 3
    assert (value(samples, "redis_memory_max_bytes") or 0) > 1 << 20
    assert (value(samples, "redis_total_system_memory_bytes") or 0) > 1 << 20


def test_on_debian_12_every_key_of_a_queue_has_its_length(story: Story) -> None:
    samples = scrape(story.hosts["nothing on bookworm"])
    lengths = {
        key: value(samples, "redis_key_size", key=key)
        for key in (
            "bull:email:delayed",
            "bull:email:failed",
            "{bull}:in voices:wait",
            "bull:email:completed",
        )
    }
    assert list(lengths.values()) == [1, 0, 0, 0]


def test_what_debian_13s_leaves_out_is_reported(story: Story) -> None:
    """oliver006/redis_exporter#1008: the keys behind the first that is not there."""
    lines = lines_about(story.first, story.hosts["nothing on trixie"])
    assert [line for line in lines if "does not export the lengths of queues after" in line], lines


def test_redis_refused_the_exporter_nothing_but_the_arguments_of_slow_commands(story: Story) -> None:
    files = client_files(story.checkout)
    for name, host in story.hosts.items():
        if not DRIFTS[name].manual_changes:
            with admin(story.checkout, host, **files) as client:
                assert {entry["object"] for entry in client.acl_log()} == {WITHHELD}


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_reported_by_dry_and_nothing_is_changed(story: Story, name: str) -> None:
    lines = [line for line in lines_about(story.dry, story.hosts[name]) if line.startswith("due: ")]
    for what in DRIFTS[name].reported:
        assert [line for line in lines if line.startswith(f"due: {what}: ")], lines
    assert bool(lines) == bool(DRIFTS[name].reported)
    assert story.files[name][0] == story.files[name][1]


@pytest.mark.parametrize("name", DRIFTS)
def test_the_next_run_repairs_it_and_restarts_it_only_if_due(story: Story, name: str) -> None:
    lines = lines_about(story.repair, story.hosts[name])
    assert verified(lines), lines
    assert bool(changed_operations(story.repair, story.hosts[name])) == bool(DRIFTS[name].reported)
    repaired, later = story.after[name]
    assert (repaired != story.before[name]) == DRIFTS[name].restarts
    assert repaired == later != ""


def test_the_run_after_is_clean_on_all_hosts_and_rewrites_nothing(story: Story) -> None:
    assert story.repair.returncode == 0, story.repair
    assert (story.again.returncode, changes(story.again)) == (0, 0), story.again
    assert "due:" not in story.again.output
    assert (story.checkout.root / "state/prometheus/targets.json").read_text() == story.targets


def test_prometheus_knows_of_every_host(story: Story) -> None:
    assert targets(story.checkout) == {
        host.name: {
            "targets": [f"{host.address}:9121"],
            "labels": {
                **{"host": host.name, "job": "redis", "eviction": "refused"},
                **{"engine": kind.engine, "groups": "redis"},
            },
        }
        for host, kind in zip(
            story.hosts.values(), (KINDS[each.kind] for each in DRIFTS.values()), strict=True
        )
    }
    directory = story.checkout.root / "state/prometheus"
    assert json.loads((directory / "targets.json").read_text())
    rules = (story.checkout.root / "monitoring/alerts.yml").read_text()
    written = (directory / "alerts.yml").read_text()
    assert written.replace('"', "") == rules.replace('"', "")
    assert {path.stat().st_mode & 0o777 for path in directory.glob("*.*") if path.name[0] != "."} == {0o644}
    assert directory.stat().st_mode & 0o777 == 0o755


@pytest.fixture
def prometheus(story: Story, tmp_path: Path) -> Iterator[Prometheus]:
    """Debian's own, configured with nothing but the two files."""
    state = story.checkout.root / "state/prometheus"
    found = {"files": [str(state / "targets.json")], "refresh_interval": "1s"}
    jobs = {"whatever": {"file_sd_configs": [found]}}
    with scraping("bookworm", tmp_path, state / "alerts.yml", jobs, "1s") as running:
        yield running


def test_prometheus_takes_the_targets_and_the_rules_as_they_are(story: Story, prometheus: Prometheus) -> None:
    names = sorted(host.name for host in story.hosts.values())

    def up() -> list[str]:
        found = prometheus.query('redis_up{job="redis"} == 1') or []
        return sorted(each["metric"]["host"] for each in found)

    wait_for("Prometheus scrapes every host", lambda: up() == names, 60)
    # `noevict serve` is scraped nowhere: one alert says so, and two that hosts are not seen by it.
    wait_for("a rule fires", lambda: prometheus.query("ALERTS"), 60)
    assert not prometheus.query('ALERTS{alertname=~"RedisEvictionPolicy|RedisDown|RedisMemory.*"}')
