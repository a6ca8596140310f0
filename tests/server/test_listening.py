"""What noevict counts on if an address comes later: how servers bind, asked of each release.

The server runs in a network of its own, so that addresses can come and go; its client comes by a unix socket.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from noevict.server.listening import missing
from tests.lab.servers import BINARIES, Binary, Running, wait_for

LATER = ("10.99.0.7", "fd99::7")
PORT = 6379


@dataclass
class Networked:
    """A server and its network."""

    server: Running

    def ip(self, *words: str) -> None:
        command = ["nsenter", "--net", "--target", str(self.server.pid), "ip", *words]
        subprocess.run(command, check=True, capture_output=True)

    def sockets(self) -> set[str]:
        """Addresses that are listened on, as ip_address takes them."""
        found = set()
        for name in ("tcp", "tcp6"):
            lines = Path(f"/proc/{self.server.pid}/net/{name}").read_text().splitlines()[1:]
            for _, local, _, state, *_ in map(str.split, lines):
                address, _, port = local.partition(":")
                if state == "0A" and int(port, 16) == PORT:
                    found.add(_address(address))
        return found


def _address(text: str) -> str:
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    octets = b"".join(words)
    if len(octets) == 4:
        return ".".join(map(str, octets))
    return ":".join(octets[at : at + 2].hex() for at in range(0, 16, 2))


class InNetwork(Binary):
    """A server program in a network of its own, with loopback up."""

    def command(self, *arguments: str) -> list[str]:
        inside = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
        return ["unshare", "--net", *inside, *super().command(*arguments)]


@pytest.fixture(params=BINARIES, ids=lambda it: it.id)
def networked(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Networked]:
    binary: Binary = request.param
    words = " ".join(("127.0.0.1", "-::1", *(f"-{each}" for each in LATER)))
    conf = f'port {PORT}\nbind {words}\nunixsocket "{short_path}/s"\nsave ""\nprotected-mode no\n'
    server = Running(InNetwork(binary.id, binary.suite, binary.engine), conf, directory=short_path)
    yield Networked(server)
    server.stop()


def test_bind_set_to_what_it_is_binds_addresses_that_came_later_and_cuts_nobody_off(
    networked: Networked,
) -> None:
    server, ports = networked.server, "addr add {} dev lo"
    words = server.redis.config_get("bind")["bind"].split()
    before = networked.sockets()
    assert missing(words, before, ["::1"], ipv6=True) == []
    for address in LATER:
        networked.ip(*ports.format(f"{address}/{128 if ':' in address else 32}").split())
    assert networked.sockets() == before
    assert missing(words, networked.sockets(), ["::1", *LATER], ipv6=True) == list(LATER)
    client, run_id = server.client(single_connection_client=True), server.redis.info("server")["run_id"]
    client_id = client.client_id()
    server.redis.config_set("bind", " ".join(words))
    wait_for("all are listened on", lambda: len(networked.sockets()) == len(before) + len(LATER))
    assert missing(words, networked.sockets(), ["::1", *LATER], ipv6=True) == []
    assert (client.client_id(), server.redis.info("server")["run_id"]) == (client_id, run_id)


def test_all_of_ipv6_is_nothing_of_ipv4(networked: Networked) -> None:
    networked.server.redis.config_set("bind", "::*")
    wait_for("it is bound", lambda: networked.sockets() == {"0000:" * 7 + "0000"})
    probe = "exec 3<>/dev/tcp/127.0.0.1/6379"
    inside = ["nsenter", "--net", "--target", str(networked.server.pid), "bash", "-c", probe]
    assert subprocess.run(inside, check=False, capture_output=True).returncode == 1
    networked.server.redis.config_set("bind", "* -::*")
    wait_for("both are", lambda: len(networked.sockets()) == 2)
