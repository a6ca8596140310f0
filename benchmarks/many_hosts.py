"""An SSH server that is many hosts, each at a loopback address of its own: ``python many_hosts.py DIRECTORY``.

A host answers the look with what a real one answered; the look's time is now. Its Redis is that host's, over TLS with
a certificate of its own. Anything else that is asked of it fails: only a clean run is measured with it. DIRECTORY holds
hosts.json (see ``scale.write_hosts``) and what that names; a line "ready PORT" on stdout reports the port.

A process of its own, so that what it takes is not the controller's. Only asyncssh is needed.
"""

import asyncio
import contextlib
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh

CHUNK = 65536
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Hosts:
    """By address. ``redis``: of the real one, [address, port]."""

    def __init__(self, directory: Path) -> None:
        given = json.loads((directory / "hosts.json").read_text())
        self.directory = directory
        self.looks: dict[str, str] = given["looks"]
        self.redis: tuple[str, int] = tuple(given["redis"])
        # The real one's certificate is no part of what is measured.
        self.trusting = ssl._create_unverified_context()  # noqa: S323

    async def serve_redis(self) -> None:
        """Each at a socket named as its address."""
        for address in self.looks:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.directory / f"{address}.crt", self.directory / "server.key")
            await asyncio.start_unix_server(self._carry, self.directory / address, ssl=context)

    async def _carry(self, *client: Any) -> None:
        server = await asyncio.open_connection(*self.redis, ssl=self.trusting)
        await asyncio.gather(_pour(client[0], server[1]), _pour(server[0], client[1]))


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()


class Server(asyncssh.SSHServer):
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        if conn.get_extra_info("sockname")[0] not in self._hosts.looks:
            conn.abort()  # of another network

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        return True

    def connection_requested(self, *_: object) -> Any:
        address = self._connection.get_extra_info("sockname")[0]
        return self._connection.forward_unix_connection(str(self._hosts.directory / address))


async def serve(directory: Path) -> None:
    hosts = Hosts(directory)

    async def answer(process: asyncssh.SSHServerProcess[str]) -> None:
        asked = await process.stdin.read()
        if "end-of-look" in asked:
            address = process.get_extra_info("sockname")[0]
            process.stdout.write(hosts.looks[address].replace("TIME", str(int(time.time())), 1))
            process.exit(0)
        else:
            process.stderr.write("this host answers only a look\n")
            process.exit(1)

    await hosts.serve_redis()
    listener = await asyncssh.listen(
        "0.0.0.0",  # noqa: S104 - every address below 127.0.0.0/8; others are hung up on
        0,
        server_factory=lambda: Server(hosts),
        server_host_keys=[directory / "host.key"],
        process_factory=answer,
        backlog=4096,
        keepalive_interval=0,
    )
    print("ready", listener.get_port(), flush=True)
    await listener.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
