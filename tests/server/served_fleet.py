"""A fleet of real servers over TLS, as hosts.yml and secrets/ of a checkout name them, and `noevict serve` over it."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from noevict.acl.profiles import render_acl, user_names, wanted_users
from noevict.pki import authority
from noevict.secrets.host_passwords import PER_HOST
from noevict.secrets.store import Secrets
from tests.lab.servers import Binary, Running, free_port, wait_for

REPOSITORY = Path(__file__).parents[2]
NAMES = ("localhost", "127.0.0.1")
CONF = """port 0
bind 127.0.0.1
tls-port {port}
tls-cert-file "{directory}/server.crt"
tls-key-file "{directory}/server.key"
tls-ca-cert-file "{directory}/ca.crt"
tls-auth-clients no
aclfile "{directory}/users.acl"
dir "{directory}/data"
maxmemory 200mb
maxmemory-policy noeviction
save ""
enable-debug-command yes
"""


@dataclass
class Site:
    """A checkout's files, and the servers its hosts.yml names. ``directory`` has a short path."""

    directory: Path
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in "inventory", "deploy.py":
            (self.directory / name).touch()
        users = ["admin", *user_names({})]
        self.secrets = Secrets.create(self.directory / "secrets").draft_passwords(users).save()

    def start(
        self,
        name: str,
        binary: Binary,
        *lines: str,
        prepare: Callable[[Path], object] | None = None,
        **data: Any,
    ) -> Running:
        """A host's server, with the users of every host; ``lines`` go to its configuration, ``data`` to hosts.yml.

        ``prepare`` is called with its data directory before it starts.
        """
        where = self.directory / f"s{len(self.servers)}"
        (where / "data").mkdir(parents=True)
        if prepare:
            prepare(where / "data")
        self.certify(where)
        self.users(where, binary, name)
        conf = CONF.replace("{port}", str(free_port())) + "".join(f"{line}\n" for line in lines)
        ssl = {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
        admin = {"username": "admin", "password": self.secrets.known_host(name).password("admin"), **ssl}
        running = Running(binary, conf, directory=where, client=admin)
        self.servers.append(running)
        self.add(name, running.tls_port, **data)
        return running

    def add(self, name: str, port: int, **data: Any) -> None:
        """A host without a server of its own: if it is another host's, that takes this one's passwords too."""
        self.hosts[name] = {"ssh_hostname": "127.0.0.1", "redis_port": port, **data}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump({"redis": self.hosts}))
        for server in (each for each in self.servers if each.tls_port == port):
            for user in PER_HOST:
                server.redis.execute_command("ACL", "SETUSER", user, f">{self.password(user, name)}")

    def password(self, user: str, host: str) -> str:
        """Of a host that was never renamed."""
        return self.secrets.known_host(host).password(user)

    def name_of(self, server: Running) -> str:
        return next(name for name, data in self.hosts.items() if data["redis_port"] == server.tls_port)

    def users(self, where: Path, binary: Binary, name: str) -> None:
        digests = self.secrets.known_host(name).digests(user_names({}))
        (where / "users.acl").write_text(render_acl(wanted_users({}, digests, binary.server)))

    def certify(
        self, where: Path, names: Sequence[str] = NAMES, days: int = 90, ca: authority.Authority | None = None
    ) -> None:
        """A certificate, of the fleet's CA or another, that has so many days left, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        )
        pem = request.public_bytes(serialization.Encoding.PEM).decode()
        certificate = authority.sign_request(ca or self.secrets.ca, pem, names, datetime.now(UTC), days)
        (where / "server.crt").write_text(certificate)
        (where / "ca.crt").write_text(self.secrets.ca.certificate_pem)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (where / "server.key").write_bytes(key.private_bytes(*form))

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


@dataclass(frozen=True)
class Answer:
    """What the service answered."""

    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


class Service:
    """A running `noevict serve` in a checkout's directory."""

    def __init__(self, directory: Path, *arguments: str, open_files: int | None = None) -> None:
        """``open_files``: the most that its process may have (RLIMIT_NOFILE, hard)."""
        limit = () if open_files is None else ("prlimit", f"--nofile={open_files}:{open_files}")
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        for name in ("NOEVICT_HOSTS", "NOEVICT_SECRETS", "NOEVICT_STATE"):
            environment.pop(name, None)
        self.log = directory / "serve.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*limit, sys.executable, "-m", "noevict", "serve", "--port", "0", *arguments],
                cwd=directory,
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            self.url = wait_for("the service says where it is", self._where, 60)
            wait_for("it answers", self._ready, 60)
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def memory(self) -> int:
        """The most it ever took, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10

    def get(self, path: str, **headers: str) -> Answer:
        request = urllib.request.Request(f"{self.url}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Answer(reply.status, dict(reply.headers), reply.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode())

    def health(self, host: str) -> dict[str, Any]:
        return self.get(f"/health/redis/{host}").json

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def _where(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"http://\S+?(?=/\n)", self.log.read_text())
        return found and found[0]

    def _ready(self) -> bool:
        try:
            return self.get("/livez").code == 200
        except OSError:
            return False
