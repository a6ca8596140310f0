"""A bare host becomes a production Redis host, and a second run changes nothing."""

from pathlib import Path

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    Fleet,
    admin,
    assert_clean,
    config,
    deploy,
    engine_of,
    managed_files,
    run_id,
    wait_for,
)
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host, wait_ready

NAMES = ("bookworm", "trixie", "valkey")


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """A Debian 12 of 2000 MiB, a Debian 13, and a Debian 13 of 2000 MiB that gets Valkey."""
    hosts = boot_for_module(
        Spec("bookworm", name="bookworm", memory=2000),
        Spec("trixie", name="trixie"),
        Spec("trixie", name="valkey", memory=2000),
    )
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts()
    deploy(fleet.checkout)
    return fleet


@pytest.fixture(params=NAMES)
def host(request: pytest.FixtureRequest, fleet: Fleet) -> Host:
    return fleet[request.param]


def test_a_fresh_host_serves_what_was_asked(fleet: Fleet, host: Host) -> None:
    found = config(fleet.checkout, host, "*")
    wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "port": "0", "tls-port": "6379"}
    assert {name: found[name] for name in wanted} == wanted
    assert found["bind"] == f"127.0.0.1 -::1 {host.address}"
    assert found["tls-protocols"] == "TLSv1.2 TLSv1.3"


@pytest.mark.parametrize("name", ["bookworm", "valkey"])
def test_a_host_of_2000_mib_gets_exactly_1600_mb(fleet: Fleet, name: str) -> None:
    host = fleet[name]
    assert config(fleet.checkout, host, "maxmemory")["maxmemory"] == "1677721600"
    assert "\nmaxmemory 1600mb\n" in host.read(LAYOUTS[engine_of(host)].conf)


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    hosts = fleet.hosts
    before = {
        host.name: (run_id(fleet.checkout, host), managed_files(host, engine_of(host))) for host in hosts
    }
    rewrites = {host.name: calls(fleet.checkout, host, "config|rewrite") for host in hosts}
    assert_clean(fleet.checkout)
    for host in hosts:
        assert calls(fleet.checkout, host, "config|rewrite") == rewrites[host.name] + 1
        found, conf = managed_files(host, engine_of(host)), LAYOUTS[engine_of(host)].conf
        ids, files = before[host.name]
        assert run_id(fleet.checkout, host) == ids
        for path, file in found.items():
            assert (file.sha256, file.owner, file.mode) == (
                files[path].sha256,
                files[path].owner,
                files[path].mode,
            )
            assert path == conf or file.changed == files[path].changed, path


def calls(checkout: Checkout, host: Host, command: str) -> int:
    """How often a command was called since the server started."""
    with admin(checkout, host) as client:
        return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def test_dry_reports_what_would_change_and_changes_nothing_anywhere(checkout: Checkout, boot: Boot) -> None:
    hosts = boot("bookworm", "trixie")
    checkout.list_hosts(hosts, each={hosts[1].name: {"redis_engine": "valkey"}})
    before = files_of(checkout), [disk_of(host) for host in hosts]
    done = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
    assert done.returncode == 0, done
    assert f"[{hosts[0].name}] due: package redis-server: not installed → installed" in done.output, done
    assert f"[{hosts[1].name}]   due: package valkey-server: not installed → installed" in done.output, done
    assert (files_of(checkout), [disk_of(host) for host in hosts]) == before
    assert not checkout.secrets.exists()


def files_of(checkout: Checkout) -> dict[Path, int]:
    """Everything in the checkout and the user's home, with its time of change; what ssh remembers aside."""
    paths = (path for tree in (checkout.root, checkout.home) for path in tree.rglob("*"))
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file() and path.name != "known_hosts"}


def disk_of(host: Host) -> list[str]:
    """Every file that was written since the image was made, with its time; logs and what a boot leaves aside."""
    upper = host.directory / "upper"
    paths = (path.relative_to(upper) for path in upper.rglob("*") if not path.is_dir())
    kept = [path for path in paths if path.parts[:2] not in (("var", "log"), ("run", "systemd"))]
    return sorted(f"{path} {(upper / path).lstat().st_mtime_ns}" for path in kept)


def test_a_reboot_changes_nothing_and_loses_nothing(fleet: Fleet) -> None:
    for host in fleet.hosts:
        with admin(fleet.checkout, host) as client:
            client.mset({f"job:{number}": "x" * 100 for number in range(1000)})
    for host in fleet.hosts:
        host.reboot()
    for host in fleet.hosts:
        wait_for(f"{host} serves after its boot", lambda: serves(fleet.checkout, host))  # noqa: B023
        with admin(fleet.checkout, host) as client:
            assert client.dbsize() == 1000
            client.flushall()
    assert_clean(fleet.checkout)


def serves(checkout: Checkout, host: Host) -> bool:
    try:
        with admin(checkout, host) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_host_cut_off_from_power_serves_again_and_is_clean(fleet: Fleet) -> None:
    host = fleet["trixie"]
    with admin(fleet.checkout, host) as client:
        client.set("kept", "yes")
        client.waitaof(1, 0, 5000)
    host.kill()
    host.start()
    wait_ready([host])
    wait_for("it serves", lambda: serves(fleet.checkout, host))
    with admin(fleet.checkout, host) as client:
        assert client.get("kept") == "yes"
        client.delete("kept")
    assert_clean(fleet.checkout)


def test_url_is_what_clients_outside_and_redis_cli_inside_need(fleet: Fleet, host: Host) -> None:
    url = fleet.checkout.run("noevict", "url", host.name).stdout.strip()
    authority = fleet.checkout.run("noevict", "url", host.name, "--ca").stdout.strip()
    with redis.Redis.from_url(url, ssl_ca_certs=authority, decode_responses=True) as client:
        assert client.set("outside", "1")
        assert client.delete("outside") == 1
    host.write("/root/ca.crt", Path(authority).read_text())
    cli = f"{engine_of(host)}-cli --no-auth-warning --tls --cacert /root/ca.crt -u '{url}'"
    assert host.run(f"{cli} set inside 1").stdout == "OK\n"
    assert host.run(f"{cli} del inside").stdout == "1\n"


def test_dpkg_finds_the_packages_as_it_installed_them(host: Host) -> None:
    assert host.run(f"dpkg -V {engine_of(host)}-server {engine_of(host)}-tools").stdout == ""
    assert host.run("dpkg --audit").stdout == ""


def test_reinstalling_the_package_asks_nothing_and_leaves_ours(fleet: Fleet, host: Host) -> None:
    before = contents(host)
    host.ssh(f"apt-get install --reinstall -qy {engine_of(host)}-server </dev/null", timeout=120)
    assert contents(host) == before
    assert_clean(fleet.checkout)


def contents(host: Host) -> dict[str, str]:
    return {path: file.sha256 for path, file in managed_files(host, engine_of(host)).items()}


def test_a_new_disk_that_is_mounted_for_the_data_is_the_servers_from_then_on(
    boot: Boot, checkout: Checkout, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"  # root's, as mkfs leaves it: before there is a user redis
    disk.mkdir(mode=0o755)
    checkout.list_hosts([host := boot(Spec("trixie", mounts={"/var/lib/redis": disk}))[0]])
    deploy(checkout)
    assert host.run("stat -c '%U:%G %a' /var/lib/redis").stdout == "redis:redis 750\n"
    assert list(disk.glob("appendonlydir/*"))
    assert_clean(checkout)
