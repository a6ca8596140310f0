"""The one look, read: what real hosts printed becomes a InstanceState, and anything else one clear error."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.engines.package_layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.machine.addresses import Address
from noevict.machine.found import Listener, Package, Sysctl
from noevict.pki.certificate import Certificate
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.read import parse_facts
from noevict.server.writes import Disk
from tests.unit.looks.captured import HOSTS, MANAGED, edited, lines, read_one, with_line

MIB = 1 << 20


def read(name: str, **facts: object) -> InstanceState:
    return read_one(edited(name, **facts))


@pytest.mark.parametrize("name", HOSTS)
def test_a_look_at_a_real_host_is_read_whole(name: str) -> None:
    found = read(name)
    assert found.machine.os == ("debian", *(("12", "bookworm") if name == "bookworm" else ("13", "trixie")))
    assert found.machine.names == (name,)
    assert found.machine.systemd == (name != "init")
    assert found.machine.packages["openssl"].installed
    assert found.machine.memtotal == found.memory == 2000 * MIB
    assert found.machine.root
    assert found.machine.time > 1_700_000_000
    assert found.machine.kernel == {"overcommit": 1, "somaxconn": 4096}
    assert found.machine.kernel_writable == {"overcommit", "somaxconn"}
    [address] = found.machine.addresses
    assert address.device == "host0"


def test_the_disk_of_the_data_is_known_in_bytes_and_whether_it_can_be_written() -> None:
    assert read("trixie").disk is None  # of a look that says nothing of it
    found = {"disk": "250 1000 4096"}
    assert read("trixie", **found).disk == Disk(250 * 4096, 1000 * 4096)
    assert read_one(edited("trixie", **found, **{"disk-read-only": ""})).disk == Disk(
        250 * 4096, 1000 * 4096, True
    )
    assert read("trixie", **found) == read(
        "trixie", disk="9 1000 4096"
    )  # that it fills is no change of the host
    with pytest.raises(NoevictError, match="cannot be parsed"):
        read("trixie", disk=("250 1000 4096", "0 0 0"))


@pytest.mark.parametrize("name", MANAGED)
def test_a_look_at_a_provisioned_host_reports_all_that_noevict_manages(name: str) -> None:
    found, engine = read(name), LAYOUTS[HOSTS[name]]
    assert found.machine.packages[engine.package].installed
    assert found.diversion == (f"{engine.conf}.debian", ":")
    assert found.pid
    assert found.machine.processes == (f"{found.pid} {engine.package} server",)
    own = [Listener(True, address, 6379, "") for address in ("127.0.0.1", found.machine.addresses[0].address)]
    assert set(own) < set(found.listeners)
    assert not any(listener.plaintext for listener in found.listeners)
    for path in (engine.conf, engine.aclfile, engine.dropin, f"{engine.tls}/ca.crt"):
        file = found.files[path]
        assert file.is_regular
        assert len(file.sha256 or "") == 64
    assert found.files[engine.etc].is_directory
    assert found.files[engine.conf].mode == "640"
    assert found.data[engine.manifest].owner == engine.user
    assert found.conf is not None
    assert "\nmaxmemory 1600mb\n" in found.conf
    certificate = Certificate.parse(found.certificate or "")
    assert certificate is not None
    assert certificate.key_digest == found.key_digest
    assert certificate.covers(name)
    assert Certificate.parse(found.ca or "") is not None


def test_a_look_at_a_fresh_host_reports_that_nothing_is_there() -> None:
    found = read("fresh")
    assert "redis-server" not in found.machine.packages
    assert (found.conf, found.ca, found.certificate, found.key_digest) == (None,) * 4
    assert (found.pid, found.machine.processes, found.listeners, found.diversion) == (0, (), (), None)
    assert not found.files


def test_a_host_without_systemd_names_its_server_by_the_init_scripts_pid_file() -> None:
    found = read("init")
    assert found.unit == {"UnitFileState": "enabled"}
    assert found.pid


def test_a_server_that_is_being_started_is_distinguished() -> None:
    assert read_one(edited("trixie", starting="")).starting
    assert not read("trixie").starting


def test_what_changes_by_itself_is_no_change_between_two_looks() -> None:
    later = read("trixie", time=1_900_000_000, unit=("MainPID 1234", "ControlGroup /elsewhere"))
    assert {"MainPID", "ControlGroup"}.isdisjoint(later.unit)
    assert later == read("trixie", unit=())


LIMITS: Mapping[str, tuple[dict[str, object], int]] = {
    "none, cgroup v1": ({"cgroup": ("9223372036854771712",)}, 2000),
    "none, cgroup v2": ({"cgroup": ("max", "max")}, 2000),
    "of the service, cgroup v2": ({"cgroup": (str(512 * MIB), "max", "max")}, 512),
    "of a parent, cgroup v2": ({"cgroup": ("max", str(700 * MIB), str(900 * MIB))}, 700),
    "of a container, cgroup v1": ({"cgroup": (str(256 * MIB), "9223372036854771712")}, 256),
    "MemoryMax of the unit": ({"unit": (f"MemoryMax {300 * MIB}",)}, 300),
    "no MemoryMax": ({"unit": ("MemoryMax infinity",)}, 2000),
    "above the RAM there is": ({"cgroup": (str(1 << 50),)}, 2000),
    "1.5 TiB": ({"memtotal": 3 << 29}, 3 << 19),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_the_memory_is_the_smallest_of_what_machine_cgroups_and_unit_say(limit: str) -> None:
    facts, mib = LIMITS[limit]
    assert read("trixie", **facts).memory == mib * MIB


def test_files_of_kernel_values_are_reported_in_the_order_they_are_read_in() -> None:
    reported = ("somaxconn 128 /etc/sysctl.d/99-b.conf", "overcommit -1 /usr/lib/sysctl.d/99-a.conf",
            "somaxconn 1 /run/sysctl.d/98 c.conf")  # fmt: skip
    assert read("trixie", later=reported).machine.sysctl_later == (
        Sysctl("somaxconn", 1, "/run/sysctl.d/98 c.conf"),
        Sysctl("overcommit", -1, "/usr/lib/sysctl.d/99-a.conf"),
        Sysctl("somaxconn", 128, "/etc/sysctl.d/99-b.conf"),
    )
    assert read("trixie").machine.sysctl_later == ()


def test_what_not_even_root_can_change_is_reported() -> None:
    assert read("trixie").unwritable == ()
    assert read("trixie", unwritable=("/etc/redis", "/a b")).unwritable == ("/etc/redis", "/a b")


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_of_its_own_is_a_machine_of_its_own(name: str) -> None:
    machines = [read(each).machine for each in HOSTS]
    assert read(name).machine
    assert machines.count(read(name).machine) == 1


def test_addresses_that_come_or_go_are_left_out() -> None:
    flags = {
        "10.0.0.1": "",
        "10.0.0.2": "deprecated",
        "fd00::3": "tentative",
        "fd00::4": "dadfailed tentative",
    }
    reported = tuple(f"eth0 {address} scope global {flag}" for address, flag in flags.items())
    machine = read("trixie", address=reported, held=("127.0.0.1", "fe80::0:1")).machine
    assert machine.addresses == (Address("eth0", "10.0.0.1"),)
    # A program may bind them all the same.
    assert machine.other_addresses == {"127.0.0.1", "fe80::1", "10.0.0.2", "fd00::3", "fd00::4"}
    # With no tool that lists all addresses, they are not known.
    assert read("trixie", address=reported, held=()).machine.other_addresses is None


def test_a_leased_address_is_distinguished_from_a_permanent_one() -> None:
    forever, hour = (
        "\\       valid_lft forever preferred_lft forever",
        "\\       valid_lft 3600sec preferred_lft 60sec",
    )
    reported = (
        f"eth0 10.0.0.1 brd 10.0.0.255 scope global eth0{forever}",
        f"eth0 10.0.0.2 metric 100 brd 10.0.0.255 scope global secondary dynamic eth0{hour}",
        f"eth0 fd00::3 scope global dynamic mngtmpaddr noprefixroute {hour}",
        f"eth0 fd00::4 scope global temporary dynamic {hour}",
        f"eth0 10.0.0.5 scope global deprecated dynamic eth0{hour}",
        f"dynamic 10.0.0.6 scope global dynamic{forever}",
    )
    assert read("trixie", address=reported).machine.addresses == (
        Address("eth0", "10.0.0.1"),
        Address("eth0", "10.0.0.2", leased=True),
        Address("eth0", "fd00::3", leased=True),
        Address("dynamic", "10.0.0.6"),
    )


def test_a_package_that_was_removed_is_not_installed() -> None:
    found = read(
        "trixie", package=("redis-server deinstall config-files 5:7.0.15-1", "openssl unknown not-installed ")
    )
    assert found.machine.packages["redis-server"] == Package(
        "redis-server", "deinstall", "config-files", "5:7.0.15-1"
    )
    assert not any(package.installed for package in found.machine.packages.values())


@pytest.mark.parametrize("end", ["", "end-of-look", "end", "conf end-of-look"])
def test_a_line_of_redis_conf_is_never_taken_for_a_fact(end: str) -> None:
    found = read("trixie", conf=("port 0", end, "uid 1000", "memtotal 1", ""))
    assert found.machine.root
    assert found.machine.memtotal == 2000 * MIB
    assert found.conf == f"port 0\n{end}\nuid 1000\nmemtotal 1\n\n"


@pytest.mark.parametrize("name", HOSTS)
def test_a_look_that_ends_at_any_line_is_an_error(name: str) -> None:
    whole = list(lines(name))
    for length in range(len(whole)):
        with pytest.raises(NoevictError, match="is incomplete"):
            parse_facts(whole[:length])


def test_a_look_that_lacks_what_every_host_has_is_an_error() -> None:
    for fact in ("memtotal", "time"):
        with pytest.raises(NoevictError, match="cannot be parsed"):
            read("trixie", **{fact: ()})


KEYS = sorted({line.partition(" ")[0] for name in HOSTS for line in lines(name)})
words = st.one_of(
    st.text(max_size=8),
    st.integers().map(str),
    st.sampled_from(["own", "0", "-1", "|", "10.0.0.1", "²"]),
)
line = st.builds(
    lambda key, rest: " ".join([key, *rest]),
    st.sampled_from(KEYS) | st.text(max_size=5),
    st.lists(words, max_size=9),
)


def is_read_or_refused(reported: list[str]) -> bool:
    try:
        return all(isinstance(each, InstanceState) for each in parse_facts(reported))
    except NoevictError as error:
        return len(error.lines) == 1


@given(st.lists(line | st.text(), max_size=20), st.booleans())
def test_any_lines_at_all_are_a_host_state_or_an_error(reported: list[str], whole: bool) -> None:
    assert is_read_or_refused([*reported, "end-of-look"] if whole else reported)


@given(st.integers(min_value=0), st.lists(line | st.text(), max_size=4), st.booleans())
def test_a_real_look_with_any_lines_in_it_is_a_host_state_or_an_error(
    place: int, reported: list[str], instead: bool
) -> None:
    whole = list(lines("trixie"))
    at = place % len(whole)
    whole[at : at + len(reported) * instead] = reported
    assert is_read_or_refused(whole)


@pytest.mark.parametrize("line", ["memtotal 99999999", "tls tls-mine", "machine mine", "uid 0", "key mine"])
def test_a_fact_that_is_printed_twice_makes_no_sense(line: str) -> None:
    """Of what the look prints once, a second line is somebody else's."""
    with pytest.raises(NoevictError, match="cannot be parsed"):
        parse_facts(with_line("trixie", line))


def test_a_look_whose_files_were_not_read_to_the_end_is_no_look() -> None:
    with pytest.raises(NoevictError, match="is incomplete"):
        parse_facts([line for line in lines("trixie") if line != "files read"])
