"""The section of the machine in a look, and the lines of which all sections are made."""

from collections.abc import Mapping

import pytest

from noevict.machine.addresses import Address
from noevict.machine.found import Package, Sysctl
from noevict.machine.read import Section, read_files, read_key_digest, read_machine, read_package

LEAST = ("uid 0", "os debian 13 trixie", "hostname a", "memtotal 1000", "time 5", "systemd yes")


def test_a_section_has_each_key_s_values_in_order_and_a_text_line_by_line() -> None:
    facts = Section(["conf port 0", "file one", "conf ", "file two"])
    assert (facts.all("file"), facts.all("none")) == (["one", "two"], [])
    assert (facts.text("conf"), facts.text("none")) == ("port 0\n\n", None)
    assert ("conf" in facts, "none" in facts) == (True, False)


def test_a_fact_is_shown_once() -> None:
    facts = Section(["id a", "id b", "uid 0"])
    assert (facts.one("uid"), facts.one("none"), facts.one("none", "0")) == ("0", "", "0")
    with pytest.raises(ValueError, match="too many"):
        facts.one("id")


def test_a_machine_that_says_the_least_is_read() -> None:
    found = read_machine(Section(LEAST))
    assert (found.os, found.names, found.systemd) == (("debian", "13", "trixie"), ("a",), True)
    assert (found.memtotal, found.time, found.root) == (1_024_000, 5, True)
    assert (found.id, found.given, found.identity, found.unfinished) == ("", None, "", False)


WITH: Mapping[str, tuple[str, str, object]] = {
    "no root": ("uid 1000", "root", False),
    "an id": ("id 0123", "id", "0123"),
    "a machine": ("machine boot net pid", "identity", "boot net pid"),
    "a process": ("process 7 redis-server server", "processes", ("7 redis-server server",)),
    "a command of a killed run": ("unfinished", "unfinished", True),
    "a package": (
        "package openssl install installed 3.0",
        "packages",
        {"openssl": Package("openssl", "install", "installed", "3.0")},
    ),
    "a kernel value": ("somaxconn 128", "kernel", {"somaxconn": 128}),
    "a kernel value that can be set": ("sysctl overcommit", "kernel_writable", {"overcommit"}),
    "a later file": (
        "later somaxconn 1 /etc/sysctl.d/99 b.conf",
        "sysctl_later",
        (Sysctl("somaxconn", 1, "/etc/sysctl.d/99 b.conf"),),
    ),
    "IPv6": ("ipv6 ::1", "ipv6", {"::1"}),
    "a leased address": ("address eth0 10.0.0.5 dynamic", "addresses", (Address("eth0", "10.0.0.5", True),)),
    "addresses that are not there may be bound": ("nonlocal6 1", "nonlocal_bind", {6}),
    "only those that are there may be bound": ("nonlocal4 0", "nonlocal_bind", frozenset()),
    "the first port for every user": ("first-port 80", "first_port", 80),
    "an address that goes away": ("address eth0 10.0.0.5 deprecated", "addresses", ()),
    "a file of generations that cannot be read": ("generation ?", "given", None),
}


@pytest.mark.parametrize("case", WITH)
def test_each_fact_is_where_it_belongs(case: str) -> None:
    line, name, value = WITH[case]
    key = line.partition(" ")[0]
    found = read_machine(Section([*(each for each in LEAST if not each.startswith(f"{key} ")), line]))
    if name == "given":
        assert found.given is not None
        assert found.given.number == 0
    else:
        assert getattr(found, name) == value


def test_a_package_without_a_version_is_one_all_the_same() -> None:
    assert read_package("openssl unknown not-installed") == Package("openssl", "unknown", "not-installed", "")


def test_a_file_has_its_digest_by_its_path() -> None:
    facts = Section(["file f|root|redis|640|7|5|/etc/a b|c", "sha256 abc  /etc/a b|c", "file x|r|r|1|0|0|/x"])
    file, odd = read_files(facts).values()
    assert (file.path, file.kind, file.mode, file.sha256, file.size, file.changed) == (
        *("/etc/a b|c", "regular file", "640", "abc"),
        *(7, 5),
    )
    assert (odd.kind, odd.sha256) == ("unknown", None)


def test_a_key_that_is_no_base64_makes_no_sense() -> None:
    empty = "-----BEGIN PUBLIC KEY----- AAAA -----END PUBLIC KEY-----"
    assert read_key_digest(empty) == "709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c"
    with pytest.raises(ValueError, match="base64"):
        read_key_digest(empty.replace("AAAA", "A-A"))
