"""What could cost keys, or a server: one that dies while AOF is first written, no room for that, a start that fails."""

import re

import pytest

from tests.hosts.big_data import Deploy, fill_big
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, changes, config, deploy, run_id, wait_for
from tests.hosts.manual_changes import apply_changes, assert_filled, fill, lines_about, wait_until_loaded
from tests.lab.checkout import Checkout
from tests.lab.disk import MEMINFO, Spec
from tests.lab.host import Host
from tests.sampling import sample

KEYS = 2000
NO_SAVES = {"redis_save": ""}
BASE = "/var/lib/redis/appendonlydir/*.base.rdb"


def provision(checkout: Checkout, host: Host, keys: int = KEYS, **settings: object) -> None:
    checkout.list_hosts([host], **settings)
    deploy(checkout)
    with admin(checkout, host) as client:
        fill(client, keys)


def assert_keys(checkout: Checkout, host: Host, keys: int = KEYS) -> None:
    with admin(checkout, host) as client:
        assert_filled(client, keys)


def refused(checkout: Checkout, host: Host, pattern: str) -> None:
    """A run that fails with exactly one line about that host that matches, and changes nothing that shows."""
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    lines = set(lines_about(done, host))
    assert len([line for line in lines if re.search(pattern, line)]) == 1, lines


def assert_drift(checkout: Checkout, pattern: str) -> None:
    drift = checkout.run("noevict", "drift")
    assert drift.returncode != 0, drift
    assert re.search(pattern, drift.output), drift


# --- while AOF is turned on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", sample(["bookworm", "trixie"], "bookworm"))
def test_a_server_that_dies_while_aof_is_first_written_has_all_keys(
    boot: Boot, checkout: Checkout, suite: str
) -> None:
    [host] = boot(suite)
    provision(checkout, host, **NO_SAVES)
    apply_changes(checkout, host, ("redis: CONFIG SET appendonly no",))
    with admin(checkout, host) as client:
        client.mset({f"later:{number}": number for number in range(100)})
        client.config_set("rdb-key-save-delay", 1000)
        going = Deploy(checkout)
        wait_for("it is being written", lambda: client.info("persistence")["aof_rewrite_in_progress"], 120)
    host.run("kill -9 $(systemctl show redis-server -p MainPID --value)")
    going.process.communicate(timeout=120)
    assert going.process.returncode == 1
    wait_until_loaded(checkout, host)

    def assert_all() -> None:
        with admin(checkout, host) as client:
            assert client.mget(f"later:{n}" for n in range(100)) == [str(n) for n in range(100)]
            assert_filled(client, KEYS)

    assert_all()
    apply_changes(checkout, host, ("redis: CONFIG SET rdb-key-save-delay 0",))
    deploy(checkout)
    assert_all()
    assert config(checkout, host, "appendonly") == {"appendonly": "yes"}
    assert_clean(checkout)
    host.run("systemctl kill -s KILL redis-server")
    wait_until_loaded(checkout, host)
    assert_all()


def test_without_room_aof_stays_off_and_clients_write_on(boot: Boot, checkout: Checkout) -> None:
    [host] = boot(Spec("trixie", disk=256, memory=2000))
    provision(checkout, host)
    server = run_id(checkout, host)
    with admin(checkout, host, decode_responses=False) as client:
        client.config_set("appendonly", "no")
        client.config_set("save", "")
        fill_big(client, 40)
    host.run("dd if=/dev/zero of=/filler bs=1M status=none 2>/dev/null; truncate -s -20M /filler; sync")
    for _ in range(2):
        refused(
            checkout,
            host,
            r"AOF stays off: the disk of /var/lib/redis has \d+ MiB free, .*: free space, then run again$",
        )
        with admin(checkout, host) as client:
            info = client.info("persistence")
            assert (info["aof_enabled"], info["rdb_last_bgsave_status"]) == (0, "ok")
            client.set("written", "on")
            client.delete("written")
    host.run("rm /filler")
    meminfo = host.read(MEMINFO)
    host.write(MEMINFO, re.sub(r"(MemAvailable: *)\d+", r"\g<1>1024", meminfo))
    refused(checkout, host, r"AOF stays off: 1 MiB of memory are free, .*, then run again$")
    host.write(MEMINFO, meminfo)
    deploy(checkout)
    assert run_id(checkout, host) == server
    assert_clean(checkout)
    assert config(checkout, host, "appendonly") == {"appendonly": "yes"}


# --- a server without its keys -----------------------------------------------------------------------------------


def test_a_server_that_started_empty_beside_its_keys_is_never_as_wanted(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    provision(checkout, host)
    with admin(checkout, host) as client:
        client.save()
    # As a file that says appendonly yes over an RDB only.
    host.run("systemctl kill -s KILL redis-server; systemctl stop redis-server")
    host.run("mv /var/lib/redis/appendonlydir /root/ && systemctl start redis-server")
    before = host.run("sha256sum /var/lib/redis/dump.rdb").stdout
    reported = r"has 0 keys, and /var/lib/redis/dump.rdb, from before its start, has 2005 that do not expire: copy it"
    checkout.list_hosts([host], redis_config={"databases": 32})
    server = run_id(checkout, host)
    refused(checkout, host, reported)
    assert_drift(checkout, reported)
    assert (host.run("sha256sum /var/lib/redis/dump.rdb").stdout, run_id(checkout, host)) == (before, server)
    # What its documentation says to do.
    host.run(
        "cp -a /var/lib/redis/dump.rdb /root/ && systemctl stop redis-server && cd /var/lib/redis && "
        "mv appendonlydir /root/appendonlydir.empty && cp -a /root/dump.rdb dump.rdb"
    )
    deploy(checkout)
    assert_keys(checkout, host)
    assert_clean(checkout)


def test_a_stopped_server_whose_keys_are_elsewhere_is_left_alone_until_they_are_moved(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    provision(checkout, host)
    with admin(checkout, host) as client:
        client.save()
    host.run(
        "systemctl stop redis-server && cd /var/lib/redis && rm -r appendonlydir && mv dump.rdb jobs.rdb"
    )
    host.run("printf 'appendonly no\\ndbfilename jobs.rdb\\n' >>/etc/redis/redis.conf")
    files = "sha256sum /etc/redis/redis.conf /var/lib/redis/*"
    before = host.run(files).stdout
    reported = r"its redis.conf says dbfilename jobs.rdb, noevict's is dump.rdb: data there would not be found; move it"
    for settings in ({}, {"redis_appendonly": False}):
        checkout.list_hosts([host], **settings)
        refused(checkout, host, reported)
        assert_drift(checkout, reported)
        assert host.run(files).stdout == before
    # What it says to do.
    host.run("mv /var/lib/redis/jobs.rdb /var/lib/redis/dump.rdb")
    host.run("sed -i 's/^dbfilename .*/dbfilename dump.rdb/' /etc/redis/redis.conf")
    checkout.list_hosts([host])
    deploy(checkout)
    assert_keys(checkout, host)
    assert_clean(checkout)


def test_one_that_was_emptied_on_purpose_is_as_wanted(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    provision(checkout, host, **NO_SAVES)
    with admin(checkout, host) as client:
        client.save()  # of a time when there were keys
        keys = sum(each["keys"] for each in client.info("keyspace").values())
        assert checkout.run("noevict", "drift").returncode == 0
        client.flushall()
    host.run(f"touch -d '-1 minute' {BASE}")  # not made by a start of this very moment: the test is that fast
    done = deploy(checkout)
    assert changes(done) == 0
    assert [line for line in lines_about(done, host) if line.startswith(f"has 0 keys, had {keys} on 20")], (
        done
    )
    for _ in range(2):
        host.run("systemctl restart redis-server")
        wait_until_loaded(checkout, host)
        assert_clean(checkout)
    checkout.list_hosts([host], redis_config={"databases": 32}, **NO_SAVES)
    deploy(checkout)
    assert_clean(checkout)
    assert int(host.run("stat -c %s /var/lib/redis/dump.rdb").stdout) > 10_000


# --- before a stop -----------------------------------------------------------------------------------------------

DAMAGE = "printf 'damaged' | dd of=$(ls {path}) bs=1 seek={at} conv=notrunc status=none"
INCR = "/var/lib/redis/appendonlydir/*.incr.aof"


def test_damaged_append_only_files_are_rewritten_before_a_restart(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("bookworm")
    provision(checkout, host, 500, **NO_SAVES)
    host.run(DAMAGE.format(path=INCR, at=3000))
    checkout.list_hosts([host], redis_config={"databases": 32}, **NO_SAVES)
    deploy(checkout)
    assert_keys(checkout, host, 500)
    assert_clean(checkout)


def test_without_room_to_rewrite_them_damaged_ones_are_not_started_with(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot(Spec("trixie", memory=2000))
    provision(checkout, host, 500, **NO_SAVES)
    server, meminfo = run_id(checkout, host), host.read(MEMINFO)
    host.write(MEMINFO, re.sub(r"(MemAvailable: *)\d+", r"\g<1>0", meminfo))
    host.run(f"cp -a {INCR} /root/ && " + DAMAGE.format(path=INCR, at=3000))
    checkout.list_hosts([host], redis_config={"databases": 32}, **NO_SAVES)
    refused(checkout, host, r"would not start again with all its keys, and is not stopped")
    assert run_id(checkout, host) == server
    assert_keys(checkout, host, 500)
    host.run(f"cat /root/*.incr.aof > $(ls {INCR})")
    done = deploy(checkout)
    assert [line for line in lines_about(done, host) if "are checked, and not rewritten" in line], done
    assert run_id(checkout, host) != server
    assert_keys(checkout, host, 500)


NOT_AGAIN = {
    "a place for the log": (
        "rm /var/log/redis/redis-server.log && mkdir /var/log/redis/redis-server.log",
        "rmdir /var/log/redis/redis-server.log && "
        "install -o redis -g adm -m 640 /dev/null /var/log/redis/redis-server.log",
        "/var/log/redis/redis-server.log cannot be written by user redis",
    ),
    "what the unit may write": (
        "mkdir -p /etc/systemd/system/UNIT.d && printf '[Service]\\nReadOnlyPaths=/var/log/redis\\n' "
        ">/etc/systemd/system/UNIT.d/zz.conf && systemctl daemon-reload",
        "rm /etc/systemd/system/UNIT.d/zz.conf && systemctl daemon-reload",
        "/var/log/redis/redis-server.log cannot be written by user redis",
    ),
}


def test_a_server_whose_start_would_fail_is_not_stopped(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    provision(checkout, host)
    with admin(checkout, host) as client:
        client.save()
    server = run_id(checkout, host)
    checkout.list_hosts([host], redis_config={"databases": 32})
    for harm, mend, reported in NOT_AGAIN.values():
        apply_changes(checkout, host, (harm,))
        refused(checkout, host, reported.replace("DATA", "/var/lib/redis"))
        assert run_id(checkout, host) == server
        apply_changes(checkout, host, (mend,))
    # This one is put right.
    host.run("chmod 400 /var/log/redis/redis-server.log")
    deploy(checkout)
    assert run_id(checkout, host) != server
    assert_keys(checkout, host)
    assert_clean(checkout)
