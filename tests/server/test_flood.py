"""`noevict serve` under whoever reaches its port, and under servers that are not well-behaved: it keeps polling."""

import http.client
import os
import re
import resource
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from noevict.fleet.access import Access
from noevict.monitor.asking import roster
from noevict.monitor.asking.wire import LONGEST
from noevict.monitor.web.service import MOST_STREAMS
from tests.lab.servers import BINARIES, Running, wait_for
from tests.sampling import sample
from tests.server.served_fleet import REPOSITORY, Service, Site
from tests.server.test_serve import MOST_MEMORY

CONNECTIONS = 1100
OPEN_FILES = 1024  # systemd's soft limit, and here the hard one too
MOST_LOG = 20_000  # bytes


@pytest.fixture
def site() -> Iterator[Site]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        made = Site(Path(directory))
        yield made
        made.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def polls(server: Running) -> int:
    """How often INFO was asked so far."""
    return int(server.redis.info("commandstats").get("cmdstat_info", {}).get("calls", 0))


def goes_on(server: Running) -> None:
    """A few more polls than this test's own."""
    before = polls(server)
    asked = 0

    def polled() -> bool:
        nonlocal asked
        asked += 1
        time.sleep(0.1)
        return polls(server) - before - asked >= 3

    wait_for("polling goes on", polled, 30)


@contextmanager
def flood(service: Service, sent: bytes, number: int = CONNECTIONS) -> Iterator[list[socket.socket]]:
    """So many connections, each having sent ``sent``; the ones that the server closed are there too."""
    with ExitStack() as stack:
        made = []
        for _ in range(number):
            each = stack.enter_context(socket.socket())
            each.settimeout(20)
            with suppress(OSError):
                each.connect(service.address)
                each.sendall(sent)
            made.append(each)
        yield made


def well(service: Service) -> bool:
    with suppress(OSError):
        return service.get("/livez").code == 200 and service.health("a")["status"] == "healthy"
    return False


SENT = {
    "silent": b"",
    "half a request": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    "kept alive": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "never read": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
    "events": b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "half a body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "no HTTP": b"\x16\x03\x01 no HTTP at all\r\n\r\n",
}


@pytest.mark.parametrize("sent", sample(SENT, "silent", "never read", "events", "no HTTP"))
def test_1100_connections_neither_end_polling_nor_fill_the_log(site: Site, sent: bytes) -> None:
    server = site.start("a", BINARIES[0])
    service = Service(site.directory, "--interval", "1", open_files=OPEN_FILES)
    with flood(service, sent):
        goes_on(server)
        wait_for("others are answered meanwhile", lambda: well(service), 30)
        server.redis.config_set("maxmemory-policy", "volatile-lru")
        wait_for("what is new shows", lambda: service.health("a")["evictionPolicy"] == "volatile-lru", 30)
        files = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
    goes_on(server)
    assert well(service)
    assert service.memory < MOST_MEMORY, f"{service.memory >> 20} MB"
    assert service.log.stat().st_size < MOST_LOG, service.log.read_text()[:2000]
    assert files < 400
    assert service.end() == 0


def test_connections_that_do_nothing_are_hung_up_on_and_those_that_ask_are_not(site: Site) -> None:
    site.start("a", BINARIES[0])
    service = Service(site.directory)
    with socket.create_connection(service.address, 30) as silent, flood(service, b"GET /", 1) as (half,):
        kept = http.client.HTTPConnection(*service.address, timeout=30)
        kept.connect()
        kept.auto_open = 0
        closed: set[str] = set()

        def both_closed() -> bool:
            kept.request("GET", "/livez")
            assert kept.getresponse().read() == b"ok\n"
            for name, each in (("silent", silent), ("half", half)):
                each.settimeout(0.5)
                with suppress(TimeoutError):
                    assert each.recv(1) == b""
                    closed.add(name)
            return len(closed) == 2

        wait_for("both are closed", both_closed, 40)
        kept.close()
    assert service.end() == 0


def test_pages_kept_up_to_date_are_bounded_and_one_that_closes_makes_room(site: Site) -> None:
    server = site.start("a", BINARIES[0])
    service = Service(site.directory, "--interval", "1")

    def news(opened: ExitStack) -> int:
        """The code of one more page."""
        each = http.client.HTTPConnection(*service.address, timeout=30)
        opened.callback(each.close)
        each.request("GET", "/events")
        answer = each.getresponse()
        opened.callback(answer.close)
        return answer.status

    with ExitStack() as opened:
        assert [news(opened) for _ in range(MOST_STREAMS)] == [200] * MOST_STREAMS
        assert news(opened) == 503
        assert well(service)
        goes_on(server)
    with ExitStack() as opened:
        wait_for("a page that closed makes room", lambda: news(opened) == 200)
    assert service.end() == 0


@pytest.mark.parametrize("size", [1 << 20, 1 << 16], ids=["1 MiB", "just within the bound"])
def test_servers_with_endless_info_cost_little(site: Site, size: int) -> None:
    """Five of them, beside one that is well: what is beyond the bound is those servers' failure."""
    line = b"a_field_that_nobody_knows_%06d:0\r\n"
    count = (size - 1) // len(line % 0) if size > LONGEST else (size - 40) // len(line % 0)
    info = b"maxmemory_policy:noeviction\r\n" + b"".join(line % number for number in range(count))
    well_one = site.start("a", BINARIES[0])
    with ExitStack() as running:
        for name in "bcdef":
            running.enter_context(impostor(site, name, info))
        service = Service(site.directory, "--interval", "1")
        began, before = time.monotonic(), processor_seconds(service)
        goes_on(well_one)
        wait_for("a while passes", lambda: time.monotonic() - began > 10, 20)
        share = (processor_seconds(service) - before) / (time.monotonic() - began)
        answer = service.health("b")
        if len(info) > LONGEST:
            assert f"should have {LONGEST} at most" in answer["error"]
        else:
            assert answer["status"] == "healthy"
        assert service.memory < MOST_MEMORY, f"{service.memory >> 20} MB"
        assert share < 0.10, f"{share:.1%}"
        assert service.health("a")["status"] == "healthy"
        assert service.end() == 0


def processor_seconds(service: Service) -> float:
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def impostor(site: Site, name: str, info: bytes) -> Iterator[None]:
    """A host with a good certificate that answers INFO with this, in a thread of its own."""
    where = site.directory / f"impostor-{name}"
    where.mkdir()
    site.certify(where)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(where / "server.crt", where / "server.key")
    answers = {b"AUTH": b"+OK\r\n", b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%b\r\n" % (len(info), info)}

    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as stream:
                while asked := stream.recv(4096):
                    for word in re.findall(rb"AUTH|PING|INFO", asked):
                        stream.sendall(answers[word])

    class Impostor(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Impostor(("127.0.0.1", 0), Talk) as server:
        site.add(name, server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def test_the_end_of_polling_is_the_end_of_the_process_with_a_line_and_a_code(site: Site) -> None:
    """A mistake of ours, put in from outside, ends what reads hosts.yml again, and with it the polling."""
    site.start("a", BINARIES[0])
    code = (
        "import sys\n"
        "from noevict.cli.main import run\n"
        "from noevict.monitor.asking.roster import Roster\n"
        "def broken(self):\n    raise RuntimeError('a mistake')\n"
        "Roster.changed = broken\n"
        "sys.exit(run(['serve', '--port', '0']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site.directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "polling ended: RuntimeError: a mistake"


def test_no_file_left_to_read_hosts_yml_is_no_end_and_it_is_read_later(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (site.directory / "group_data").mkdir()
    site.add("a", 1)
    found = roster.Roster(site.directory, Access(site.directory))
    assert [target.name for target in found.read()] == ["a"]
    site.add("b", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (site.directory / "hosts.yml").open() as lowest_free:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free.fileno(), hard))
    try:
        for _ in range(3):
            assert found.changed() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "oo many open files" in caplog.text
    assert caplog.text.count("not applied") == 1
    monkeypatch.setattr(roster.time, "monotonic", lambda: time.time() + roster.AGAIN_SECONDS)
    assert [target.name for target in found.changed() or ()] == ["a", "b"]
    assert found.changed() is None


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8080", 200),
        ("[::1]", 200),
        ("203.0.113.9:1", 200),
        ("localhost:8080", 200),
        ("LOCALHOST.", 200),
        (socket.gethostname(), 200),
        ("status.example.com:8080", 200),
        ("evil.example.com", 421),
        ("evil.example.com:8080", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("localhost.evil.example.com", 421),
    ],
)
def test_only_a_name_of_this_machine_is_answered_to(named: Service, host: str, code: int) -> None:
    for path in ("/", "/health/redis", "/metrics", "/events", "/livez"):
        if path == "/events" and code == 200:
            continue
        answer = named.get(path, Host=host)
        assert answer.code == code, path
        if code != 200:
            assert answer.text.count("\n") == 1
            assert "--allow-host" in answer.text


@pytest.fixture(scope="module")
def named() -> Iterator[Service]:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        made = Site(Path(directory))
        made.start("a", BINARIES[0])
        service = Service(made.directory, "--allow-host", "status.example.com", "--allow-host", "x")
        yield service
        assert service.end() == 0
        made.stop()


def test_a_request_without_a_host_as_of_a_load_balancer_is_answered(named: Service) -> None:
    with socket.create_connection(named.address, 30) as plain:
        plain.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert plain.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
