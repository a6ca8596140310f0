"""A take-over that fails, or is killed, leaves a host that is not managed: nothing of ours, every key served."""

from dataclasses import dataclass

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, deploy
from tests.hosts.fault_injection import Fault, inject_faults, stop_injecting
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    fill,
    install_foreign,
    lines_about,
    plaintext_client,
    process_identity,
)
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.sampling import sample

KEYS = 500
NOWHERE = {"unixsocket": "/nowhere/s"}  # only the start of the server itself tries it
FOREIGN = "runs a Redis that noevict did not set up, with "
STOPPED = "has data of a Redis that noevict did not set up ("
FILES, RESTART = "Files and kernel values", "Restart, one host at a time"


@dataclass(frozen=True)
class Before:
    """A server of somebody's: its redis.conf, what is done before, whether it runs."""

    id: str
    conf: tuple[str, ...] = ()
    manual_changes: tuple[str, ...] = ()
    suite: str = "trixie"

    @property
    def stopped(self) -> bool:
        return any("stop" in each for each in self.manual_changes)


BEFORE = (
    Before("RDB only"),
    Before("nothing on disk", ('save ""',), suite="bookworm"),
    Before("AOF on", ("appendonly yes", 'save ""')),
    Before(
        "stopped and disabled",
        manual_changes=("systemctl stop UNIT", "systemctl disable UNIT"),
        suite="bookworm",
    ),
)


SAMPLE = sample({each.id: each for each in BEFORE}, "nothing on disk", "AOF on")


def shape(host: Host) -> set[str]:
    """Every file and directory that a run could leave there, with owner and mode; of redis.conf what it says."""
    found = (
        r"find /etc /var/lib/noevict -path /etc/ssl -prune -o -printf '%p %y %u %g %m\n' 2>/dev/null; true"
    )
    lines_about = (
        "sha256sum /etc/redis/redis.conf; cat /var/lib/dpkg/diversions; dpkg-statoverride --list; true"
    )
    kernel = "cat /proc/sys/vm/overcommit_memory /proc/sys/net/core/somaxconn"
    return set(host.run(f"{found}; {lines_about}; {kernel}").stdout.splitlines())


@pytest.fixture
def foreign(request: pytest.FixtureRequest, boot: Boot, checkout: Checkout) -> Host:
    before: Before = request.param
    [host] = boot(before.suite)
    install_foreign(host, *before.conf)
    with plaintext_client(host) as client:
        fill(client, KEYS)
    apply_changes(checkout, host, before.manual_changes)
    return host


@pytest.mark.parametrize(
    ("foreign", "before"),
    [pytest.param(each.values[0], each.values[0], id=each.id, marks=each.marks) for each in SAMPLE],
    indirect=["foreign"],
)
def test_a_take_over_that_fails_gives_the_host_back(
    foreign: Host, before: Before, checkout: Checkout
) -> None:
    host, found = foreign, shape(foreign)
    checkout.list_hosts([host], redis_takeover=True, redis_config=NOWHERE)
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    lines = lines_about(done, host)
    assert [line for line in lines if "Failed opening Unix socket" in line], lines
    assert [line for line in lines if line.startswith("noevict's changes were undone")], lines
    assert shape(host) == found
    # It is somebody else's as it was: not even looked at twice without redis_takeover.
    checkout.list_hosts([host])
    service = process_identity(host, "redis")
    again = checkout.run(*DEPLOY)
    assert again.returncode == 1, again
    start = STOPPED if before.stopped else FOREIGN
    assert [line for line in lines_about(again, host) if line.startswith(start)], again
    assert process_identity(host, "redis") == service
    if before.stopped:
        assert host.run("systemctl is-enabled redis-server", check=False).stdout == "disabled\n"
    else:
        with plaintext_client(host) as client:
            assert_filled(client, KEYS)
    # What failed is mended, and it is taken over whole.
    checkout.list_hosts([host], redis_takeover=True)
    deploy(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
    assert_clean(checkout)


@pytest.mark.parametrize(
    "moment", sample({"files": Fault(FILES, "after"), "restart": Fault(RESTART, "before")}, "restart")
)
@pytest.mark.parametrize("foreign", [BEFORE[1]], ids=lambda each: each.id, indirect=True)
def test_a_take_over_that_is_killed_does_not_make_the_host_ours(
    foreign: Host, moment: Fault, checkout: Checkout
) -> None:
    host = foreign
    checkout.list_hosts([host], redis_takeover=True)
    inject_faults(checkout, moment)
    assert checkout.run(*DEPLOY).returncode
    stop_injecting(checkout)
    service = process_identity(host, "redis")
    checkout.list_hosts([host])
    again = checkout.run(*DEPLOY)
    assert again.returncode == 1, again
    assert [line for line in lines_about(again, host) if line.startswith(FOREIGN)], again
    assert process_identity(host, "redis") == service
    # The next one fails, and still knows how the host was before the first.
    checkout.list_hosts([host], redis_takeover=True, redis_config=NOWHERE)
    failed = checkout.run(*DEPLOY)
    assert [line for line in lines_about(failed, host) if line.startswith("noevict's changes were undone")], (
        failed
    )
    assert not [line for line in shape(host) if "noevict" in line]
    with plaintext_client(host) as client:
        assert_filled(client, KEYS)
    checkout.list_hosts([host], redis_takeover=True)
    deploy(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
    assert_clean(checkout)


@pytest.mark.parametrize(
    "moment",
    sample({"files": Fault(FILES, "after"), "certificate": Fault("Certificate", "after")}, "files"),
)
@pytest.mark.parametrize("foreign", [BEFORE[1]], ids=lambda each: each.id, indirect=True)
def test_a_take_over_that_is_killed_is_finished_by_the_same_run_again(
    foreign: Host, moment: Fault, checkout: Checkout
) -> None:
    checkout.list_hosts([foreign], redis_takeover=True)
    inject_faults(checkout, moment)
    assert checkout.run(*DEPLOY).returncode
    stop_injecting(checkout)
    deploy(checkout)
    with admin(checkout, foreign) as client:
        assert_filled(client, KEYS)
    assert_clean(checkout)
    assert not {"good", "takeover"} & set(foreign.run("ls /var/lib/noevict").stdout.split())


def test_one_that_would_not_start_gives_back_a_server_that_was_not_stopped(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    install_foreign(host, 'save ""')
    with plaintext_client(host) as client:
        fill(client, KEYS)
    found, service = shape(host), process_identity(host, "redis")
    checkout.list_hosts([host], redis_takeover=True, redis_config={"tls-ciphers": "NONE-OF-THEM"})
    done = checkout.run(*DEPLOY)
    assert [line for line in lines_about(done, host) if line.endswith("Redis runs, as before")], done
    assert (shape(host), process_identity(host, "redis")) == (found, service)
    with plaintext_client(host) as client:
        assert_filled(client, KEYS)
        assert client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}
