"""The lab does what it says; when a test elsewhere fails strangely, look here first."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.conftest import Boot
from tests.lab.checkout import REPOSITORY, Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host, wait_ready
from tests.lab.lab import Lab
from tests.lab.machine import LabError, mounts_below, wait_until
from tests.lab.registry import Claim, claims, host_pids

SUITES = ("bookworm", "trixie")


@pytest.fixture(scope="module")
def pair(boot_for_module: Boot) -> list[Host]:
    """One host of each release; the tests leave them as they were."""
    return boot_for_module(*SUITES)


@pytest.fixture(scope="module", params=SUITES)
def host(request: pytest.FixtureRequest, pair: list[Host]) -> Host:
    return pair[SUITES.index(request.param)]


def test_root_gets_in_over_ssh_and_systemd_is_up(host: Host) -> None:
    answer = host.ssh("hostname; id -un; cat /proc/1/comm; systemctl is-system-running --wait", check=False)
    assert answer.stdout.split() == [host.name, "root", "systemd", "running"]


def test_admin_gets_in_and_becomes_root_without_a_password(host: Host) -> None:
    assert host.ssh("id -un; sudo -n id -un", user="admin").stdout.split() == ["admin", "root"]


def test_a_look_without_ssh_sees_the_same_host(host: Host) -> None:
    assert host.run("hostname; id -un", user="admin").stdout.split() == [host.name, "admin"]


def test_a_failing_command_is_reported_with_its_output(host: Host) -> None:
    with pytest.raises(LabError, match=rf"{host.name}: exit 3.*\nwhy"):
        host.ssh("echo why >&2; exit 3")
    assert host.ssh("exit 3", check=False).returncode == 3


def test_a_file_is_read_as_written_and_keeps_its_owner(host: Host) -> None:
    host.write("/home/admin/new/file", "first\n", mode=0o600)
    host.run("chown admin /home/admin/new/file")
    host.write("/home/admin/new/file", "second\n")
    assert host.read("/home/admin/new/file") == "second\n"
    assert host.run("stat -c '%U %a' /home/admin/new/file").stdout == "admin 600\n"


def test_redis_installs_without_a_route_out_once_the_lists_are_fetched(boot: Boot) -> None:
    for host in boot(*SUITES):
        assert host.ssh("apt-get install -qy redis-server", check=False).returncode == 100  # no lists yet
        host.ssh("apt-get update -q && apt-get install -qy redis-server openssl", timeout=120)
        assert "Ready to accept connections" in host.run("cat /var/log/redis/redis-server.log").stdout
        assert "Started" in host.journal("redis-server")


def test_valkey_installs_on_trixie(boot: Boot) -> None:
    [host] = boot("trixie")
    host.ssh("apt-get update -q && apt-get install -qy valkey-server", timeout=120)
    assert host.ssh("valkey-cli ping").stdout == "PONG\n"


def test_a_host_has_the_memory_it_is_given_after_a_reboot_too(boot: Boot) -> None:
    given, changed = boot(Spec("bookworm", memory=2000), "trixie")
    changed.set_memory(3000)
    changed.set_memory(1000)
    for host, mib in ((given, 2000), (changed, 1000)):
        assert f"MemTotal:        {mib * 1024} kB" in host.ssh("cat /proc/meminfo").stdout
    changed.reboot()
    assert "MemTotal:        1024000 kB" in changed.ssh("cat /proc/meminfo").stdout


def test_a_reboot_is_one_and_keeps_files(boot: Boot) -> None:
    [host] = boot("bookworm")
    host.write("/root/kept", "yes")
    before = host.leader
    host.reboot()
    assert host.leader != before
    assert host.read("/root/kept") == "yes"
    assert host.ssh("journalctl -q --list-boots | wc -l").stdout == "2\n"


def test_a_host_killed_is_gone_at_once_and_boots_again(boot: Boot) -> None:
    [host] = boot("trixie")
    host.write("/root/kept", "yes")
    host.kill()
    with pytest.raises(LabError, match="is not running"):
        host.run("true")
    host.start()
    wait_ready([host])
    assert host.read("/root/kept") == "yes"


def test_a_host_that_reboots_itself_comes_back(boot: Boot) -> None:
    [host] = boot("bookworm")
    before = host.leader
    host.ssh("systemctl reboot", check=False)
    wait_until(lambda: host.ready() and host.leader != before, "it did not come back")


def test_sshd_can_be_hardened_and_files_be_there_at_boot(boot: Boot) -> None:
    open_host, closed = boot(
        "bookworm",
        Spec("trixie", sshd=["AllowTcpForwarding no", "LogLevel DEBUG1"], files={"/etc/motd": "hello\n"}),
    )
    assert "allowtcpforwarding yes" in open_host.ssh("sshd -T").stdout
    assert "allowtcpforwarding no" in closed.ssh("sshd -T").stdout
    assert "debug1" in closed.journal("ssh")
    assert closed.read("/etc/motd") == "hello\n"


def test_hosts_reach_each_other_and_a_second_address_is_there(boot: Boot) -> None:
    one, other = boot(Spec("bookworm", addresses=["fd00:6e6f::1/64"]), "trixie")
    other.ssh(f"timeout 5 bash -c 'exec 3<>/dev/tcp/{one.address}/22'")
    assert "fd00:6e6f::1" in one.ssh("ip -6 address show host0").stdout


def test_hosts_have_control_groups_of_their_own(pair: list[Host]) -> None:
    one, other = (set(Path(f"/proc/{host.leader}/cgroup").read_text().splitlines()) for host in pair)
    assert not [line for line in one & other if "payload" in line]


def test_pyinfra_reaches_the_hosts_as_root_and_with_sudo(checkout: Checkout, pair: list[Host]) -> None:
    for user in ("root", "admin"):
        text = checkout.list_hosts(pair, user=user, each={pair[0].name: {"redis_port": 1}}).read_text()
        assert text.count("    redis_port: 1\n") == 1
        checkout.write("lab_inventory.py", HOSTS_YML_READER)
        done = checkout.run("pyinfra", "-y", "lab_inventory.py", "exec", "--", "id", "-un")
        assert done.returncode == 0, done
        assert len(re.findall(r"\] +root$", done.output, re.MULTILINE)) == 2, done


HOSTS_YML_READER = """
import yaml
redis = list(yaml.safe_load(open("hosts.yml"))["redis"].items())
"""


def test_a_checkout_runs_its_own_noevict_with_a_home_of_its_own(checkout: Checkout) -> None:
    show = "import noevict, os; print(noevict.__file__, os.path.expanduser('~'))"
    done = checkout.run("python", "-c", show)
    assert done.stdout.split() == [str(checkout.root / "noevict/__init__.py"), str(checkout.home)]
    assert not checkout.secrets.exists()


def test_a_command_that_hangs_is_ended_and_reported(checkout: Checkout) -> None:
    with pytest.raises(AssertionError, match="not done after 1 s: sh -c"):
        checkout.run("sh", "-c", "echo begun; sleep 600", timeout=1)


def test_a_lab_whose_process_died_is_cleared_away_by_the_next() -> None:
    script = (
        "import sys; from tests.lab.lab import Lab; lab = Lab(); lab.boot('bookworm');"
        "print(lab.claim.number, flush=True); sys.stdin.read()"
    )
    command = (sys.executable, "-c", script)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, text=True, stdin=pipe, stdout=pipe) as owner:
        assert owner.stdout
        left = Claim(int(owner.stdout.readline()))
        [orphan] = host_pids(left.directory).values()
        owner.kill()
    with Lab():
        assert orphan not in host_pids(left.directory).values()
        assert not mounts_below(left.directory / "hosts")


def test_a_lab_for_people_outlives_its_command_and_leaves_nothing(tmp_path: Path) -> None:
    where = tmp_path / "lab"
    command = (sys.executable, "-m", "tests.lab")
    options = ("--dir", str(where), "--hosts", "1", "--suite", "bookworm")
    reported = subprocess.run(
        (*command, "up", *options), cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    ssh = next(line.split() for line in reported.stdout.splitlines() if line.strip().startswith("ssh"))
    answer = subprocess.run((*ssh, "hostname"), capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("bookworm-")
    again = subprocess.run(
        (*command, "up", *options), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (again.returncode, "make lab-down" in again.stderr) == (1, True)
    subprocess.run((*command, "down", "--dir", str(where)), cwd=REPOSITORY, check=True)
    assert not where.exists()
    assert not [claim for claim in claims() if claim.record.get("kept") == str(where)]
