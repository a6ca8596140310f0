"""deploys/monitoring.py: no secret shows, nothing is open, only that host fails, what was interrupted is finished."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from noevict.companions.exporter.wanted import CREDENTIALS, DROPIN, ETC, PACKAGE, UNIT
from noevict.fleet import records
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, changes, deploy, host_password, wait_for
from tests.hosts.exporter_checks import (
    DRY,
    MONITOR,
    ask,
    exporter_files,
    monitor,
    process,
    scrape,
    scrape_elsewhere,
    targets,
    value,
    verified,
)
from tests.hosts.fault_injection import Fault, actions, inject_faults, stop_injecting
from tests.hosts.manual_changes import lines_about
from tests.hosts.test_secrecy import files_with, sampled_processes
from tests.hosts.user_certificate import UserCertificateFiles
from tests.lab.checkout import REPOSITORY, Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host, wait_ready
from tests.sampling import sample

FILE = "deploys/monitoring.py"
STEPS = re.findall(r'name="(.+)"', (REPOSITORY / FILE).read_text())[1:]
PUBLIC = "203.0.113.7"
LISTENING = r"""
import sys, time
seen = set()
print("watching", flush=True)
while True:
    for name in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{name}"):
            words = line.split()
            if words[3] == "0A" and words[1].endswith(":23A1") and words[1] not in seen:
                seen.add(words[1])
                print(words[1], flush=True)
    time.sleep(0.002)
"""
"""Prints each address, in the kernel's hexadecimal, on which something listens on port 9121."""


@pytest.fixture(scope="module")
def shared(boot_for_module: Boot, checkout_for_module: Checkout) -> tuple[Checkout, Host, Host]:
    """A Debian 12 with a second, public address, and a Debian 13, provisioned."""
    hosts = boot_for_module(
        Spec("bookworm", name="old", addresses=[f"{PUBLIC}/24"]), Spec("trixie", name="new")
    )
    checkout_for_module.list_hosts(hosts)
    deploy(checkout_for_module)
    return (checkout_for_module, *hosts)


@pytest.fixture
def monitored(shared: tuple[Checkout, Host, Host]) -> tuple[Checkout, Host, Host]:
    """The same, with the settings as shipped, and monitored."""
    checkout, *hosts = shared
    checkout.list_hosts(hosts)
    deploy(checkout)
    monitor(checkout)
    return shared


@contextmanager
def watched(host: Host) -> Iterator[set[str]]:
    """Where anything listened on port 9121 at any moment of the block; there when it is done."""
    command = ("nsenter", "-t", str(host.leader), "-n", sys.executable, "-c", LISTENING)
    seen: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout
        assert watcher.stdout.readline() == "watching\n"
        try:
            yield seen
        finally:
            watcher.terminate()
            seen.update(watcher.communicate()[0].split())


def drift_looks(checkout: Checkout) -> dict[str, records.Drift | None]:
    return {host: record.drift for host, record in records.read(checkout.root / "state").items()}


def hexadecimal(address: str, port: int = 9121) -> str:
    return f"{socket.inet_aton(address)[::-1].hex().upper()}:{port:04X}"


def test_its_first_start_is_ours_and_its_password_shows_nowhere(
    shared: tuple[Checkout, Host, Host],
) -> None:
    checkout, *hosts = shared
    dry = checkout.run(*DRY)
    assert "due: package prometheus-redis-exporter: not installed" in dry.output, dry
    assert [found for host in hosts for found in exporter_files(host) if ETC in found] == []
    assert not (checkout.root / "state/prometheus").exists()
    passwords = [host_password(checkout, host, "exporter") for host in hosts]
    assert len(set(passwords)) == 2
    with watched(hosts[0]) as old, watched(hosts[1]) as new, sampled_processes() as seen:
        outputs = [
            checkout.run("pyinfra", "-y", "-vvv", "--debug", "--diff", "inventory", FILE).output,
            checkout.run("pyinfra", "-y", "-vvv", "inventory", FILE).output,
            checkout.run("pyinfra", "--dry", "-vvv", "--diff", "inventory", FILE).output,
        ]
    assert "redis_up 1" in outputs[0]
    assert [output for output in outputs for password in passwords if password in output] == []
    assert f"/usr/bin/{PACKAGE}".encode() in seen[0]
    assert [password for password in passwords if password.encode() in seen[0]] == []
    assert [old, new] == [{hexadecimal(host.address)} for host in hosts]
    for host, password in zip(hosts, passwords, strict=True):
        assert files_with([each for each in passwords if each != password], host) == []
        holders = files_with([password], host)
        assert sorted(holders) == [f"{ETC}/passwords.json", f"{CREDENTIALS}/passwords.json"]
        assert host.run(f"stat -c '%U %a' {ETC} {ETC}/passwords.json").stdout == "root 700\nroot 600\n"
        others = host.run(f"runuser -u nobody -- cat {CREDENTIALS}/passwords.json", check=False)
        assert others.returncode != 0
        assert "Permission denied" in others.stderr


def test_whoever_reaches_its_port_gets_neither_its_password_nor_keys_nor_values(
    monitored: tuple[Checkout, Host, Host],
) -> None:
    checkout, *hosts = monitored
    for host in hosts:
        with admin(checkout, host) as client:
            client.set("session:1", "a secret of a user's")
        reported = scrape_elsewhere(host, "rediss://localhost:6379", check_keys="*", count_keys="db0=*")
        assert "redis_up 1" in reported
        assert "session:1" not in reported
        reported = scrape_elsewhere(host, "rediss://localhost:6379", check_single_keys="session:1")
        assert "a secret" not in reported
        heard = heard_from(host)
        assert heard, "it came"
        assert b"AUTH" not in heard
        with admin(checkout, host) as client:
            client.delete("session:1")
            client.acl_log_reset()


def heard_from(host: Host) -> bytes:
    """What it says to a server that somebody has it scrape: one on this machine."""
    heard = b""
    with socket.create_server((str(host.claim.network[1]), 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]

        def listen() -> None:
            nonlocal heard
            with server.accept()[0] as connection:
                connection.settimeout(10)
                heard = connection.recv(4096)

        thread = threading.Thread(target=listen)
        thread.start()
        assert "redis_up 0" in scrape_elsewhere(host, f"redis://{host.claim.network[1]}:{port}")
        thread.join()
    return heard


def test_only_a_host_that_is_not_ready_fails_and_the_list_keeps_what_is_not_looked_at(
    boot: Boot, monitored: tuple[Checkout, Host, Host]
) -> None:
    checkout, old, new = monitored
    init, bare = boot(Spec("trixie", name="init", systemd=False), Spec("trixie", name="bare"))
    checkout.list_hosts([init])
    deploy(checkout)
    checkout.list_hosts([old, new, init, bare])
    new.run("systemctl stop redis-server")
    before = exporter_files(new), process(new)
    looks = drift_looks(checkout)
    done = monitor(checkout, code=1)
    assert drift_looks(checkout) == looks  # that it failed is no look for drift that failed
    assert looks.keys() == {"old", "new", "init"}
    assert verified(lines_about(done, old))
    assert "is not managed by noevict: run deploy.py first" in lines_about(done, bare)
    assert "Redis is not running: run deploy.py first" in lines_about(done, new)
    assert [line for line in lines_about(done, init) if line.startswith("monitoring needs systemd")]
    assert sorted(done.json["results"]["failed_hosts"]) == ["bare", "init", "new"]
    assert (exporter_files(new), process(new)) == before
    assert targets(checkout).keys() == {"old", "new"}
    new.run("systemctl start redis-server")

    path = checkout.root / "state/prometheus/targets.json"
    written = path.stat().st_mtime_ns
    monitor(checkout, "--limit", "old")
    assert path.stat().st_mtime_ns == written
    checkout.list_hosts([old])
    monitor(checkout)
    assert targets(checkout).keys() == {"old"}


def test_a_run_waits_for_nobody_and_a_clean_one_takes_no_lock(
    monitored: tuple[Checkout, Host, Host],
) -> None:
    checkout, old, _ = monitored
    enter = ("nsenter", "-t", str(old.leader), "-m", "-p", "-r")
    hold = ("flock", "/run/noevict.lock", "sh", "-c", "echo somebody at work >/run/noevict.lock; cat")
    with subprocess.Popen((*enter, *hold), stdin=subprocess.PIPE) as holder:
        try:
            wait_for("it is held", lambda: "somebody" in old.read("/run/noevict.lock"))
            assert changes(monitor(checkout)) == 0
            old.run(f"chmod 644 {ETC}/passwords.json")
            done = monitor(checkout, code=1)
            assert "is being changed by somebody at work: wait for it, then run again" in lines_about(
                done, old
            )
            assert old.run(f"stat -c %a {ETC}/passwords.json").stdout == "644\n"
        finally:
            assert holder.stdin
            holder.stdin.close()
    assert changes(monitor(checkout)) > 0
    assert changes(monitor(checkout)) == 0


def test_what_an_admin_put_against_it_is_reported_and_left(monitored: tuple[Checkout, Host, Host]) -> None:
    checkout, old, new = monitored
    path = f"{DROPIN.rpartition('/')[0]}/override.conf"
    new.write(path, "[Service]\nEnvironment=REDIS_USER=default\n")
    new.run(f"systemctl daemon-reload && systemctl restart {UNIT}")
    before = process(new)
    for _ in range(2):
        done = monitor(checkout, code=1)
        [line] = [
            line for line in lines_about(done, new) if "overridden by" in line and "REDIS_USER" in line
        ][:1]
        assert f"{UNIT}: REDIS_USER should be exporter, is overridden by {path}; remove that" == line
        assert verified(lines_about(done, old))
    assert process(new) == before
    new.run(f"rm {path} && systemctl daemon-reload")
    assert verified(lines_about(monitor(checkout), new))


def test_a_reboot_changes_nothing(monitored: tuple[Checkout, Host, Host]) -> None:
    checkout, old, new = monitored
    for host in (old, new):
        host.stop()
        host.start()
    wait_ready([old, new])
    for host in (old, new):
        wait_for(f"{host} is scraped", lambda host=host: value(scrape_or_nothing(host), "redis_up") == 1, 60)
    done = monitor(checkout)
    assert changes(done) == 0, done


def scrape_or_nothing(host: Host) -> list[tuple[str, dict[str, str], float]]:
    try:
        return scrape(host)
    except OSError:
        return []


def test_other_settings_are_followed_and_only_then_it_restarts(
    monitored: tuple[Checkout, Host, Host],
) -> None:
    checkout, old, new = monitored
    own = UserCertificateFiles.make(checkout.root, [new.address])
    each = {
        "old": {"redis_bind": "* -::*", "redis_port": 7000, "redis_exporter_port": 9200},
        "new": {**own.settings, "redis_tls_auth_clients": "yes", "redis_bind": f"127.0.0.1 {new.address}"},
    }
    checkout.list_hosts([old, new], each=each, redis_queues=["email"])
    dry = checkout.run(*DRY)
    assert "run deploy.py first" not in dry.output, dry
    deploy(checkout)
    done = monitor(checkout)
    [line] = verified(lines_about(done, old))
    assert line.endswith("on all addresses port 9200")
    assert "redis_up 1" in ask(old, port=9200)
    assert old.run("ss -Hltn sport = :9200 | grep -c '\\*:9200'").stdout == "1\n"
    assert "redis_up 1" in ask(new)
    assert targets(checkout)["old"]["targets"] == [f"{old.address}:9200"]
    before = [process(host) for host in (old, new)]
    again = monitor(checkout)
    assert (changes(again), [process(host) for host in (old, new)]) == (0, before)


def test_a_new_password_is_handed_over_and_a_user_that_may_too_little_is_reported(
    monitored: tuple[Checkout, Host, Host],
) -> None:
    checkout, old, new = monitored
    for host in (old, new):
        host.run("openssl rand -hex 16 >/var/lib/noevict/id")
    deploy(checkout)
    for host in (old, new):  # the one that it has is let in until it has the new one
        assert value(scrape(host), "redis_up") == 1
    before = [process(host) for host in (old, new)]
    done = monitor(checkout)
    assert [verified(lines_about(done, host)) != [] for host in (old, new)] == [True, True]
    assert [process(host) for host in (old, new)] != before

    checkout.list_hosts([old, new], each={"new": {"redis_users": {"exporter": "~* -@all +ping +info"}}})
    deploy(checkout)
    done = monitor(checkout, code=1)
    assert verified(lines_about(done, old))
    refused = [
        line for line in lines_about(done, new) if line.startswith("user exporter: was refused config|get ")
    ]
    assert refused, done


def test_a_port_that_another_program_has_is_reported_and_nothing_is_changed(
    monitored: tuple[Checkout, Host, Host],
) -> None:
    checkout, old, new = monitored
    new.run(f"systemctl stop {UNIT}")
    before = exporter_files(new)
    serve = ("python3", "-m", "http.server", "9121", "--bind", new.address)
    enter = ("nsenter", "-t", str(new.leader), "-m", "-p", "-n", "-r")
    with subprocess.Popen((*enter, *serve), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for("it listens", lambda: "9121" in new.run("ss -Hltn sport = :9121").stdout)
        try:
            done = monitor(checkout, code=1)
        finally:
            new.run("kill $(ss -Hltnp sport = :9121 | grep -o 'pid=[0-9]*' | cut -d= -f2)")
    assert (
        f"port 9121 is in use by a program that is not {UNIT}: stop it, or set redis_exporter_port"
        in lines_about(done, new)
    )
    assert verified(lines_about(done, old))
    assert exporter_files(new) == before


def test_a_host_that_is_let_go_keeps_its_exporter_and_how_to_remove_it_is_reported(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    monitor(checkout)
    done = checkout.run("pyinfra", "-y", "inventory", "deploys/uninstall.py")
    assert done.returncode == 0, done
    [line] = [line for line in lines_about(done, host) if line.startswith(f"{PACKAGE} continues too")]
    assert value(scrape(host), "redis_up") == 1
    for command in (f"apt-get purge -qy {PACKAGE}", f"rm -r {ETC} {DROPIN.rpartition('/')[0]}"):
        host.run(f"DEBIAN_FRONTEND=noninteractive {command}")
    assert ETC in line


@pytest.mark.parametrize("step", sample(STEPS, "Install the exporter"))
def test_a_run_that_is_killed_before_and_after_a_step_is_finished_by_the_next(
    monitored: tuple[Checkout, Host, Host], step: str
) -> None:
    checkout, _, new = monitored
    checkout.list_hosts([new], redis_queues=["killed"])
    for when in "before", "after":
        new.run(f"DEBIAN_FRONTEND=noninteractive apt-get purge -qy {PACKAGE}; rm -rf {ETC}/client.key")
        if step == "Restart the exporter":
            checkout.list_hosts([new])
            monitor(checkout)
            checkout.list_hosts([new], redis_queues=["killed", when])
        elif step == "Enable and start the exporter":
            monitor(checkout)
            new.run(f"systemctl disable --now {UNIT}")
        inject_faults(checkout, Fault(step, when), deploy=FILE)
        killed = checkout.run(*MONITOR)
        assert killed.returncode == -signal.SIGKILL, (when, killed)
        assert [moment for _, moment in actions(checkout) if moment in STEPS][-1] == step
        stop_injecting(checkout, FILE)
        finished = checkout.run(*MONITOR)
        if finished.returncode:  # a command of the killed run was still at work
            assert re.search(r"run again", finished.output), finished
            monitor(checkout)
        assert changes(monitor(checkout)) == 0
