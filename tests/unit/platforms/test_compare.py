"""What is due: nothing on a provisioned host, and for each thing that is not as wanted exactly what it is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from noevict.machine.addresses import Address
from noevict.machine.found import ID, Package, Sysctl
from noevict.machine.sysctl import SYSCTL
from noevict.operations.lock import changed_fields
from noevict.pki.authority import make_ca, make_client_certificate
from noevict.pki.certificate import Certificate, UserCertificate
from noevict.pki.validity import DAYS
from noevict.plan.change import Change, How, Part
from noevict.server.live import Reach
from noevict.settings.model import build_settings
from tests.unit.looks.captured import MANAGED
from tests.unit.looks.deviations import ACL, ALL, CONF, CRT, DROPIN, OTHER, TLS, UNIT, Cases, line_of, unit
from tests.unit.looks.managed import Managed, fresh, managed


def due(host: Managed) -> tuple[tuple[str, str, str, str], ...]:
    """(how, what, found, wanted) of each change."""
    return tuple((str(each.how), each.what, each.found, each.wanted) for each in host.plan.changes)


@pytest.mark.parametrize("name", MANAGED)
def test_nothing_is_due_on_a_provisioned_host(name: str) -> None:
    plan = managed(name).plan
    assert plan.clean
    assert (plan.changes, plan.refusals, plan.faults, plan.notices) == ((), (), (), ())


def test_a_fresh_host_is_due_everything() -> None:
    parts = {
        "package redis-server": How.PACKAGE,
        f"{TLS}/server.crt": How.CERTIFICATE,
        f"{TLS}/ca.crt": How.CERTIFICATE,
        TLS: How.CERTIFICATE,
        **dict.fromkeys(("/etc/redis", "/var/lib/redis", DROPIN.rpartition("/")[0]), How.FILE),
        **dict.fromkeys((CONF, ACL, DROPIN, SYSCTL, ID), How.FILE),
        **dict.fromkeys((f"diversion of {CONF}", "statoverride of /etc/redis"), How.FILE),
    }
    plan = fresh().plan
    assert {change.what: change.how for change in plan.changes} == parts
    assert (plan.refusals, plan.faults) == ((), ())


@pytest.mark.parametrize("case", ALL)
def test_one_thing_that_is_not_as_wanted_is_exactly_what_is_due(case: str) -> None:
    change, wanted = ALL[case]
    host = change(managed("trixie"))
    assert due(host) == wanted
    assert host.plan.clean == (not wanted)
    assert host.plan.refusals == ()


# --- what is not ours to repair, and what is only reported ---------------------------------------------------------


def test_a_drop_in_that_overrides_ours_is_a_fault_that_names_it() -> None:
    other = f"/etc/systemd/system/{UNIT}.d/zz-local.conf"
    host = unit(LimitNOFILE="1024", DropInPaths=f"{DROPIN} {other}")(managed("trixie"))
    [fault] = host.plan.faults
    assert fault == f"{UNIT}: LimitNOFILE should be 65535, is 1024: overridden by {other}; remove that"
    assert not host.plan.clean
    assert host.plan.changes == ()


def test_a_drop_in_that_overrides_ours_is_no_fault_while_ours_is_not_in_place() -> None:
    host = unit(LimitNOFILE="1024")(managed("trixie"))
    assert host.plan.faults
    assert host.but_file(DROPIN, sha256=OTHER).plan.faults == ()
    assert host.but_file(DROPIN, gone=True).plan.faults == ()
    assert unit(LimitNOFILE="1024", NeedDaemonReload="yes")(managed("trixie")).plan.faults == ()


@pytest.mark.parametrize(
    ("path", "kind"), [(CONF, "directory"), (TLS, "regular file"), ("/etc/redis", "symbolic link")]
)
def test_what_stands_in_the_way_of_a_file_or_directory_is_a_fault(path: str, kind: str) -> None:
    plan = managed("trixie").but_file(path, kind=kind).plan
    [fault] = plan.faults
    assert fault.startswith(f"{path}: should be a ")
    assert f"is a {kind}" in fault
    assert not [change for change in plan.changes if change.what == path]


def test_a_kernel_that_cannot_be_written_is_noticed_and_no_change() -> None:
    for found in ({"overcommit": 0, "somaxconn": 128}, {"overcommit": 2, "somaxconn": 128}):
        plan = managed("trixie").but(kernel=found, kernel_writable=frozenset()).plan
        assert plan.clean
        [notice] = plan.notices
        assert f"vm.overcommit_memory is {found['overcommit']}, should be 1" in notice
        assert "net.core.somaxconn is 128, should be 4096" in notice


LATER: Mapping[str, tuple[tuple[Sysctl, ...], tuple[str, ...]]] = {
    "nothing": ((), ()),
    "the same": ((Sysctl("overcommit", 1, "/etc/sysctl.d/99-x.conf"),), ()),
    "more": ((Sysctl("somaxconn", 65535, "/etc/sysctl.d/99-x.conf"),), ()),
    "less": (
        (Sysctl("somaxconn", 128, "/usr/lib/sysctl.d/99-x.conf"),),
        (
            "net.core.somaxconn should be 4096, is 128 after a boot: overridden by /usr/lib/sysctl.d/99-x.conf;",
        ),
    ),
    "both, in two files": (
        (
            Sysctl("overcommit", 2, "/etc/sysctl.d/98-x.conf"),
            Sysctl("somaxconn", 128, "/etc/sysctl.d/99-x.conf"),
        ),
        (
            "vm.overcommit_memory should be 1, is 2 after a boot: overridden by /etc/sysctl.d/98-x.conf;",
            "net.core.somaxconn should be 4096, is 128 after a boot: overridden by /etc/sysctl.d/99-x.conf;",
        ),
    ),
    "what a third file puts right": (
        (
            Sysctl("overcommit", 0, "/etc/sysctl.d/98-x.conf"),
            Sysctl("overcommit", 1, "/etc/sysctl.d/99-x.conf"),
        ),
        (),
    ),
}


def test_a_tls_directory_of_the_servers_user_is_a_fault_and_nothing_in_it_is_used() -> None:
    plan = managed("trixie").but_file(TLS, owner="redis").plan
    assert plan.faults == (
        f"{TLS}: belongs to redis, so what is in it is not used: find out why, move it away, then run again (a new "
        "key and certificate are made)",
    )
    assert plan.due(How.CERTIFICATE) == ()


def test_a_plain_tls_directory_of_anybody_elses_is_a_fault_too() -> None:
    plan = managed("trixie").but_file(TLS, owner="daemon").but(tls="").plan
    [fault] = plan.faults
    assert fault.startswith(f"{TLS}: belongs to daemon, so what is in it is not used")
    assert plan.due(How.CERTIFICATE) == ()


def test_a_tls_link_that_is_not_roots_is_a_fault_and_nothing_in_it_is_used() -> None:
    host = managed("trixie").but_file(TLS, kind="symbolic link").but(tls="", certificate=None, ca=None)
    [fault] = host.plan.faults
    assert fault == f"{TLS}: should be a directory, is a symbolic link: move it away, then run again"
    assert host.plan.due(How.CERTIFICATE) == ()


@pytest.mark.parametrize("case", LATER)
def test_a_file_that_sets_a_kernel_value_after_ours_is_a_fault_that_names_it(case: str) -> None:
    later, reported = LATER[case]
    plan = managed("trixie").but(sysctl_later=later).plan
    assert plan.faults == tuple(f"{SYSCTL}: {each} remove that" for each in reported)
    assert plan.clean == (not reported)
    assert plan.changes == ()


def test_a_file_that_cannot_be_changed_is_a_fault_beside_which_nothing_is_repaired() -> None:
    plan = managed("trixie").but_config(hz="50").but(unwritable=(CONF,)).plan
    assert plan.blocked
    assert not plan.clean
    [fault] = plan.faults
    assert fault.startswith(
        f"{CONF}: cannot be changed, not even by root: take its immutable bit off (chattr -i)"
    )
    assert [change.what for change in plan.changes] == ["hz"]  # `noevict drift` reports them all the same
    assert not managed("trixie").plan.blocked


def test_evicted_keys_are_reported() -> None:
    plan = managed("trixie").but_info(evicted_keys=7).plan
    assert plan.clean
    assert plan.notices == ("7 keys were evicted since this server started: data was lost",)


def test_a_release_that_was_installed_and_does_not_run_yet_is_reported_and_no_drift() -> None:
    newer = Package("redis-server", "install", "installed", "5:8.0.6-1")
    plan = (
        managed("trixie")
        .but(packages={**managed("trixie").state.machine.packages, "redis-server": newer})
        .plan
    )
    assert plan.clean
    assert plan.notices == (
        "Redis 8.0.2 runs until its next restart, which starts the Redis 8.0.6 installed",
    )


@pytest.mark.parametrize(("name", "value"), [("maxmemory-samples", 100), ("io-threads-do-reads", True)])
def test_what_a_later_release_does_not_take_is_reported_before_the_upgrade(name: str, value: object) -> None:
    host = replace(
        managed("bookworm"), settings=build_settings("host", {"redis_config": {name: value, "hz": 50}})
    )
    [notice] = [notice for notice in host.plan.notices if "redis_config" in notice]
    assert notice.startswith(f"redis_config: {name}: Redis 8.0.2 does not accept {value}: ")


def test_loading_is_reported_and_no_drift() -> None:
    info = {"loading": 1, "loading_loaded_bytes": 3 << 20, "loading_total_bytes": 9 << 20}
    plan = managed("trixie").but_info(**info).plan
    assert plan.clean
    assert plan.notices == ("Redis is loading its data, 3 of 9 MiB: nothing is changed before that is done",)


@pytest.mark.parametrize(
    ("days", "left", "notice"),
    [
        (DAYS, 31, ""),
        (
            DAYS,
            29,
            "the exporter's client certificate expires in 29 days: run deploys/monitoring.py, which renews it",
        ),
        (
            DAYS,
            -1,
            "the exporter's client certificate has expired: run deploys/monitoring.py, which renews it",
        ),
        (
            3000,
            2000,
            "the exporter's client certificate is valid for 2000 more days, wherever clients need one: ",
        ),
    ],
)
def test_a_client_certificate_of_the_exporter_that_ends_soon_or_late_is_reported(
    days: int, left: int, notice: str
) -> None:
    host = managed("trixie")
    signed = host.now - timedelta(days=days - left)
    pem, _ = make_client_certificate(make_ca(signed), "exporter", signed, days)
    plan = host.but(exporter_certificate=pem).plan
    assert plan.clean
    assert [reported[: len(notice)] for reported in plan.notices] == ([notice] if notice else [])


def test_a_text_that_is_no_certificate_of_the_exporter_is_not_spoken_of() -> None:
    assert managed("trixie").but(exporter_certificate="nonsense\n").plan.notices == ()


GB = 1 << 30
HEADROOM: Mapping[str, tuple[dict[str, object], dict[str, int], int, str]] = {
    # settings; what INFO reports; MiB of RAM; the notice
    "never saved": ({}, {"rdb_last_cow_size": 0, "aof_last_cow_size": 0}, 2000, ""),
    "fits to the byte": ({}, {"rdb_last_cow_size": 400 << 20}, 2000, ""),
    "an RDB's": (
        {},
        {"rdb_last_cow_size": (400 << 20) + 1},
        2000,
        "maxmemory, 1600 MiB, and the 401 MiB that a save copied last are more than the 2000 MiB that are here: "
        "set redis_maxmemory_percent to 79 at most or give this host more",
    ),
    "the larger of both": (
        {},
        {"rdb_last_cow_size": 1, "aof_last_cow_size": GB},
        2000,
        "maxmemory, 1600 MiB, and the 1024 MiB that a save copied last are more than the 2000 MiB that are here: "
        "set redis_maxmemory_percent to 48 at most or give this host more",
    ),
    "of a save under way": (
        {"redis_maxmemory_percent": 95},
        {"current_cow_peak": 200 << 20},
        2000,
        "maxmemory, 1900 MiB, and the 200 MiB that a save copied last are more than the 2000 MiB that are here: "
        "set redis_maxmemory_percent to 90 at most or give this host more",
    ),
    "an absolute size": (
        {"redis_maxmemory": "1800mb"},
        {"rdb_last_cow_size": 300 << 20},
        2000,
        "maxmemory, 1800 MiB, and the 300 MiB that a save copied last are more than the 2000 MiB that are here: "
        "set redis_maxmemory to 1700mb at most or give this host more",
    ),
    "a size that is larger than all there is": (
        {"redis_maxmemory": "4gb"},
        {},
        2000,
        "maxmemory, 4096 MiB, is more than the 2000 MiB that are here: "
        "set redis_maxmemory to 2000mb at most or give this host more",
    ),
    "more copied than there is": (
        {},
        {"rdb_last_cow_size": 3 * GB},
        2000,
        "maxmemory, 1600 MiB, and the 3072 MiB that a save copied last are more than the 2000 MiB that are here: "
        "give this host more",
    ),
    "a tiny host": (
        {},
        {"aof_last_cow_size": 64 << 20},
        256,
        "maxmemory, 204 MiB, and the 64 MiB that a save copied last are more than the 256 MiB that are here: "
        "set redis_maxmemory_percent to 75 at most or give this host more",
    ),
    "a huge host": ({}, {"rdb_last_cow_size": 300 * GB}, 3 << 19, ""),
}


@pytest.mark.parametrize("case", HEADROOM)
def test_a_save_that_copies_more_than_is_free_beside_a_full_maxmemory_is_reported(case: str) -> None:
    settings, info, mib, reported = HEADROOM[case]
    host = managed("trixie", **settings)
    plan = host.but(memtotal=mib << 20).but_info(used_memory=1, **info).plan
    assert plan.notices == ((f"memory may run out: {reported}",) if reported else ())
    assert plan.faults == plan.refusals == ()


def test_what_a_server_of_somebody_elses_copied_is_not_reported() -> None:
    host = managed("trixie").but({"user": "default"}).but_info(rdb_last_cow_size=GB)
    assert host.plan.notices == ()


def test_a_full_server_is_as_wanted_and_not_left_alone() -> None:
    plan = managed("trixie").but_info(used_memory=1601 << 20).plan
    assert plan.clean
    [refusal] = managed("trixie").but_info(used_memory=1601 << 20).but_config(maxmemory="0").plan.refusals
    assert "1600 MiB would be below the 1601 MiB in use" in refusal


def test_the_memory_of_a_huge_host_is_shared_as_on_any_other() -> None:
    host = managed("trixie").but(memtotal=3 << 39)
    assert host.target.maxmemory == 1258291 << 20
    assert "\nmaxmemory 1258291mb\n" in host.target.text(CONF)
    assert due(host) == (
        ("live", "maxmemory", "1600mb", "1258291mb"),
        ("file", f"{CONF}: maxmemory", "1600mb", "1258291mb"),
    )


def test_that_a_host_without_a_private_address_listens_only_on_loopback_is_reported() -> None:
    host = fresh().but(addresses=(Address("eth0", "203.0.113.5"),))
    assert any("only on loopback" in notice for notice in host.plan.notices)
    asked = replace(host, settings=build_settings("fresh", {"redis_bind": "loopback"}))
    assert not any("loopback" in notice for notice in asked.plan.notices)


def test_a_leased_address_is_opened_live_and_reported() -> None:
    """As on a managed host when noevict learns of leased addresses, and after each other lease."""
    host = managed("trixie")
    own = host.state.machine.addresses
    leasing = host.but(addresses=(*own, Address("eth1", "10.0.0.5", leased=True)))
    [change] = leasing.plan.due(How.LIVE)
    assert str(change).endswith("[live] (opens port 6379 on 10.0.0.5 (DHCP))")
    assert leasing.plan.due(How.RESTART) == ()
    assert any("10.0.0.5" in change.found for change in leasing.plan.due(How.CERTIFICATE))
    assert f"{host.layout.dropin}: other content → ours [file]" in map(str, leasing.plan.changes)
    [notice] = leasing.plan.notices
    assert "listens on 10.0.0.5, leased by DHCP" in notice
    assert "set redis_address to a name" in notice
    for address, advised in (("10.0.0.5", True), ("cache.example.com", False)):
        [notice] = leasing.but_set(redis_address=address).plan.notices
        assert ("set redis_address" in notice) is advised

    plain = leasing.but_set(redis_plaintext_port=6380).but_config(port="6380")
    assert "(opens port 6379 and port 6380 without TLS on 10.0.0.5 (DHCP))" in str(
        plain.plan.due(How.LIVE)[0]
    )
    fixed = host.but(addresses=(*own, Address("eth1", "10.0.0.6"), Address("eth1", "10.0.0.5", leased=True)))
    assert "(opens port 6379 on 10.0.0.5 (DHCP), 10.0.0.6)" in str(fixed.plan.due(How.LIVE)[0])
    lost = host.but_config(bind=f"{host.target.live['bind']} -10.0.0.5")
    assert [change.why for change in lost.plan.due(How.LIVE)] == [""]


def test_the_end_of_the_fleets_ca_is_reported_in_time() -> None:
    host = managed("trixie")
    ends = host.secrets.ca.certificate.not_valid_after_utc
    assert replace(host, now=ends - timedelta(days=181)).plan.notices == ()
    assert "CA expires in 179 days" in replace(host, now=ends - timedelta(days=179)).plan.notices[0]


# --- the user's own certificate --------------------------------------------------------------------------------


def with_own(host: Managed) -> Managed:
    """The certificate that is there, as if the user had brought it, with an intermediate below."""
    pem = host.state.certificate or ""
    leaf = Certificate.parse(pem)
    assert leaf is not None
    chain = pem + host.secrets.ca.certificate_pem
    own = UserCertificate(leaf, chain, host.secrets.ca.certificate_pem, "key")
    return replace(host, own=own).but(certificate=chain, ca=own.ca + host.secrets.ca.certificate_pem)


OWN: Cases = {
    "as it should be": (lambda host: host, ()),
    "another one": (
        lambda host: host.but(certificate=make_ca(host.now).certificate_pem),
        (
            ("certificate", CRT, "another one", "the one of redis_tls_cert"),
            ("certificate", "the certificate served", "not the one in the file", "loaded"),
        ),
    ),
    "its intermediate gone": (
        lambda host: host.but(certificate=managed("trixie").state.certificate),
        (("certificate", CRT, "another one", "the one of redis_tls_cert"),),
    ),
    "another key": (
        lambda host: host.but(key_digest=OTHER),
        (("certificate", CRT, "another one", "the one of redis_tls_cert"),),
    ),
    "its CA gone": (
        lambda host: host.but(ca=host.secrets.ca.certificate_pem),
        (("certificate", f"{TLS}/ca.crt", "another one", "the CA"),),
    ),
    "names that the settings would want": (
        lambda host: host.but_set(redis_tls_names=("x.example",)),
        (),
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_a_certificate_that_the_user_brought_is_put_back_as_it_was(case: str) -> None:
    change, wanted = OWN[case]
    assert due(change(with_own(managed("trixie")))) == wanted


def test_a_certificate_that_the_user_brought_ends_with_a_notice_and_no_change() -> None:
    host = with_own(managed("trixie"))
    assert host.plan.notices == ()
    host = replace(host, now=host.now + timedelta(days=380))
    assert host.plan.changes == ()
    assert "get a new one" in host.plan.notices[0]


# --- the parts together ----------------------------------------------------------------------------------------


def test_a_host_that_is_refused_has_nothing_due() -> None:
    plan = managed("trixie").but_config(hz="50").but(root=False).plan
    assert plan.refusals
    assert plan.changes == ()
    assert not plan.clean


def test_a_host_that_is_not_seen_as_root_has_no_faults_beside_that() -> None:
    """As another user no file of root's can be written, which says nothing about the host."""
    host = managed("trixie").but(root=False, unwritable=("/etc", "/etc/sysctl.d"), sysctl_later=())
    [refusal] = host.plan.refusals
    assert "_sudo: true" in refusal
    assert (host.plan.faults, host.plan.notices) == ((), ())


def test_the_parts_of_a_plan_are_reported_by_how() -> None:
    plan = managed("trixie").but_config(hz="50", databases="32").but_file(CONF, mode="644").plan
    assert [change.what for change in plan.due(How.LIVE)] == ["hz"]
    assert [change.what for change in plan.due(How.FILE, How.RESTART)] == [f"{CONF} mode", "databases"]
    assert plan.due(How.KERNEL) == ()


def test_a_long_value_is_cut() -> None:
    [change] = managed("trixie").but_config(notify_keyspace_events="K" * 500).plan.changes
    assert len(change.found) == 60
    assert change.found.endswith("…")


def test_of_many_commands_the_results_are_still_known() -> None:
    host = managed("trixie")
    [change] = host.but_acl(f"{line_of(host, 'app')} +@all").plan.changes
    assert change.found.endswith(" more allowed")
    assert change.wanted.endswith(" more refused")


def test_a_change_is_one_line_that_says_how() -> None:
    change = Change(Part.DIRECTIVE, "databases", How.RESTART, "32", "16", "read at start only")
    assert str(change) == "databases: 32 → 16 [restart] (read at start only)"


@pytest.mark.parametrize("name", MANAGED)
def test_a_setting_that_was_changed_is_due_in_the_file_and_live(name: str) -> None:
    host = managed(name)
    conf = host.layout.conf
    assert due(host.but_set(redis_appendfsync="always")) == (
        ("live", "appendfsync", "everysec", "always"),
        ("file", f"{conf}: appendfsync", "everysec", "always"),
    )


# --- the same host, looked at twice ----------------------------------------------------------------------------


def test_two_looks_at_the_same_host_differ_in_nothing() -> None:
    host = managed("trixie")
    again = host.but_file(CONF, changed=5, size=7).but(time=1, pid=9, processes=("9 redis-server server",))
    again = again.but_info(uptime_in_seconds=9)
    assert changed_fields(host.state, again.state) == []


SINCE: Mapping[str, tuple[Callable[[Managed], Managed], list[str]]] = {
    "a file": (lambda host: host.but_file(CONF, sha256=OTHER), ["files"]),
    "a live value": (lambda host: host.but_config(hz="50"), ["config"]),
    "a user": (lambda host: host.but_acl(without="app"), ["acl"]),
    "a package": (lambda host: host.but(packages={}), ["packages"]),
    "stopped": (
        lambda host: host.but({"reach": Reach.NOT_RUNNING, "port": 0, "user": ""}, listeners=()),
        ["listeners", "reach", "user", "port"],
    ),
    "an address": (lambda host: host.but(addresses=()), ["addresses"]),
    "memory": (lambda host: host.but(limits=(1 << 20,)), ["limits"]),
}


@pytest.mark.parametrize("what", SINCE)
def test_what_changed_between_two_looks_is_named(what: str) -> None:
    change, fields = SINCE[what]
    host = managed("trixie")
    assert changed_fields(host.state, change(host).state) == fields


@pytest.mark.parametrize("hours", [-3, 3])
def test_no_certificate_is_signed_while_the_clocks_differ(hours: int) -> None:
    host = managed("trixie")
    off = replace(host, now=host.now + timedelta(hours=hours))
    plan = off.but(certificate=None).plan
    assert (plan.changes, len(plan.refusals)) == ((), 1)
    assert "no certificate is signed while the clocks differ" in plan.refusals[0]
