"""deploys/uninstall.py lets go of nothing that another fleet's secrets manage, with whichever engine."""

from collections.abc import Callable

from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import assert_clean, deploy
from tests.hosts.manual_changes import lines_about
from tests.lab.checkout import Checkout

UNINSTALL = ("pyinfra", "-y", "inventory", "deploys/uninstall.py")


def test_a_host_whose_other_engine_is_another_fleets_is_not_let_go_of(
    boot: Boot, new_checkout: Callable[[], Checkout]
) -> None:
    [host] = boot("trixie")
    ours, theirs = new_checkout(), new_checkout()
    theirs.list_hosts([host])
    deploy(theirs)
    Secrets.create(ours.secrets)
    ours.list_hosts([host], redis_engine="valkey")
    for command in ("true", "systemctl stop redis-server"):
        host.run(command)
        done = ours.run(*UNINSTALL)
        assert done.returncode == 1, done
        assert [
            line for line in lines_about(done, host) if line.startswith("is managed with other secrets")
        ], done
    deploy(theirs)
    assert_clean(theirs)
