"""The client against real servers, over TLS as a client is: who is let in, which certificate, what a look returns."""

import functools
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from noevict.client import client
from noevict.client.client import LOOK, Client, connect, gather_facts
from noevict.client.failures import certificate_fault
from noevict.client.login import Route, look_at_redis
from noevict.engines.package_layout import LAYOUTS
from noevict.machine.found import Listener
from noevict.pki import authority
from noevict.pki.certificate import Certificate
from noevict.pki.contexts import trusting, unchecked
from noevict.platforms.systemd.preflight import MARKER, managed
from noevict.secrets.store import Secrets
from noevict.server.live import Live, Reach
from noevict.server.password_rotation import admin_logins
from noevict.settings.model import build_settings
from tests.lab.servers import Binary, Running, free_port
from tests.server.conftest import StartServer

ADMIN, MASTER = "password-of-admin", "password-of-the-primary"
USERS = f"""user admin on >{ADMIN} ~* &* +@all
user gone off >{ADMIN} ~* &* +@all
"""
OFF = f"{USERS}user default off\n"
OPEN = f"{USERS}user default on nopass ~* &* +@all\n"
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Served:
    """A server with the TLS files of the fleet's CA, and ways to it."""

    running: Running
    ca: authority.Authority
    ahead: Sequence[tuple[str, ...]] = ()  # what is sent along with the login

    @property
    def port(self) -> int:
        return self.running.tls_port or self.running.port

    @property
    def opener(self) -> Callable[[], socket.socket]:
        return functools.partial(socket.create_connection, ("127.0.0.1", self.port))

    def connect(self, user: str | None = "admin", password: str | None = ADMIN, **options: object) -> Client:
        context = trusting(self.ca.certificate_pem.encode())
        standing: dict[str, object] = {
            "context": context,
            "name": "localhost",
            "ahead": self.ahead,
            "seconds": 5,
        }
        return connect(self.opener, user=user, password=password, **(standing | options))

    def look(self, user: str | None = "admin", password: str | None = ADMIN) -> Live:
        with closing(self.connect(user, password)) as connection:
            return gather_facts(connection, Reach.TLS, user=user or "default", port=self.running.tls_port)


Serve = Callable[..., Served]


@pytest.fixture(params=[(), LOOK], ids=["login", "login and look"])
def serve(
    start_server: StartServer, binary: Binary, short_path: Path, request: pytest.FixtureRequest
) -> Serve:
    """``serve(users, *lines, names, now, days)``: with a certificate for those names, issued then."""

    def start(
        users: str = OFF,
        *lines: str,
        names: tuple[str, ...] = ("localhost",),
        now: datetime = NOW,
        days: int = 30,
    ) -> Served:
        ca = authority.make_ca(now)
        write_tls(short_path, ca, names, now, days)
        (short_path / "acl").write_text(users)
        conf = [
            *("port 0", f"tls-port {free_port()}", 'aclfile "{directory}/acl"', "tls-auth-clients no"),
            *(f'tls-{what}-file "{{directory}}/{what}"' for what in ("cert", "key", "ca-cert")),
            *("save 3600 1", 'dir "{directory}"', f'masterauth "{MASTER}"', "maxmemory 100mb", *lines),
        ]
        reach = {"username": "admin", "password": ADMIN, "ssl_cert_reqs": "none", "ssl_check_hostname": False}
        running = start_server(binary, "\n".join(conf) + "\n", directory=short_path, client=reach)
        return Served(running, ca, request.param)

    return start


def write_tls(where: Path, ca: authority.Authority, names: tuple[str, ...], now: datetime, days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    (where / "cert").write_text(authority.sign_request(ca, pem, names, now, days))
    (where / "ca-cert").write_text(ca.certificate_pem)
    (where / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


# --- real servers: who is let in --------------------------------------------------------------------------------


def test_admin_logs_in_over_tls_and_others_are_distinguished(serve: Serve) -> None:
    served = serve(OFF)
    with closing(served.connect()) as connection:
        assert connection.execute_command("ACL WHOAMI") == "admin"
        assert not connection.wire.open
    wrong = [
        ("admin", "wrong"),
        ("nobody", ADMIN),
        ("gone", ADMIN),
        (None, ADMIN),
        (None, None),
        ("admin", ""),
    ]
    for user, password in wrong:
        with pytest.raises(redis.AuthenticationError) as refused:
            served.connect(user, password)
        assert certificate_fault(refused.value) is None
        assert ADMIN not in str(refused.value)


def test_a_server_that_anybody_may_use_is_open(serve: Serve) -> None:
    served = serve(OPEN)
    for user, password in ((None, None), ("admin", ADMIN)):
        with closing(served.connect(user, password)) as connection:
            assert connection.wire.open
            assert served.look(user, password).open
    with pytest.raises(redis.AuthenticationError):
        served.connect("admin", "wrong")


def test_a_password_for_a_server_that_has_none_is_no_way_in(
    start_server: StartServer, binary: Binary
) -> None:
    port = free_port()
    start_server(binary, f"port {port}\nsave 3600 1\n")
    opener = functools.partial(socket.create_connection, ("127.0.0.1", port))
    with closing(connect(opener)) as connection:
        assert connection.wire.open
    with pytest.raises(redis.AuthenticationError):
        connect(opener, password="a guess")


def test_a_server_that_knows_no_auth_is_reported_without_the_password_that_it_repeats(serve: Serve) -> None:
    served = serve(OFF, "rename-command AUTH mine")
    reported = r"^(ERR unknown command .AUTH.|NOAUTH Authentication required.|the password was not accepted)$"
    with pytest.raises((redis.ResponseError, redis.AuthenticationError), match=reported) as refused:
        served.connect()
    assert ADMIN not in str(refused.value)


def test_a_server_that_has_no_room_says_so_and_asks_for_no_password(
    start_server: StartServer, binary: Binary
) -> None:
    port = free_port()
    running = start_server(binary, f"port {port}\nsave 3600 1\nmaxclients 1\n")
    assert running.redis.ping()  # the one client
    opener = functools.partial(socket.create_connection, ("127.0.0.1", port))
    for password in (None, "a guess"):
        with pytest.raises(redis.ConnectionError, match="max number of clients reached") as refused:
            connect(opener, password=password, seconds=5)
        assert not isinstance(refused.value, redis.AuthenticationError)


# --- real servers: certificates ---------------------------------------------------------------------------------


def fault(served: Served, **options: object) -> str | None:
    with pytest.raises(redis.ConnectionError) as refused:
        served.connect(**options)
    assert not isinstance(refused.value, redis.AuthenticationError)
    return certificate_fault(refused.value)


def test_a_certificate_of_another_ca_or_for_another_name_is_not_accepted_and_the_reason_is_reported(
    serve: Serve,
) -> None:
    served = serve(OFF, names=("localhost", "10.1.2.3"))
    other = trusting(authority.make_ca(NOW).certificate_pem.encode())
    assert "certificate" in (fault(served, context=other) or "")
    assert fault(served, name="cache-2") == "Hostname mismatch, certificate is not valid for 'cache-2'."
    assert "IP address mismatch" in (fault(served, name="10.1.2.4") or "")
    served.connect(name="10.1.2.3").close()


def test_an_expired_certificate_is_not_accepted(serve: Serve) -> None:
    served = serve(OFF, now=NOW - timedelta(days=90), days=30)
    assert fault(served) == "certificate has expired"


def test_an_unchecked_look_reports_which_certificate_is_served(serve: Serve) -> None:
    served = serve(OFF, now=NOW - timedelta(days=90), days=30)
    with closing(served.connect(context=unchecked(), name="whoever")) as connection:
        live = gather_facts(connection, Reach.TLS, user="admin", port=1, untrusted="certificate has expired")
    found = Certificate.parse((served.running.directory / "cert").read_text())
    assert found is not None
    assert live.certificate == found.parsed.public_bytes(serialization.Encoding.DER)
    assert live.untrusted == "certificate has expired"


def test_a_server_that_asks_for_a_certificate_gets_one(serve: Serve) -> None:
    served = serve(OFF)
    served.running.redis.config_set("tls-auth-clients", "yes")
    ca = served.ca.certificate_pem.encode()
    with pytest.raises(redis.ConnectionError) as refused:
        served.connect()
    assert certificate_fault(refused.value) is None
    own = "".join(authority.make_client_certificate(served.ca, "noevict", NOW, 1))
    for context in (trusting(ca, own), unchecked(own)):
        with closing(served.connect(context=context)) as connection:
            assert connection.ping()


def test_plaintext_where_tls_is_wanted_and_tls_where_plaintext_is_are_errors_in_bounded_time(
    serve: Serve,
) -> None:
    plain = free_port()
    served = serve(OFF, f"port {plain}")
    opener = functools.partial(socket.create_connection, ("127.0.0.1", plain))
    began = time.monotonic()
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)) as refused:
        connect(opener, context=unchecked(), name="localhost", seconds=1)
    assert certificate_fault(refused.value) is None
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        served.connect(context=None, seconds=1)
    assert time.monotonic() - began < 5


# --- real servers: the look --------------------------------------------------------------------------------------


def test_a_look_returns_what_the_server_reports_and_no_password(serve: Serve) -> None:
    served = serve(OFF)
    running = served.running
    running.redis.set("a key", "1")
    running.redis.execute_command("SELECT", 3)
    live = served.look()
    reported = running.redis.config_get("*")
    secret = {name for name, value in reported.items() if value == MASTER}
    assert {"masterauth"} <= secret
    assert {name: live.config[name] for name in secret} == dict.fromkeys(secret, "(set)")
    assert {name: value for name, value in live.config.items() if name not in secret} == {
        name: value for name, value in reported.items() if name not in secret
    }
    assert live.config["maxmemory"] == str(100 << 20)
    assert list(live.acl) == running.redis.acl_list()
    assert live.server == served.running.server
    assert live.run_id == running.redis.info("server")["run_id"]
    assert (live.keys, live.number("role"), live.number("loading")) == (1, 0, 0)
    assert live.info["role"] == "master"
    assert (live.reach, live.reached, live.user, live.port) == (Reach.TLS, True, "admin", running.tls_port)
    assert not live.open
    text = repr(live) + "".join(live.config.values())
    for password in (ADMIN, MASTER):
        assert password not in text
        assert hashlib.sha256(password.encode()).hexdigest() not in repr(live)


def test_a_look_knows_the_servers_commands(serve: Serve) -> None:
    served = serve(OFF)
    live = served.look()
    assert live.catalogue is not None
    for word in ("+get", "-config|set", "+@read", "+select|0"):
        assert live.catalogue.knows(word)
    assert not live.catalogue.knows("+no-such-command")
    names = {name.lower().partition("|")[0] for name in served.running.redis.execute_command("COMMAND LIST")}
    assert {name.partition("|")[0] for name in live.catalogue.commands} == names
    assert served.look().catalogue is live.catalogue  # asked once


def test_two_looks_at_the_same_server_are_the_same(serve: Serve) -> None:
    served = serve(OFF)
    assert served.look() == served.look()


def test_a_user_who_may_not_look_is_an_error_and_no_look(serve: Serve) -> None:
    served = serve(f"{OFF}user app on >{ADMIN} ~* &* +@all -config\n")
    with pytest.raises(redis.ResponseError, match=r"(?i)no permissions"):
        served.look("app")


def test_no_password_is_in_what_is_printed_of_a_client(serve: Serve) -> None:
    with closing(serve(OFF).connect()) as connection:
        assert ADMIN not in f"{connection!r} {connection.connection_pool!r} {connection.wire!r}"


def test_a_connection_that_the_server_closed_is_an_error_or_made_again(serve: Serve) -> None:
    served = serve(OFF)
    with closing(served.connect()) as connection:
        number = connection.execute_command("CLIENT ID")
        served.running.redis.execute_command("CLIENT KILL", "ID", number)
        with suppress(redis.ConnectionError):
            assert connection.ping()
        assert connection.ping()


class Direct:
    """A server whose ``redis_connect`` is "direct"; ``ways``: how it was reached."""

    def __init__(self, served: Served) -> None:
        self.ca, self.opener, self.ways = served.ca, served.opener, list[str]()
        self.settings = build_settings("localhost", {"redis_connect": "direct", "redis_port": served.port})
        drafted = Secrets(Path("secrets"), served.ca, {"admin": ADMIN, "takeover": MASTER})
        self.secrets = drafted.known_host("localhost")
        # What the look found in the host's key file, what root says of a connection, and how often it was asked.
        self.key_digest: str | None = None
        self.confirmed, self.asked = True, list[tuple[str, int]]()

    def holds_connections(self, address: str, port: int) -> bool:
        self.asked.append((address, port))
        return self.confirmed

    def open(self, way: str, *_: object) -> socket.socket:
        self.ways.append(way)
        return self.opener()

    def look(self, answer: str, conf: str | None = MARKER) -> Live:
        """``conf``: redis.conf's text; as it is by default, noevict set this server up."""
        listeners = (Listener(True, "127.0.0.1", self.settings.redis_port, answer),)
        machine = SimpleNamespace(given=None)
        found: Any = SimpleNamespace(
            pid=1, listeners=listeners, conf=conf, file=lambda _: None, machine=machine
        )
        route = Route(
            "localhost",
            self.settings.redis_port,
            admin_logins(self.secrets, found),
            self.secrets.takeover,
            direct=functools.partial(self.open, "direct"),
            tunnel=functools.partial(self.open, "tunnel"),
            trusting=lambda: trusting(self.ca.certificate_pem.encode()),
            unchecked=unchecked,
            key_digest=self.key_digest,
            holds_connections=self.holds_connections,
        )
        connection, live = look_at_redis(
            route, listeners, running=True, known=managed(found, LAYOUTS["redis"])
        )
        if connection is not None:
            connection.close()
        return live


def test_a_direct_connection_carries_a_password_only_if_the_certificate_is_trusted(serve: Serve) -> None:
    direct = Direct(serve(OFF))
    assert direct.look("none").user == "admin"
    assert (direct.ways, direct.asked) == (["direct"], [])


def test_a_certificate_that_is_not_trusted_is_looked_at_only_through_ssh(
    serve: Serve, short_path: Path
) -> None:
    direct = Direct(serve(OFF, now=NOW - timedelta(days=90), days=30))
    live = direct.look("none")
    assert (live.user, live.untrusted) == ("admin", "certificate has expired")
    assert direct.ways == ["direct", "tunnel"]
    # Nobody had to be asked about the key that the look found.
    assert direct.asked == [("127.0.0.1", direct.settings.redis_port)]
    direct.asked.clear()
    direct.key_digest, direct.confirmed = (
        Certificate.parse((short_path / "cert").read_text()).key_digest,
        False,
    )
    assert (direct.look("none").user, direct.asked) == ("admin", [])


def test_plaintext_is_looked_at_only_through_ssh(start_server: StartServer, binary: Binary) -> None:
    running = start_server(
        binary, f"port {free_port()}\nsave 3600 1\nrequirepass {MASTER}\n", client={"password": MASTER}
    )
    direct = Direct(Served(running, authority.make_ca(NOW)))
    live = direct.look("answer -NOAUTH", conf="# the package's own\n")
    assert (live.reach, live.user) == (Reach.PLAINTEXT, "default")
    assert set(direct.ways) == {"tunnel"}


def test_the_password_of_a_take_over_is_not_sent_to_a_server_of_ours(
    start_server: StartServer, binary: Binary
) -> None:
    running = start_server(
        binary, f"port {free_port()}\nsave 3600 1\nrequirepass {MASTER}\n", client={"password": MASTER}
    )
    assert Direct(Served(running, authority.make_ca(NOW))).look("answer -NOAUTH").reach is Reach.REFUSED


def test_the_fleets_password_is_not_sent_to_a_server_that_noevict_did_not_set_up(
    start_server: StartServer, binary: Binary, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start_server(
        binary, f"port {free_port()}\nsave 3600 1\nrequirepass {MASTER}\n", client={"password": MASTER}
    )
    logins: list[str | None] = []

    def listen(*arguments: Any, user: str | None = None, **more: Any) -> Client:
        logins.append(user)
        return connect(*arguments, user=user, **more)

    monkeypatch.setattr(client, "connect", listen)
    direct = Direct(Served(running, authority.make_ca(NOW)))
    assert direct.look("answer -NOAUTH", conf="# the package's own\n").user == "default"
    assert "admin" not in logins


# --- a program that took the server's port after the look ---------------------------------------------------------


class Thief(threading.Thread):
    """Any user's program on a free port, which asks for a password as Redis does; ``heard`` is all that it was sent."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.heard, self._context = self.socket.getsockname()[1], b"", context

    def run(self) -> None:
        with suppress(OSError):
            while True:
                self.serve(self.socket.accept()[0])

    def serve(self, stream: socket.socket) -> None:
        with suppress(OSError):
            if self._context is not None:
                stream = self._context.wrap_socket(stream, server_side=True)
            while data := stream.recv(65536):
                self.heard += data
                stream.sendall(b"-NOAUTH Authentication required.\r\n")
        stream.close()


@pytest.mark.parametrize("tls", [True, False], ids=["over TLS", "in plaintext"])
@pytest.mark.parametrize("conf", [MARKER, "# the package's own\n"], ids=["ours", "foreign"])
def test_a_program_that_took_the_port_is_sent_no_password(tls: bool, conf: str, short_path: Path) -> None:
    ca = authority.make_ca(NOW)
    write_tls(short_path, authority.make_ca(NOW), ("localhost",), NOW, 30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(short_path / "cert", short_path / "key")
    thief = Thief(context if tls else None)
    thief.start()
    direct = Direct(Served(SimpleNamespace(tls_port=thief.port, port=thief.port), ca))
    direct.key_digest, direct.confirmed = "0" * 64, False
    live = direct.look("none" if tls else "answer -NOAUTH", conf=conf)
    thief.socket.close()
    assert (live.reach, live.why) == (
        Reach.UNREACHED,
        f"another program may have taken port {thief.port}: no password was sent; run again",
    )
    assert b"PING" in thief.heard
    assert b"AUTH" not in thief.heard
    assert direct.asked[0] == ("127.0.0.1", thief.port)
