"""What a careful reader broke once."""

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, assert_clean, config, deploy, write_settings
from tests.lab.checkout import Checkout
from tests.lab.host import Host

KEYS = 500
FOREIGN_LINK = "/etc/redis/redis.conf.noevict-back"


@pytest.fixture
def host(boot: Boot, checkout: Checkout) -> Host:
    """Provisioned, with keys."""
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    with admin(checkout, host) as client:
        client.mset({f"key:{number}": number for number in range(KEYS)})
    return host


def keys(checkout: Checkout, host: Host) -> int:
    with admin(checkout, host) as client:
        return int(client.dbsize())


def forget_admin(checkout: Checkout) -> None:
    users = checkout.secrets / "users.yml"
    users.write_text("".join(line for line in users.open() if not line.startswith("host_secret:")))


def test_a_server_that_does_not_take_our_admin_is_restarted_if_append_only_files_hold_its_keys(
    host: Host, checkout: Checkout
) -> None:
    forget_admin(checkout)
    deploy(checkout)
    assert keys(checkout, host) == KEYS
    assert_clean(checkout)


def test_a_server_that_does_not_take_our_admin_is_left_alone_if_a_restart_may_lose_keys(
    host: Host, checkout: Checkout
) -> None:
    write_settings(checkout, redis_appendonly=False)
    deploy(checkout)
    with admin(checkout, host) as client:
        client.config_set("save", "")
    before = (checkout.secrets / "users.yml").read_text()
    pid = host.run("pidof redis-server").stdout
    forget_admin(checkout)

    done = deploy(checkout, code=1)

    assert "rejects the password of admin" in done.output
    assert host.run("pidof redis-server").stdout == pid
    (checkout.secrets / "users.yml").write_text(before)
    deploy(checkout)
    assert keys(checkout, host) == KEYS


def test_a_link_that_the_servers_user_planted_is_not_followed_by_a_restart_that_fails(
    host: Host, checkout: Checkout
) -> None:
    host.write("/etc/victim", "root's own\n", 0o600)
    host.run(f"setpriv --reuid=redis --regid=redis --clear-groups ln -s /etc/victim {FOREIGN_LINK}")
    write_settings(checkout, redis_config={"unixsocket": "/nowhere/s"})
    deploy(checkout, code=1)
    assert host.read("/etc/victim") == "root's own\n"
    assert host.run("stat -c '%U %a' /etc/victim").stdout == "root 600\n"
    write_settings(checkout)
    deploy(checkout)
    assert_clean(checkout)


def test_a_configuration_directory_that_was_removed_is_made_again(host: Host, checkout: Checkout) -> None:
    host.run("rm -rf /etc/redis")
    deploy(checkout)
    assert keys(checkout, host) == KEYS
    assert_clean(checkout)


def test_tls_moves_away_from_a_port_that_becomes_the_plaintext_one(host: Host, checkout: Checkout) -> None:
    write_settings(checkout, redis_port=6381, redis_plaintext_port=6379)
    deploy(checkout)
    assert config(checkout, host, "port", "tls-port", port=6381) == {"port": "6379", "tls-port": "6381"}
    assert_clean(checkout)


def test_an_uninstall_with_other_secrets_changes_nothing(
    host: Host, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Checkout(tmp_path_factory.mktemp("other"))
    other.list_hosts([host])
    done = other.run("pyinfra", "-y", "inventory", "deploys/uninstall.py")
    assert done.returncode == 1
    assert "is managed with other secrets" in done.output
    assert_clean(checkout)
