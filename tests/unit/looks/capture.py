"""``python -m tests.unit.looks.capture``: looks at real hosts again, for when the look prints something else.

NAME.txt is what the look prints; NAME.json what the host's server reports: CONFIG GET *, ACL LIST, INFO and its
catalogue of commands. Root, and half a minute.
"""

import functools
import json
import socket
import tempfile
from pathlib import Path

from noevict.client import client
from noevict.engines.package_layout import LAYOUTS
from noevict.pki import contexts
from noevict.scripts import look_script
from noevict.secrets.store import Secrets
from noevict.server.live import Live, Reach
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.unit.looks.captured import HERE, HOSTS, PASSWORDS

OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
SUITES = {"bookworm": "bookworm"}  # the others are trixie


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory, Lab() as lab:
        specs = [
            Spec(SUITES.get(name, "trixie"), name=name, memory=2000, systemd=name != "init") for name in HOSTS
        ]
        hosts = {host.name: host for host in lab.boot(*specs)}
        for host in hosts.values():
            # The machine's own, whatever it is, is no host's to set.
            host.run(f"echo 1 >/run/overcommit && mount --bind /run/overcommit {OVERCOMMIT}")
        checkout = Checkout(Path(directory))
        provision(checkout, hosts)
        for name, engine in HOSTS.items():
            look = look_script((LAYOUTS[engine], LAYOUTS[engine].other), (6379, 0))
            (HERE / f"{name}.txt").write_text(hosts[name].run("bash -s", input=look).stdout)
            if name != "fresh":
                (HERE / f"{name}.json").write_text(
                    json.dumps(reported(checkout, hosts[name]), indent=0) + "\n"
                )


def provision(checkout: Checkout, hosts: dict[str, Host]) -> None:
    """All but the fresh one, with passwords that the tests know."""
    checkout.secrets.mkdir(mode=0o700)
    users = checkout.secrets / "users.yml"
    users.touch(mode=0o600)
    users.write_text("".join(f"{user}: {password}\n" for user, password in PASSWORDS.items()))
    managed = [host for name, host in hosts.items() if name != "fresh"]
    checkout.list_hosts(managed, each={name: {"redis_engine": engine} for name, engine in HOSTS.items()})
    done = checkout.run("pyinfra", "-y", "inventory", "deploy.py")
    assert done.returncode == 0, done


def reported(checkout: Checkout, host: Host) -> dict[str, object]:
    """What ``client.gather_facts`` reads, in JSON's types."""
    secrets = Secrets.load(checkout.secrets)
    assert secrets is not None
    connection = client.connect(
        functools.partial(socket.create_connection, (host.address, 6379)),
        context=contexts.trusting(secrets.ca.certificate_pem.encode()),
        name=host.address,
        user="admin",
        password=secrets.known_host(host.name).password("admin"),
    )
    live: Live = client.gather_facts(connection, Reach.TLS, user="admin", port=6379)
    connection.close()
    assert live.catalogue is not None
    return {
        "config": live.config,
        "acl": live.acl,
        "info": live.info,
        "commands": sorted(live.catalogue.commands),
        "categories": {name: sorted(members) for name, members in live.catalogue.categories},
    }


if __name__ == "__main__":
    main()
