"""A server that lies, in each state of a run: only its host fails, clearly, and the run's memory is bounded."""

import re
import sys
from pathlib import Path

import pytest

from tests.hosts import hostile_server
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, Fleet, deploy
from tests.hosts.manual_changes import lines_about
from tests.hosts.terminal_safety import assert_terminal_safe
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.sampling import sample

# The commands of a run, from its first to its last, each lied to by a host of its own; its name -> the command.
COMMANDS = {
    "ping": "PING",
    "auth": "AUTH",
    "config-get": "CONFIG GET",
    "acl-list": "ACL LIST",
    "info": "INFO",
    "command-count": "COMMAND COUNT",
    "config-set": "CONFIG SET",
    "multi": "MULTI",
    "info-persistence": "INFO persistence",
    "config-rewrite": "CONFIG REWRITE",
}
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(f"peak {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss} KiB", file=sys.stderr)
sys.exit(code)
"""
MOST_MEMORY = 512 << 10  # KiB, for ten hosts that all lie at once; a good run takes about 90 MiB


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Provisioned hosts whose server is then replaced by one that lies; and an honest one."""
    hosts = boot_for_module("trixie", *(Spec("bookworm", name=name) for name in COMMANDS))
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts()
    deploy(fleet.checkout)
    for host in hosts[1:]:
        host.run("mv /usr/bin/redis-server /usr/bin/redis-server.real")
        host.write("/usr/bin/redis-server", Path(hostile_server.__file__).read_text(), mode=0o755)
        # The package's unit lets nothing run but the server.
        host.write("/etc/systemd/system/redis-server.service.d/a-lab.conf", "[Service]\nNoExecPaths=\n")
        host.run("systemctl daemon-reload")
    return fleet


def run_measured(checkout: Checkout, *command: str) -> tuple[Result, int]:
    """The command, and the most memory it had at a time, in KiB."""
    done = checkout.run(sys.executable, "-c", MEASURED, *command, timeout=600)
    peak = re.search(r"peak (\d+) KiB", done.stderr)
    assert peak, done
    return done, int(peak[1])


@pytest.mark.parametrize("lie", sample(hostile_server.LIES, "a text without end"))
def test_a_server_that_lies_fails_only_its_host(fleet: Fleet, lie: object) -> None:
    how = next(name for name, value in hostile_server.LIES.items() if value is lie)
    honest, *liars = fleet.hosts
    for host in liars:
        host.write(hostile_server.SAYS, f"{COMMANDS[host.name]}\n{how}\n")
        host.run("systemctl reset-failed redis-server; systemctl restart redis-server")
    done, peak = run_measured(fleet.checkout, *DEPLOY)
    assert done.returncode == 1, done
    if how == "a number":  # a good answer to one of them
        liars = [host for host in liars if host.name != "command-count"]
    assert set(done.json["results"]["failed_hosts"]) == {host.name for host in liars}, done
    assert any("verified" in line for line in lines_about(done, honest)), done
    assert_terminal_safe(fleet.hosts, done.stderr)
    assert peak < MOST_MEMORY, (peak, done)
    for host in liars:
        assert 1 <= len(lines_about(done, host)) < 40, done

    drift, peak = run_measured(fleet.checkout, "noevict", "drift")
    assert drift.returncode == 1, drift
    assert_terminal_safe(fleet.hosts, drift.output)
    assert peak < MOST_MEMORY, (peak, drift)
