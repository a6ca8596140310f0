"""The alert rules and the dashboard, over what Debian's exporters of both releases really export of real servers."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import redis
import yaml

from noevict import queues
from noevict.companions.exporter import scrape
from noevict.companions.exporter.alerts import RULES
from tests.lab import prometheus
from tests.lab.servers import BINARIES, Running, free_port, wait_for
from tests.sampling import sample
from tests.server.conftest import StartServer
from tests.server.monitored_server import HOST, QUEUE, Scraped, scraped_server

DASHBOARD = RULES.with_name("grafana.json")
RELEASES = {
    f"{binary.id} with the exporter of {suite}": (binary, suite)
    for binary in BINARIES
    for suite in ("bookworm", "trixie")
}
METRIC = re.compile(r"\b(?:redis|noevict)_[a-z_]+\b")
# What a single server has none of: its names are held in test_names_of_a_cluster below.
# From records of runs, which are not made here.
RECORDED = {"noevict_data_disk_free_bytes", "noevict_data_disk_size_bytes"}
CLUSTER = {"redis_cluster_state", "redis_cluster_slots_fail", "redis_cluster_slots_pfail"}


@pytest.fixture(
    scope="module",
    params=sample(
        RELEASES, "redis-7.0 with the exporter of bookworm", "redis-8.0 with the exporter of trixie"
    ),
)
def under(request: pytest.FixtureRequest) -> Iterator[Scraped]:
    binary, suite = request.param
    with scraped_server(binary, suite) as found:
        fill(found.server)
        yield found


def fill(server: Running) -> None:
    server.redis.lpush(queues.key(QUEUE, "wait"), "1", "2")
    server.redis.lpush(queues.key(QUEUE, "active"), "3")
    server.redis.zadd(queues.key(QUEUE, "failed"), {"4": 1})
    server.redis.set("session", "x", ex=3600)
    server.redis.get("session")
    server.redis.get("none")


def rules() -> dict[str, str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule}


def expressions() -> dict[str, str]:
    """Panel and letter -> its PromQL, for all hosts."""
    board = json.loads(DASHBOARD.read_text())
    return {
        f"{panel['title']} {target['refId']}": in_prometheus(target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    } | {each["name"]: in_prometheus(each["expr"]) for each in board["annotations"]["list"]}


def in_prometheus(expr: str) -> str:
    return expr.replace("$host", ".*").replace("$__rate_interval", "10s")


# --- what can be done to a server, and the alert that must report it -------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """``do`` is done again each time until the alert's expression has an answer; ``undo`` ends it."""

    do: Callable[[Running], object]
    undo: Callable[[Running], object] = lambda _: None


def fill_up(server: Running) -> None:
    server.redis.config_set("maxmemory", server.redis.info("memory")["used_memory"] + 100_000)
    with suppress(redis.ResponseError):
        for number in range(50):
            server.redis.set(f"full:{number}", "x" * 10_000)


def fill_up_in_a_script(server: Running) -> None:
    """As BullMQ adds jobs."""
    server.redis.config_set("maxmemory", "1mb")
    with suppress(redis.ResponseError):
        server.redis.eval("return redis.call('set', KEYS[1], ARGV[1])", 1, "full:script", "x" * 10_000)


def make_room(server: Running) -> None:
    server.redis.config_set("maxmemory", "100mb")
    server.redis.config_set("maxmemory-policy", "noeviction")
    server.redis.unlink("full:script", *(f"full:{number}" for number in range(50)))


def evict(server: Running) -> None:
    server.redis.config_set("maxmemory-policy", "allkeys-random")
    fill_up(server)


def fail_to_save(server: Running) -> None:
    """By a directory where the snapshot should be."""
    place = server.directory / "data/dump.rdb"
    if place.is_file():
        place.unlink()
    (place / "in-the-way").mkdir(parents=True, exist_ok=True)
    with suppress(redis.ResponseError):  # one is running
        server.redis.bgsave()


def save(server: Running) -> None:
    place = server.directory / "data/dump.rdb"
    (place / "in-the-way").rmdir()
    place.rmdir()

    def saved() -> bool:
        if server.redis.info("persistence")["rdb_last_bgsave_status"] == "ok":
            return True
        with suppress(redis.ResponseError):  # one is running
            server.redis.bgsave()
        return False

    wait_for("a save goes well", saved)


def fail_to_rewrite(server: Running) -> None:
    """By directories where the next files should be."""
    for number in range(2, 99):
        place = server.directory / f"data/appendonlydir/appendonly.aof.{number}.base.rdb/in-the-way"
        place.mkdir(parents=True, exist_ok=True)
    with suppress(redis.ResponseError):
        server.redis.bgrewriteaof()


def turn_clients_away(server: Running) -> None:
    """And leave at once: the exporter, too, connects again each time."""
    server.redis.config_set("maxclients", 12)
    with ExitStack() as clients, suppress(redis.ConnectionError):
        for _ in range(20):
            clients.enter_context(server.client()).ping()


def restart(server: Running) -> None:
    """Again and again, each time after a few seconds."""
    if server.redis.info("server")["uptime_in_seconds"] >= 3:
        server.restart()


def setting(name: str, value: object) -> Callable[[Running], object]:
    return lambda server: server.redis.config_set(name, value)


TROUBLES = {
    "RedisEvictionPolicy": Trouble(setting("maxmemory-policy", "volatile-lru"), make_room),
    "RedisMaxmemoryUnset": Trouble(setting("maxmemory", 0), make_room),
    "RedisMemory95": Trouble(setting("maxmemory", "1mb"), make_room),
    "RedisOutOfMemoryErrors": Trouble(fill_up_in_a_script, make_room),
    "RedisKeysEvicted": Trouble(evict, make_room),
    "RedisSaveFailed": Trouble(fail_to_save, save),
    "RedisAofRewriteFailed": Trouble(fail_to_rewrite),
    "RedisRejectedConnections": Trouble(turn_clients_away, setting("maxclients", 10000)),
    "RedisIsReplica": Trouble(lambda server: server.redis.replicaof("127.0.0.1", 1)),
    "RedisReplicationBroken": Trouble(lambda _: None, lambda server: server.redis.replicaof("NO", "ONE")),
    "RedisRestartLoop": Trouble(restart),
    "RedisDown": Trouble(lambda server: server.end(), lambda server: server.start()),
}


def test_the_alerts_see_what_is_done_to_a_server(under: Scraped) -> None:
    for alert, trouble in TROUBLES.items():
        [series] = wait_for(f"{alert} sees it", partial(_reported, under, rules()[alert], trouble), 60)
        assert series["metric"]["host"] == HOST
        trouble.undo(under.server)


def _reported(under: Scraped, expr: str, trouble: Trouble) -> list[dict[str, Any]] | None:
    trouble.do(under.server)
    return under.query(expr)


def test_a_policy_changed_by_hand_fires_at_once_and_is_over_at_once(under: Scraped) -> None:
    under.server.redis.config_set("maxmemory-policy", "allkeys-lru")
    reported = wait_for("the alert fires", lambda: under.firing(HOST).get("RedisEvictionPolicy"))
    assert reported["summary"] == f"The eviction policy of {HOST} is allkeys-lru"
    under.server.redis.config_set("maxmemory-policy", "noeviction")
    wait_for("the alert is over", lambda: "RedisEvictionPolicy" not in under.firing(HOST))


def test_every_metric_that_rules_and_dashboard_name_is_exported(under: Scraped) -> None:
    named = {name for expr in [*rules().values(), *expressions().values()] for name in METRIC.findall(expr)}
    wait_for("an error of a client", lambda: _reported(under, "redis_errors_total", Trouble(fill_up)))
    make_room(under.server)
    assert len(named) > 40
    assert named - under.names() - CLUSTER - RECORDED == set()


def test_every_panel_of_the_dashboard_shows_something(under: Scraped) -> None:
    fill(under.server)
    for panel, expr in expressions().items():
        trouble = TROUBLES["RedisRestartLoop"] if panel == "Restarts" else Trouble(grow)
        wait_for(f"{panel}: {expr}", partial(_reported, under, expr, trouble), 60)


def grow(server: Running) -> None:
    """Memory is used, and read, and once more a write is refused."""
    server.redis.append("grows", "x" * 10_000)
    server.redis.get("session")
    fill_up(server)
    make_room(server)


def test_a_run_reads_what_the_exporter_sends(under: Scraped) -> None:
    key = queues.key(QUEUE, "wait")
    under.server.redis.delete(key)
    under.server.redis.lpush(key, "1", "2")
    text = prometheus.get(under.exporter, "/metrics")
    samples = list(scrape.parse(text))
    assert ("redis_up", {}, 1.0) in samples
    assert ("redis_key_size", {"db": "db0", "key": key}, 2.0) in samples
    assert len(samples) == sum(bool(line) and not line.startswith("#") for line in text.split("\n"))
    assert 10 * len(text) < scrape.MOST_BYTES
    assert 10 * max(map(len, text.split("\n"))) < scrape.LONGEST_LINE


def test_lengths_of_queues_are_reported_by_either_exporter(under: Scraped) -> None:
    """By `noevict serve`: 1.69 stops at the first key that is not there."""
    under.server.redis.delete(*(queues.key(QUEUE, state) for state in queues.STATES))
    under.server.redis.lpush(queues.key(QUEUE, "wait"), "1", "2")
    under.server.redis.zadd(queues.key(QUEUE, "failed"), {"3": 1})
    wanted = dict.fromkeys(queues.STATES, "0") | {"wait": "2", "failed": "1"}

    def lengths() -> dict[str, str]:
        return {
            each["metric"]["state"]: each["value"][1]
            for each in under.query('noevict:queue_jobs{queue="bull:email"}') or ()
        }

    wait_for("all lengths", lambda: lengths() == wanted, 60)
    for mark in 1, 0:
        under.server.redis.set(queues.key(QUEUE, queues.WORKERS), "1700000000000" * mark)
        sees = f'noevict_queue_workers_seen{{queue="bull:email"}} == {mark}'
        wait_for(f"the mark of a worker: {mark}", partial(under.query, sees), 60)


@pytest.mark.parametrize("suite", prometheus.SUITES)
def test_names_of_a_cluster(suite: str, start_server: StartServer) -> None:
    port, exporter = free_port(), f"127.0.0.1:{free_port()}"
    lines = (f"port {port}", "cluster-enabled yes", f"cluster-port {free_port()}", 'dir "{directory}"')
    server = start_server(BINARIES[0], "\n".join(lines))
    command = prometheus.exporter(
        suite, f"--redis.addr=redis://127.0.0.1:{port}", f"--web.listen-address={exporter}"
    )
    with prometheus.running(command, server.directory):
        scraped = wait_for("the exporter answers", lambda: prometheus.get(exporter, "/metrics"))
    assert {name for name in CLUSTER if f"\n{name} " in scraped} == CLUSTER
