"""``redis_engine`` changed on a managed host: its keys come along, or it stays as it is."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    DEPLOY,
    admin,
    assert_clean,
    changes,
    connect,
    deploy,
    is_idle,
    run_id,
    wait_for,
)
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    file_states,
    fill,
    lines_about,
    wait_until_loaded,
)
from tests.hosts.test_restart import fails_again_and_again, unit
from tests.hosts.writers import KINDS, Writer, writing
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.images import image
from tests.sampling import sample

COUNT = 2000
DEBS = "opt/debs"
COMMANDS = {"redis_config": {"aof-use-rdb-preamble": False}}
UNREAD = "redis_engine: Redis's data is in RDB version 12, which Valkey 8.1.1 does not read."
NOWHERE = {"unixsocket": "/nowhere/s"}  # only the start of the server itself tries it


def seven(host: Host) -> None:
    """Redis 7.0 of Debian 12 on a Debian 13: a host that was upgraded, its Redis held back."""
    debs = image("bookworm") / DEBS
    host.ssh(
        f"apt-get update -q && apt-get install -qy {debs}/redis-server_*.deb {debs}/redis-tools_*.deb",
        timeout=120,
    )


@dataclass(frozen=True)
class Move:
    """From Redis as ``before`` has it, with keys, to Valkey as ``after`` has it."""

    release: int = 7
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    manual_changes: tuple[str, ...] = ()  # in between
    systemd: bool = True


ONLY_RDB = {"redis_appendonly": False, "redis_save": "3600 1"}
MOVES = {
    "seven": Move(),
    "seven-rdb": Move(before=ONLY_RDB, after=ONLY_RDB),
    "seven-rdb-to-aof": Move(before=ONLY_RDB),
    "seven-aof-to-rdb": Move(after=ONLY_RDB),
    "seven-stopped": Move(manual_changes=("systemctl stop UNIT",)),
    "seven-rdb-stopped": Move(before=ONLY_RDB, manual_changes=("systemctl stop UNIT",)),
    "seven-no-save": Move(before=ONLY_RDB, manual_changes=('redis: CONFIG SET save ""',)),
    "seven-init": Move(systemd=False),
    "eight": Move(8, after=COMMANDS),
    "eight-commands-before": Move(8, before=COMMANDS, after=COMMANDS),
}


@dataclass
class Story:
    """All moves, each on a host of its own, in one run."""

    checkout: Checkout
    hosts: dict[str, Host]
    dry: Result
    unchanged: bool  # by --dry
    done: Result
    again: Result


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    checkout = checkout_for_module
    debs = (image("bookworm") / DEBS,)
    specs = [Spec("trixie", name=name, binds=debs, systemd=move.systemd) for name, move in MOVES.items()]
    hosts = dict(zip(MOVES, boot_for_module(*specs), strict=True))
    for name, move in MOVES.items():
        if move.release == 7:
            seven(hosts[name])
    checkout.list_hosts(hosts.values(), each={name: move.before for name, move in MOVES.items()})
    deploy(checkout)
    for name, move in MOVES.items():
        with admin(checkout, hosts[name]) as client:
            fill(client, COUNT)
        apply_changes(checkout, hosts[name], move.manual_changes)
    after = {name: {**move.after, "redis_engine": "valkey"} for name, move in MOVES.items()}
    checkout.list_hosts(hosts.values(), each=after)
    before = [file_states(host) for host in hosts.values()]
    dry = checkout.run("pyinfra", "--dry", "inventory", "deploy.py")
    unchanged = [file_states(host) for host in hosts.values()] == before
    done = checkout.run(*DEPLOY)
    return Story(checkout, hosts, dry, unchanged, done, checkout.run(*DEPLOY))


def test_data_of_another_user_is_not_handed_over_and_the_old_server_has_it_back(
    boot: Boot, checkout: Checkout
) -> None:
    """Before the new server is even installed."""
    [host] = boot(Spec("trixie", binds=(image("bookworm") / DEBS,)))
    seven(host)
    checkout.list_hosts([host])
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, COUNT)
        client.bgrewriteaof()
        wait_for("files rewritten", lambda: is_idle(client))
    host.run("systemctl stop redis-server && chown daemon /var/lib/redis/appendonlydir/*.base.rdb")
    checkout.list_hosts([host], redis_engine="valkey")
    done = deploy(checkout, code=1)
    assert "should belong to redis: chown it, then run again" in done.output, done
    assert "Redis runs again, with its data" in done.output, done
    host.run("chown redis /var/lib/redis/appendonlydir/*.base.rdb")
    deploy(checkout)
    with admin(checkout, host) as client:
        assert client.info("server")["server_name"] == "valkey"
        assert_filled(client, COUNT)
    assert_clean(checkout)


@pytest.fixture(params=MOVES)
def host(request: pytest.FixtureRequest, story: Story) -> Host:
    return story.hosts[request.param]


def test_the_change_is_reported_first_and_nothing_is_done_by_dry(story: Story, host: Host) -> None:
    reported = [line for line in lines_about(story.dry, host) if line.startswith("due: the engine: ")]
    release = "8.0.2" if host.name.startswith("eight") else "7.0.15"
    keys = ", not running" if host.name.endswith("stopped") else f", {COUNT + 6} keys"
    assert reported == [f"due: the engine: Redis {release}{keys} → Valkey, with all its keys [engine]"]
    assert story.unchanged


def test_all_keys_come_along(story: Story, host: Host) -> None:
    with admin(story.checkout, host) as client:
        assert client.info("server")["server_name"] == "valkey"
        assert_filled(client, COUNT)


def test_the_old_server_is_stopped_and_will_not_start_and_its_data_is_kept(host: Host) -> None:
    assert host.run("pidof redis-server", check=False).stdout == ""
    if MOVES[host.name].systemd:
        reported = host.run("systemctl is-enabled redis-server valkey-server", check=False).stdout
        assert reported == "disabled\nenabled\n"
    there = set(host.run("ls /var/lib/redis").stdout.split())
    assert not there & {"dump.rdb", "appendonlydir"}
    assert [name for name in there if ".moved-" in name]


def test_the_run_after_is_clean(story: Story) -> None:
    assert (story.done.returncode, story.again.returncode) == (0, 0), story.done
    assert changes(story.again) == 0, story.again
    assert "due:" not in story.again.output, story.again


def test_keys_survive_a_restart_of_the_new_server(story: Story, host: Host) -> None:
    before = run_id(story.checkout, host)
    host.run("service valkey-server restart", timeout=60)
    wait_until_loaded(story.checkout, host)
    with admin(story.checkout, host) as client:
        assert client.info("server")["run_id"] != before
        assert_filled(client, COUNT)


def provisioned(boot: Boot, checkout: Checkout, **settings: Any) -> Host:
    """Return a managed Redis 8.0 with keys."""
    [host] = boot("trixie")
    checkout.list_hosts([host], **settings)
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, COUNT)
    return host


@pytest.fixture
def eight(boot: Boot, checkout: Checkout) -> Host:
    return provisioned(boot, checkout)


def test_data_that_is_not_read_is_refused_first_with_the_way_that_works(
    checkout: Checkout, eight: Host
) -> None:
    server, before = run_id(checkout, eight), file_states(eight)
    checkout.list_hosts([eight], redis_engine="valkey")
    done = deploy(checkout, code=1)
    assert [line for line in lines_about(done, eight) if line.startswith(UNREAD)], done
    drift = checkout.run("noevict", "drift")
    assert (drift.returncode, UNREAD in drift.stderr) == (1, True), drift
    assert (run_id(checkout, eight), file_states(eight)) == (server, before)
    checkout.list_hosts([eight], redis_engine="valkey", **COMMANDS)
    deploy(checkout)
    with admin(checkout, eight) as client:
        assert_filled(client, COUNT)
    assert_clean(checkout)
    # Back again, and what was kept of the first time is in nobody's way.
    checkout.list_hosts([eight])
    deploy(checkout)
    with admin(checkout, eight) as client:
        assert "8.0.2" in client.info("server")["redis_version"]
        assert_filled(client, COUNT)
    assert_clean(checkout)


def test_clients_that_write_meanwhile_lose_no_acknowledged_write(checkout: Checkout, eight: Host) -> None:
    for engine, settings in (("valkey", COMMANDS), ("redis", {})):
        checkout.list_hosts([eight], redis_engine=engine, **settings)
        writers = [
            Writer(f"{engine}:{kind}", kind, partial(connect, checkout, eight, "app")) for kind in KINDS
        ]
        with writing(writers):
            deploy(checkout)
        assert {writer.kind: writer.ended for writer in writers} == dict.fromkeys(KINDS, 1)
        with admin(checkout, eight) as client:
            assert ("server_name" in client.info("server")) == (engine == "valkey")
            assert not [writer.kind for writer in writers if writer.lost(client)]
            assert_filled(client, COUNT)


def test_if_the_new_server_does_not_start_the_old_one_is_put_back_and_no_other_host_is_touched(
    checkout: Checkout, boot: Boot
) -> None:
    hosts = boot("trixie", "trixie", "trixie")
    checkout.list_hosts(hosts)
    deploy(checkout)
    for host in hosts:
        with admin(checkout, host) as client:
            fill(client, COUNT)
    settings = {"redis_engine": "valkey", "redis_config": COMMANDS["redis_config"] | NOWHERE}
    checkout.list_hosts(hosts, **settings)
    for _ in range(2):  # its package is installed by the second run
        done = deploy(checkout, code=1)
        failures = [host for host in hosts if "Redis runs again, with its data" in lines_about(done, host)]
        assert len(failures) == 1, done
        [failed] = failures
        others = [host for host in hosts if host is not failed]
        for host in others:
            assert f"not restarted: {failed.name} did not come back; fix that first" in lines_about(
                done, host
            ), done
        for host in hosts:
            with admin(checkout, host) as client:
                assert client.info("server").get("server_name") != "valkey"
                assert_filled(client, COUNT)
    # Given up on, it is as before.
    checkout.list_hosts(hosts)
    deploy(checkout)
    assert_clean(checkout)
    checkout.list_hosts(hosts, redis_engine="valkey", **COMMANDS)
    deploy(checkout)
    assert_clean(checkout)
    for host in hosts:
        with admin(checkout, host) as client:
            assert_filled(client, COUNT)


def test_an_old_server_that_systemd_tries_to_start_continues_so_if_a_step_before_fails(
    checkout: Checkout, boot: Boot
) -> None:
    host = provisioned(boot, checkout, **COMMANDS)
    fails_again_and_again(host)
    host.run("mv /usr/bin/dpkg-divert /usr/bin/dpkg-divert.away")
    checkout.list_hosts([host], redis_engine="valkey", **COMMANDS)
    done = deploy(checkout, code=1)
    lines = lines_about(done, host)
    assert [line for line in lines if line.startswith("placing files failed")], lines
    assert "systemd tries to start Redis, as before" in lines, done
    host.run("mv /usr/bin/dpkg-divert.away /usr/bin/dpkg-divert && rm /etc/fails")
    wait_for("it comes up", lambda: unit(host) == "active/running")
    wait_until_loaded(checkout, host)
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, COUNT)


def test_an_old_server_without_data_that_systemd_tries_to_start_continues_so_if_the_new_one_does_not_start(
    checkout: Checkout, boot: Boot
) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host], **ONLY_RDB)
    deploy(checkout)
    fails_again_and_again(host)
    host.run("rm -f /var/lib/redis/dump.rdb")
    checkout.list_hosts([host], redis_engine="valkey", **ONLY_RDB, redis_config=NOWHERE)
    for _ in range(2):  # its package is installed by the second run
        done = deploy(checkout, code=1)
        assert "systemd tries to start Redis, as before" in lines_about(done, host), done
        reported = host.run("systemctl is-enabled redis-server valkey-server", check=False).stdout
        assert reported == "enabled\ndisabled\n"
    host.run("rm /etc/fails")
    wait_for("it comes up", lambda: unit(host) == "active/running")
    checkout.list_hosts([host], **ONLY_RDB)
    deploy(checkout)
    assert_clean(checkout)


def test_a_new_server_that_cannot_read_the_data_is_kept_down_and_the_old_one_serves(
    checkout: Checkout, boot: Boot
) -> None:
    """systemd starts a server that failed again after three seconds: empty, and on the old one's port."""
    host = provisioned(boot, checkout, **COMMANDS)
    with admin(checkout, host) as client:
        client.hset("reminder", "at", "noon")
        client.execute_command(
            "HEXPIRE", "reminder", 86400, "FIELDS", 1, "at"
        )  # no release of Valkey 8 has it
    checkout.list_hosts([host], redis_engine="valkey", **COMMANDS)
    for _ in range(2):
        done = deploy(checkout, code=1)
        assert "Redis runs again, with its data" in lines_about(done, host), done
        assert "active" not in host.run("systemctl is-active valkey-server", check=False).stdout.split()
        with admin(checkout, host) as client:
            assert client.info("server").get("server_name") != "valkey"
            assert_filled(client, COUNT)
            assert client.hget("reminder", "at") == "noon"
        time.sleep(5)  # in which systemd would have started it
        assert "active" not in host.run("systemctl is-active valkey-server", check=False).stdout.split()


def test_a_server_whose_data_is_of_a_later_release_is_left_alone_until_that_is_back(
    checkout: Checkout, boot: Boot
) -> None:
    [host] = boot(Spec("trixie", binds=(image("bookworm") / DEBS,)))
    checkout.list_hosts([host])
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, COUNT)
    debs = image("bookworm") / DEBS
    host.run(
        "DEBIAN_FRONTEND=noninteractive apt-get install -qy --allow-downgrades "
        f"{debs}/redis-server_*.deb {debs}/redis-tools_*.deb",
        timeout=120,
        check=False,
    )
    line = "Redis 7.0.15 does not read its data, which is in RDB version 12: install the release that wrote it again"
    done = deploy(checkout, code=1)
    assert [each for each in lines_about(done, host) if each.startswith(line)], done
    host.run("DEBIAN_FRONTEND=noninteractive apt-get install -qy redis-server redis-tools", timeout=120)
    deploy(checkout)
    assert_clean(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, COUNT)


# Seconds after the change of engine began: while Redis writes, stops, hands over; while Valkey is installed, starts.
MOMENTS = {
    "at once": 0.0,
    "a tenth": 0.1,
    "a quarter": 0.25,
    "half": 0.5,
    "one": 1.0,
    "one and a half": 1.5,
    "two": 2.0,
}


@pytest.mark.parametrize("after", sample(MOMENTS, "one"))
def test_a_change_that_is_killed_is_finished_by_the_next_run(
    checkout: Checkout, eight: Host, after: float
) -> None:
    checkout.list_hosts([eight], redis_engine="valkey", **COMMANDS)
    process = checkout.start(*DEPLOY)
    assert process.stderr
    assert any("Starting operation: Change the engine" in line for line in process.stderr)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    with suppress(ProcessLookupError):  # on a quick machine it may be done by then
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = checkout.run(*DEPLOY)
    if done.returncode:  # what was begun had to end first
        assert "run again" in "".join(lines_about(done, eight)), done
        deploy(checkout)
    with admin(checkout, eight) as client:
        assert client.info("server")["server_name"] == "valkey"
        assert_filled(client, COUNT)
    assert_clean(checkout)
