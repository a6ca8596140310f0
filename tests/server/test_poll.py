"""Polling what is no well-behaved server: strangers behind TLS, names that nobody knows, certificates that change."""

import asyncio
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from noevict.errors import NoevictError
from noevict.fleet.access import Access
from noevict.fleet.endpoint import Endpoint, read_endpoints
from noevict.monitor.asking import dial, poll, tls
from noevict.monitor.asking.dial import Resolver, Turns
from noevict.monitor.asking.fleet import Monitor
from noevict.monitor.asking.poll import Asker
from noevict.monitor.health.health import Poll, Status, judge, write_refusals
from noevict.pki import authority
from tests.lab.servers import BINARIES, Binary
from tests.server.served_fleet import Site

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        made = Site(Path(directory))
        yield made
        made.stop()


def asker(site: Site, name: str = "a") -> Asker:
    (endpoint,) = read_endpoints(site.directory, [name])
    return Asker(endpoint, Access(site.directory), Resolver(), Turns(8))


@asynccontextmanager
async def stranger(site: Site, talk: Talk) -> AsyncIterator[None]:
    """Host ``a`` of the site: TLS with a good certificate, and behind it whatever ``talk`` says."""
    where = site.directory / "stranger"
    where.mkdir(exist_ok=True)
    site.certify(where)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(where / "server.crt", where / "server.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        site.add("a", server.sockets[0].getsockname()[1])
        yield


def saying(answer: bytes, times: int = 1) -> Talk:
    """To whatever is asked."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            for _ in range(times):
                writer.write(answer)
                await writer.drain()

    return talk


async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)


async def say_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The end of TLS, and then the end of TCP."""
    await reader.read(4096)
    writer.close()
    await writer.wait_closed()


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


@dataclass(frozen=True)
class Stranger:
    id: str
    talk: Talk
    printed: str  # is in the reason


STRANGERS = (
    Stranger("hangs up", hang_up, "hangs up"),
    Stranger("says goodbye", say_goodbye, "hangs up"),
    Stranger("says nothing", say_nothing, "no answer in 2 s"),
    Stranger("no Redis", saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "is not Redis: it answered 'HTTP/1.1 400 Bad"),
    Stranger("a line without end", saying(b"+" + b"x" * 65536, 1000), "a line of its answer has no end"),
    Stranger("a reply without end", saying(b"$99999999999\r\n"), "is not Redis"),
    Stranger("a negative size", saying(b"$-1\r\n"), "is not Redis"),
    Stranger("a size that is no number", saying(b"$1e3\r\n"), "is not Redis"),
    Stranger("a reply within a reply", saying(b"*1\r\n*1\r\n"), "is not Redis"),
    Stranger("OK to everything", saying(b"+OK\r\n", 3), ""),
    Stranger("half a reply", saying(b"$100\r\nabc"), "no answer in 2 s"),
    Stranger("no room", saying(b"-ERR max number of clients reached\r\n"), "max number of clients reached"),
    Stranger("a password repeated", say_nothing, "unknown command"),
    Stranger("a password repeated at the end of what is shown", say_nothing, "(hidden)"),
    Stranger("control characters", saying(b"-ERR \x1b[2J\x07\t<script>\r\n"), "ERR [2J<script>"),
    Stranger("a line that ends early", saying(b"-ERR \x1b[2J\n<script>\r\n"), "it answered '-ERR \\x1b[2J'"),
)  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS, ids=lambda case: case.id)
def test_a_stranger_gets_an_error_of_one_line_and_in_time(site: Site, case: Stranger) -> None:
    password = site.password("health", "a").encode()

    repeated = {
        "a password repeated": b"-ERR unknown command 'AUTH', with args: 'health' '" + password + b"'\r\n",
        "a password repeated at the end of what is shown": b"-ERR " + b"x" * 80 + b" " + password + b"\r\n",
    }

    async def look() -> Poll:
        talk = saying(repeated[case.id]) if case.id in repeated else case.talk
        async with stranger(site, talk):
            return await asker(site).poll()

    found = asyncio.run(look())
    if case.printed:
        assert found.failure is not None
        assert case.printed in found.failure
        assert found.failure.isprintable()
        assert password.decode()[:8] not in found.failure
        assert judge(found).status is Status.UNHEALTHY
    else:
        assert judge(found).policy is None


def test_a_connection_closed_while_a_task_waits_for_it_leaves_nothing_behind(site: Site) -> None:
    """The next connection has the same file descriptor."""

    async def talk() -> bytes:
        async with stranger(site, saying(b"+PONG\r\n")):
            (endpoint,) = read_endpoints(site.directory)
            context = Access(site.directory).context(endpoint, datetime.now(UTC))
            closed = await tls.connect(endpoint.host, endpoint.port, endpoint.host, context)
            waiting = asyncio.create_task(closed.receive())
            await asyncio.sleep(0)
            closed.close()
            stream = await tls.connect(endpoint.host, endpoint.port, endpoint.host, context)
            await stream.send(b"PING\r\n")
            answer = await stream.receive()
            waiting.cancel()
            stream.close()
            return answer

    assert asyncio.run(asyncio.wait_for(talk(), 30)) == b"+PONG\r\n"


def test_plaintext_instead_of_tls_is_reported(site: Site) -> None:
    async def look() -> Poll:
        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"-ERR Protocol error\r\n")
            await writer.drain()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            site.add("a", server.sockets[0].getsockname()[1])
            return await asker(site).poll()

    assert asyncio.run(look()).failure == "TLS: this port does not speak TLS"


def test_a_server_that_asks_for_a_certificate_that_we_do_not_have_is_reported(site: Site) -> None:
    site.start("a", BINARIES[0]).redis.config_set("tls-auth-clients", "yes")
    found = asyncio.run(asker(site).poll())
    assert found.failure is not None
    assert "asks" in found.failure
    assert "redis_tls_auth_clients" in found.failure


def test_a_host_with_a_certificate_of_the_users_own_is_checked_by_its_ca(site: Site) -> None:
    server = site.start("a", BINARIES[0])
    other = authority.make_ca(datetime.now(UTC))
    site.certify(server.directory, ca=other)
    server.redis.config_set("tls-cert-file", str(server.directory / "server.crt"))
    assert "not accepted" in str(asyncio.run(asker(site).poll()).failure)
    (site.directory / "own.crt").write_text(
        f"# Ours, \N{LATIN SMALL LETTER E WITH ACUTE}\n{other.certificate_pem}"
    )
    files = {f"redis_tls_{part}": "own.crt" for part in ("cert", "key", "ca")}
    site.add("a", server.tls_port, **files)
    assert asyncio.run(asker(site).poll()).failure is None
    pem = other.certificate_pem.splitlines()
    for text in ("none", "\n".join([pem[0], "AAAA", pem[-1]])):
        (site.directory / "own.crt").write_text(text)
        with pytest.raises(NoevictError, match=r"^a: redis_tls_ca: should hold certificates in PEM, has "):
            Access(site.directory).check(read_endpoints(site.directory)[0])


def test_a_name_that_is_not_known_is_reported(site: Site) -> None:
    site.add("a", 1)
    site.add("a", 1, ssh_hostname="no.such.name.invalid")
    found = asyncio.run(asker(site).poll())
    assert found.failure in {"DNS does not know its name", "no answer in 2 s"}


def test_what_new_clients_meet_shows_on_a_kept_connection(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = site.start("a", BINARIES[0])

    async def look() -> list[Poll]:
        asked = asker(site)
        polls = [await asked.poll()]
        server.redis.execute_command("ACL", "SETUSER", "health", "resetpass", ">another")
        site.certify(server.directory, days=10)
        server.redis.config_set("tls-cert-file", str(server.directory / "server.crt"))
        polls.append(await asked.poll())
        monkeypatch.setattr(poll, "RENEW_SECONDS", 0.0)
        polls.append(await asked.poll())
        own = f">{site.password('health', 'a')}"
        server.redis.execute_command("ACL", "SETUSER", "health", "resetpass", own)
        polls.append(await asked.poll())
        asked.close()
        return polls

    first, kept, refused, again = asyncio.run(look())
    assert first.failure is None
    assert (kept.failure, kept.certificate_ends) == (None, first.certificate_ends)
    assert "the password of user health is not accepted" in str(refused.failure)
    assert again.failure is None
    assert judge(again).certificate_days == 9
    assert judge(first).certificate_days == 89


def test_one_context_serves_all_hosts_of_a_ca_and_its_certificate_is_renewed_in_time(site: Site) -> None:
    site.add("a", 1)
    access = Access(site.directory)
    plain = [Endpoint(name, "127.0.0.1", 1) for name in "ab"]
    asks = Endpoint("c", "127.0.0.1", 1, asks_certificate=True)
    now = datetime.now(UTC)
    assert access.context(plain[0], now) is access.context(plain[1], now)
    mine = access.context(asks, now)
    assert mine is not access.context(plain[0], now)
    assert access.context(asks, now + timedelta(hours=11)) is mine
    assert access.context(asks, now + timedelta(hours=13)) is not mine
    assert access.context(plain[0], now + timedelta(hours=999)) is access.context(plain[1], now)


# --- nobody waits for the dead ---


def test_whoever_asks_does_not_wait_for_a_host_that_does_not_answer(site: Site) -> None:
    """One that answered, and then never again: the question comes back, that host's as it was."""
    server = site.start("a", BINARIES[0])
    site.add("b", server.tls_port)

    async def ask() -> tuple[bool, list[str]]:
        fleet = Monitor(read_endpoints(site.directory), Access(site.directory), site.directory / "state")
        await fleet.first_look()
        never = asyncio.Event()

        async def silence() -> Poll:
            await never.wait()
            raise AssertionError("unreachable: nobody sets it")

        fleet.hosts["a"].asker.poll = silence  # type: ignore[method-assign]
        server.redis.config_set("maxmemory-policy", "allkeys-lru")
        await asyncio.wait_for(fleet.refresh(fleet.hosts), 60)
        reported = [str(view.health.policy) for view in fleet.views()]
        return never.is_set(), reported

    assert asyncio.run(ask()) == (False, ["noeviction", "allkeys-lru"])


def test_a_name_server_that_is_silent_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name there is one lookup at a time, however often it is asked for; others continue."""
    asked, silent = [], threading.Event()

    def getaddrinfo(name: str, *_args: object, **_how: object) -> list[tuple[object, ...]]:
        asked.append(name)
        if name.startswith("dead"):
            silent.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))]

    monkeypatch.setattr(dial.socket, "getaddrinfo", getaddrinfo)

    async def look() -> list[str]:
        resolver = Resolver()
        for _ in range(3):
            waiting = [resolver.addresses(f"dead-{number}") for number in range(50)]
            results = await asyncio.gather(
                *(asyncio.wait_for(each, 0.01) for each in waiting), return_exceptions=True
            )
            assert all(isinstance(each, TimeoutError) for each in results)
        found = await asyncio.wait_for(resolver.addresses("alive"), 60)
        silent.set()
        assert await asyncio.wait_for(resolver.addresses("dead-1"), 60) == ["10.0.0.1"]
        return found

    assert asyncio.run(look()) == ["10.0.0.1"]
    assert sorted(asked) == sorted(["alive", *(f"dead-{number}" for number in range(50))])


def test_the_address_that_answers_is_found_among_those_that_do_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = site.start("a", BINARIES[0])
    site.add("a", server.tls_port, ssh_hostname="localhost")
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")
    ]
    monkeypatch.setattr(dial.socket, "getaddrinfo", lambda *_args, **_how: addresses)
    assert asyncio.run(asker(site).poll()).failure is None


def test_a_fleet_that_is_not_asked_is_not_ready(site: Site) -> None:
    site.add("a", 1)
    fleet = Monitor(read_endpoints(site.directory), Access(site.directory), site.directory / "state")
    assert fleet.late == ["a"]
    asyncio.run(fleet.first_look())
    assert fleet.late == []
    fleet.hosts["a"].asked = time.monotonic() - 60
    assert fleet.late == ["a"]


@pytest.mark.parametrize("binary", [BINARIES[0], BINARIES[1]], ids=lambda binary: binary.id)
def test_a_server_with_very_many_error_codes_is_asked_all_the_same(site: Site, binary: Binary) -> None:
    """Redis 7.0 lists them all, Redis 8 gives up on them: then it is not known what was refused."""
    server = site.start("a", binary)
    for number in range(4000):
        with suppress(redis.ResponseError):
            server.redis.eval("return redis.error_reply('CODE' .. ARGV[1] .. ' is one')", 0, number)

    async def look() -> list[Poll]:
        asked = asker(site)
        return [await asked.poll() for _ in range(2)]

    for found in asyncio.run(look()):
        assert found.failure is None
        assert judge(found).status is Status.HEALTHY
        assert write_refusals(found).counts == {}
