"""The configuration's directory is root's: the server's user writes its own files, and moves nothing of root's."""

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, assert_clean, deploy
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.sampling import sample

ETC = "stat -c '%U:%G %a' /etc/redis"
AS_REDIS = "setpriv --reuid=redis --regid=redis --init-groups"
# What no server's user may do, each a command that has to fail.
FORBIDDEN = (
    "mv /etc/redis/tls /etc/redis/mine",
    "ln -sfT /etc/shadow /etc/redis/tls",
    "rm /etc/redis/tls",
    "mv /etc/redis/$(readlink /etc/redis/tls) /etc/redis/mine",
    "touch /etc/redis/tls/mine",
    "rm -f /etc/redis/tls/server.key",
    "chmod g-w /etc/redis",
)


@pytest.mark.parametrize("suite", sample(["bookworm", "trixie"], "trixie"))
def test_the_servers_user_has_its_own_files_there_and_packages_come_and_go(
    boot: Boot, checkout: Checkout, suite: str
) -> None:
    [host] = boot(Spec(suite))
    checkout.list_hosts([host])
    deploy(checkout)
    assert host.run(ETC).stdout.strip() == "root:redis 3770"
    for command in FORBIDDEN:
        host.run(f"! {AS_REDIS} bash -c '{command}' 2>/dev/null")
    with admin(checkout, host) as client:
        assert client.config_rewrite() == "OK"
        assert client.acl_save()  # in its own words, which are other ones on 7.0
    deploy(checkout)
    # An upgrade: the packages' own scripts would give the directory back.
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -qy"
    host.run(f"{apt} install --reinstall redis-tools redis-server", timeout=300)
    assert host.run(ETC).stdout.strip() == "root:redis 3770"
    assert_clean(checkout)
    # The user is gone then: no list of dpkg's may name it.
    host.run(f"{apt} purge redis-server redis-tools && {apt} install --reinstall openssl", timeout=300)
    host.run("! getent passwd redis")
    deploy(checkout)
    assert_clean(checkout)
    assert host.run(ETC).stdout.strip() == "root:redis 3770"


def test_uninstalling_takes_the_statoverride_back(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host])
    deploy(checkout)
    host.run("dpkg-statoverride --list /etc/redis")
    done = checkout.run("pyinfra", "-y", "inventory", "deploys/uninstall.py")
    assert done.returncode == 0, done
    host.run("! dpkg-statoverride --list /etc/redis")
