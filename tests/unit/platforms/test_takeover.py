"""What others set up on a host: other servers, units of their own, modules, data elsewhere. Each is a line, by name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from noevict.engines.package_layout import LAYOUTS
from noevict.machine.found import DropIn, File, Listener, OtherServer
from noevict.platforms.systemd.preflight import managed as is_managed
from noevict.platforms.systemd.preflight import takes_over
from noevict.platforms.systemd.takeover import empty_elsewhere, keys_in_rdb, ran_without_aof
from tests.unit.looks.captured import edited, read_one
from tests.unit.looks.managed import Managed, fresh, managed
from tests.unit.platforms.test_preflight import DATA, PACKAGED, foreign, stopped

UNIT = "redis-server.service"
TAKEOVER = LAYOUTS["redis"].takeover
OWN = f"/etc/systemd/system/{UNIT}"
SOURCE = OtherServer(
    "redis_6380.service", "redis-server", True, True, (6380,), "/srv/r", "/etc/redis/6380.conf"
)
BY_HAND = OtherServer("session-3.scope", "redis-server", True, False, (7000,), "/root")
INSTANCE = OtherServer("redis-server@main.service", "/usr/bin/redis-server", False, True, conf="/etc/m.conf")


def with_unit(host: Managed, **properties: str) -> Managed:
    return host.but(unit={**host.state.unit, **properties})


def unmanaged(**live: Any) -> Managed:
    """Somebody else's server that may be taken over."""
    return foreign(**live).but_set(redis_takeover=True)


# --- the look ----------------------------------------------------------------------------------------------------


def test_a_server_that_runs_and_is_enabled_is_one_server() -> None:
    found = read_one(
        edited(
            "trixie",
            server=(
                "running|redis_6380.service|6380,6381|/srv/r|/etc/redis/6380.conf|redis-server",
                "running||||/x|valkey-server",
                "enabled|redis_6380.service|||/etc/redis/6380.conf|/usr/local/bin/redis-server",
                "enabled|redis-server@main.service|||/etc/m.conf|/usr/bin/redis-server",
            ),
            dropin=("ExecStart,User /etc/systemd/system/redis-server.service.d/a b.conf",),
            module=("redisbloom.so",),
        )
    )
    ports = (6380, 6381)
    assert found.others == (
        OtherServer(SOURCE.unit, "redis-server", True, True, ports, SOURCE.directory, SOURCE.conf),
        OtherServer("", "valkey-server", True, False, conf="/x"),
        INSTANCE,
    )
    assert found.dropins == (DropIn(f"{OWN}.d/a b.conf", frozenset({"ExecStart", "User"})),)
    assert found.packaged_modules == ("redisbloom.so",)
    assert not found.other_engine
    assert read_one(edited("trixie", other="valkey")).others == ()


# --- other servers -----------------------------------------------------------------------------------------------

REPORTED: Mapping[str, tuple[OtherServer, str]] = {
    "a source install": (
        SOURCE,
        "another Redis runs here (redis_6380.service, port 6380, data in /srv/r, configuration /etc/redis/6380.conf): "
        "noevict manages one server a host: stop and disable it (systemctl disable --now redis_6380.service); "
        "docs/taking-over.md says how its data moves",
    ),
    "one by hand": (
        BY_HAND,
        "another Redis runs here (session-3.scope, port 7000, data in /root): noevict manages one server a host: "
        "stop it, and whatever starts it (systemctl stop session-3.scope); docs/taking-over.md says how its data moves",
    ),
    "an instance that is stopped, not disabled": (
        INSTANCE,
        "another Redis starts at each boot (redis-server@main.service, configuration /etc/m.conf): noevict manages "
        "one server a host: disable it (systemctl disable redis-server@main.service); docs/taking-over.md says how its "
        "data moves",
    ),
    "a user's own": (
        OtherServer("cache.service of user@1000.service", "valkey-server", True, False),
        "another Valkey runs here (cache.service of user@1000.service): noevict manages one server a host: "
        "stop it, and whatever starts it; docs/taking-over.md says how its data moves",
    ),
}


@pytest.mark.parametrize("start", ["fresh", "foreign"])
@pytest.mark.parametrize("case", REPORTED)
def test_another_server_is_refused_by_all_that_is_known_of_it(case: str, start: str) -> None:
    other, line = REPORTED[case]
    host = fresh() if start == "fresh" else unmanaged()
    assert host.plan.refusals == ()
    plan = host.but(others=(other,)).plan
    assert plan.refusals == (line,)
    assert plan.changes == ()


def test_one_that_has_our_port_is_reported_once_and_another_port_is_no_advice() -> None:
    taken = Listener(False, "0.0.0.0", 6379, "-")  # noqa: S104 - reported, not bound
    other = OtherServer("redis_6379.service", "redis-server", True, True, (6379,), "/var/lib/redis")
    host = fresh().but(others=(other, INSTANCE), listeners=(taken,))
    first, second = host.plan.refusals
    assert first == (
        f"port 6379 is in use on 0.0.0.0 by a program that is not {UNIT}: redis_6379.service, port 6379, data in "
        "/var/lib/redis: stop and disable it (systemctl disable --now redis_6379.service); docs/taking-over.md says "
        "how its data moves"
    )
    assert "redis-server@main.service" in second
    [line] = host.but(others=()).plan.refusals
    assert line.endswith("stop it, or set redis_port")


def test_a_server_is_reported_once_although_it_has_no_unit_and_is_not_taken_for_one_of_a_longer_name() -> (
    None
):
    taken = Listener(False, "10.0.0.5", 6379, "-")
    by_hand = OtherServer("", "redis-server", True, False, (6379,))
    plain = OtherServer("redis.service", "redis-server", True, True, (7000,))
    longer = OtherServer("my-redis.service", "redis-server", True, True, (6379, 6380))
    [line] = fresh().but(others=(by_hand,), listeners=(taken,)).plan.refusals
    assert "(started by hand, port 6379)" not in line
    assert line.startswith("port 6379 is in use on 10.0.0.5")
    first, second = fresh().but(others=(plain, longer), listeners=(taken,)).plan.refusals
    assert "my-redis.service" in first
    assert "another Redis runs here (redis.service, port 7000)" in second


def test_on_a_managed_host_another_server_is_a_fault_beside_which_the_rest_is_repaired() -> None:
    host = managed("trixie").but(others=(SOURCE,)).but_config(hz="50")
    plan = host.plan
    assert plan.refusals == ()
    assert plan.faults == (REPORTED["a source install"][1],)
    assert [change.what for change in plan.changes] == ["hz"]


def test_one_in_the_data_directory_of_a_managed_server_is_refused() -> None:
    other = OtherServer("", "redis-server", True, False, (7000,), DATA)
    plan = managed("trixie").but(others=(other,)).plan
    assert "(started by hand, port 7000, data in /var/lib/redis)" in plan.refusals[0]
    assert plan.changes == ()


def test_the_other_engine_that_noevict_manages_or_has_let_go_of_is_no_other_server() -> None:
    valkey = OtherServer("valkey-server.service", "valkey-server", True, True, (6379,), "/var/lib/valkey")
    assert fresh().but(others=(valkey,), other_engine=True).plan.refusals == ()
    assert len(fresh().but(others=(valkey,)).plan.refusals) == 1
    unnamed = OtherServer("", "valkey-server", True, False)
    assert fresh().but(others=(unnamed,), other_engine=True, systemd=False).plan.refusals == ()
    assert len(fresh().but(others=(unnamed,), other_engine=True).plan.refusals) == 1


# --- the unit ----------------------------------------------------------------------------------------------------

UNITS: Mapping[str, tuple[Callable[[Managed], Managed], str]] = {
    "DebOps'": (
        lambda host: with_unit(
            host, Shadow=OWN, FragmentPath=OWN, Type="oneshot", ExecStart="others", Program="/bin/true"
        ),
        f"{UNIT} is {OWN}, not the package's (Type=oneshot, starts /bin/true): ",
    ),
    "one that systemd has not read yet": (
        lambda host: with_unit(host, Shadow=OWN),
        f"{UNIT} is {OWN}, not the package's (Type=notify): ",
    ),
    "one of an init script": (
        lambda host: with_unit(
            host.but(packages={}), FragmentPath=f"/run/systemd/generator.late/{UNIT}", Type="forking"
        ),
        f"{UNIT} is /run/systemd/generator.late/{UNIT}, not the package's (Type=forking): ",
    ),
    "another program by a drop-in": (
        lambda host: with_unit(
            host.but(dropins=(DropIn(f"{OWN}.d/a.conf", frozenset({"ExecStart", "Nice"})),)),
            ExecStart="others",
            Program="/usr/local/bin/redis-server",
        ),
        f"{UNIT}: ExecStart should be the package's, set by {OWN}.d/a.conf (starts /usr/local/bin/redis-server); ",
    ),
    "another user by a drop-in": (
        lambda host: with_unit(
            host.but(dropins=(DropIn(f"{OWN}.d/a.conf", frozenset({"User", "Group"})),)), User="root"
        ),
        f"{UNIT}: Group, User should be the package's, set by {OWN}.d/a.conf; remove that",
    ),
    "another type, nobody knows by what": (
        lambda host: with_unit(host, Type="simple"),
        f"{UNIT}: Type should be notify, is simple: set by the unit itself; remove that",
    ),
    "limits that ours would not override": (
        lambda host: host.but(dropins=(DropIn(f"{OWN}.d/zz.conf", frozenset({"LimitNOFILE"})),)),
        f"{UNIT}: LimitNOFILE, set by {OWN}.d/zz.conf, would override noevict's; remove that",
    ),
}


@pytest.mark.parametrize("case", UNITS)
@pytest.mark.parametrize("start", ["running", "stopped"])
def test_a_unit_that_is_not_the_packages_is_refused_before_anything(case: str, start: str) -> None:
    change, reported = UNITS[case]
    host = unmanaged() if start == "running" else stopped(unmanaged())
    assert host.plan.refusals == ()
    plan = change(host).plan
    [line] = plan.refusals
    assert line.startswith(reported)
    assert plan.changes == ()


FINE: Mapping[str, Callable[[Managed], Managed]] = {
    "a drop-in that ours overrides": lambda host: host.but(
        dropins=(DropIn(f"{OWN}.d/aa.conf", frozenset({"LimitNOFILE"})),)
    ),
    "a drop-in about something else": lambda host: host.but(
        dropins=(DropIn(f"{OWN}.d/zz.conf", frozenset({"Nice", "ExecStartPre", "MemoryMax"})),)
    ),
    "a masked unit": lambda host: with_unit(host, LoadState="masked", FragmentPath=OWN, Type="simple"),
    "what a removed package left": lambda host: with_unit(
        host, FragmentPath=f"/run/systemd/generator.late/{UNIT}"
    ),
    "no unit": lambda host: with_unit(host, LoadState="not-found", FragmentPath="", Type="", User=""),
}


@pytest.mark.parametrize("case", FINE)
def test_what_ours_goes_well_with_is_no_reason(case: str) -> None:
    assert FINE[case](unmanaged()).plan.refusals == ()


def test_on_a_managed_host_a_unit_of_another_kind_is_a_fault_and_a_copy_of_it_is_none() -> None:
    host = managed("trixie")
    assert with_unit(host, Shadow=OWN, FragmentPath=OWN).plan.clean
    [fault] = with_unit(host, Shadow=OWN, FragmentPath=OWN, Type="oneshot").plan.faults
    assert fault == f"{UNIT}: Type should be notify, is oneshot: set by {OWN}; remove that"
    assert with_unit(host, User="root").plan.faults


# --- modules and included files ----------------------------------------------------------------------------------


def loaded(*names: str) -> Callable[[Managed], Managed]:
    return lambda host: host.but_info(modules=[{"name": name, "ver": 1} for name in names])


def test_modules_are_refused_by_name_but_for_the_servers_own() -> None:
    for host in (unmanaged(), managed("trixie")):
        assert loaded("vectorset", "lua")(host).plan.refusals == ()
        plan = loaded("vectorset", "search", "bf")(host).plan
        [line] = plan.refusals
        assert line.startswith("has loaded modules (bf, search): noevict runs none")
        assert plan.changes == ()
    assert unmanaged().but_info(modules="nonsense").plan.refusals == ()


def test_modules_count_as_well_while_the_server_does_not_run() -> None:
    conf = f'{PACKAGED}loadmodule "/opt/rejson.so" X\nloadmodule /opt/redisbloom.so\n'
    [line] = stopped(unmanaged(), conf=conf).plan.refusals
    assert line.startswith("loads, by its redis.conf, modules (rejson.so, redisbloom.so): ")


def test_a_package_that_brings_modules_is_not_the_distributions() -> None:
    host = unmanaged().but(packaged_modules=("redisbloom.so", "rejson.so"))
    [line] = host.plan.refusals
    assert line.startswith(
        "is redis-server 5:8.0.2-3+deb13u3, which brings modules (redisbloom.so, rejson.so): "
    )
    assert fresh().but(packaged_modules=("redisbloom.so",)).plan.refusals == ()
    assert managed("trixie").but(packaged_modules=("redisbloom.so",)).plan.clean


@pytest.mark.parametrize("line", ["include /etc/redis/more.conf", 'INCLUDE "/etc/redis/*.conf"'])
def test_a_redis_conf_that_includes_others_is_not_understood_while_its_server_does_not_run(line: str) -> None:
    for host in (foreign(), unmanaged(), managed("trixie")):
        plan = stopped(host, conf=f"{host.state.conf}{line}\n").plan
        [reported] = plan.refusals
        assert reported.startswith(
            f"its redis.conf includes other files ({line.split()[1].strip(chr(34))}), which may "
        )
        assert plan.changes == ()
    assert unmanaged().but(conf=f"{PACKAGED}{line}\n").plan.refusals == ()  # it runs, and is asked


# --- data --------------------------------------------------------------------------------------------------------


def test_the_one_append_only_file_of_redis_6_is_data() -> None:
    host = stopped(foreign(), "appendonly.aof")
    [line] = host.plan.refusals
    assert f"({DATA}/appendonly.aof): to take it over, keeping all keys, set redis_takeover = True" in line
    assert host.but_set(redis_takeover=True).plan.refusals == ()
    [off] = (
        stopped(foreign(), "appendonly.aof", conf=f"{PACKAGED}appendonly yes\n")
        .but_set(redis_takeover=True, redis_appendonly=False)
        .plan.refusals
    )
    assert off.startswith("redis_appendonly: should be True while it is not running")


def test_append_only_files_that_nothing_names_are_data() -> None:
    [line] = stopped(foreign(), "appendonlydir/appendonly.aof.1.incr.aof").plan.refusals
    assert f"({DATA}/appendonlydir/appendonly.aof.1.incr.aof)" in line


def test_an_rdb_without_a_key_is_no_promise() -> None:
    [line] = stopped(foreign(), "dump.rdb").but(empty_rdb=True).plan.refusals
    assert f"({DATA}/dump.rdb): to take it over, though it holds no key, set redis_takeover = True" in line
    [both] = stopped(foreign(), "dump.rdb", "appendonly.aof").but(empty_rdb=True).plan.refusals
    assert "keeping all keys" in both


def test_of_two_sets_of_data_nobody_guesses_which_is_the_last() -> None:
    host = stopped(unmanaged(), "dump.rdb", "appendonly.aof")
    [line] = host.plan.refusals
    assert line.startswith(f"has both {DATA}/dump.rdb and {DATA}/appendonly.aof, and nothing says which ")
    assert host.but(conf=f"{PACKAGED}appendonly yes\n").plan.refusals == ()
    assert host.but(empty_rdb=True).plan.refusals == ()
    [none] = (
        stopped(unmanaged(), "dump.rdb", "appendonlydir/appendonly.aof.manifest").but(conf=None).plan.refusals
    )
    assert none.startswith("has both ")


@pytest.mark.parametrize("line", ["", "dir ./", "dir data"])
def test_a_directory_that_is_not_named_whole_is_elsewhere(line: str) -> None:
    [reported] = stopped(unmanaged(), conf=f"port 6379\n{line}\n").plan.refusals
    named = (line or "dir .").split()[1].removesuffix("/")
    assert reported.startswith(f"its redis.conf says dir {named}, noevict's is {DATA}")


def test_without_a_redis_conf_nothing_is_elsewhere() -> None:
    assert stopped(unmanaged()).but(conf=None).plan.refusals == ()


def test_a_server_whose_data_is_elsewhere_is_not_to_be_stopped() -> None:
    host = unmanaged().but_config(dir="/").but_info(rdb_last_bgsave_status="err")
    [line] = host.plan.refusals
    assert line == (
        f"its dir is /, noevict's is {DATA}: its data would not be found, and its last save failed; do not stop it: "
        'copy its keys while it runs, as "Data elsewhere" in docs/taking-over.md says'
    )


def test_such_hosts_are_not_managed() -> None:
    assert not is_managed(foreign().state, foreign().layout)


# --- a take-over under way ---------------------------------------------------------------------------------------


def under_way(host: Managed) -> Managed:
    record = File(TAKEOVER, "regular file", "root", "root", "600")
    return host.but(data={**host.state.data, TAKEOVER: record})


def test_a_take_over_that_was_killed_does_not_make_a_host_managed() -> None:
    """Its files are there; the server still is somebody else's, or does not run."""
    ours = managed("trixie").state
    host = foreign().but(files=ours.files, conf=ours.conf, ca=ours.ca)
    assert is_managed(host.state, host.layout)
    assert not is_managed(under_way(host).state, host.layout)
    assert "runs a Redis that noevict did not set up" in under_way(host).plan.refusals[0]
    stop = stopped(under_way(host), "dump.rdb", conf=ours.conf or "").but(files=ours.files)
    assert not is_managed(under_way(stop).state, host.layout)
    assert "has data of a Redis that noevict did not set up" in under_way(stop).plan.refusals[0]


def test_which_files_hold_its_data_is_what_its_own_redis_conf_set() -> None:
    ours = f"{PACKAGED}appendonly yes\n"
    assert foreign().but(conf=ours).state.starts_with_aof
    assert not foreign().but(conf=ours, aof_before=False).state.starts_with_aof
    assert foreign().but(aof_before=True).state.starts_with_aof
    assert read_one(edited("trixie", **{"aof-before": "yes"})).aof_before is True
    assert read_one(edited("trixie", **{"aof-before": "no"})).aof_before is False
    assert read_one(edited("trixie")).aof_before is None


def test_once_its_server_has_our_users_it_is_ours_and_only_the_record_goes() -> None:
    host = under_way(managed("trixie"))
    assert is_managed(host.state, host.layout)
    [change] = host.plan.changes
    assert (change.what, change.wanted) == (TAKEOVER, "gone")


@pytest.mark.parametrize(
    ("host", "elsewhere"),
    [
        (unmanaged(), False),
        (unmanaged().but_config(dir="/srv/r"), True),
        (unmanaged().but_config(appenddirname="aof"), True),
        (unmanaged().but_config(dir="/srv/r").but_info(db3={"keys": 1}), False),
        (unmanaged().but_config(dir="/srv/r").but_info(loading=1), False),
        (managed("trixie").but_config(dir="/srv/r"), False),  # ours: it is reported as drift
    ],
)
def test_an_empty_server_has_nothing_to_write_where_ours_would_not_look(
    host: Managed, elsewhere: bool
) -> None:
    live = host.state.live
    bare = replace(live, info={name: value for name, value in live.info.items() if name != "db0"})
    assert empty_elsewhere(bare, host.layout) is elsewhere


def test_a_server_or_a_configuration_of_somebody_else_is_taken_over() -> None:
    def taken_over(host: Managed) -> bool:
        return takes_over(host.state, host.layout)

    assert not taken_over(fresh())
    assert taken_over(fresh().but(conf=PACKAGED))
    installed = managed("trixie").state.machine.packages
    assert taken_over(foreign())
    assert taken_over(foreign().but(conf=None))
    assert taken_over(fresh().but(packages=installed))
    unpacked = replace(installed["redis-server"], status="config-files")
    assert not taken_over(fresh().but(packages={**installed, "redis-server": unpacked}))
    assert not taken_over(managed("trixie"))
    assert taken_over(under_way(stopped(managed("trixie"))))
    assert not taken_over(foreign().but(predecessor=managed("valkey").state))


# --- giving back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "hidden"),
    [
        (foreign(), True),  # it writes one as it stops
        (foreign().but(pid=0, data={}), False),
        (foreign().but(pid=0, data={}).but_file(f"{DATA}/dump.rdb"), True),
        (foreign().but(pid=0, data={}, empty_rdb=True).but_file(f"{DATA}/dump.rdb"), False),
        (foreign().but(conf="appendonly yes\n"), False),
        (foreign().but(conf="appendonly yes\n", aof_before=False), True),
    ],
)
def test_a_server_given_back_starts_from_its_rdb_if_its_own_configuration_says_so(
    host: Managed, hidden: bool
) -> None:
    assert keys_in_rdb(host.state, host.layout) is hidden


@pytest.mark.parametrize(
    ("host", "off"),
    [
        (foreign(), True),
        (foreign().but_config(appendonly="yes"), False),  # set by hand, not in its file
        (foreign().but_config(appendonly="yes").but(aof_before=False), True),  # by a run that was killed
        (foreign().but_config(appendonly="yes").but(aof_before=True), False),
        (foreign().but(conf="appendonly yes\n"), False),
    ],
)
def test_aof_is_turned_off_again_if_it_was_off_before_the_take_over(host: Managed, off: bool) -> None:
    assert ran_without_aof(host.state) is off


def test_a_record_of_another_server_on_the_machine_says_nothing_about_this_one() -> None:
    host = under_way(foreign().but(files=managed("trixie").state.files))
    assert not is_managed(host.state, host.layout)
    assert is_managed(host.state, replace(host.layout, previous="/var/lib/noevict/second"))
