"""Somebody who has become the server's user stays that: an attacker beside each kind of run wins nothing of root's.

tests/hosts/attacker/ is the attacker; `python -m tests.hosts.attacks CHECKOUT` shows what it wins elsewhere, and with
NOEVICT_ATTACKED these tests attack another checkout.
"""

import os
import re
import socket
from pathlib import Path

import pytest

from noevict.engines.package_layout import LAYOUTS
from noevict.scripts import confirm_peer
from tests.hosts.attacks import KINDS, KITS, KNOWN, RARE, Kit, Stage, attack, heal, play
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, assert_clean, deploy, wait_for
from tests.hosts.manual_changes import assert_filled, fill
from tests.lab.checkout import REPOSITORY, Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.sampling import sample

KEYS = 200
# On hosts of one kind after the other; a take-over needs others.
IN_TURN = [kind for kind in KINDS if kind != "take-over"]


ATTACKED = Path(os.environ.get("NOEVICT_ATTACKED", REPOSITORY))


def staged(boot: Boot, checkout: Checkout, kits: dict[str, Kit], suite: str = "trixie") -> Stage:
    """Hosts named as the kits, not provisioned yet."""
    return Stage(checkout, boot(*(Spec(suite, name=re.sub(r"\W+", "-", name)) for name in kits)))


@pytest.fixture(scope="module")
def stage(boot_for_module: Boot, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return staged(boot_for_module, Checkout(tmp_path_factory.mktemp("user"), repository=ATTACKED), KITS)


def assert_nothing_won(stage: Stage, kind: str, kits: dict[str, Kit]) -> None:
    done, won = attack(stage, KINDS[kind], list(kits.values()))
    lost = {name: lines for name, lines in zip(kits, won, strict=True) if lines}
    assert not lost, f"{lost}\n{done}"


@pytest.mark.parametrize(
    "kind",
    sample(
        IN_TURN,
        *("first provisioning", "a line of drift", "certificate", "restart", "engine change", "uninstall"),
    ),
)
def test_an_attacker_beside_a_run_wins_nothing_and_the_next_is_clean(stage: Stage, kind: str) -> None:
    try:
        assert_nothing_won(stage, kind, KITS)
    finally:
        heal(stage)
    for host in stage.hosts:
        with admin(stage.checkout, host) as client:
            if kind == IN_TURN[0]:
                fill(client, KEYS)
            assert_filled(client, KEYS)


def test_after_all_of_them_the_hosts_are_clean(stage: Stage) -> None:
    assert_clean(stage.checkout)


@pytest.fixture
def attacked(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, repository=ATTACKED)


@pytest.mark.parametrize("suite", sample(["bookworm", "trixie"], "trixie"))
def test_an_attacker_beside_a_take_over_wins_nothing(boot: Boot, attacked: Checkout, suite: str) -> None:
    stage = staged(boot, attacked, KITS, suite)
    assert_nothing_won(stage, "take-over", KITS)


@pytest.mark.parametrize("name", sample(KNOWN.keys(), "A.3", "A.4", "A.5", "A.7"))
def test_what_was_won_once_is_not_won_again(lab: Lab, attacked: Checkout, name: str) -> None:
    assert play(lab, attacked, KNOWN[name]) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", [*IN_TURN, "take-over"])
def test_nor_does_it_by_what_stops_most_runs_at_once(boot: Boot, attacked: Checkout, kind: str) -> None:
    stage = staged(boot, attacked, RARE)
    if kind not in (IN_TURN[0], "take-over"):
        heal(stage)
    assert_nothing_won(stage, kind, RARE)


# --- a program that took the server's port -----------------------------------------------------------------------

# Takes a port of both versions of IP, and every connection to it.
THIEF = """
import socket
taken = socket.create_server(("::", {port}), family=socket.AF_INET6, dualstack_ipv6=True)
open("/tmp/thief-{port}", "w")
kept = []
while True:
    kept.append(taken.accept())
    kept[-1][0].sendall(b"-NOAUTH Authentication required.\\r\\n")
"""


def steal(host: Host, port: int) -> None:
    host.write("/tmp/thief.py", THIEF.format(port=port))
    host.run(
        "setpriv --reuid=nobody --clear-groups setsid python3 /tmp/thief.py >/dev/null 2>&1 </dev/null &"
    )
    wait_for("the port is taken", lambda: host.run(f"ls /tmp/thief-{port}", check=False).returncode == 0)


# Holds the port's address without listening, and so does not keep the server from it.
SQUATTER = """
import socket, time
squatter = socket.socket()
squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
squatter.bind(("{address}", 6379))
squatter.connect(("{address}", 22))
open("/tmp/squatter", "w")
time.sleep(1000)
"""
# As a login through SSH: the connection is held by a process that the script comes from.
CONNECTED = """
import socket, subprocess
with socket.create_connection(("{address}", 6379)) as connection:
    subprocess.run(["bash", "/root/confirm"], check=True)
"""


def test_a_connection_that_somebody_else_makes_from_the_port_does_not_count(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    layout = LAYOUTS["redis"]
    host.run(f"systemctl stop {layout.unit}")
    host.write("/tmp/squatter.py", SQUATTER.format(address=host.address))
    host.run("setpriv --reuid=nobody --clear-groups setsid python3 /tmp/squatter.py >/dev/null 2>&1 &")
    wait_for("the address is held", lambda: host.run("ls /tmp/squatter", check=False).returncode == 0)
    host.run(f"systemctl start {layout.unit}")
    host.write("/root/confirm", confirm_peer(layout, host.address, 6379))
    host.write("/root/connected.py", CONNECTED.format(address=host.address))
    assert host.run("python3 /root/connected.py").stdout == "yes\n"
    assert host.run("bash /root/confirm").stdout == "no\n", "no connection comes from its own processes"
    host.run(f"systemctl stop {layout.unit}")
    steal(host, 6379)
    assert host.run("python3 /root/connected.py").stdout == "no\n"


@pytest.mark.parametrize("systemd", [True, False], ids=["systemd", "init script"])
def test_root_knows_who_holds_the_connections_to_a_port(
    boot: Boot, checkout: Checkout, systemd: bool
) -> None:
    [host] = boot(Spec("trixie", systemd=systemd))
    checkout.list_hosts([host])
    deploy(checkout)

    def confirmed(port: int) -> bool:
        answer = host.run("bash -s", input=confirm_peer(LAYOUTS["redis"], host.address, port)).stdout
        assert answer in ("yes\n", "no\n")
        return answer == "yes\n"

    def connect(port: int) -> socket.socket:
        return socket.create_connection((host.address, port), 10)

    assert not confirmed(6379), "nobody is connected"
    with connect(6379), admin(checkout, host) as client:
        wait_for("the server has accepted it", lambda: confirmed(6379))
        # A server that stops closes its port first, and keeps its clients for as long as it saves.
        client.config_set("tls-port", 6390)
        assert confirmed(6379)
        steal(host, 6379)
        with connect(6379) as stolen:
            assert stolen.recv(100).startswith(b"-NOAUTH")
            assert not confirmed(6379)
        steal(host, 7000)
        with connect(7000) as stolen:
            assert stolen.recv(100).startswith(b"-NOAUTH")
            assert not confirmed(7000)
