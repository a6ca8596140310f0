"""docs/passwords.md, done literally: the password of ``app`` changes, and no client is turned away at any moment."""

import threading
from contextlib import closing

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.hosts.conftest import Boot
from tests.hosts.deployment import assert_clean, deploy, wait_for, write_settings
from tests.lab.checkout import Checkout
from tests.lab.host import Host


def url(checkout: Checkout, host: Host, user: str) -> str:
    return checkout.run("noevict", "url", host.name, "--user", user).stdout.strip()


def connect(checkout: Checkout, address: str) -> "redis.Redis":
    """What a test sees is the server's first answer."""
    ca = str(checkout.secrets / "ca.crt")
    return redis.Redis.from_url(address, ssl_ca_certs=ca, socket_timeout=10, retry=Retry(NoBackoff(), 0))


class Clients:
    """Five clients of a host that reconnect all the time, and one that never does."""

    def __init__(self, checkout: Checkout, host: Host) -> None:
        self._checkout, self._host = checkout, host
        self._urls = [url(checkout, host, "app")] * 5
        self.kept = connect(checkout, self._urls[0])
        self.kept_id = self.kept.client_id()
        self.refused: list[str] = []
        self.served = 0
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._use, args=(number,)) for number in range(5)]
        for thread in self._threads:
            thread.start()

    def roll_over_to(self, user: str) -> None:
        """One after the other."""
        for number in range(5):
            self._urls[number] = url(self._checkout, self._host, user)

    def _use(self, number: int) -> None:
        while not self._ended.wait(0.05):
            try:
                with closing(connect(self._checkout, self._urls[number])) as client:
                    client.incr("served")
                    self.served += 1
            except redis.RedisError as error:
                self.refused.append(str(error))

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self.kept.close()


def connected_as(user: str, checkout: Checkout, host: Host) -> list[int]:
    reported = checkout.run("noevict", "cli", host.name, "--user", "admin", "CLIENT", "LIST").stdout
    return [
        int(line.split()[0].removeprefix("id=")) for line in reported.splitlines() if f"user={user} " in line
    ]


def test_the_password_of_app_changes_by_way_of_a_second_user(boot: Boot, checkout: Checkout) -> None:
    hosts = boot("bookworm", "trixie")
    checkout.list_hosts(hosts)
    deploy(checkout)
    clients = {host: Clients(checkout, host) for host in hosts}
    try:
        before = url(checkout, hosts[0], "app")
        write_settings(checkout, redis_users={"app2": "app"})
        deploy(checkout)
        for host, each in clients.items():
            each.roll_over_to("app2")
            last = [each.kept_id]
            wait_for(
                "the rest is app2", lambda host=host, last=last: connected_as("app", checkout, host) == last
            )

        users = checkout.secrets / "users.yml"
        users.write_text("".join(line for line in users.open() if not line.startswith("app:")))
        deploy(checkout)
        assert url(checkout, hosts[0], "app") != before
        with closing(connect(checkout, before)) as old, pytest.raises(redis.AuthenticationError):
            old.ping()
        for host, each in clients.items():
            assert each.kept.client_id() == each.kept_id  # who was logged in stays so
            each.roll_over_to("app")
            wait_for("nobody is app2", lambda host=host: not connected_as("app2", checkout, host))
        write_settings(checkout)
        deploy(checkout)
        assert_clean(checkout)
    finally:
        for each in clients.values():
            each.end()
    assert [each.refused for each in clients.values()] == [[], []]
    assert all(each.served > 100 for each in clients.values())
