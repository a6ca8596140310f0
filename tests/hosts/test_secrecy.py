"""Never open, not for a moment; and no secret anywhere but in secrets/."""

import base64
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from noevict.secrets.host_passwords import PER_HOST
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, assert_clean, deploy
from tests.hosts.port_prober import probing_ports
from tests.hosts.user_certificate import UserCertificateFiles
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample

SAMPLE = r"""
import os, select, sys
seen = set()
print("sampling", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for process in os.listdir("/proc"):
        if process.isdigit():
            for name in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{process}/{name}", "rb") as file:
                        seen.add(file.read())
                except OSError:
                    pass
sys.stdout.buffer.write(b"\n".join(seen))
"""
"""Collects the command line and environment of every process of this machine, its hosts' included."""


SYSTEMS: dict[str, tuple[str, EngineName]] = {
    "bookworm": ("bookworm", "redis"),
    "trixie": ("trixie", "redis"),
    "trixie with Valkey": ("trixie", "valkey"),
}
"""Name of the case -> release of Debian, engine."""


@pytest.mark.parametrize("system", sample(SYSTEMS, "bookworm", "trixie with Valkey"))
def test_at_no_moment_of_its_first_provisioning_is_a_host_open(
    checkout: Checkout, boot: Boot, system: tuple[str, EngineName]
) -> None:
    suite, engine = system
    [host] = boot(suite)
    checkout.list_hosts([host], redis_engine=engine)
    with probing_ports([host], pause=0.002, tls_each=1) as probed:
        deploy(checkout)
        host.run(f"systemctl restart {LAYOUTS[engine].unit}")
        assert_clean(checkout)
    answers = [answer for one in probed[host.name] for answer in one]
    reported = [answer for answer in answers if " b" in answer and not answer.endswith(" b''")]
    assert reported, answers  # it was asked while it served
    assert all(answer.startswith("tls b'-NOAUTH") for answer in reported), answers


@contextmanager
def sampled_processes() -> Iterator[list[bytes]]:
    """All command lines and environments that were seen, in the list when the block is done."""
    command = (sys.executable, "-c", SAMPLE)
    seen: list[bytes] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sampler:
        assert sampler.stdin
        assert sampler.stdout
        assert sampler.stdout.readline() == b"sampling\n"
        try:
            yield seen
        finally:
            sampler.stdin.close()
            seen.append(sampler.stdout.read())


def test_no_secret_is_anywhere_but_in_secrets(checkout: Checkout, boot: Boot) -> None:
    """Through a take-over of an open Redis, a first provisioning, repairs, and every way to ask for more output."""
    fresh, foreign, mutual = boot("bookworm", "trixie", Spec("trixie", name="mutual"))
    own = UserCertificateFiles.make(checkout.root, [foreign.address, "localhost"])
    takeover = secrets.token_hex(16)
    foreign.run("apt-get update -q && apt-get install -qy redis-server", timeout=120)
    foreign.run("redis-cli", input=f"config set requirepass {takeover}\nauth {takeover}\nset kept 1\n")
    checkout.secrets.mkdir(mode=0o700)
    checkout.write("secrets/users.yml", f"takeover: {takeover}\n").chmod(0o600)
    checkout.list_hosts(
        [fresh, foreign, mutual],
        each={
            foreign.name: {"redis_takeover": True, **own.settings},
            "mutual": {"redis_tls_auth_clients": "yes", "redis_plaintext_port": 6380},
        },
        redis_users={"default": "app", "shop": {"profile": "app", "keys": ["shop:*"]}},
    )
    asked: Sequence[tuple[str, ...]] = (
        ("pyinfra", "-y", "-vvv", "--debug", "--diff", "inventory", "deploy.py"),
        ("pyinfra", "-y", "-vvv", "--debug", "--diff", "inventory", "deploy.py"),
        ("pyinfra", "--dry", "-vvv", "--diff", "inventory", "deploy.py"),
        ("pyinfra", "-y", "--debug-operations", "inventory", "deploy.py"),
        ("pyinfra", "-y", "--debug-facts", "inventory", "deploy.py"),
        ("pyinfra", "inventory", "debug-inventory"),
        ("pyinfra", "--json", "inventory", "debug-inventory"),
        ("noevict", "drift"),
        ("noevict", "drift", "--json"),
        ("noevict", "cert", "worker"),
    )
    with sampled_processes() as seen:
        outputs = [deploy(checkout).output]
        drift(checkout, fresh)
        outputs += [checkout.run(*command).output for command in asked]
        assert_clean(checkout)
    assert b"bash -s" in seen[0]
    assert b"/usr/bin/redis-server" in seen[0]

    needles = secrets_of(checkout, own)
    for output in outputs:
        assert_free_of(needles, output, "an output")
    assert_free_of(needles, seen[0].decode(errors="replace"), "a process")
    for host in (fresh, foreign, mutual):
        key = host.run("realpath /etc/redis/tls/server.key").stdout.split()
        assert files_with(needles.values(), host) == (key if host is foreign else [])
    holders = {path for path in checkout.root.parent.rglob("*") if path.is_file() and holds(path, needles)}
    assert {path.relative_to(checkout.root).parts[0] for path in holders} == {"secrets", own.key.name}
    assert {path.stat().st_mode & 0o077 for path in holders if path.parent != checkout.root} == {0}


def drift(checkout: Checkout, host: Host) -> None:
    """Something of each kind to repair, so that every operation runs."""
    with admin(checkout, host) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.execute_command("ACL SETUSER", "stranger", "on", "nopass", "+@all")
    host.run("rm /etc/redis/tls/server.key; echo databases 20 >> /etc/redis/redis.conf")
    host.run("systemctl restart redis-server", check=False)


def secrets_of(checkout: Checkout, own: UserCertificateFiles) -> dict[str, str]:
    """What must not be seen, by name. Of keys one line of their middle."""
    users: dict[str, str] = yaml.safe_load((checkout.secrets / "users.yml").read_text())
    keys = {"ca key": checkout.secrets / "ca.key", "own key": own.key}
    lines = {name: path.read_text().splitlines()[1] for name, path in keys.items()}
    packed = {"own key packed": base64.b64encode(own.key.read_bytes()).decode()[60:120]}
    users.pop("generation")  # a number and a digest, which hosts have too
    assert {"host_secret", "app", "shop", "default", "takeover"} <= users.keys()
    hosts = {name for group in yaml.safe_load(checkout.hosts_yml.read_text()).values() for name in group}
    found = Secrets.load(checkout.secrets)
    assert found is not None
    for name in hosts:
        users |= {f"{user} of {name}": found.known_host(name).password(user) for user in PER_HOST}
    assert users["default"] == users["takeover"]
    return {**users, **lines, **packed}


def assert_free_of(needles: dict[str, str], text: str, where: str) -> None:
    for name, needle in needles.items():
        assert needle not in text, (
            f"{name} is in {where}: ...{text[max(0, text.index(needle) - 500) :][:600]}"
        )


def holds(path: Path, needles: dict[str, str]) -> bool:
    data = path.read_bytes()
    return any(needle.encode() in data for needle in needles.values())


def files_with(needles: Iterable[str], host: Host) -> list[str]:
    """Every file on the host that holds one of them: logs, journal and temporary files included."""
    look = "grep -rlsF -f - / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev"
    return host.run(look, check=False, input="\n".join(needles), timeout=120).stdout.splitlines()
