"""`noevict cli` with real servers over TLS: what redis-cli prints, it prints, and no password is to be seen."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noevict.console import connection as console
from noevict.console.replies import readable
from noevict.errors import NoevictError
from noevict.fleet.access import Access
from noevict.fleet.endpoint import endpoint_of
from noevict.settings.model import read_settings
from tests.lab.servers import BINARIES, Binary, Running, loaded, unpacked, wait_for
from tests.lab.terminal import Terminal, terminal
from tests.sampling import sample
from tests.server.served_fleet import Site
from tests.server.test_status import Fleet

NOW = datetime.now(UTC)


@dataclass
class Host:
    """`cache-1`, and what talks to it. ``password`` is user app's."""

    site: Site
    server: Running
    home: Path

    @property
    def password(self) -> str:
        return self.site.secrets.password("app")

    def environment(self) -> dict[str, str]:
        return Fleet(self.site, {}).environment(HOME=str(self.home), TERM="dumb")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "noevict", "cli", "cache-1", *arguments]

    def run(self, *arguments: str, typed: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            self.command(*arguments),
            cwd=self.site.directory,
            env=self.environment(),
            input=typed,
            capture_output=True,
            check=False,
            timeout=60,
        )

    @contextmanager
    def prompt(self, *arguments: str) -> Iterator[Terminal]:
        with terminal(
            *self.command(*arguments), cwd=self.site.directory, env=self.environment(), columns=200
        ) as seat:
            seat.read_until("cache-1> ", 60)
            yield seat

    def redis_cli(self, *words: str) -> str:
        """What redis-cli prints at a terminal."""
        way = ("--no-raw", "--tls", "--insecure", "-p", str(self.server.tls_port), "--user", "app")
        command = loaded(unpacked("trixie"), "usr/bin/redis-cli", *way, *words)
        secret = {"REDISCLI_AUTH": self.password}
        return subprocess.run(
            command, env=secret, capture_output=True, text=True, check=True, timeout=60
        ).stdout


@pytest.fixture(scope="module", params=sample({it.id: it for it in BINARIES}, "redis-7.0", "valkey-9.1"))
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    binary: Binary = request.param
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        try:
            yield Host(site, site.start("cache-1", binary), tmp_path_factory.mktemp("home"))
        finally:
            site.stop()


def test_replies_are_printed_as_redis_cli_does(host: Host) -> None:
    nested = "{1, {'a', {}, {'\\n\\0\\255\"\\\\', 2}}, false, redis.status_reply('FINE'), redis.error_reply('ERR no')}"
    commands = (
        ["SET", "text", 'a"\\\r\n\t\a\bé \x1b[2J'],
        ["GET", "text"],
        ["GET", "nothing"],
        ["RPUSH", "list", *map(str, range(12))],
        ["LRANGE", "list", "0", "-1"],
        ["LRANGE", "nothing", "0", "-1"],
        ["EVAL", f"return {nested}", "0"],
        ["XADD", "stream", "1-1", "field", "value"],
        ["XRANGE", "stream", "-", "+"],
        ["FLUSHALL"],
        ["INCR", "text"],
    )
    fleet, settings = read_settings(host.site.directory)
    access, endpoint = Access(host.site.directory), endpoint_of(fleet, "cache-1", settings["cache-1"])
    with closing(console.connect(endpoint, access.context(endpoint, NOW), "app", [host.password])) as ours:
        for words in commands:
            reply = readable(ours.ask(*(word.encode() for word in words)))
            if words[0] not in {"RPUSH", "XADD"}:  # a second time these answer something else
                assert reply == host.redis_cli(*words).removesuffix("\n"), words


def test_a_program_is_given_what_the_server_sent_and_nothing_else(host: Host) -> None:
    assert host.run("SET", "bytes", "a b").stdout == b"OK\n"
    done = host.run(typed=b'SET bytes "\\x00\\xff\\n"\n\nGET bytes\nLRANGE nothing 0 -1\nTTL bytes\n')
    assert (done.returncode, done.stdout, done.stderr) == (0, b"OK\n\0\xff\n\n\n-1\n", b"")
    lines = host.run("--user", "admin", "CLIENT", "LIST").stdout.split(b"\n")
    assert (lines[0].startswith(b"id="), lines[-2].startswith(b"id="), lines[-1]) == (True, True, b"")


def test_a_status_longer_than_64_kib_comes_whole_and_the_next_reply_is_the_next_commands(host: Host) -> None:
    typed = b"EVAL \"return redis.status_reply(string.rep('x', 70000))\" 0\nECHO next\n"
    done = host.run("--user", "admin", typed=typed)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x" * 70000 + b"\nnext\n", b"")


@pytest.mark.parametrize(
    ("words", "typed", "printed"),
    [
        (["FLUSHALL"], b"", b"cache-1: NOPERM "),
        ([], b'PING\nGET "a\n', b"a quote should be closed, is not\n"),
        ([], b"GET\nPING\n", b"cache-1: ERR wrong number of arguments"),
        (["--user", "nobody", "PING"], b"", b"cache-1: --user: should be one of admin, app,"),
    ],
)
def test_an_error_is_a_line_on_stderr_and_exit_code_1(
    host: Host, words: list[str], typed: bytes, printed: bytes
) -> None:
    done = host.run(*words, typed=typed)
    assert (done.returncode, done.stdout) == (1, b"PONG\n" if b"PING" in typed else b"")
    assert done.stderr.startswith(printed), done.stderr
    assert done.stderr.count(b"\n") == 1


def test_at_a_terminal_the_prompt_knows_the_database_and_the_transaction(host: Host) -> None:
    with host.prompt() as seat:
        for typed, displayed in (
            ("SELECT 3", "OK\r\ncache-1[3]> "),
            ("MULTI", "OK\r\ncache-1[3](TX)> "),
            ("INCR counter", "QUEUED\r\ncache-1[3](TX)> "),
            ("EXEC", "1) (integer) 1\r\ncache-1[3]> "),
            ("INFO server", "# Server\r\n"),
            ("SELECT 0", "OK\r\ncache-1> "),
            ("GET 'a", "a quote should be closed, is not\r\ncache-1> "),
        ):
            seat.type(f"{typed}\n")
            assert displayed in seat.read_until(displayed, 20)
        seat.type("exit\n")
        assert seat.process.wait(20) == 0


def test_ctrl_c_ends_what_waits_and_the_next_reply_answers_the_next_command(host: Host) -> None:
    with host.prompt() as seat:
        seat.type("BLPOP nothing 0\n")
        wait_for("it waits", lambda: host.server.redis.info("clients")["blocked_clients"] == 1)
        seat.process.send_signal(signal.SIGINT)
        seat.read_until("cache-1> ", 20)
        assert "interrupted: whether BLPOP was done is not known" in seat.displayed
        seat.type("SUBSCRIBE news\n")
        seat.read_until("3) (integer) 1", 20)
        host.server.redis.publish("news", "\x1b[2Jgood")
        assert '3) "\\x1b[2Jgood"' in seat.read_until("good", 20)
        seat.process.send_signal(signal.SIGINT)
        seat.read_until("cache-1> ", 20)
        seat.type("PING\n")
        assert "PONG" in seat.read_until("cache-1> ", 20)
        seat.type("\x04")
        assert seat.process.wait(20) == 0


def test_a_command_that_is_watched_ends_with_ctrl_c_as_it_should(host: Host) -> None:
    process = subprocess.Popen(
        host.command("--user", "admin", "MONITOR"),
        cwd=host.site.directory,
        env=host.environment(),
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"OK\n"
            host.server.redis.ping()
            assert b'"PING"' in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_lost_connection_is_made_again_for_the_next_command_and_none_is_sent_twice(host: Host) -> None:
    with host.prompt() as seat:
        seat.type("MULTI\n")
        seat.read_until("(TX)> ", 20)
        host.server.redis.client_kill_filter(_type="normal", skipme=True)
        seat.type("INCR lost\n")
        seat.read_until("cache-1> ", 20)
        assert "cache-1: the connection ended: whether INCR was done is not known" in seat.displayed
        seat.type("GET lost\n")
        assert "(nil)" in seat.read_until("cache-1> ", 20)


def test_no_password_is_in_the_list_of_processes_nor_in_a_file(host: Host) -> None:
    with host.prompt() as seat:
        seat.type("AUTH app very-secret-but-wrong\n")
        seat.read_until("cache-1> ", 20)
        about = Path(f"/proc/{seat.process.pid}")
        for name in ("cmdline", "environ"):
            assert host.password.encode() not in (about / name).read_bytes()
        seat.type("\x1b[A\n")  # what was typed before is there, as long as the prompt is
        seat.read_until("cache-1> ", 20)
        assert seat.displayed.count("(error) ") == 2
        seat.type("quit\n")
        assert seat.process.wait(20) == 0
    assert host.password not in seat.displayed
    assert [str(path) for path in host.home.rglob("*") if path.is_file()] == []


def test_a_host_with_the_certificate_of_another_hears_no_password(host: Host) -> None:
    fleet, settings = read_settings(host.site.directory)
    access, endpoint = Access(host.site.directory), endpoint_of(fleet, "cache-1", settings["cache-1"])
    elsewhere = replace(endpoint, host="127.0.0.2")
    host.server.redis.config_set("bind", "127.0.0.1 127.0.0.2")
    before = host.server.redis.info("commandstats").get("cmdstat_auth", {}).get("calls", 0)
    with pytest.raises(
        NoevictError, match=r"cache-1: 127\.0\.0\.2 port .*: TLS: the certificate is not accepted"
    ):
        console.connect(elsewhere, access.context(elsewhere, NOW), "app", [host.password])
    assert host.server.redis.info("commandstats").get("cmdstat_auth", {}).get("calls", 0) == before


def test_a_password_that_is_not_taken_is_not_repeated(host: Host) -> None:
    fleet, settings = read_settings(host.site.directory)
    access, endpoint = Access(host.site.directory), endpoint_of(fleet, "cache-1", settings["cache-1"])
    with pytest.raises(NoevictError) as caught:
        console.connect(endpoint, access.context(endpoint, NOW), "app", ["not-it-1", "not-it-2"])
    assert str(caught.value) == (
        "cache-1: the password of user app is not accepted: copy the current secrets/ here, name them in "
        "NOEVICT_SECRETS, or deploy"
    )
