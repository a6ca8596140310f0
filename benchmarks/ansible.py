"""The same job by Ansible, as a playbook of builtin modules (playbook/), and by Ansible with mitogen.

Both come from PyPI into a virtual environment of their own, outside the checkout, and work on hosts of their own:
pipelining, kept connections, and all hosts at once.
"""

import json
import secrets
import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.environment import environment
from benchmarks.measured import SECONDS, Case
from noevict.pki import authority
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host
from tests.lab.machine import run

# The last release that runs on Python 3.11, and that this mitogen was made for.
PACKAGES = ("ansible-core>=2.19,<2.20", "mitogen>=0.3.54,<0.4")
PLAIN = "(f) ansible-core, the same job"
MITOGEN = "(g) ansible-core with mitogen, the same job"

CONFIG = """
[defaults]
inventory = {directory}/hosts.json
forks = {forks}
interpreter_python = /usr/bin/python3
host_key_checking = True
{more}

[ssh_connection]
pipelining = True
control_path_dir = {directory}/control
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=600 -o UserKnownHostsFile={known_hosts}
"""

STRATEGY = """
strategy_plugins = {place}
strategy = mitogen_linear
"""


@dataclass(frozen=True)
class Ansible:
    """A directory from which the playbook runs; ``first``: the seconds that the first provisioning took."""

    checkout: Checkout
    hosts: list[Host]
    rounds: int

    def provision(self) -> float:
        """Seconds. Raise SystemExit if it fails."""
        began = time.monotonic()
        done = self.checkout.run(*self._command("plain"), timeout=SECONDS)
        if done.returncode != 0:
            raise SystemExit(str(done))
        return time.monotonic() - began

    def cases(self) -> list[Case]:
        """Runs with nothing to change."""
        fine = partial(unchanged, hosts=len(self.hosts))
        return [
            Case(name, self.checkout, self._command(way), fine=fine, rounds=self.rounds)
            for name, way in ((PLAIN, "plain"), (MITOGEN, "mitogen"))
        ]

    def _command(self, way: str) -> tuple[str, ...]:
        config = f"ANSIBLE_CONFIG={self.checkout.home}/{way}.cfg"
        playbook = f"{self.checkout.root}/benchmarks/playbook/site.yml"
        return ("env", config, f"{environment('ansible', *PACKAGES)}/bin/ansible-playbook", playbook)


def unchanged(done: Result, hosts: int) -> bool:
    """Whether Ansible's recap says so of every host."""
    return done.returncode == 0 and done.output.count(" changed=0 ") == hosts


def prepare(checkout: Checkout, hosts: list[Host], rounds: int) -> Ansible:
    """Inventory, configurations, certificates: all but the hosts themselves."""
    home, claim = checkout.home, hosts[0].claim
    shared = {
        "ansible_ssh_private_key_file": str(claim.key),
        "certificates": str(home),
        "admin_password": secrets.token_urlsafe(24),
    }
    listed = {host.name: {"ansible_host": host.address} for host in hosts}
    (home / "hosts.json").write_text(json.dumps({"redis": {"hosts": listed, "vars": shared}}))
    place = next(
        environment("ansible", *PACKAGES).glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy")
    )
    for way, more in (("plain", ""), ("mitogen", STRATEGY.format(place=place))):
        configuration = CONFIG.format(
            directory=home, forks=len(hosts), known_hosts=claim.known_hosts, more=more
        )
        (home / f"{way}.cfg").write_text(configuration)
    _make_certificates(home, hosts)
    return Ansible(checkout, hosts, rounds)


def _make_certificates(directory: Path, hosts: list[Host]) -> None:
    now = datetime.now(UTC)
    ca = authority.make_ca(now)
    (directory / "ca.crt").write_text(ca.certificate_pem)
    for host in hosts:
        key = directory / f"{host.name}.key"
        new = f"-new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=redis -keyout {key}"
        request = run("openssl", "req", *shlex.split(new))
        names = [host.address, host.name, "localhost"]
        (directory / f"{host.name}.crt").write_text(authority.sign_request(ca, request, names, now, 90))
