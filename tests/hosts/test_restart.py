"""A restart, and what would need one: never of a server that could lose something, never to end in one that is down."""

import itertools
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, config, deploy, run_id, wait_for
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    changed_operations,
    file_states,
    fill,
    lines_about,
    wait_until_loaded,
)
from tests.hosts.test_two_runs import ended, stopped
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.sampling import sample

KEYS = 1000
NOWHERE = {"redis_config": {"unixsocket": "/nowhere/s"}}  # only the start of the server itself tries it

DROPINS = "/etc/systemd/system/redis-server.service.d"


@pytest.fixture
def host(boot: Boot, checkout: Checkout) -> Host:
    """A managed host with keys."""
    [host] = boot("trixie")
    provision(checkout, host)
    return host


def provision(checkout: Checkout, *hosts: Host, **settings: Any) -> None:
    checkout.list_hosts(hosts, **settings)
    deploy(checkout)
    for host in hosts:
        with admin(checkout, host) as client:
            fill(client, KEYS)


def assert_keys(checkout: Checkout, *hosts: Host) -> None:
    for host in hosts:
        with admin(checkout, host) as client:
            assert_filled(client, KEYS)


@dataclass(frozen=True)
class Unusable:
    """Settings that are right in form, and that no server starts with; ``reported``: words of the line about it."""

    id: str
    settings: dict[str, Any]
    reported: str


BEFORE = (
    Unusable("ciphers", {"redis_config": {"tls-ciphers": "NONE-OF-THEM"}}, "would not start with this configuration"),
    Unusable("locale", {"redis_config": {"locale-collate": "xx_XX"}}, "would not start with this configuration"),
    Unusable("address", {"redis_bind": "127.0.0.1 192.0.2.7"}, "addresses that this host has, got 192.0.2.7"),
    Unusable("port", {"redis_port": 443}, "redis_port: should be 1024 or more, got 443"),
)  # fmt: skip


@pytest.mark.parametrize("unusable", sample({each.id: each for each in BEFORE}, "port"))
def test_what_would_not_start_is_found_before_anything_is_changed(
    checkout: Checkout, host: Host, unusable: Unusable
) -> None:
    before, server = file_states(host), run_id(checkout, host)
    checkout.list_hosts([host], **unusable.settings)
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert [line for line in lines_about(done, host) if unusable.reported in line], done
    # The certificate comes first: the new configuration is tested with it. Its link gives the directory another time.
    changed_operations = {line for line in file_states(host) ^ before if "/tls" not in line}
    directory = {(path, inode, *access) for path, inode, _, *access in map(str.split, changed_operations)}
    assert [(path, *access) for path, _, *access in directory] in ([], [("/etc/redis", "root", "3770")])
    assert run_id(checkout, host) == server
    checkout.list_hosts([host], redis_config={"hz": 20})
    deploy(checkout)
    assert (config(checkout, host, "hz"), run_id(checkout, host)) == ({"hz": "20"}, server)
    assert_clean(checkout)


def test_a_restart_that_fails_puts_the_old_configuration_back(checkout: Checkout, host: Host) -> None:
    before = files_of_redis(host)
    checkout.list_hosts([host], **NOWHERE)
    done = checkout.run(*DEPLOY)
    lines = lines_about(done, host)
    assert done.returncode == 1, done
    assert [line for line in lines if "did not restart" in line and "Failed opening Unix socket" in line], (
        done
    )
    assert "Redis runs again, with its old configuration" in lines
    assert files_of_redis(host) == before
    assert_keys(checkout, host)
    assert checkout.run("noevict", "drift").returncode == 2  # it is still asked for
    checkout.list_hosts([host])
    deploy(checkout)
    assert_clean(checkout)
    assert_keys(checkout, host)


def test_no_rollback_brings_a_user_back_that_was_removed_since(checkout: Checkout, host: Host) -> None:
    checkout.list_hosts([host], redis_users={"leaver": "app"})
    deploy(checkout)
    for users in ({"leaver": "app"}, {}):  # the first run keeps a configuration that the second one puts back
        checkout.list_hosts([host], redis_users=users, **NOWHERE)
        done = checkout.run(*DEPLOY)
        assert "Redis runs again, with its old configuration" in lines_about(done, host), done
        assert ("user leaver " in host.read("/etc/redis/users.acl")) == bool(users)
        with admin(checkout, host) as client:
            assert ("leaver" in client.acl_users()) == bool(users)
    checkout.list_hosts([host])
    deploy(checkout)
    assert_clean(checkout)
    assert_keys(checkout, host)


# Starts only while that file is not there.
FAILING = "[Service]\nExecStartPre=+/usr/bin/test ! -e /etc/fails\n"


def unit(host: Host) -> str:
    """Its state and, behind a slash, what that is in detail."""
    reported = host.run("systemctl show redis-server -p ActiveState,SubState --value").stdout
    return "/".join(reported.split())


def fails_again_and_again(host: Host) -> None:
    """From now on, until /etc/fails is gone."""
    host.write(f"{DROPINS}/failing.conf", FAILING)
    host.run("systemctl daemon-reload && touch /etc/fails && systemctl kill -s KILL redis-server")
    wait_for("it fails", lambda: unit(host) == "activating/auto-restart")


@pytest.mark.parametrize("appendonly", sample({"AOF": True, "RDB": False}, "AOF"))
def test_a_start_that_fails_puts_the_configuration_of_a_stopped_server_back(
    checkout: Checkout, host: Host, appendonly: bool
) -> None:
    if not appendonly:
        checkout.list_hosts([host], redis_appendonly=False)
        deploy(checkout)
    before = files_of_redis(host)
    host.run("systemctl stop redis-server")
    checkout.list_hosts([host], **NOWHERE)
    done = checkout.run(*DEPLOY)
    lines = lines_about(done, host)
    assert done.returncode == 1, done
    assert [line for line in lines if "did not start" in line and "Failed opening Unix socket" in line], done
    assert "the old configuration is back, and Redis is stopped, as before" in lines, done
    assert unit(host).split("/")[0] in ("inactive", "failed")
    # Its data may be in append-only files by now.
    assert appendonly is False or files_of_redis(host) == before
    assert "unixsocket /nowhere" not in host.read("/etc/redis/redis.conf")
    host.run("systemctl start redis-server")
    wait_until_loaded(checkout, host)
    assert_keys(checkout, host)
    checkout.list_hosts([host])
    deploy(checkout)
    assert_clean(checkout)
    assert_keys(checkout, host)


def test_a_server_that_fails_again_and_again_is_kept_down_while_it_is_changed(
    checkout: Checkout, host: Host
) -> None:
    fails_again_and_again(host)
    checkout.list_hosts([host], redis_config={"hz": 20})
    with stopped(checkout, "place") as process:
        host.run("rm /etc/fails")
        assert unit(host).split("/")[0] in ("inactive", "failed"), "it may come up now"
    done = ended(process)
    assert done.returncode == 0, done
    assert config(checkout, host, "hz") == {"hz": "20"}
    assert_keys(checkout, host)


def test_a_server_that_failed_again_and_again_continues_so_after_a_run_that_fails(
    checkout: Checkout, host: Host
) -> None:
    before = files_of_redis(host)
    fails_again_and_again(host)
    for settings in ({"redis_config": {"hz": 20}}, {"redis_config": {"tls-ciphers": "NONE-OF-THEM"}}):
        checkout.list_hosts([host], **settings)
        done = checkout.run(*DEPLOY)
        assert done.returncode == 1, done
        assert "systemd tries to start Redis, as before" in lines_about(done, host), done
        assert files_of_redis(host) == before
    host.run("rm /etc/fails")
    wait_for("it comes up", lambda: unit(host) == "active/running")
    assert_keys(checkout, host)


def test_a_run_that_fails_does_not_start_a_stopped_server_that_systemd_gave_up_on(
    checkout: Checkout, host: Host
) -> None:
    host.write(f"{DROPINS}/limit.conf", "[Unit]\nStartLimitIntervalSec=3600\nStartLimitBurst=2\n")
    fails_again_and_again(host)
    wait_for("systemd gives up", lambda: unit(host) == "failed/failed")
    host.run("rm /etc/fails")
    checkout.list_hosts([host], redis_config={"tls-ciphers": "NONE-OF-THEM"})
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert not [line for line in lines_about(done, host) if "systemd tries to start" in line], done
    assert unit(host) == "failed/failed"
    checkout.list_hosts([host])
    deploy(checkout)
    assert_clean(checkout)
    assert_keys(checkout, host)


def files_of_redis(host: Host) -> str:
    return host.run("cd /etc/redis && stat -c '%n %U %G %a' * && sha256sum redis.conf users.acl").stdout


def test_a_first_start_that_fails_is_reported_and_mended_by_the_next_run(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("bookworm")
    checkout.list_hosts([host], **NOWHERE)
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert [line for line in lines_about(done, host) if "Failed opening Unix socket" in line], done
    checkout.list_hosts([host])
    deploy(checkout)
    assert_clean(checkout)


def test_after_one_host_that_does_not_come_back_no_other_is_restarted(boot: Boot, checkout: Checkout) -> None:
    hosts = boot("bookworm", "trixie", "bookworm")
    provision(checkout, *hosts)
    before = {host.name: (run_id(checkout, host), files_of_redis(host)) for host in hosts}
    checkout.list_hosts(hosts, **NOWHERE)
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    lines = {host.name: lines_about(done, host) for host in hosts}
    [failed] = [host for host in hosts if "Redis runs again, with its old configuration" in lines[host.name]]
    others = [host for host in hosts if host is not failed]
    for host in others:
        reported = f"not restarted: {failed.name} did not come back; fix that first"
        assert reported in lines[host.name], done
        assert run_id(checkout, host) == before[host.name][0]
    assert {host.name: files_of_redis(host) for host in hosts} == {
        name: file_states for name, (_, file_states) in before.items()
    }
    assert_keys(checkout, *hosts)
    checkout.list_hosts(hosts, redis_config={"databases": 32})
    deploy(checkout)
    for host in hosts:
        assert config(checkout, host, "databases") == {"databases": "32"}
    assert_keys(checkout, *hosts)
    assert_clean(checkout)


# Asks whether it may start, before each start.
ASKING = """[Service]
ExecStartPre=+/bin/bash -c 'exec 3<>/dev/tcp/{address}/{port} && read -r word <&3 && [[ $$word == yes ]]'
"""


@contextmanager
def starts(*numbers_denied: int) -> Iterator[tuple[int, list[str]]]:
    """A door on this machine that answers "yes" but to these, counted from 1; its port, and who asked."""
    asked: list[str] = []

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(self.client_address[0])
            self.request.sendall(b"no\n" if len(asked) in numbers_denied else b"yes\n")

    with socketserver.TCPServer(("", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()


def test_the_second_of_five_does_not_come_back_and_the_three_after_it_are_not_restarted(
    boot: Boot, checkout: Checkout
) -> None:
    hosts = boot(*["trixie"] * 5)
    provision(checkout, *hosts)
    before = {host.name: run_id(checkout, host) for host in hosts}
    checkout.list_hosts(hosts, redis_config={"databases": 32})
    with starts(2) as (port, asked):
        for host in hosts:
            here = host.ssh("echo $SSH_CLIENT").stdout.split()[0]
            host.write(f"{DROPINS}/asking.conf", ASKING.format(address=here, port=port))
            host.run("systemctl daemon-reload")
        done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    # The third start is the start of the second host with its old configuration.
    first, second, back = (next(host for host in hosts if host.address == address) for address in asked)
    assert first is not second is back
    assert sorted(done.json["results"]["failed_hosts"]) == sorted(h.name for h in hosts if h is not first)
    assert [line for line in lines_about(done, first) if line.startswith("verified: ")], done
    assert config(checkout, first, "databases") == {"databases": "32"}
    assert "Redis runs again, with its old configuration" in lines_about(done, second), done
    for host in hosts:
        if host not in (first, second):
            reported = f"not restarted: {second.name} did not come back; fix that first"
            assert reported in lines_about(done, host), done
            assert run_id(checkout, host) == before[host.name]
    assert_keys(checkout, *hosts)
    for host in hosts:
        host.run(f"rm {DROPINS}/asking.conf && systemctl daemon-reload")
    deploy(checkout)
    for host in hosts:
        assert config(checkout, host, "databases") == {"databases": "32"}
    assert_keys(checkout, *hosts)
    assert_clean(checkout)


def test_hosts_are_restarted_one_after_the_other(boot: Boot, checkout: Checkout) -> None:
    hosts = boot("trixie", "bookworm", "trixie")
    provision(checkout, *hosts)
    checkout.list_hosts(hosts, redis_config={"databases": 32})
    deploy(checkout)
    spans = sorted(down(host) for host in hosts)
    assert all(up < next_down for (_, up), (next_down, _) in itertools.pairwise(spans)), spans
    assert_keys(checkout, *hosts)


def down(host: Host) -> tuple[int, int]:
    """When its server went down and came up again last, in microseconds of the clock all hosts share."""
    names = ("ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    reported = host.run(f"systemctl show redis-server -p {','.join(names)}").stdout
    found = dict(line.split("=") for line in reported.split())
    return int(found[names[0]]), int(found[names[1]])


def test_a_server_that_cannot_save_is_not_restarted(checkout: Checkout, host: Host) -> None:
    apply_changes(checkout, host, ("rm -f DATA/dump.rdb", "mkdir DATA/dump.rdb", "redis: BGSAVE"))

    def failed() -> bool:
        with admin(checkout, host) as client:
            return bool(client.info("persistence")["rdb_last_bgsave_status"] == "err")

    wait_for("the save fails", failed)
    server = run_id(checkout, host)
    reported = "rdb_last_bgsave_status: should be ok, is err"
    done = checkout.run(*DEPLOY)
    assert (done.returncode, reported in lines_about(done, host)) == (1, True), done
    checkout.list_hosts([host], redis_config={"databases": 32})
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert [line for line in lines_about(done, host) if line.startswith("BGSAVE failed: ")], done
    assert run_id(checkout, host) == server
    apply_changes(checkout, host, ("rmdir DATA/dump.rdb",))
    done = deploy(checkout)
    assert "Restart, one host at a time" in changed_operations(done, host)
    assert_keys(checkout, host)
    assert_clean(checkout)


def test_aof_is_turned_off_and_on_without_a_restart_and_without_losing_a_key(
    checkout: Checkout, host: Host
) -> None:
    server = run_id(checkout, host)
    for number, appendonly in enumerate((False, True, False, True)):
        checkout.list_hosts([host], redis_appendonly=appendonly)
        deploy(checkout)
        assert_clean(checkout)
        assert run_id(checkout, host) == server
        with admin(checkout, host) as client:
            client.set(f"after {number}", "there")
        host.run("systemctl restart redis-server")
        wait_until_loaded(checkout, host)
        server = run_id(checkout, host)
        with admin(checkout, host) as client:
            assert client.mget(f"after {n}" for n in range(number + 1)) == ["there"] * (number + 1)
            assert_filled(client, KEYS)


def test_a_server_with_only_rdb_loses_nothing_in_a_restart(boot: Boot, checkout: Checkout) -> None:
    hosts = boot("bookworm", "trixie")
    provision(checkout, *hosts, redis_appendonly=False, redis_save="3600 1")
    for host in hosts:
        # A stop by itself would write nothing.
        apply_changes(checkout, host, ('redis: CONFIG SET save ""',))
    checkout.list_hosts(hosts, redis_appendonly=False, redis_save="3600 1", redis_config={"databases": 32})
    deploy(checkout)
    assert_keys(checkout, *hosts)
    for host in hosts:
        host.reboot()
        wait_until_loaded(checkout, host)
    assert_keys(checkout, *hosts)
    assert_clean(checkout)
