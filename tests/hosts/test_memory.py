"""Memory: maxmemory follows what the host really has, is never below what is in use, and leaves room for a save."""

import re
from dataclasses import dataclass

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.read import parse_facts
from noevict.scripts import look_script
from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    DEPLOY,
    Fleet,
    admin,
    assert_clean,
    changes,
    config,
    deploy,
    run_id,
    wait_for,
)
from tests.hosts.manual_changes import apply_changes, lines_about
from tests.hosts.overrides import RELOAD, ZZ
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

MIB = 1 << 20
MEMORY = {"tiny": 256, "valkey": 256, "huge": 3 << 19, "changing": 2000, "full": 2000}
# A word that the server reports as another.
SETTINGS = {"huge": {"redis_config": {"oom-score-adj": "relative"}}}


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Hosts of all sizes, provisioned."""
    suites = {"tiny": "bookworm", "full": "bookworm"}
    specs = (Spec(suites.get(name, "trixie"), name=name, memory=mib) for name, mib in MEMORY.items())
    fleet = Fleet(checkout_for_module, boot_for_module(*specs))
    fleet.list_hosts(SETTINGS)
    deploy(fleet.checkout)
    return fleet


def maxmemory(fleet: Fleet, name: str) -> int:
    """In MiB."""
    size, rest = divmod(int(config(fleet.checkout, fleet[name], "maxmemory")["maxmemory"]), MIB)
    assert rest == 0
    return size


def test_hosts_of_every_size_get_their_share(fleet: Fleet) -> None:
    found = {name: maxmemory(fleet, name) for name in MEMORY}
    assert found == {"tiny": 204, "valkey": 204, "huge": 1258291, "changing": 1600, "full": 1600}
    assert_clean(fleet.checkout)


def test_memory_that_grew_or_shrank_since_the_last_run_is_drift(fleet: Fleet) -> None:
    host, checkout = fleet["changing"], fleet.checkout
    before = run_id(checkout, host)
    for mib, share in ((4000, 3200), (1000, 800), (2000, 1600)):
        host.set_memory(mib)
        drift = checkout.run("noevict", "drift", "changing", "--json")
        reported = [change["what"] for change in drift.json["hosts"]["changing"]["drift"]]
        assert (drift.returncode, reported) == (2, ["maxmemory", "/etc/redis/redis.conf: maxmemory"])
        deploy(checkout)
        assert maxmemory(fleet, "changing") == share
        assert checkout.run("noevict", "drift", "changing").returncode == 0
    assert run_id(checkout, host) == before


def test_a_limit_of_the_unit_counts(fleet: Fleet) -> None:
    host, checkout = fleet["changing"], fleet.checkout
    before = run_id(checkout, host)
    limits = (
        ((f"printf '[Service]\\nMemoryMax=1G\\n' >{ZZ}", RELOAD), 819),
        ((f"rm {ZZ}", RELOAD, "systemctl set-property UNIT MemoryMax=500M"), 400),
        (("systemctl revert UNIT", "systemctl set-property UNIT MemoryMax=infinity"), 1600),
    )
    for manual_changes, share in limits:
        apply_changes(checkout, host, manual_changes)
        assert checkout.run("noevict", "drift", "changing").returncode == 2
        deploy(checkout)
        assert maxmemory(fleet, "changing") == share
    assert run_id(checkout, host) == before
    assert_clean(checkout)


@dataclass(frozen=True)
class Limits:
    """Files below /sys/fs/cgroup, and the MiB that are then reported for a host of 2000. SERVICE: the unit's group."""

    id: str
    files: dict[str, str]
    mib: int


SERVICE = "system.slice/redis-server.service"
V1 = f"memory/{SERVICE}/memory.limit_in_bytes"
NONE_V1 = "9223372036854771712"
LIMITS = (
    Limits("version 2, none", {f"{SERVICE}/memory.max": "max", "system.slice/memory.max": "max"}, 2000),
    Limits("version 2, of the service", {f"{SERVICE}/memory.max": str(512 * MIB)}, 512),
    Limits(
        "version 2, of the slice",
        {f"{SERVICE}/memory.max": "max", "system.slice/memory.max": str(300 * MIB)},
        300,
    ),
    Limits(
        "version 2, of the container",
        {"memory.max": str(700 * MIB), f"{SERVICE}/memory.max": str(900 * MIB)},
        700,
    ),
    Limits("version 2 beside version 1", {f"unified/{SERVICE}/memory.max": str(400 * MIB), V1: NONE_V1}, 400),
    Limits("version 1, none", {V1: NONE_V1, "memory/memory.limit_in_bytes": NONE_V1}, 2000),
    Limits("version 1, of the service", {V1: str(512 * MIB), "memory/memory.limit_in_bytes": NONE_V1}, 512),
    Limits(
        "version 1, of the container",
        {V1: NONE_V1, "memory/memory.limit_in_bytes": str(128 * MIB)},
        128,
    ),
    Limits("above what the machine has", {f"{SERVICE}/memory.max": str(1 << 50)}, 2000),
    Limits("of another service", {"system.slice/ssh.service/memory.max": "1048576"}, 2000),
    Limits("an empty file", {f"{SERVICE}/memory.max": ""}, 2000),
)


@pytest.mark.parametrize("limits", LIMITS, ids=lambda each: each.id)
def test_the_look_finds_the_limits_of_control_groups(fleet: Fleet, limits: Limits) -> None:
    """As they lie in the file system; the kernel of the machine the tests run on may have no memory controller."""
    assert looked_at(fleet["full"], limits.files).memory == limits.mib * MIB


def looked_at(host: Host, files: dict[str, str], before: str = "true", after: str = "true") -> InstanceState:
    """The look at a host with these files below /sys/fs/cgroup; commands to run before and after it."""
    tree = host.run("mktemp -d").stdout.strip()
    for path, text in files.items():
        host.write(f"{tree}/{path}", text)
    look = look_script((LAYOUTS["redis"],), (6379, 0))
    inside = f"mount --bind {tree} /sys/fs/cgroup && exec bash -s"
    host.run(before)
    try:
        reported = host.run(f"unshare --mount --propagation private sh -c '{inside}'", input=look)
    finally:
        host.run(after)
    [found] = parse_facts(reported.stdout.splitlines())
    return found


# Started so often in a moment, systemd would refuse.
START = "systemctl reset-failed redis-server; systemctl start redis-server"
SLICE = "apps-redis.slice"
IN_SLICE = "/run/systemd/system/redis-server.service.d/slice.conf"
STOPPED = (
    Limits("of the system's slice", {"system.slice/memory.max": str(300 * MIB)}, 300),
    Limits("of the group it had", {f"{SERVICE}/memory.max": str(400 * MIB)}, 400),
    Limits("version 1", {"memory/system.slice/memory.limit_in_bytes": str(512 * MIB)}, 512),
    Limits("of the container", {"memory.max": str(700 * MIB)}, 700),
    Limits(
        "of the session's slice",
        {"user.slice/memory.max": "1048576", "user.slice/user-0.slice/memory.max": "1048576"},
        2000,
    ),
)


@pytest.mark.parametrize("limits", STOPPED, ids=lambda each: each.id)
@pytest.mark.parametrize("name", ["full", "changing"])
def test_of_a_unit_that_does_not_run_the_limits_are_those_it_will_have(
    fleet: Fleet, name: str, limits: Limits
) -> None:
    """Not the values of the group that the look runs in."""
    host = fleet[name]
    groups = {line.split(":", 2)[2] for line in host.run("cat /proc/self/cgroup").stdout.splitlines()}
    files = {f"{group.strip('/')}/memory.max": "1048576" for group in groups if group.strip("/")}
    files |= {f"memory/{path}": text for path, text in files.items()}
    files = {path: text for path, text in files.items() if "system.slice" not in path} | limits.files
    found = looked_at(
        host,
        files,
        "systemctl stop redis-server",
        START,
    )
    assert not found.pid
    assert found.memory == limits.mib * MIB


def test_of_a_unit_that_does_not_run_the_limits_of_its_own_slices_count(fleet: Fleet) -> None:
    """They have no group as long as nothing runs in them: what is configured counts then."""
    host = fleet["changing"]
    host.write(IN_SLICE, f"[Service]\nSlice={SLICE}\n")
    host.write("/run/systemd/system/apps.slice", "[Slice]\nMemoryMax=600M\n")
    host.run("systemctl stop redis-server; systemctl daemon-reload")
    try:
        assert looked_at(host, {}).memory == 600 * MIB
        group = f"apps.slice/{SLICE}/memory.max"
        assert looked_at(host, {group: str(200 * MIB)}).memory == 200 * MIB
    finally:
        host.run(f"rm -f {IN_SLICE} /run/systemd/system/apps.slice; systemctl daemon-reload; {START}")


def in_use(fleet: Fleet, name: str) -> int:
    """MiB, rounded up."""
    with admin(fleet.checkout, fleet[name]) as client:
        return -(-int(client.info("memory")["used_memory"]) // MIB)


def is_refused(fleet: Fleet, name: str, mib: int) -> None:
    """With both numbers, by a look and by a run; and nothing is changed."""
    before = maxmemory(fleet, name), run_id(fleet.checkout, fleet[name])
    used = in_use(fleet, name)
    for command in (("noevict", "drift"), DEPLOY):
        done = fleet.checkout.run(*command)
        assert done.returncode == 1, done
        [line] = set(re.findall(r"redis_maxmemory: .*", done.output))
        numbers = re.match(r"redis_maxmemory: (\d+) MiB would be below the (\d+) MiB in use", line)
        assert numbers, line
        assert int(numbers[1]) == mib
        assert abs(int(numbers[2]) - used) <= 1
    assert (maxmemory(fleet, name), run_id(fleet.checkout, fleet[name])) == before


def test_a_maxmemory_below_what_is_in_use_is_refused_with_both_numbers(fleet: Fleet) -> None:
    with admin(fleet.checkout, fleet["full"]) as client:
        client.setrange("big", 100 * MIB, "x")
    fleet.list_hosts({**SETTINGS, "full": {"redis_maxmemory": "64mb"}})
    is_refused(fleet, "full", 64)
    fleet.list_hosts(SETTINGS)
    assert_clean(fleet.checkout)
    fleet["full"].set_memory(100)
    is_refused(fleet, "full", 80)
    fleet["full"].set_memory(2000)
    assert_clean(fleet.checkout)
    with admin(fleet.checkout, fleet["full"]) as client:
        client.delete("big")


def test_a_full_host_refuses_writes_which_fails_it_and_changes_nothing(fleet: Fleet) -> None:
    host = fleet["valkey"]
    with admin(fleet.checkout, host) as client:
        for name in ("big", "bigger"):  # a write is done as long as there was room before it
            client.setrange(name, 120 * MIB, "x")
        with pytest.raises(redis.OutOfMemoryError):
            client.set("small", "1")
        done = deploy(fleet.checkout, code=1)
        assert done.json["results"]["failed_hosts"] == [host.name], done
        assert changes(done) == 0, done
        reported = r"writes are refused: memory is full, 2\d\d of 204 MiB with noeviction"
        assert [line for line in lines_about(done, host) if re.match(reported, line)], done
        client.delete("big", "bigger")
        assert client.set("small", "1")
    assert_clean(fleet.checkout)


def test_a_save_that_copies_more_than_is_free_beside_a_full_maxmemory_is_reported(fleet: Fleet) -> None:
    host, checkout = fleet["tiny"], fleet.checkout
    with admin(checkout, host) as client:
        copied = copy_while_saving(client, 80) // MIB
    assert copied >= 60
    notice = "memory may run out: maxmemory, 204 MiB, and the "
    [line] = {line for line in lines_about(deploy(checkout), host) if line.startswith(notice)}
    assert "MiB that a save copied last are more than the 256 MiB that are here" in line
    drift = checkout.run("noevict", "drift", "tiny", "--json")
    assert drift.json["hosts"]["tiny"]["notices"].count(line) == 1
    # What the line advises is enough.
    advice = re.search(r"set redis_maxmemory_percent to (\d+) at most", line)
    assert advice, line
    fleet.list_hosts({**SETTINGS, "tiny": {"redis_maxmemory_percent": int(advice[1])}})
    done = deploy(checkout)
    assert maxmemory(fleet, "tiny") == 256 * int(advice[1]) // 100
    assert not [
        line for line in lines_about(done, host) if line.startswith("memory may run out: maxmemory, 1")
    ], done


def copy_while_saving(client: "redis.Redis", mib: int) -> int:
    """Overwrite so many MiB while an RDB is made of them; the bytes that were copied for it, as INFO reports."""
    # Below the size of a page: a child gives larger values back once they are saved.
    names = [f"mine:{number}" for number in range(mib << 9)]
    write_all(client, names, "1" * 2048)
    client.config_set("rdb-key-save-delay", 100)  # microseconds
    client.bgsave()
    write_all(client, names, "2" * 2048)
    client.config_set("rdb-key-save-delay", 0)
    return saved_copying(client)


def write_all(client: "redis.Redis", names: list[str], value: str) -> None:
    for start in range(0, len(names), 1000):
        with client.pipeline(transaction=False) as pipe:
            for name in names[start : start + 1000]:
                pipe.setrange(name, 0, value)
            pipe.execute()


def saved_copying(client: "redis.Redis") -> int:
    wait_for("the save ends", lambda: not client.info("persistence")["rdb_bgsave_in_progress"], seconds=120)
    return int(client.info("persistence")["rdb_last_cow_size"])
