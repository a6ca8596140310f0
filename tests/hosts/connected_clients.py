"""Clients that are connected while something is done to their server, and record what they notice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import IncompleteRead
from urllib.error import URLError

import redis

from tests.hosts.deployment import wait_for
from tests.hosts.exporter_checks import scrape, value
from tests.lab.host import Host

PAUSE = 0.2  # a machine of two cores has other things to do
Connect = Callable[..., "redis.Redis"]


@dataclass
class Client:
    """Something done again and again; whatever goes wrong is one of ``errors``. ``done``: how often it went well."""

    what: str
    errors: list[str] = field(default_factory=list)
    done: int = 0
    pause: float = PAUSE
    _stopped: bool = False
    _wake: threading.Event = field(default_factory=threading.Event)

    def attempt(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        while not self._stopped:
            try:
                self.attempt()
                self.done += 1
            except (redis.RedisError, OSError, AssertionError) as error:
                self.errors.append(f"{self.what}: {type(error).__name__}: {error}")
            self._wake.wait(self.pause)
            self._wake.clear()

    def hurry(self) -> None:
        """End the pause."""
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self.hurry()


@dataclass
class Asking(Client):
    """One connection, over which a command is sent."""

    client: "redis.Redis | None" = None
    ask: Callable[["redis.Redis", int], object] = lambda client, _: client.ping()

    def attempt(self) -> None:
        assert self.client
        self.ask(self.client, self.done)


@dataclass
class Waiting(Client):
    """One connection that waits in BLPOP, with no limit of time, for what ``release`` pushes."""

    client: "redis.Redis | None" = None

    def attempt(self) -> None:
        assert self.client
        assert self.client.blpop(["waiting"], timeout=0) == ("waiting", "go on")

    def release(self, other: "redis.Redis") -> None:
        self.stop()
        other.lpush("waiting", "go on")


@dataclass
class Listening(Client):
    """One connection that has subscribed to a channel; ``attempt`` is to hear the next message."""

    pubsub: "redis.client.PubSub | None" = None

    def attempt(self) -> None:
        assert self.pubsub
        if message := self.pubsub.get_message(ignore_subscribe_messages=True, timeout=1):
            assert message["data"] == str(self.done), message
        else:
            self.done -= 1


@dataclass
class LoggingIn(Client):
    """A new connection each time, certificate and password checked."""

    connect: Connect | None = None

    def attempt(self) -> None:
        assert self.connect
        with closing(self.connect()) as client:
            client.ping()


@dataclass
class Scraping(Client):
    """What Prometheus sees: an exporter that answers, and that Redis lets in.

    While one is restarted nobody listens on its port, and an answer under way is cut: who restarts it, when, is for
    the test to compare.
    """

    host: Host | None = None

    def attempt(self) -> None:
        assert self.host
        try:
            samples = scrape(self.host)
        except (OSError, IncompleteRead) as error:
            cause = error.reason if isinstance(error, URLError) else error
            if not isinstance(cause, ConnectionError | IncompleteRead):
                raise
            self.done -= 1
            return
        assert value(samples, "redis_up") == 1, "redis_up is not 1"


@dataclass
class Connected:
    """All clients of one host. ``addresses``: of each, by what it is: the server lists connections by it.

    ``admin``: one more connection, for the tests, which is let in already.
    """

    host: Host
    everyone: list[Client]
    addresses: dict[str, str]
    admin: "redis.Redis"
    threads: list[threading.Thread] = field(default_factory=list)

    def ids(self) -> dict[str, str | None]:
        """Of the connections, as the server gave them; None for one that it has no longer."""
        found = {each["addr"]: each["id"] for each in self.admin.client_list()}
        return {what: found.get(address) for what, address in self.addresses.items()}

    def take_errors(self) -> list[str]:
        """What went wrong since they were asked last."""
        reported = [error for client in self.everyone for error in client.errors]
        for client in self.everyone:
            client.errors.clear()
        return reported

    def wait_for_more(self) -> None:
        """Until each has done something once more, or noticed that it cannot."""
        busy = [client for client in self.everyone if not isinstance(client, Waiting | Listening)]
        before = {id(client): client.done for client in busy}

        def all_did() -> bool:
            # One that was under way may have begun long ago.
            late = [each for each in busy if each.done < before[id(each)] + 2 and not each.errors]
            for client in late:
                client.hurry()
            return not late

        wait_for(f"the clients of {self.host}", all_did, 120)


def _write(client: "redis.Redis", number: int) -> None:
    with client.pipeline(transaction=True) as pipe:
        pipe.set("written", number).rpush("all", number).execute()


def _address(connection: "redis.Connection") -> str:
    address, port = connection._sock.getsockname()[:2]
    return f"{address}:{port}"


def _publish(client: "redis.Redis", number: int) -> None:
    assert client.publish("news", str(number)) == 1, "nobody listens any more"


@contextmanager
def connected_clients(
    host: Host, connect: Callable[..., "redis.Redis"], *, exporter: bool
) -> Iterator[Connected]:
    """Clients of the built-in users, from before the block until after it. ``connect``: user, options -> a client."""
    with ExitStack() as stack:

        def one(user: str) -> "redis.Redis":
            made: redis.Redis = stack.enter_context(closing(connect(user, single_connection_client=True)))
            made.connection.connect()
            return made

        waiting = one("app")
        waiting.connection._sock.settimeout(None)
        waiting.connection.socket_timeout = None
        pubsub = stack.enter_context(closing(one("app").pubsub()))
        pubsub.subscribe("news")
        listening, wait = Listening("a subscriber", pubsub=pubsub), Waiting("BLPOP", client=waiting)
        asking = [
            Asking("app writes", client=one("app"), ask=_write),
            Asking("app publishes", client=one("app"), ask=_publish),
            Asking("health", client=one("health")),
            Asking("exporter", client=one("exporter"), ask=lambda client, _: client.info()),
            Asking("admin", client=one("admin"), ask=lambda client, _: client.config_get("maxmemory")),
        ]
        sockets = {each.what: each.client.connection for each in (*asking, wait) if each.client}
        sockets[listening.what] = pubsub.connection
        addresses = {what: _address(each) for what, each in sockets.items()}
        everyone = [
            *asking,
            wait,
            listening,
            LoggingIn("app logs in", pause=10 * PAUSE, connect=lambda: connect("app")),
        ]
        if exporter:
            everyone.append(Scraping("Prometheus", pause=5 * PAUSE, host=host))
        clients = Connected(host, everyone, addresses, one("admin"))
        clients.threads = [threading.Thread(target=each.run, daemon=True) for each in everyone]
        for thread in clients.threads:
            thread.start()
        try:
            clients.wait_for_more()
            yield clients
        finally:
            for each in everyone:
                each.stop()
            with closing(connect("app")) as last:
                wait.release(last)
            for thread in clients.threads:
                thread.join(30)
