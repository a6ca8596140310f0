"""`noevict status` of real servers over TLS: in a pipe, as JSON, and at a terminal that shows every change."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from noevict.fleet import records
from noevict.fleet.records import Drift
from noevict.server.writes import Refusals, count_refusals
from tests.lab.servers import BINARIES, Binary, Running, wait_for
from tests.lab.terminal import Terminal, terminal
from tests.sampling import sample
from tests.server.served_fleet import REPOSITORY, Service, Site

NOW = datetime.now(UTC)
DEAD = 300  # hosts whose answers would be waited for in vain


@dataclass
class Fleet:
    """A site with servers in every state, and what runs `noevict status` there."""

    site: Site
    servers: dict[str, Running]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NOEVICT_")}
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
            kept.pop(name, None)
        return {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", **more}

    def status(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = (sys.executable, "-m", "noevict", "status", *arguments)
        return subprocess.run(
            command,
            cwd=self.site.directory,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module", params=sample({it.id: it for it in BINARIES}, "redis-7.0", "valkey-8.1"))
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    binary: Binary = request.param
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        try:
            servers = {
                "cache-1": site.start("cache-1", binary, redis_queues=["email"]),
                **{name: site.start(name, binary) for name in ("full", "evicts", "frozen")},
            }
            site.add("nobody", 1)
            servers["full"].redis.execute_command("DEBUG", "POPULATE", 20_000, "key", 1000)
            used = servers["full"].redis.info("memory")["used_memory"]
            servers["full"].redis.config_set("maxmemory", int(used / 0.95))
            servers["evicts"].redis.config_set("maxmemory-policy", "volatile-lru")
            servers["cache-1"].redis.rpush("bull:email:wait", *"abc")
            os.kill(servers["frozen"].pid, signal.SIGSTOP)
            yield Fleet(site, servers)
            os.kill(servers["frozen"].pid, signal.SIGCONT)
        finally:
            site.stop()


def test_the_worst_come_first_and_the_exit_code_says_that_not_all_are_well(fleet: Fleet) -> None:
    done = fleet.status()
    assert (done.returncode, done.stderr) == (2, "")
    head, *rows = done.stdout.split("\n\n")[0].splitlines()
    assert head.split()[:4] == ["HOST", "STATUS", "MEMORY", "POLICY"]
    assert [row.split()[0] for row in rows] == ["nobody", "frozen", "full", "evicts", "cache-1"]
    assert [row.split()[1] for row in rows] == ["stopped", "unhealthy", "degraded", "healthy", "healthy"]
    assert "email: 3 wait" in rows[-1]
    assert "│" in rows[-1]
    assert "89 days" in rows[-1]
    for line in (
        "frozen: no answer in 2 s",
        "nobody: refuses connections: nothing listens there",
        "2 of 5 hosts healthy, 1 degraded, 2 unhealthy, 1 may evict",
    ):
        assert line in done.stdout
    assert "evicts: Redis eviction policy is 'volatile-lru'." in done.stdout
    assert "\x1b" not in done.stdout


def test_only_hosts_that_are_named_are_asked(fleet: Fleet) -> None:
    done = fleet.status("cache-1", "evicts")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 of 2 hosts healthy, 1 may evict\n")
    assert fleet.status("full").returncode == 2


def test_writes_that_were_refused_since_the_last_run_are_reported(fleet: Fleet) -> None:
    """By the count that the run kept; without one only what is so now counts. status itself keeps nothing."""
    server, state = fleet.servers["cache-1"].redis, fleet.site.directory / "state"
    server.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        server.set("a", 1)
    reported = fleet.status("cache-1")
    assert "cache-1: writes are refused: memory is full, " in reported.stdout
    assert "got OOM" not in reported.stdout
    server.config_set("maxmemory", "200mb")
    assert fleet.status("cache-1").returncode == 0
    assert not state.exists()
    info = server.info("everything")
    kept = Refusals(datetime.now(UTC), info["run_id"], count_refusals(info))
    assert kept.counts == {"OOM": 1, "MISCONF": 0}
    for count, code in ((0, 2), (1, 0), (2, 2)):  # the last one fell since: what it has now is new
        before = replace(kept, counts={**kept.counts, "OOM": count})
        records.write_drift(state, {"cache-1": Drift(NOW, "drift", 0)}, {"cache-1": {"refusals": before}})
        files = {path.name: path.read_bytes() for path in state.iterdir()}
        reported = fleet.status("cache-1", "--json")
        assert (reported.returncode, json.loads(reported.stdout)["writesRefused"]) == (code, code == 2)
        assert ("1 command got OOM since 20" in reported.stdout) is (code == 2)
        assert {path.name: path.read_bytes() for path in state.iterdir()} == files
    server.config_resetstat()
    assert fleet.status("cache-1").returncode == 0
    for path in state.iterdir():
        path.unlink()
    state.rmdir()


def test_a_failed_save_that_stops_writes_is_reported_at_once(fleet: Fleet) -> None:
    server = fleet.servers["cache-1"]
    (server.directory / "data/dump.rdb").mkdir()
    server.redis.config_set("save", "3600 1")
    server.redis.bgsave()
    wait_for("it has failed", lambda: server.redis.info("persistence")["rdb_last_bgsave_status"] == "err")
    reported = fleet.status("cache-1")
    assert reported.returncode == 2
    assert (
        "cache-1: writes are refused: the last RDB save failed; it answers MISCONF. Free" in reported.stdout
    )
    assert (
        "deploys/verify.py --limit cache-1 (docs/runbooks/persistence.md#redissavefailed)" in reported.stdout
    )
    server.redis.config_set("save", "")
    (server.directory / "data/dump.rdb").rmdir()
    server.redis.bgsave()
    wait_for("it went well", lambda: server.redis.info("persistence")["rdb_last_bgsave_status"] == "ok")
    assert fleet.status("cache-1").returncode == 0
    server.redis.config_resetstat()


def test_a_mistake_is_one_line_and_another_exit_code(fleet: Fleet) -> None:
    for arguments, line in {
        ("cache-2",): "'cache-2': should be a host in hosts.yml (did you mean cache-1?), is not",
        ("--watch",): "--watch: should be at a terminal, is not",
        ("--watch", "--json"): "--watch and --json: should be one of them",
    }.items():
        done = fleet.status(*arguments)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
        assert line in done.stderr


def test_json_is_what_the_service_answers_for_several_hosts(fleet: Fleet) -> None:
    service = Service(fleet.site.directory)
    try:
        served = service.get("/health/redis").json
    finally:
        service.end()
    done = fleet.status("--json")
    reported = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (2, "")
    assert reported.keys() == served.keys()
    assert list(reported["hosts"]) == list(served["hosts"])
    same = (
        "status",
        "stopped",
        "evictionPolicy",
        "maxMemory",
        "certificateDaysLeft",
        "queues",
        "role",
        "version",
    )
    for name, host in reported["hosts"].items():
        assert host.keys() == served["hosts"][name].keys()
        assert [host[key] for key in same] == [served["hosts"][name][key] for key in same]
    single = json.loads(fleet.status("cache-1", "--json").stdout)
    assert list(single["hosts"]) == ["cache-1"]


def test_no_password_is_printed(fleet: Fleet) -> None:
    reported = "".join(fleet.status(*how).stdout for how in ((), ("--json",)))
    assert not [user for user, password in fleet.site.secrets.passwords.items() if password in reported]


def test_many_dead_hosts_cost_no_more_than_one(fleet: Fleet) -> None:
    """They take connections, and never say a word: each is waited for 2 s, all at once, and none before a live one.

    In turns, as they may be connected to, it would be five times as long.
    """
    listed = (fleet.site.directory / "hosts.yml").read_text()
    with socket.create_server(("127.0.0.1", 0), backlog=4 * DEAD) as silent:
        for number in range(DEAD):
            fleet.site.add(f"dead-{number}", silent.getsockname()[1])
        one, many = (["dead-0", "cache-1"], [*fleet.site.hosts])
        took = {}
        for hosts in (one, many):
            began = time.monotonic()
            done = fleet.status(*hosts)
            took[len(hosts)] = time.monotonic() - began
            assert done.stdout.count("no answer in 2 s") >= len([h for h in hosts if h.startswith("dead")])
            assert re.search(r"(?m)^cache-1 +healthy", done.stdout)
    for number in range(DEAD):
        del fleet.site.hosts[f"dead-{number}"]
    (fleet.site.directory / "hosts.yml").write_text(listed)
    assert took[len(many)] < 3 * took[len(one)]


# --watch


def screen(displayed: str) -> str:
    """What is on the screen last, without colours."""
    last = displayed.replace("\r", "").rpartition("\x1b[H")[2]
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", last)


def watch(fleet: Fleet, *arguments: str, columns: int = 200, rows: int = 40):
    command = (sys.executable, "-m", "noevict", "status", "--watch", "--interval", "1", *arguments)
    where = {"cwd": fleet.site.directory, "env": fleet.environment()}
    return terminal(*command, columns=columns, rows=rows, **where)


def wait_for_screen(seat: Terminal, pattern: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not re.search(pattern, screen(seat.displayed)):
        assert seat.read(deadline), f"ended without {pattern!r} on:\n{screen(seat.displayed)}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_shows_a_change_and_ends_cleanly(fleet: Fleet, number: signal.Signals) -> None:
    server = fleet.servers["cache-1"].redis
    with watch(fleet, "cache-1") as seat:
        wait_for_screen(seat, r"cache-1 +healthy .*noeviction")
        server.config_set("maxmemory-policy", "allkeys-lru")
        wait_for_screen(seat, r"cache-1 +healthy .*allkeys-lru")
        server.config_set("maxmemory-policy", "noeviction")
        server.rpush("bull:email:active", "d")
        wait_for_screen(seat, r"noeviction .*3 wait, 1 active")
        server.delete("bull:email:active")
        wait_for_screen(seat, r"email: 3 wait\s")
        seat.process.send_signal(number)
        rest = seat.read_until("\0", 30)
        assert seat.process.wait(30) == 0
    assert "\x1b[?1049l" in rest
    assert "\x1b[?25h" in rest
    after = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", rest.rpartition("\x1b[?1049l")[2])
    assert re.search(r"cache-1 +healthy", after)
    assert after.rstrip().endswith("1 of 1 hosts healthy")


def test_watch_fits_into_a_small_terminal_and_exits_with_how_it_was(fleet: Fleet) -> None:
    with watch(fleet, columns=40, rows=8) as seat:
        wait_for_screen(seat, r"\d+ more lines")
        lines = screen(seat.displayed).splitlines()
        assert len(lines) <= 8
        assert max(map(len, lines)) <= 40
        assert "frozen  unhealthy" in screen(seat.displayed)
        seat.resize(200, 40)
        wait_for_screen(seat, r"HOST +STATUS(?s:.*)2 of 5 hosts healthy, 1 degraded, 2 unhealthy")
        seat.process.send_signal(signal.SIGINT)
        seat.read_until("\0", 30)
        assert seat.process.wait(30) == 2


def test_watch_ends_at_once_while_hosts_are_still_asked(fleet: Fleet) -> None:
    with watch(fleet, "frozen") as seat:
        wait_for_screen(seat, "asking all hosts")
        seat.process.send_signal(signal.SIGINT)
        seat.read_until("\0", 30)
        assert seat.process.wait(30) == 2
        assert "Traceback" not in seat.displayed


def test_watch_reports_a_mistake_before_it_takes_the_screen(fleet: Fleet) -> None:
    with watch(fleet, "cache-2") as seat:
        seat.read_until("\0", 30)
        assert seat.process.wait(30) == 1
    assert seat.displayed.splitlines() == [
        "'cache-2': should be a host in hosts.yml (did you mean cache-1?), is not"
    ]


def test_status_needs_no_pyinfra(fleet: Fleet) -> None:
    code = "import sys; from noevict.cli.main import run; run(['status', 'cache-1']); " + (
        "sys.exit('pyinfra' in sys.modules or 'gevent' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=fleet.site.directory, env=fleet.environment(), check=False
    )
    assert done.returncode == 0
