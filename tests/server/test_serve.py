"""`noevict serve` as a process: how it begins, how it ends, what it takes of the machine."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from noevict.secrets.host_passwords import derive_id, derive_password
from tests.lab.servers import BINARIES, Binary, wait_for
from tests.server.served_fleet import REPOSITORY, Service, Site

HOSTS = 50
MOST_MEMORY = 80 << 20


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        made = Site(Path(directory))
        yield made
        made.stop()


def run(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The noevict command in a checkout, to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NOEVICT")}
    return subprocess.run(
        [sys.executable, "-m", "noevict", *arguments],
        cwd=site.directory,
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(site: Site, number: signal.Signals) -> None:
    site.start("a", BINARIES[0])
    service = Service(site.directory)
    assert service.end(number) == 0
    assert service.log.read_text() == f"1 host at {service.url}/\n"


def test_hosts_and_the_service_may_have_addresses_of_ipv6(site: Site) -> None:
    server = site.start("a", BINARIES[0], "bind 127.0.0.1 ::1")
    site.certify(server.directory, names=("::1",))
    server.redis.config_set("tls-cert-file", str(server.directory / "server.crt"))
    site.add("a", server.tls_port, ssh_hostname="::1")
    service = Service(site.directory, "--host", "::1")
    assert service.url.startswith("http://[::1]:")
    assert service.health("a")["status"] == "healthy"
    assert f"[::1]:{server.tls_port}" in service.get("/").text
    assert service.end() == 0


def test_it_ends_though_a_host_is_frozen_and_a_client_waits(site: Site) -> None:
    frozen = site.start("a", BINARIES[0])
    service = Service(site.directory, "--interval", "1")
    os.kill(frozen.pid, signal.SIGSTOP)
    wait_for("it is reported", lambda: service.health("a")["status"] == "unhealthy")
    with socket.create_connection(service.address) as waiting:
        waiting.sendall(b"GET /livez HTTP/1.1\r\n")
        assert service.end() == 0


@pytest.mark.parametrize("binary", [BINARIES[0], BINARIES[-1]], ids=lambda binary: binary.id)
def test_a_cache_at_its_maxmemory_is_well_and_one_that_refuses_writes_is_not(
    site: Site, binary: Binary
) -> None:
    server = site.start(
        "cache", binary, redis_allow_eviction=True, redis_maxmemory_policy="allkeys-lru"
    ).redis
    server.config_set("maxmemory-policy", "allkeys-lru")
    server.execute_command("DEBUG", "POPULATE", 20_000, "cache", 200)
    service = Service(site.directory, "--interval", "1")
    wait_for("it is looked at", lambda: service.health("cache")["usedMemoryPercent"])
    server.config_set("maxmemory", server.info("memory")["used_memory"] - 100_000)
    server.set("one", "more")
    wait_for("keys are evicted", lambda: service.health("cache")["evictedKeysLastHour"])
    reported = service.health("cache")
    assert (reported["status"], reported["writesRefused"]) == ("healthy", False), reported
    assert reported["usedMemoryPercent"] > 90
    server.config_set("maxmemory-policy", "volatile-lru")  # no key expires: nothing can be evicted
    server.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        server.set("one", "more")
    wait_for("it is reported", lambda: service.get("/health/redis/cache").code == 503)
    assert "1 command got OOM in the last minute" in service.health("cache")["error"]
    assert service.end() == 0


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("--port", "{taken}"), "--port {taken}: should be free to listen on: address already in use"),
        (("--host", "203.0.113.1"), "--host 203.0.113.1 --port 8080: should be free to listen on: "),
        (("--host", "no.such.name.invalid"), "should be free to listen on: "),
        (("--port", "70000"), "70000 is not in the range"),
        (("--allow-host", "a:80"), "--allow-host: should be a name without port, got 'a:80'"),
        (("--interval", "0"), "0 is not in the range"),
        (("--interval", "soon"), "'soon' is not a valid integer"),
    ],
)
def test_what_it_cannot_do_is_one_line(site: Site, arguments: tuple[str, ...], printed: str) -> None:
    site.add("a", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        done = run(site, "serve", *(each.replace("{taken}", taken) for each in arguments))
    assert (done.returncode, done.stdout) == (1, "")
    assert printed.replace("{taken}", taken) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_secrets_that_are_missing_or_incomplete_are_one_line(site: Site) -> None:
    site.add("a", 1)
    users = site.directory / "secrets/users.yml"
    users.write_text("".join(line for line in users.open() if not line.startswith("host_secret:")))
    done = run(site, "serve", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.endswith("has none: the next deploy makes it\n")
    assert (
        "secrets/users.yml: should have host_secret, from which the password of health is derived"
        in done.stderr
    )
    (site.directory / "secrets/ca.crt").unlink()
    done = run(site, "serve", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "should hold the fleet's secrets, does not: deploy to make them, or name their directory in "
        "NOEVICT_SECRETS\n"
    )
    assert len(done.stderr.splitlines()) == 1


def test_a_user_of_monitoring_that_is_off_is_reported_at_the_start(site: Site) -> None:
    site.add("a", 1, redis_users={"health": "off"})
    done = run(site, "serve", "--port", "0")
    assert (done.returncode, done.stderr) == (
        1,
        "a: redis_users.health: should be left on for monitoring, got off\n",
    )


def test_a_password_that_a_run_replaces_is_taken_up(site: Site) -> None:
    server = site.start("a", BINARIES[0])
    service = Service(site.directory, "--interval", "1")
    new = derive_password("made-by-the-next-deploy", "health", derive_id("made-by-the-next-deploy", "a"))
    server.redis.execute_command("ACL", "SETUSER", "health", "resetpass", f">{new}")
    server.redis.execute_command("CLIENT", "KILL", "USER", "health")
    wait_for("it is reported", lambda: "password" in service.health("a").get("error", ""))
    users = site.directory / "secrets/users.yml"
    old = site.secrets.passwords["host_secret"]
    users.write_text(users.read_text().replace(old, "made-by-the-next-deploy"))
    wait_for("it is well again", lambda: service.health("a")["status"] == "healthy")
    assert service.end() == 0


def test_a_change_of_the_hosts_file_is_taken_up_and_a_mistake_in_it_is_not(site: Site) -> None:
    server = site.start("a", BINARIES[0])
    service = Service(site.directory, "--interval", "1")
    before = service.health("a")["uptimeSeconds"]
    site.add("b", server.tls_port)

    def hosts() -> list[str]:
        return list(service.get("/health/redis").json.get("hosts", ()))

    wait_for("a host that was added is watched", lambda: hosts() == ["a", "b"])
    assert service.health("b")["status"] == "healthy"
    assert service.health("a")["uptimeSeconds"] >= before
    good = (site.directory / "hosts.yml").read_text()
    (site.directory / "hosts.yml").write_text(good.replace("redis_port", "redis_prot"))
    wait_for(
        "the mistake is reported",
        lambda: "not applied: a: redis_prot: unknown setting" in service.log.read_text(),
    )
    assert hosts() == ["a", "b"]
    (site.directory / "hosts.yml").write_text(good)
    del site.hosts["a"]
    site.add("b", server.tls_port, redis_queues=["email"])
    wait_for(
        "a host that was removed is not watched any more", lambda: service.get("/health/redis/a").code == 404
    )
    wait_for("a setting that changed is in force", lambda: "email" in (service.health("b")["queues"] or {}))
    assert service.log.read_text().count("not applied: ") == 2  # one for each host
    assert service.end() == 0


def test_nothing_that_monitoring_imports_is_pyinfra_or_gevent() -> None:
    imports = "noevict.cli.main, noevict.monitor.web.serve"
    code = f"import sys, {imports}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"starlette", "uvicorn", "asyncio"} <= loaded
    assert not loaded & {"pyinfra", "gevent", "paramiko", "redis", "greenlet"}


def test_fifty_hosts_take_less_than_80_mb(site: Site) -> None:
    """All on one server: what they take here is a connection each."""
    server = site.start("h0", BINARIES[0])
    for number in range(1, HOSTS):
        site.add(f"h{number}", server.tls_port, redis_queues=["email"])
    service = Service(site.directory, "--interval", "1")
    for _ in range(20):
        answer = service.get("/health/redis")
        assert len(answer.json["hosts"]) == HOSTS
        assert service.get("/metrics").code == 200
    wait_for(
        "each was asked some times",
        lambda: int(server.redis.info("stats")["total_commands_processed"]) > 5000,
        60,
    )
    assert service.memory < MOST_MEMORY, f"{service.memory >> 20} MB"
    assert service.end() == 0
