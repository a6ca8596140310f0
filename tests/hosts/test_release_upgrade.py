"""A host of Debian 12 becomes one of Debian 13 in place, by Debian's own means, with noevict's configuration."""

from dataclasses import dataclass
from functools import partial

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    admin,
    assert_clean,
    changes,
    connect,
    deploy,
    managed_files,
    run_id,
    wait_for,
)
from tests.hosts.manual_changes import (
    assert_filled,
    fill,
    install_foreign,
    lines_about,
    plaintext_client,
    wait_until_loaded,
)
from tests.hosts.package_upgrades import NEWER, Managed, release_upgraded
from tests.hosts.writers import KINDS, Writer, writing
from tests.lab.checkout import Checkout
from tests.lab.host import wait_ready
from tests.lab.images import image

KEYS = 500
JOBS = range(200)
SETTINGS = {
    "redis_users": {
        "reports": "readonly",
        "shop": {"profile": "app", "keys": ["shop:*"], "channels": ["shop:*"]},
        "exporter": "~* -@all +ping +info +config|get +slowlog|len",
    },
    "redis_config": {"hz": 50, "notify-keyspace-events": "Ex", "io-threads": 2, "set-max-intset-entries": 64},
}
LIBRARY = "#!lua name=mine\nredis.register_function('mine', function(keys, args) return 'mine' end)"


@pytest.fixture
def on(boot: Boot, checkout: Checkout) -> Managed:
    """Debian 12, with settings of every kind and keys."""
    [host] = boot("bookworm", binds=(image("trixie") / "opt/debs",))
    checkout.list_hosts([host], **SETTINGS)
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, KEYS)
        client.function_load(LIBRARY)
        client.xgroup_create("stream", "group", id="0")
        client.xreadgroup("group", "worker", {"stream": ">"})
        for number in JOBS:
            KINDS["script"].write(client, "queue", number)
    return Managed(checkout, host, "redis")


def assert_all_there(on: Managed) -> None:
    with admin(on.checkout, on.host) as client:
        assert_filled(client, KEYS)
        assert client.fcall("mine", 0) == "mine"
        assert client.xpending("stream", "group")["pending"] == 1
        assert KINDS["script"].found(client, "queue", JOBS) == set(JOBS)


def test_nothing_is_due_after_it_and_no_acknowledged_write_is_lost(on: Managed) -> None:
    checkout, host = on.checkout, on.host
    files = {path: file.sha256 for path, file in managed_files(host).items()}
    writer = Writer("of:app", "single", partial(connect, checkout, host, "app"))
    with writing([writer]):
        release_upgraded(on)
    with admin(checkout, host) as client:
        assert client.info("server")["redis_version"].startswith("8.")
        assert writer.lost(client) == set()
    assert writer.errors <= {
        "ConnectionError",
        "BusyLoadingError",
        "TimeoutError",
    }  # of the package's restart
    before = run_id(checkout, host)
    drift = checkout.run("noevict", "drift", "--json")
    assert (drift.returncode, drift.json["hosts"][host.name]["drift"]) == (0, []), drift
    assert changes(deploy(checkout)) == 0
    assert_clean(checkout)
    assert run_id(checkout, host) == before
    assert {path: file.sha256 for path, file in managed_files(host).items()} == files
    for user in SETTINGS["redis_users"]:
        with admin(checkout, host, user=user) as client:
            assert client.ping()
    assert_all_there(on)
    host.reboot()
    wait_until_loaded(checkout, host)
    assert_clean(checkout)
    assert_all_there(on)


@pytest.mark.long
def test_power_that_fails_in_the_middle_is_named_and_loses_nothing(on: Managed) -> None:
    on.use_release("trixie")
    command = "DEBIAN_FRONTEND=noninteractive setsid apt-get -qq -y full-upgrade </dev/null >/root/log 2>&1 &"
    on.host.run(command)

    def unpacked() -> bool:
        printed = on.host.run("dpkg-query -W -f '${db:Status-Status} ${Version}' redis-server").stdout
        return printed.startswith("unpacked 5:8.")

    wait_for("its server is unpacked", unpacked, 300)
    with admin(on.checkout, on.host) as client:
        client.set("last", "one")  # in the kernel's hands before it is acknowledged, and that stays up here
    on.host.kill()
    on.host.start()
    wait_ready([on.host])
    wait_until_loaded(on.checkout, on.host)
    key = on.host.read("/etc/redis/tls/server.key")

    done = deploy(on.checkout, code=1)
    assert [
        line for line in lines_about(done, on.host) if "apt --fix-broken install; then run again" in line
    ], done
    on.apt("--fix-broken install")
    on.apt("full-upgrade")
    deploy(on.checkout)
    assert_clean(on.checkout)
    assert on.host.read("/etc/redis/tls/server.key") == key
    assert_all_there(on)
    with admin(on.checkout, on.host) as client:
        assert client.get("last") == "one"


@dataclass(frozen=True)
class NotTaken:
    """A value of redis_config that Redis 8.0 calls a mistake; ``starts``: whether it starts with it all the same."""

    value: object
    starts: bool


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "case"),
    {"maxmemory-samples": NotTaken(100, False), "io-threads-do-reads": NotTaken(True, True)}.items(),
)
def test_a_value_that_the_new_release_does_not_take_is_reported_before_and_after(
    name: str, case: NotTaken, on: Managed
) -> None:
    on.checkout.list_hosts([on.host], **(SETTINGS | {"redis_config": {name: case.value}}))
    done = deploy(on.checkout)
    assert f"redis_config: {name}: Redis 8.0.2 does not accept {case.value}" in done.output, done
    release_upgraded(on)
    drift = on.checkout.run("noevict", "drift")
    assert drift.returncode == 1, drift
    assert f"redis_config: {name}: should be " in drift.output, drift
    printed = on.host.run("systemctl show -P SubState redis-server").stdout.strip()
    assert (printed == "running") == case.starts
    on.checkout.list_hosts([on.host], **SETTINGS)
    deploy(on.checkout)
    assert_clean(on.checkout)
    assert_all_there(on)


@pytest.mark.long
def test_that_dpkg_will_ask_is_reported_for_a_server_taken_over_whose_package_is_gone(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("bookworm")
    install_foreign(host, "hz 20")
    with plaintext_client(host) as client:
        fill(client, KEYS)
    checkout.list_hosts([host], redis_takeover=True)
    taken_over = Managed(checkout, host, "redis")
    taken_over.release()  # and the archive has only that, as Debian's has
    host.run("rm /etc/apt/sources.list && apt-get update -q")
    done = deploy(checkout)
    assert "the next upgrade of redis-server may ask about /etc/redis/redis.conf" in done.output, done
    assert_clean(checkout)
    assert "end of file on stdin at conffile prompt" in taken_over.apt("upgrade", check=False)
    deploy(checkout)
    assert_clean(checkout)
    assert taken_over.version().endswith(NEWER)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
