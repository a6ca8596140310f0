"""Data that takes a while to be loaded, or to be written into append-only files; and runs that come meanwhile."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS, Layout
from tests.hosts.big_data import Deploy, assert_big, count, fill_big, slow_loading
from tests.hosts.conftest import Boot, booting
from tests.hosts.deployment import admin, assert_clean, changes, config, deploy, run_id, wait_for
from tests.hosts.manual_changes import (
    apply_changes,
    install_foreign,
    lines_about,
    plaintext_client,
    wait_until_loaded,
)
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.sampling import sample

LOADING = r"is loading its data: \d+ s, \d+ of \d+ MiB"
WRITING = r"is writing the append-only files: \d+ s, \d+ of \d+ keys"


@dataclass(frozen=True)
class Size:
    suite: str
    engine: EngineName
    mib: int


@dataclass(frozen=True)
class Big:
    """A host with a server of somebody else's, RDB only, and so many MiB of keys, that was taken over."""

    size: Size
    host: Host
    checkout: Checkout
    taken_over: Result

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.size.engine]

    def list_host(self, **settings: Any) -> None:
        self.checkout.list_hosts([self.host], redis_engine=self.size.engine, **settings)

    def assert_kept(self) -> None:
        """Every key is there, and systemd never ended its server while it loaded them."""
        with admin(self.checkout, self.host, decode_responses=False) as client:
            assert_big(client, self.size.mib)
        assert restarts(self.host, self.layout) == 0

    def deploy_over_slow_loading(self) -> Result:
        """The loading is as fast as ever once the run has reported that it waits for it."""
        with slow_loading(self.host, self.size.engine):
            going = Deploy(self.checkout).until(LOADING)
        return going.finish()


def restarts(host: Host, layout: Layout) -> int:
    """How often systemd started the server again by itself."""
    return int(host.run(f"systemctl show {layout.unit} -p NRestarts --value").stdout)


def waited(done: Result, host: Host) -> list[str]:
    """What a run reported of the loading it waited for."""
    return [line for line in lines_about(done, host) if re.search(LOADING, line)]


SIZES = {
    "trixie": Size("trixie", "redis", 300),
    "bookworm": Size("bookworm", "redis", 300),
    "valkey": Size("trixie", "valkey", 300),
    "2 GB": Size("trixie", "redis", 2000),
}


@pytest.fixture(scope="module", params=sample(SIZES, "trixie"))
def big(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Big]:
    size: Size = request.param
    checkout = Checkout(tmp_path_factory.mktemp("user"))
    with contextlib.contextmanager(booting)(lab) as boot:
        [host] = boot(size.suite)
        install_foreign(host, engine=size.engine)
        with plaintext_client(host, decode_responses=False, socket_timeout=60) as client:
            fill_big(client, size.mib)
        checkout.list_hosts([host], redis_engine=size.engine, redis_takeover=True)
        with slow_loading(host, size.engine):
            going = Deploy(checkout).until(LOADING)
        yield Big(size, host, checkout, going.finish())


def test_a_take_over_turns_aof_on_and_waits_for_the_loading(big: Big) -> None:
    assert waited(big.taken_over, big.host)
    big.assert_kept()
    assert_clean(big.checkout)


def test_aof_is_turned_on_without_a_restart(big: Big) -> None:
    server = run_id(big.checkout, big.host)
    apply_changes(big.checkout, big.host, ("redis: CONFIG SET appendonly no",))
    big.list_host()
    deploy(big.checkout)
    assert run_id(big.checkout, big.host) == server
    assert_clean(big.checkout)
    big.host.run(f"systemctl restart {big.layout.unit}", timeout=300)
    big.assert_kept()


def test_a_restart_waits_for_the_loading_and_does_its_writing_while_clients_are_served(big: Big) -> None:
    with admin(big.checkout, big.host, decode_responses=False) as client:
        fill_big(client, 16)  # the same again: commands that a start would run
    saved, rewritten = logged(big, "Saving the final RDB"), logged(big, "Background AOF rewrite finished")
    big.list_host(redis_config={"databases": 32})
    done = big.deploy_over_slow_loading()
    assert waited(done, big.host)
    assert logged(big, "Saving the final RDB") == saved
    assert logged(big, "Background AOF rewrite finished") == rewritten + 1
    assert config(big.checkout, big.host, "databases", "shutdown-on-sigterm") == {
        "databases": "32",
        "shutdown-on-sigterm": "default",
    }
    big.assert_kept()
    assert_clean(big.checkout)


def logged(big: Big, words: str) -> int:
    """How often its server logged that."""
    return big.host.read(big.layout.logfile).count(words)


def test_what_comes_while_it_loads_after_a_reboot_waits_or_says_so(big: Big) -> None:
    big.list_host()
    deploy(big.checkout)
    with slow_loading(big.host, big.size.engine):
        big.host.reboot()
        drift = big.checkout.run("noevict", "drift")
        dry = big.checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
        going = Deploy(big.checkout).until(LOADING)
    done = going.finish()
    reported = r"is loading its data, \d+ of \d+ MiB: nothing is changed before that is done"
    assert (drift.returncode, len(re.findall(reported, drift.stderr))) == (0, 1), drift
    assert (dry.returncode, "due:" in dry.output, len(re.findall(reported, dry.output))) == (0, False, 1), dry
    assert changes(done) == 0, done
    assert [
        line
        for line in lines_about(done, big.host)
        if re.match(rf"verified: .* {count(big.size.mib)} keys", line)
    ]
    big.assert_kept()


def test_what_is_due_while_it_loads_is_done_when_it_has_loaded(big: Big) -> None:
    big.list_host(redis_config={"hz": 20})
    with slow_loading(big.host, big.size.engine):
        big.host.reboot()
        going = Deploy(big.checkout).until(LOADING)
        assert config(big.checkout, big.host, "hz") == {"hz": "10"}
    going.finish()
    assert config(big.checkout, big.host, "hz") == {"hz": "20"}
    big.assert_kept()
    assert_clean(big.checkout)


# --- half way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taking_over", sample({"take-over": True, "drift": False}, "take-over"))
def test_a_run_killed_while_aof_is_first_written_is_finished_by_the_next(
    boot: Boot, checkout: Checkout, taking_over: bool
) -> None:
    host = serving(boot, checkout, "bookworm", taking_over)
    with connected(checkout, host, taking_over) as client:
        fill_big(client, 100)
        # A thousandth of a second for each key that is saved.
        client.config_set("appendonly", "no")
        client.config_set("rdb-key-save-delay", 1500)
        going = Deploy(checkout)
        wait_for("it is being written", lambda: client.info("persistence")["aof_rewrite_in_progress"], 120)
        os.killpg(going.process.pid, signal.SIGKILL)
        going.process.communicate()
        client.config_set("rdb-key-save-delay", 0)
        assert client.info("persistence")["aof_rewrite_in_progress"]
    done = Deploy(checkout).until(WRITING).finish()
    assert "is being changed by" not in done.output
    with admin(checkout, host, decode_responses=False) as client:
        assert_big(client, 100)
    assert_clean(checkout)
    host.run("systemctl restart redis-server")
    with admin(checkout, host, decode_responses=False) as client:
        assert_big(client, 100)


def serving(boot: Boot, checkout: Checkout, suite: str, foreign: bool) -> Host:
    """A host with a server of somebody else's, to be taken over, or with ours."""
    [host] = boot(suite)
    if foreign:
        install_foreign(host)
    checkout.list_hosts([host], redis_takeover=foreign)
    if not foreign:
        deploy(checkout)
    return host


@contextlib.contextmanager
def connected(checkout: Checkout, host: Host, foreign: bool) -> Iterator["redis.Redis"]:
    with (
        plaintext_client(host, decode_responses=False)
        if foreign
        else admin(checkout, host, decode_responses=False) as client
    ):
        yield client


# --- longer than systemd's own 90 seconds ------------------------------------------------------------------------

LIMIT = 90
SLOWEST = 4.0  # seconds, see slow_loading: too slow to answer at all
BEYOND = r"is loading its data: (9[5-9]|[1-9]\d\d) s"


def loading_for(host: Host) -> float:
    """How many seconds its server has been starting; 0 if it is not."""
    names = "-p ActiveState -p InactiveExitTimestampMonotonic"
    reported = host.run(f"systemctl show redis-server {names}; cut -d. -f1 /proc/uptime").stdout.split()
    found = dict(line.split("=") for line in reported[:-1])
    since = int(found["InactiveExitTimestampMonotonic"]) / 1e6
    return int(reported[-1]) - since if found["ActiveState"] == "activating" else 0


@pytest.mark.long
@pytest.mark.parametrize("foreign", [True, False], ids=["take-over", "restart"])
def test_a_run_waits_for_a_loading_that_outlasts_systemds_limit(
    boot: Boot, checkout: Checkout, foreign: bool
) -> None:
    host = serving(boot, checkout, "trixie", foreign)
    with connected(checkout, host, foreign) as client:
        fill_big(client, 300)
    checkout.list_hosts([host], redis_takeover=foreign, redis_config={"databases": 32})
    with slow_loading(host, stopped=SLOWEST):
        going = Deploy(checkout).until(BEYOND)
    going.finish()
    assert restarts(host, LAYOUTS["redis"]) == 0
    with admin(checkout, host, decode_responses=False) as client:
        assert_big(client, 300)
    assert_clean(checkout)


@pytest.mark.long
def test_a_reboot_waits_for_a_loading_that_outlasts_systemds_limit(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("bookworm")
    checkout.list_hosts([host])
    deploy(checkout)
    with admin(checkout, host, decode_responses=False) as client:
        fill_big(client, 300)
    with slow_loading(host, stopped=SLOWEST):
        host.reboot()
        wait_for("it loads beyond the limit", lambda: loading_for(host) > LIMIT + 10, 2 * LIMIT)
    wait_until_loaded(checkout, host)
    assert restarts(host, LAYOUTS["redis"]) == 0
    with admin(checkout, host, decode_responses=False) as client:
        assert_big(client, 300)
    assert_clean(checkout)
    # The same without our drop-in: that limit is a real one.
    host.run("mv /etc/systemd/system/redis-server.service.d /root/ && systemctl daemon-reload")
    with slow_loading(host, stopped=SLOWEST):
        host.run("systemctl restart --no-block redis-server")
        wait_for("systemd ends it", lambda: restarts(host, LAYOUTS["redis"]) > 0, 2 * LIMIT)
    host.run("mv /root/redis-server.service.d /etc/systemd/system/ && systemctl daemon-reload")
