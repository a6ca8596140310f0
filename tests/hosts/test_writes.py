"""Clients write while their servers are repaired: no write that was acknowledged is lost, and only a restart is felt.

What an acknowledgement is worth, with ``appendfsync everysec``: before the reply is sent, the write is in the server's
memory and in its buffer of the append-only file, which is handed to the kernel before replies are sent (only while a
sync of the disk lasts may it wait, for two seconds at most). Synced to the disk it is once a second. So it survives
a clean stop, at which the server writes the buffer out and syncs before it exits, whatever the age of the write; that
is what a restart by noevict is, and these tests demand that nothing at all is lost over one. It mostly survives the
server being killed, and not always a power cut: up to two seconds are lost then, by Redis's own contract and not by
noevict; ``redis_appendfsync = "always"`` is for those who cannot bear that. A server without AOF (one that is taken
over, as it is found) keeps acknowledged writes only in memory until AOF is turned on: from that moment on they are in
the append-only files, of which the first holds everything before, and the stop is a clean one all the same.

A write without an acknowledgement may or may not have been made. Clients here make it again, as job queues do.
"""

from dataclasses import dataclass
from functools import partial

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from tests.hosts.conftest import Boot
from tests.hosts.deployment import Fleet, admin, assert_clean, changes, connect, deploy, engine_of
from tests.hosts.manual_changes import apply_changes, plaintext_client, wait_until_loaded
from tests.hosts.remediations import PASSWORD, REMEDIATIONS, TAKE_OVER, Remediation, install_old
from tests.hosts.writers import KINDS, Writer, writing
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

SUITES = {"bookworm": "bookworm", "trixie": "trixie", "valkey": "trixie"}  # host -> release; see engine_of
OF_A_RESTART = {"ConnectionError", "BusyLoadingError", "TimeoutError"}


@dataclass(frozen=True)
class Outcome:
    """Of one remediation on one host: its clients, and the acknowledged writes that were missing after it."""

    writers: list[Writer]
    lost: dict[str, set[int]]


@dataclass(frozen=True)
class Story:
    fleet: Fleet
    outcomes: dict[tuple[str, str], Outcome]  # by remediation and host


def specs() -> list[Spec]:
    return [Spec(suite, name=name) for name, suite in SUITES.items()]


def lost(fleet: Fleet, host: Host, writers: list[Writer]) -> dict[str, set[int]]:
    """By the kind of client; none is an empty one."""
    with admin(fleet.checkout, host) as client:
        return {writer.kind: missing for writer in writers if (missing := writer.lost(client))}


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    """One remediation after the other, on all hosts at once, with clients of its own; in the end all are restarted."""
    fleet = Fleet(checkout_for_module, boot_for_module(*specs()))
    fleet.list_hosts()
    deploy(fleet.checkout)
    outcomes = {}
    for remediation in REMEDIATIONS:
        for name, writers in remediate(fleet, remediation).items():
            outcomes[remediation.id, name] = Outcome(writers, lost(fleet, fleet[name], writers))
    for host in fleet.hosts:
        host.run(f"systemctl restart {LAYOUTS[engine_of(host)].unit}")
        wait_until_loaded(fleet.checkout, host)
    return Story(fleet, outcomes)


def remediate(fleet: Fleet, remediation: Remediation) -> dict[str, list[Writer]]:
    """Something is due, and done while clients of every kind write as user app."""
    for host in fleet.hosts:
        apply_changes(fleet.checkout, host, remediation.manual_changes, engine_of(host))
    fleet.list_hosts(**remediation.settings)
    clients = {
        host.name: [
            Writer(
                f"{remediation.id}:{kind}", kind, partial(connect, fleet.checkout, host, "app"), pause=0.05
            )
            for kind in KINDS
        ]
        for host in fleet.hosts
    }
    with writing(writer for writers in clients.values() for writer in writers):
        done = deploy(fleet.checkout)
    assert changes(done) > 0, done
    return clients


@pytest.fixture(params=SUITES)
def host(request: pytest.FixtureRequest, story: Story) -> Host:
    return story.fleet[request.param]


@pytest.fixture(params=REMEDIATIONS, ids=lambda each: each.id)
def remediation(request: pytest.FixtureRequest) -> Remediation:
    found: Remediation = request.param
    return found


def test_no_acknowledged_write_is_lost(story: Story, remediation: Remediation, host: Host) -> None:
    outcome = story.outcomes[remediation.id, host.name]
    assert outcome.lost == {}
    # Nor by the next start.
    assert lost(story.fleet, host, outcome.writers) == {}


def test_only_a_restart_is_felt(story: Story, remediation: Remediation, host: Host) -> None:
    outcome = story.outcomes[remediation.id, host.name]
    if remediation.restarts:
        assert {writer.kind: writer.ended for writer in outcome.writers} == dict.fromkeys(KINDS, 1)
        assert {error for writer in outcome.writers for error in writer.errors} <= OF_A_RESTART
    else:
        reported = {writer.kind: (writer.ended, writer.errors) for writer in outcome.writers}
        assert reported == dict.fromkeys(KINDS, (0, set()))


def test_old_clients_of_a_server_that_is_taken_over_lose_no_write(boot: Boot, checkout: Checkout) -> None:
    fleet = Fleet(checkout, boot(*specs()))
    install_old(checkout, fleet.hosts)
    fleet.list_hosts(**TAKE_OVER)
    clients = {
        host.name: [Writer(f"old:{kind}", kind, partial(plaintext_client, host, PASSWORD)) for kind in KINDS]
        for host in fleet.hosts
    }
    with writing(writer for writers in clients.values() for writer in writers):
        deploy(checkout)
    for host in fleet.hosts:
        assert {writer.kind: writer.ended for writer in clients[host.name]} == dict.fromkeys(KINDS, 1)
        assert {error for writer in clients[host.name] for error in writer.errors} <= OF_A_RESTART
        with connect(checkout, host, "admin", 6380) as client:
            assert not [writer.kind for writer in clients[host.name] if writer.lost(client)]
        with plaintext_client(host) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.ping()
        with connect(checkout, host, "app", 6380) as app:
            assert app.get("old:single:0") == "0"
    assert_clean(checkout)
