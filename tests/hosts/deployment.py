"""Runs the users' commands, and asks a host and its Redis what they did."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from noevict.secrets.store import Secrets
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host

DEPLOY = ("pyinfra", "-y", "--json", "inventory", "deploy.py")


def deploy(checkout: Checkout, *, code: int = 0) -> Result:
    """The users' command; it must end with that exit code."""
    done = checkout.run(*DEPLOY)
    assert done.returncode == code, done
    return done


def changes(done: Result) -> int:
    """How many operations changed something, all hosts together."""
    return int(done.json["results"]["totals"]["success"])


def operations(done: Result) -> list[str]:
    """Those that changed something, in their order."""
    return [each["name"] for each in done.json["results"]["operations"] if each["success"]]


def assert_clean(checkout: Checkout) -> None:
    """Another run finds nothing to change."""
    done = deploy(checkout)
    assert changes(done) == 0, done
    assert "due:" not in done.output, done


@dataclass(frozen=True)
class ManagedFile:
    """What stat and sha256sum print about it."""

    sha256: str
    owner: str
    mode: str
    changed: str


def managed_files(host: Host, engine: EngineName = "redis") -> dict[str, ManagedFile]:
    """Every file that noevict promises to manage. Raise LabError if one is missing."""
    names = LAYOUTS[engine]
    tls = (f"{names.tls}/{name}" for name in ("ca.crt", "server.crt", "server.key"))
    paths = (names.conf, names.aclfile, *tls, names.dropin, "/etc/sysctl.d/60-noevict.conf")
    reported = host.run(f"stat -c '%U:%G %a %y' {' '.join(paths)}; sha256sum {' '.join(paths)}").stdout
    lines = reported.splitlines()
    stats, sums = lines[: len(paths)], lines[len(paths) :]
    files = {}
    for path, stat, digest in zip(paths, stats, sums, strict=True):
        owner, mode, changed = stat.split(" ", 2)
        files[path] = ManagedFile(digest.split()[0], owner, mode, changed)
    return files


def engine_of(host: Host) -> EngineName:
    """In a Fleet a host of that name gets Valkey, every other one Redis."""
    return "valkey" if host.name == "valkey" else "redis"


@dataclass(frozen=True)
class Fleet:
    """Hosts provisioned together, by one command; ``fleet["trixie"]`` is the one of that name."""

    checkout: Checkout
    hosts: list[Host]

    def __getitem__(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    def list_hosts(self, each: Mapping[str, Mapping[str, Any]] | None = None, **settings: Any) -> None:
        """Their hosts.yml, with these settings for all of them; ``each``, by the host's name, for only one."""
        own = {
            host.name: {"redis_engine": engine_of(host), **(each or {}).get(host.name, {})}
            for host in self.hosts
        }
        self.checkout.list_hosts(self.hosts, each=own, **settings)


def host_password(checkout: Checkout, host: Host, user: str) -> str:
    """What `noevict url` has, if hosts.yml names the host so."""
    secrets = Secrets.load(checkout.secrets)
    assert secrets is not None
    return secrets.known_host(host.name).password(user)


def connect(
    checkout: Checkout, host: Host, user: str = "admin", port: int = 6379, **options: Any
) -> "redis.Redis":
    """From this machine, as a client: TLS, the CA and the address checked, with the user's password."""
    standing: dict[str, Any] = {
        "host": host.address,
        "port": port,
        "username": user,
        "password": host_password(checkout, host, user),
        "ssl": True,
        "ssl_ca_certs": str(checkout.secrets / "ca.crt"),
        "ssl_check_hostname": True,
        "decode_responses": True,
        "socket_timeout": 10,
        "socket_connect_timeout": 10,
        "retry": Retry(NoBackoff(), 0),  # what a test sees is the server's first answer
    }
    return redis.Redis(**(standing | options))


@contextlib.contextmanager
def admin(checkout: Checkout, host: Host, **options: Any) -> Iterator["redis.Redis"]:
    """``connect``, closed at the end of the block."""
    client = connect(checkout, host, **options)
    try:
        yield client
    finally:
        client.close()


def run_id(checkout: Checkout, host: Host, **options: Any) -> str:
    """Another one after each start of the server."""
    with admin(checkout, host, **options) as client:
        return str(client.info("server")["run_id"])


def run_ids(fleet: Fleet) -> list[str]:
    """Of all its hosts, in their order."""
    return [run_id(fleet.checkout, host) for host in fleet.hosts]


def config(checkout: Checkout, host: Host, *names: str, **options: Any) -> Mapping[str, str]:
    """CONFIG GET of these directives."""
    with admin(checkout, host, **options) as client:
        found: Mapping[str, str] = client.config_get(*names)
        return found


def write_settings(checkout: Checkout, group: str = "redis", **settings: Any) -> None:
    """The group's group_data file, with these settings and no others."""
    lines = [f"{name} = {json.dumps(value) if isinstance(value, str) else repr(value)}\n"
             for name, value in settings.items()]  # fmt: skip
    checkout.write(f"group_data/{group}.py", "".join(lines))


def is_idle(client: "redis.Redis") -> bool:
    """Whether no append-only files are being rewritten."""
    info = client.info("persistence")
    return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]


def wait_for(what: str, look: Callable[[], object], seconds: float = 20) -> None:
    """Until ``look`` says something true. AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
