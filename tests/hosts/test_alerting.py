"""What an operator sees: Debian's own Prometheus and a browser over a fleet, a policy flipped by hand, repaired.

Prometheus looks each 15 seconds, as it does in many places.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, deploy, run_id
from tests.hosts.exporter_checks import monitor
from tests.lab.browser import chromium
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.lab.prometheus import Prometheus, scraping
from tests.lab.servers import wait_for
from tests.server.served_fleet import Service

BASE = "https://git.example.com/ops/noevict/-/blob/main/docs/runbooks"


@pytest.fixture
def hosts(boot: Boot, checkout: Checkout) -> list[Host]:
    booted = boot("bookworm", "trixie")
    checkout.list_hosts(booted, redis_queues=["email"], redis_runbooks=BASE)
    deploy(checkout)
    monitor(checkout)
    return booted


@pytest.fixture
def service(hosts: list[Host], checkout: Checkout) -> Iterator[Service]:
    assert hosts
    running = Service(checkout.root)
    yield running
    assert running.end() == 0


@pytest.fixture
def alerts(checkout: Checkout, service: Service, tmp_path: Path) -> Iterator[Prometheus]:
    """As docs/monitoring.md configures it."""
    state = checkout.root / "state/prometheus"
    jobs = {
        "redis": {"file_sd_configs": [{"files": [str(state / "targets.json")]}]},
        "noevict": {"static_configs": [{"targets": [service.url.removeprefix("http://")]}]},
    }
    with scraping("bookworm", tmp_path, state / "alerts.yml", jobs, "15s") as prometheus:
        yield prometheus


@pytest.fixture
def page(service: Service) -> Iterator[Page]:
    with chromium() as browser:
        opened = browser.new_page(base_url=service.url, viewport={"width": 1100, "height": 800})
        opened.goto("/")
        yield opened


def displayed(page: Page, host: Host) -> str:
    return page.locator(f"#hosts > li[data-name='{host.name}']").inner_text()


def test_a_policy_flipped_by_hand_is_reported_within_a_minute_and_all_is_clear_once_it_is_repaired(
    hosts: list[Host], checkout: Checkout, service: Service, alerts: Prometheus, page: Page, tmp_path: Path
) -> None:
    one, other = hosts
    well = "noevict_up == 1 and on (host) redis_up == 1 and on (host) noevict:queue_waiting == 0"
    wait_for("both are scraped", lambda: len(alerts.query(well) or ()) == 2, 60)
    assert {host.name: alerts.firing(host.name) for host in hosts} == {one.name: {}, other.name: {}}

    assert "noeviction" in displayed(page, one)
    process = run_id(checkout, one)
    with admin(checkout, one) as client:
        client.config_set("maxmemory-policy", "volatile-lru")
    health = service.health(one.name)
    assert (health["status"], health["evictionPolicy"]) == ("healthy", "volatile-lru")
    assert health["warning"].startswith("Redis eviction policy is 'volatile-lru'. ")
    alert = wait_for("the alert fires", lambda: alerts.firing(one.name).get("RedisEvictionPolicy"), 60)
    assert alert["summary"] == f"The eviction policy of {one.name} is volatile-lru"
    assert alert["runbook_url"] == f"{BASE}/eviction.md#redisevictionpolicy"
    assert alerts.firing(other.name) == {}
    wait_for("the page shows it", lambda: "volatile-lru" in displayed(page, one), 60)
    assert "volatile-lru" not in displayed(page, other)
    assert page.locator("h1").inner_text() == "2 healthy, 1 may evict"
    page.screenshot(path=tmp_path / "alert.png", full_page=True)
    status = checkout.run("noevict", "status")
    assert (status.returncode, "volatile-lru" in status.stdout) == (0, True), status  # a warning, and healthy
    # What the alert and its runbook say to do.
    assert checkout.run("noevict", "drift", one.name).returncode == 2
    wait_for("Prometheus knows of the drift", lambda: alerts.query("noevict_drift == 1"), 60)
    repair = ("pyinfra", "-y", "inventory", "deploy.py", "--limit", one.name)
    assert checkout.run(*repair).returncode == 0

    assert run_id(checkout, one) == process
    assert "warning" not in service.health(one.name)
    wait_for("the page is quiet", lambda: "volatile-lru" not in displayed(page, one), 60)
    wait_for("the alert is over", lambda: alerts.firing(one.name) == {}, 60)
    wait_for("the drift is over", lambda: not alerts.query("noevict_drift > 0"), 60)
    assert checkout.run("noevict", "drift").returncode == 0
