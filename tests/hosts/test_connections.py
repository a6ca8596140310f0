"""However a host is reached, the same comes out; and one that is not reached is nobody else's trouble."""

import contextlib
import json
import re
import shutil
import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    admin,
    assert_clean,
    config,
    deploy,
    operations,
    run_id,
    write_settings,
)
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec

PYTHONS = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Which release has the C library and Python this machine's virtual environment was made for."""


def test_a_user_with_sudo_provisions_as_root_would(checkout: Checkout, boot: Boot) -> None:
    hosts = boot("bookworm", Spec("trixie", sshd=["PermitRootLogin no"]))
    checkout.list_hosts(hosts, user="admin")
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, hosts[1]) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    assert operations(deploy(checkout)) == ["Lock the host, as it was looked at", "Change the running server"]
    assert_clean(checkout)


def test_for_a_user_without_sudo_what_is_missing_is_reported(checkout: Checkout, boot: Boot) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host], user="admin", _sudo=False)
    done = deploy(checkout, code=1)
    assert "should be reached as root, or as a user with sudo" in done.output, done
    assert host.run("ls /etc/redis", check=False).returncode != 0


def test_a_host_behind_a_bastion_is_provisioned_through_it(checkout: Checkout, boot: Boot) -> None:
    bastion, host = boot("bookworm", "trixie")
    known, key = host.claim.known_hosts, host.claim.key
    shutil.copy(known, checkout.home / ".ssh/known_hosts")
    jump = f"""
        Host bastion
          HostName {bastion.address}
          User admin
          IdentityFile {key}
        Host {host.address}
          User root
          IdentityFile {key}
          ProxyJump bastion
    """
    path = checkout.write("ssh_config", jump)
    checkout.hosts_yml.write_text(
        f"redis:\n  inner:\n    ssh_hostname: {host.address}\n    ssh_config_file: {path}\n"
        f"    ssh_known_hosts_file: {known}\n    ssh_strict_host_key_checking: 'yes'\n"
    )
    deploy(checkout)
    assert_clean(checkout)
    logins = re.findall(r"Accepted publickey for root from (\S+)", host.journal("ssh"))
    assert set(logins) == {bastion.address}


def test_an_sshd_that_forwards_nothing_is_no_obstacle(checkout: Checkout, boot: Boot) -> None:
    sshd = ["AllowTcpForwarding no", "LogLevel DEBUG1"]
    host, other = boot(Spec("bookworm", sshd=sshd), Spec("trixie", sshd=sshd))
    checkout.list_hosts([host, other], user="admin", each={other.name: {"redis_engine": "valkey"}})
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, host) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    before = run_id(checkout, host)
    deploy(checkout)
    assert config(checkout, host, "maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert run_id(checkout, host) == before
    assert_clean(checkout)


def test_settings_of_a_group_and_a_direct_connection_to_its_port(checkout: Checkout, boot: Boot) -> None:
    [host] = boot(Spec("trixie", sshd=["AllowTcpForwarding no", "LogLevel DEBUG1"]))
    checkout.list_hosts([host], group="queues")
    write_settings(checkout, "queues", redis_port=6390, redis_connect="direct", redis_maxmemory="64mb")
    deploy(checkout)
    assert config(checkout, host, "maxmemory", port=6390) == {"maxmemory": str(64 << 20)}
    before = host.channels()
    assert_clean(checkout)
    assert host.channels() - before == 1  # the look


def test_the_machine_itself_under_the_shipped_hosts_file(checkout: Checkout, boot: Boot) -> None:
    suite = PYTHONS.get(sys.version_info[:2])
    if suite is None:
        pytest.skip(f"no release of the lab has Python {sys.version_info[0]}.{sys.version_info[1]}")
    prefixes = {Path(sys.prefix), Path(sys.base_prefix)} - {Path("/usr")}
    [host] = boot(Spec(suite, binds=(*prefixes, checkout.root)))
    host.run("chmod 711 /root")  # Python may be below it
    host.run(f"cp -r {checkout.root} /home/admin/noevict && chown -R admin /home/admin/noevict")
    here = f"cd /home/admin/noevict && PYTHONPATH=$PWD PATH={sys.prefix}/bin:$PATH"
    done = host.run(f"{here} pyinfra -y --json inventory deploy.py", user="admin", check=False)
    assert done.returncode == 0, done
    done = host.run(f"{here} pyinfra -y --json inventory deploy.py", user="admin", check=False)
    assert '"success": 0,' in done.stdout, done
    assert host.run(f"{here} noevict drift", user="admin").stdout == "1 of 1 hosts as wanted\n"
    assert host.run("stat -c '%U %a' /home/admin/noevict/secrets").stdout == "admin 700\n"


@pytest.mark.parametrize("gone", ["no such name", "nobody there", "hangs up"])
def test_a_host_that_cannot_be_reached_fails_and_no_other(checkout: Checkout, boot: Boot, gone: str) -> None:
    [host] = boot("trixie")
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = {
            "no such name": {"ssh_hostname": "nowhere.invalid"},
            "nobody there": {"ssh_hostname": str(host.claim.network[250])},
            "hangs up": {"ssh_hostname": "127.0.0.1", "ssh_port": server.getsockname()[1]},
        }
        threading.Thread(target=hang_up, args=(server,), daemon=True).start()
        checkout.list_hosts([host])
        with checkout.hosts_yml.open("a") as hosts_yml:
            hosts_yml.write(f"  gone: {json.dumps(where[gone])}\n")
        done = deploy(checkout, code=1)
        drift = checkout.run("noevict", "drift", "--json")
    assert done.json["results"]["failed_hosts"] == ["gone"], done
    assert re.search(r"(?m)\[gone\] +(Could not|SSH error)", done.output), done
    assert "Traceback" not in done.output, done
    assert drift.returncode == 1, drift
    assert [line for line in drift.stderr.splitlines() if line.startswith("gone: ")], drift
    assert "Traceback" not in drift.output, drift
    reported = drift.json["hosts"][host.name]
    assert (reported["failure"], reported["drift"], reported["faults"]) == ([], [], [])


def test_a_host_whose_programs_answer_nonsense_fails_and_no_other(checkout: Checkout, boot: Boot) -> None:
    odd, host = boot("trixie", "bookworm")
    odd.write("/usr/local/bin/openssl", "#!/bin/sh\necho hello\n", mode=0o755)
    checkout.list_hosts([odd, host])
    done = deploy(checkout, code=1)
    assert done.json["results"]["failed_hosts"] == [odd.name], done
    assert "Traceback" not in done.output, done
    odd.run("rm /usr/local/bin/openssl")
    deploy(checkout)
    assert_clean(checkout)


def hang_up(server: socket.socket) -> None:
    """Takes every connection and ends it, until the socket is closed."""
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()
