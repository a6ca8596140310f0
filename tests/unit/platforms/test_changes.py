"""Each change that platforms/systemd/compare makes, field by field."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from noevict.machine.addresses import Address
from noevict.machine.found import File, Package
from noevict.machine.sysctl import SYSCTL
from noevict.plan.change import LISTENING, MODE, OWNER, Change, How, Part
from noevict.server.live import Reach
from noevict.urgency import Urgency
from tests.unit.looks.deviations import ACL, CONF, DROPIN, LOGS, OTHER, UNIT
from tests.unit.looks.managed import Managed, managed
from tests.unit.platforms.test_preflight import DATA, foreign

HOST = managed("trixie")
LOGFILE = HOST.layout.logfile
MANIFEST = HOST.layout.manifest


def with_packages(**versions: tuple[str, str]) -> Callable[[Managed], Managed]:
    """Name (with _ for -) -> status and version."""
    found = {
        name.replace("_", "-"): Package(name.replace("_", "-"), "install", *each)
        for name, each in versions.items()
    }
    return lambda host: host.but(packages={**host.state.machine.packages, **found})


def with_data(**owners: str) -> Callable[[Managed], Managed]:
    """Files in the data directory, ``__`` for ``/`` and ``_`` for ``.``: their owners."""
    paths = {f"{DATA}/{name.replace('__', '/').replace('_', '.')}": owner for name, owner in owners.items()}
    found = {path: File(path, "regular file", owner, "redis", "660") for path, owner in paths.items()}
    return lambda host: host.but(data={**host.state.data, **found})


def with_unit(**properties: str) -> Callable[[Managed], Managed]:
    return lambda host: host.but(unit={**host.state.unit, **properties})


def package(found: str, wanted: str) -> Change:
    return Change(Part.PACKAGE, "redis-server", How.PACKAGE, found, wanted)


def access(path: str, found: str, wanted: str, aspect: str) -> Change:
    return Change(Part.ACCESS, path, How.FILE, found, wanted, aspect=aspect)


def unit(found: str, wanted: str, file: str = "", urgency: Urgency = Urgency.DRIFT) -> Change:
    return Change(Part.UNIT, UNIT, How.UNIT, found, wanted, file=file, urgency=urgency)


ENABLED = "enabled"
WRITABLE = "writable for its owner"
HALF = "installed with its redis-tools"
CASES: dict[str, tuple[Callable[[Managed], Managed], tuple[Change, ...]]] = {
    "the programs are of another version": (
        with_packages(redis_tools=("installed", "5:8.0.1-1")),
        (package("half upgraded: redis-tools 5:8.0.1-1 is installed", HALF),),
    ),
    "the programs are not configured": (
        with_packages(redis_tools=("unpacked", "5:8.0.2-3")),
        (package("half upgraded: redis-tools 5:8.0.2-3 is unpacked", HALF),),
    ),
    "neither is, and they are of different versions": (
        with_packages(redis_server=("unpacked", "5:8.0.2-3"), redis_tools=("unpacked", "5:8.0.1-1")),
        (package("unpacked", "installed"),),
    ),
    "its directory was replaced": (
        lambda host: host.but(replaced=True),
        (
            Change(
                *(Part.DIRECTORY, "/etc/redis", How.RESTART, "replaced since the server started"),
                "in use by the server",
            ),
        ),
    ),
    "its program was replaced": (
        lambda host: host.but(old_program=True),
        (
            Change(
                *(Part.SERVER, "Redis", How.RESTART, "runs a program that was replaced since it started"),
                "the installed one",
            ),
        ),
    ),
    "append-only files are gone": (
        lambda host: host.but(data={path: file for path, file in host.state.data.items() if path != MANIFEST}),
        (Change(Part.FILE, MANIFEST, How.LIVE, "missing", "rewritten"),),
    ),
    "append-only files are not written yet": (
        lambda host: host.but(aof_open=False),
        (Change(Part.FILE, MANIFEST, How.LIVE, "not written yet", "rewritten"),),
    ),
    "a directory and two files are missing": (
        lambda host: (
            host.but_file("/etc/redis", gone=True).but_file(DROPIN, gone=True).but_file(SYSCTL, gone=True)
        ),
        (
            Change(Part.FILE, "/etc/redis", How.FILE, "missing", "a directory"),
            Change(Part.FILE, DROPIN, How.FILE, "missing", "a file"),
            Change(Part.FILE, SYSCTL, How.FILE, "missing", "a file"),
        ),
    ),
    "links in place of files": (
        lambda host: host.but_file(CONF, kind="symbolic link").but_file(SYSCTL, kind="fifo"),
        (
            Change(Part.FILE, CONF, How.FILE, "symbolic link", "regular file"),
            Change(Part.FILE, SYSCTL, How.FILE, "fifo", "regular file"),
        ),
    ),
    "a file in place of a directory, beside other content": (
        lambda host: host.but_file("/etc/redis", kind="regular file").but_file(ACL, sha256=OTHER),
        (Change(Part.FILE, ACL, How.FILE, "other content", "ours"),),
    ),
    "dpkg would overwrite": (
        lambda host: host.but(override="", diversion=None),
        (
            Change(
                *(Part.DPKG, "/etc/redis", How.FILE, "none", "kept from upgrades"), aspect="statoverride"
            ),
            Change(Part.DPKG, CONF, How.FILE, "none", "kept from dpkg", aspect="diversion"),
        ),
    ),
    "a file that is not of noevict's": (
        lambda host: host.but_file(CONF, sha256=OTHER).but(conf="port 1\n"),
        (Change(Part.FILE, CONF, How.FILE, "other content", "ours"),),
    ),
    "a file that is not a text": (
        lambda host: host.but_file(CONF, sha256=OTHER).but(conf=None),
        (Change(Part.FILE, CONF, How.FILE, "other content", "ours"),),
    ),
    "data of others": (
        with_data(dump_rdb="root", appendonlydir__b="adm", appendonlydir__c="root", appendonly_aof="daemon"),
        (
            access(f"{DATA}/dump.rdb", "root", "redis", OWNER),
            access(f"{DATA}/appendonlydir", "adm", "redis", OWNER),
            access(f"{DATA}/appendonly.aof", "daemon", "redis", OWNER),
        ),
    ),
    "data beside the server's": (with_data(other_rdb="root", appendonlydirs="root"), ()),
    "no logs": (
        lambda host: host.but_file(LOGS, gone=True).but_file(LOGFILE, owner="root"),
        (
            Change(Part.FILE, LOGS, How.FILE, "missing", "a directory"),
            access(LOGFILE, "root", "redis", OWNER),
        ),
    ),
    "logs of others, not writable": (
        lambda host: host.but_file(LOGS, owner="root", mode="2550").but_file(LOGFILE, owner="redis", mode="441"),
        (
            access(LOGS, "root", "redis", OWNER),
            access(LOGS, "2550", WRITABLE, MODE),
            access(LOGFILE, "441", WRITABLE, MODE),
        ),
    ),
    "logs elsewhere": (
        lambda host: host.but_file(LOGS, kind="symbolic link", owner="root").but_file(LOGFILE, owner="root"),
        (access(LOGFILE, "root", "redis", OWNER),),
    ),
    "kept for a failure": (
        lambda host: host.but(data={**host.state.data, **{
            path: File(path, "directory", "root", "root", "700") for path in host.layout.unverified}}),
        (
            Change(Part.FILE, HOST.layout.last_good, How.FILE, "kept while a change was not verified", "gone"),
            Change(Part.FILE, HOST.layout.takeover, How.FILE, "kept while the take-over was not verified", "gone"),
        ),
    ),
    "the kernel": (
        lambda host: host.but(kernel={"overcommit": 0, "somaxconn": 128},
                              kernel_writable=frozenset({"overcommit"})),
        (Change(Part.KERNEL, "vm.overcommit_memory", How.KERNEL, "0", "1", file=SYSCTL),),
    ),
    "a masked unit": (with_unit(LoadState="masked"), (unit("masked", ENABLED),)),
    "a unit that will be masked": (with_unit(UnitFileState="masked"), (unit("masked", ENABLED),)),
    "a unit of another state": (with_unit(UnitFileState="static"), (unit("static", ENABLED),)),
    "a unit of no state": (with_unit(UnitFileState=""), (unit("disabled", ENABLED),)),
    "an alias": (with_unit(UnitFileState="alias"), ()),
    "a unit not read": (
        with_unit(NeedDaemonReload="yes"),
        (unit("files changed since systemd read them", "read again", DROPIN),),
    ),
    "a server that does not run": (
        lambda host: host.but({"reach": Reach.NOT_RUNNING, "user": "", "server": None, "config": {}}, pid=0),
        (unit("not running", "running", urgency=Urgency.STOPPED),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_as_wanted_is_these_changes_and_no_others(case: str) -> None:
    change, changes = CASES[case]
    assert change(HOST).plan.changes == changes


def test_addresses_that_appeared_are_listened_on_by_setting_bind_again() -> None:
    new = Address("eth9", "10.99.0.1")
    host = HOST.but(addresses=(*HOST.state.machine.addresses, new))
    host = host.but_config(bind=host.target.live["bind"])
    host = host.but_file(CONF, sha256=host.target.digest(CONF)).but(conf=host.target.text(CONF))
    found = [change for change in host.plan.changes if change.directive]
    assert found == [
        Change(
            *(Part.DIRECTIVE, "bind", How.LIVE, "not listening on 10.99.0.1", "listening"),
            aspect=LISTENING,
            file=CONF,
        )
    ]
    for nothing in (host.but(listeners=()), host.but({"user": "default"}), host.but_config(bind="127.0.0.1")):
        assert not [change for change in nothing.plan.changes if change.aspect == LISTENING]


def test_nothing_that_a_package_brings_is_missing_before_it_is_installed() -> None:
    for packages in ({}, {"redis-server": Package("redis-server", "install", "unpacked", "1")}):
        plan = HOST.but(packages=packages, unit={}).but_file(LOGS, gone=True).plan
        assert not [change for change in plan.changes if change.part is Part.UNIT or change.path == LOGS]


def test_a_server_that_replaces_another_engines_is_not_enabled_by_itself() -> None:
    old = managed("valkey").state
    off = with_unit(UnitFileState="disabled")(HOST)
    assert off.but(pid=0, predecessor=old).plan.due(How.UNIT) == ()
    assert off.but(pid=0).plan.due(How.UNIT) == (unit("disabled", ENABLED),)
    idle = replace(old, pid=0, data={}, live=replace(old.live, reach=Reach.NOT_RUNNING))
    assert off.but(predecessor=idle).plan.due(How.UNIT) == (unit("disabled", ENABLED),)


def test_what_a_foreign_server_lost_is_only_a_restart() -> None:
    host = (
        foreign().but_set(redis_takeover=True).but_config(appendonly="yes").but(replaced=True, aof_open=False)
    )
    plan = host.plan
    assert plan.due(How.LIVE) == ()
    assert [change.part for change in plan.due(How.RESTART)] == [Part.SERVER]


def test_append_only_files_that_are_not_wanted_are_not_missed() -> None:
    host = managed("trixie", redis_appendonly=False).but_config(appendonly="yes").but(aof_open=False)
    assert [change.subject for change in host.plan.due(How.LIVE)] == ["appendonly"]


def test_clocks_count_only_if_a_certificate_is_signed() -> None:
    late = replace(HOST, now=HOST.now + timedelta(hours=3))
    assert late.plan.refusals == ()
    unsigned = late.but_file(f"{HOST.layout.tls}/server.crt", gone=True)
    [line] = unsigned.plan.refusals
    assert "no certificate is signed" in line
