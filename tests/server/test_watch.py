"""`noevict serve` over real servers: each status by bringing it about, and what it must never do.

One service watches a host for each case, of one release; what is then reported of each is asked over HTTP.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from noevict.fleet import records
from noevict.secrets.host_passwords import PER_HOST
from noevict.secrets.store import Secrets
from tests.lab.servers import BINARIES, Binary, Running, wait_for
from tests.sampling import sample
from tests.server.served_fleet import Service, Site

QUEUES = ["email", "shop:invoices"]
FILL = 20_000
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Case:
    """How a host comes to a status, and what is then reported; ``back``: how it becomes healthy again."""

    id: str
    bring_about: Callable[[Site, Running], object]
    status: str
    check: str
    why: str
    back: Callable[[Site, Running], object] | None = None
    lines: tuple[str, ...] = ()
    prepare: Callable[[Path], object] | None = None  # of its data directory, before its first start

    @property
    def host(self) -> str:
        return self.id.replace(" ", "-").replace(",", "")


def kill_clients(server: Running) -> None:
    """The connections of monitoring, as a firewall would: what new clients meet shows at once."""
    for client in server.redis.client_list():
        if client["user"] in {"health", "exporter"}:
            server.redis.client_kill_filter(_id=client["id"])


def freeze(_site: Site, server: Running) -> None:
    os.kill(server.pid, signal.SIGSTOP)


def thaw(_site: Site, server: Running) -> None:
    os.kill(server.pid, signal.SIGCONT)


def load_slowly(_site: Site, server: Running) -> None:
    """A start over data that takes its time: 1 ms for each key."""
    server.redis.execute_command("DEBUG", "POPULATE", FILL, "job", 10)
    server.redis.save()
    text = server.conf.read_text()
    server.conf.write_text(text + "key-load-delay 1000\nloading-process-events-interval-bytes 1024\n")
    server.end()
    server.launch()


def load_fast(_site: Site, server: Running) -> None:
    server.redis.config_set("key-load-delay", 0)


def other_password(_site: Site, server: Running) -> None:
    server.redis.execute_command("ACL", "SETUSER", "health", "resetpass", ">another")
    kill_clients(server)


def own_password(site: Site, server: Running) -> None:
    server.redis.execute_command(
        "ACL", "SETUSER", "health", "resetpass", f">{site.password('health', site.name_of(server))}"
    )


def certify(site: Site, server: Running, **what: Any) -> None:
    """Another certificate, served at once."""
    site.certify(server.directory, **what)
    server.redis.config_set("tls-cert-file", str(server.directory / "server.crt"))
    kill_clients(server)


def speak_plainly(_site: Site, server: Running) -> None:
    """No TLS any more, on the same port."""
    server.redis.config_set("tls-port", 0)
    server.redis.config_set("port", server.tls_port)
    kill_clients(server)


def fill_memory(_site: Site, server: Running) -> None:
    """So much that a connection more does not count."""
    server.redis.execute_command("DEBUG", "POPULATE", FILL, "key", 1000)
    server.redis.config_set("maxmemory", int(server.redis.info("memory")["used_memory"] / 0.93))


def empty_memory(_site: Site, server: Running) -> None:
    server.redis.config_set("maxmemory", "200mb")


def overfill_memory(_site: Site, server: Running) -> None:
    server.redis.config_set("maxmemory", server.redis.info("memory")["used_memory"] - 100_000)


def be_full_once(site: Site, server: Running) -> None:
    """Full for one write, and not any more when it is looked at."""
    overfill_memory(site, server)
    with pytest.raises(redis.OutOfMemoryError):
        server.redis.set("a", 1)
    empty_memory(site, server)


def block_rdb(_site: Site, server: Running) -> None:
    """A directory where the file should be."""
    (server.directory / "data/dump.rdb").mkdir()
    server.redis.bgsave()


def unblock_rdb(_site: Site, server: Running) -> None:
    (server.directory / "data/dump.rdb").rmdir()
    server.redis.bgsave()


def write(_site: Site, server: Running) -> None:
    with suppress(redis.ResponseError):  # after the first that fails
        server.redis.set("a", 1)


def evict(_site: Site, server: Running) -> None:
    """By a policy set by hand, and back: what is gone stays gone."""
    server.redis.config_set("maxmemory-policy", "allkeys-random")
    server.redis.config_set("maxmemory", server.redis.info("memory")["used_memory"] + 500_000)
    server.redis.execute_command("DEBUG", "POPULATE", FILL, "cache", 200)
    server.redis.set("one", "more")
    server.redis.config_set("maxmemory", "200mb")
    server.redis.config_set("maxmemory-policy", "noeviction")


def full_disk(data: Path) -> None:
    """An AOF whose file is a disk that is full."""
    directory = data / "appendonlydir"
    directory.mkdir()
    (directory / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    (directory / "appendonly.aof.1.incr.aof").symlink_to("/dev/full")


CASES = (
    Case("frozen", freeze, "unhealthy", "answer", "no answer in 2 s", thaw),
    Case(
        "stopped", lambda _, it: it.end(), "unhealthy", "answer", "nothing listens", lambda _, it: it.start()
    ),
    Case(
        "loading",
        load_slowly,
        "unhealthy",
        "loading",
        "is loading its data, ",
        load_fast,
        lines=("save 3600 1",),
    ),
    Case("another password", other_password, "unhealthy", "answer", "password of user health", own_password),
    Case(
        "no user health",
        lambda _, it: it.redis.execute_command("ACL", "DELUSER", "health"),
        "unhealthy",
        "answer",
        "password of user health",
    ),
    Case(
        "a user that may less",
        lambda _, it: it.redis.execute_command("ACL", "SETUSER", "health", "-info"),
        "unhealthy",
        "answer",
        "user health may not",
    ),
    Case(
        "a certificate of another name",
        lambda site, it: certify(site, it, names=("elsewhere.example.com",)),
        "unhealthy",
        "answer",
        "TLS: the certificate is not accepted",
        certify,
    ),
    Case(
        "no TLS",
        speak_plainly,
        "unhealthy",
        "answer",
        "no answer in 2 s",
    ),
    Case("nearly full", fill_memory, "degraded", "memory", "of maxmemory used", empty_memory),
    Case("full", overfill_memory, "unhealthy", "writes", "refused: memory is full, ", empty_memory),
    Case("full once", be_full_once, "unhealthy", "writes", "1 command got OOM in the last minute"),
    Case(
        "a save failed, and none is asked for", block_rdb, "degraded", "save", "RDB save failed", unblock_rdb
    ),
    Case(
        "BGSAVE failed",
        block_rdb,
        "unhealthy",
        "writes",
        "the last RDB save failed; ",
        lines=("save 3600 1",),
    ),
    Case(
        "AOF write failed",
        write,
        "unhealthy",
        "writes",
        "the last AOF write failed; ",
        lines=("appendonly yes", "appendfsync no"),
        prepare=full_disk,
    ),
    Case(
        "a certificate that ends soon",
        lambda site, it: certify(site, it, days=10),
        "degraded",
        "certificate",
        "ends in 9 days",
        certify,
    ),
    Case("evictions", evict, "degraded", "evictions", "evicted in the last hour"),
)


@dataclass
class Watched:
    site: Site
    service: Service
    servers: dict[str, Running]


@pytest.fixture(scope="module", params=sample({it.id: it for it in BINARIES}, "redis-7.0", "valkey-8.1"))
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    binary: Binary = request.param
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        try:
            servers = {
                case.host: site.start(case.host, binary, *case.lines, prepare=case.prepare) for case in CASES
            }
            servers["well"] = site.start("well", binary, redis_queues=QUEUES)
            servers["asks"] = site.start("asks", binary, redis_tls_auth_clients="yes")
            servers["asks"].redis.config_set("tls-auth-clients", "yes")
            site.add("nobody", 1)
            service = Service(site.directory, "--interval", "1")
            try:
                yield Watched(site, service, servers)
            finally:
                service.end()
        finally:
            site.stop()


def says(service: Service, host: str, status: str, check: str, why: str) -> Callable[[], bool]:
    def look() -> bool:
        answer = service.get(f"/health/redis/{host}")
        reported = answer.json
        if reported["status"] != status or (
            check and why not in reported["checks"].get(check, {}).get("detail", "")
        ):
            return False
        assert answer.code == (503 if status == "unhealthy" else 200)
        return True

    return look


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_status_is_reported_while_it_lasts_and_no_longer(watched: Watched, case: Case) -> None:
    server, service = watched.servers[case.host], watched.service
    wait_for("it is well at first", says(service, case.host, "healthy", "", ""))
    case.bring_about(watched.site, server)
    wait_for(f"{case.status} is reported", says(service, case.host, case.status, case.check, case.why))
    if case.status == "unhealthy":
        assert case.why in service.health(case.host)["error"]
    if case.check == "writes":
        answer = service.get(f"/health/redis/{case.host}")
        assert list(answer.json)[3] == "writesRefused"
        assert answer.json["writesRefused"] is True
        assert service.get("/health/redis").json["writesRefused"] is True
        page = service.get("/").text
        assert page.index(f'data-name="{case.host}" data-status="unhealthy"') < page.index(
            'data-status="healthy"'
        )
        assert f"--limit {case.host} (docs/runbooks/" in page
    if case.back:
        case.back(watched.site, server)
        wait_for("it is well again", says(service, case.host, "healthy", "", ""), 30)


def test_a_wrong_policy_is_a_warning_with_the_next_answer(watched: Watched) -> None:
    server, service = watched.servers["well"], watched.service
    for policy in ("volatile-lru", "allkeys-lfu", "noeviction"):
        server.redis.config_set("maxmemory-policy", policy)
        for path in ("/health/redis/well", "/health/redis"):
            reported = service.get(path).json
            assert reported["evictionPolicy"] == policy, reported
            assert ("warning" in reported) is (policy != "noeviction")
            assert f"'{policy}'" in reported.get("warning", "'noeviction'")
        assert service.health("well")["status"] == "healthy"


def test_all_hosts_are_in_one_answer_with_the_worst_status(watched: Watched) -> None:
    answer = watched.service.get("/health/redis")
    assert (answer.code, answer.json["status"]) == (503, "unhealthy")
    assert list(answer.json["hosts"]) == sorted([*watched.servers, "nobody"])
    assert "nobody: refuses connections: nothing listens there" in answer.json["error"]
    assert answer.json["hosts"]["well"]["status"] == "healthy"
    assert answer.headers["cache-control"] == "no-store"


def test_a_host_that_is_not_listed_is_not_found(watched: Watched) -> None:
    for path in ("/health/redis/cache-9", "/health/redis/%00", "/health/redis/..%2f..%2fsecrets%2fusers.yml"):
        answer = watched.service.get(path)
        assert (answer.code, answer.json) == (404, {"error": "no host of that name in hosts.yml"})


def test_a_server_that_asks_for_a_certificate_gets_one(watched: Watched) -> None:
    reported = watched.service.health("asks")
    assert reported["status"] == "healthy", reported


def test_queues_are_counted_by_their_real_keys(watched: Watched) -> None:
    server = watched.servers["well"].redis
    server.rpush("bull:email:wait", *"abc")
    server.rpush("bull:email:active", "d")
    server.zadd("bull:email:delayed", {"e": 1, "f": 2})
    server.zadd("shop:invoices:failed", {"g": 1})
    nothing = dict.fromkeys(("wait", "paused", "prioritized", "active", "delayed", "failed"), 0)
    assert watched.service.health("well")["queues"] == {
        "email": {**nothing, "wait": 3, "active": 1, "delayed": 2},
        "shop:invoices": {**nothing, "failed": 1},
    }
    server.set("bull:email:paused", "no list")
    reported = watched.service.health("well")
    assert reported["status"] == "healthy"
    assert "bull:email:paused: WRONGTYPE" in reported["queues"]["error"]
    server.delete("bull:email:paused")


def test_a_poll_leaves_nothing_in_the_acl_log_and_a_lost_connection_is_no_failure(watched: Watched) -> None:
    server, service = watched.servers["well"], watched.service
    server.redis.acl_log_reset()
    for _ in range(5):
        kill_clients(server)
        reported = service.health("well")
        assert reported["status"] == "healthy", reported
        assert "error" not in reported["queues"]
    assert server.redis.acl_log() == []


def test_the_service_says_how_it_is_itself(watched: Watched) -> None:
    for path in ("/livez", "/readyz"):
        assert (watched.service.get(path).code, watched.service.get(path).text) == (200, "ok\n")


def samples(service: Service, host: str) -> dict[str, float]:
    families = text_string_to_metric_families(service.get("/metrics").text)
    return {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if sample.labels.get("host") == host
    }


def test_metrics_report_what_the_exporter_cannot_know(watched: Watched) -> None:
    service, state = watched.service, records.locate(watched.site.directory)
    reported = samples(service, "well")
    queues = {"noevict_queue_jobs", "noevict_queue_workers_seen"}
    assert set(reported) - queues == {"noevict_up", "noevict_certificate_not_after_timestamp_seconds"}
    days = (reported["noevict_certificate_not_after_timestamp_seconds"] - NOW.timestamp()) / 86400
    assert 89 < days < 91
    assert samples(service, "nobody") == {"noevict_up": 0}
    records.write_drift(state, {"well": records.Drift(NOW, "drift", 3)})
    records.write_backup(state, ["well"], NOW)
    wait_for("what a run left behind shows", lambda: samples(service, "well").get("noevict_drift") == 3)
    reported = samples(service, "well")
    assert reported["noevict_last_look_failed"] == 0
    assert reported["noevict_last_look_timestamp_seconds"] == NOW.timestamp()
    assert reported["noevict_last_backup_timestamp_seconds"] == NOW.timestamp()
    assert service.health("well")["drift"]["differences"] == 3
    records.write_drift(state, {"well": records.Drift(NOW, "deploy", None, "is a replica")})
    wait_for(
        "a look that failed shows", lambda: samples(service, "well").get("noevict_last_look_failed") == 1
    )
    assert "noevict_drift" not in samples(service, "well")


def test_no_secret_is_in_any_answer_or_in_the_log_or_on_the_command_line(watched: Watched) -> None:
    """Last in this file: each host has been through its case."""
    service, site = watched.service, watched.site
    paths = [
        "/health/redis",
        *(f"/health/redis/{host}" for host in site.hosts),
        "/metrics",
        "/livez",
        "/readyz",
    ]
    process = Path(f"/proc/{service.process.pid}")
    reported = [*(service.get(path).text for path in paths), service.log.read_text()]
    reported += [(process / name).read_text() for name in ("cmdline", "environ")]
    found = Secrets.load(site.directory / "secrets")
    assert found is not None
    secrets = [
        *found.passwords.values(),
        *(found.known_host(host).digest(user) for host in site.hosts for user in PER_HOST),
        *(site.password(user, host) for host in site.hosts for user in PER_HOST),
        *found.ca.key_pem.split(),
    ]
    assert [
        secret for secret in secrets if len(secret) > 20 and any(secret in text for text in reported)
    ] == []
    assert "Traceback" not in service.log.read_text()
