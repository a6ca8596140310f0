"""Each host's own passwords, its id, and what is let in while they are on their way. Pure."""

import hashlib
import re
import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noevict.companions.exporter.wanted import passwords_file
from noevict.errors import NoevictError
from noevict.machine.found import ID
from noevict.pki import authority
from noevict.scripts import script
from noevict.secrets.host_passwords import (
    PER_HOST,
    HostIds,
    HostKey,
    derive_id,
    derive_password,
    read_ids,
    record,
    render_ids,
)
from noevict.secrets.passwords import Generation
from noevict.secrets.store import Secrets, sha256
from noevict.server.live import NOT_UNDERSTOOD
from noevict.server.password_rotation import OLDER, admin_logins, gives_passwords, left_over, stale
from tests.unit.looks.captured import edited, read_one
from tests.unit.looks.managed import Managed, fresh, managed

SECRET = "the-secret-of-hosts"
X, Y = "0123456789abcdef" * 2, "fedcba9876543210" * 2
OF_ALL = managed("trixie").secrets.passwords
NOW = datetime.now(UTC)


def ids(*hosts: str, **recorded: str) -> HostIds:
    return HostIds(SECRET, recorded, hosts)


# What they are derived from


def test_a_password_is_the_hosts_and_the_users_own_and_has_256_bits() -> None:
    every = {derive_password(secret, user, each) for secret in "ab" for user in PER_HOST for each in (X, Y)}
    assert len(every) == 2 * 3 * 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", password) for password in every)
    assert derive_password(SECRET, "admin", X) == derive_password(SECRET, "admin", X)


def test_what_is_derived_is_the_same_for_ever() -> None:
    """Another password, or id, would shut noevict out of every host."""
    assert derive_password(SECRET, "admin", X) == "WSmzd6qjKHUUqLNFals9i3QeN7qxMFhQ_p7NvS0XjjY"
    assert derive_id(SECRET, "cache-1") == "898a31ab87e0e7423268100cbee760a5"
    assert derive_id(SECRET, "cache-1", 1) == "05766a14dd633df902b69f3e756d3981"


def test_if_nobody_looked_the_id_follows_from_the_name() -> None:
    found = {ids("a", "b").key(name).id for name in "ab"}
    assert found == {derive_id(SECRET, "a"), derive_id(SECRET, "b")}
    assert ids("a").key("a") == HostKey("a", derive_id(SECRET, "a"), older=(), has_id=False)
    assert HostKey("a", X).has_id is False


def test_a_renamed_host_keeps_its_id_and_is_remembered() -> None:
    old = derive_id(SECRET, "old")
    key = ids("new").key("new", old)
    assert (key.id, key.has_id) == (old, True)
    assert record({}, "new", old, ["new"]) == {"new": old}
    assert ids("new", new=old).key("new").id == old


def test_the_name_of_a_renamed_host_gives_no_other_host_its_id() -> None:
    old = derive_id(SECRET, "old")
    both = ids("old", "new", new=old)
    assert both.key("new", old).id == old
    assert both.key("old").id == derive_id(SECRET, "old", 1)
    assert ids("old", gone=old).key("old").id == derive_id(SECRET, "old", 1)  # nor once it has left hosts.yml


def test_a_copied_id_belongs_to_only_one_host() -> None:
    a = derive_id(SECRET, "a")
    both = ids("a", "b")
    assert both.key("a", a).id == a
    key = both.key("b", a)
    assert key.id == derive_id(SECRET, "b")
    assert a in key.older  # its server takes the passwords that were copied along


def test_an_id_recorded_for_two_listed_hosts_is_nobodys_until_one_is_found_with_it() -> None:
    both = ids("a", "b", a=X, b=X)
    assert both.key("a").id != both.key("b").id
    assert {both.key(name, X).id for name in "ab"} == {X}  # whichever has it
    assert record({"a": X, "b": X}, "b", X, iter(["b", "a"])) == {"b": X}
    assert record({"gone": X}, "b", X, ["a", "b"]) == {"gone": X, "b": X}
    assert record({"a": Y}, "b", X, ["a", "b"]) == {"a": Y, "b": X}
    assert ids("a", a=X, gone=X).key("a").id == X  # the other is not listed
    once = HostIds(SECRET, {"a": X, "b": X}, iter(["a", "b"]))
    assert once.key("a").id == derive_id(SECRET, "a")


def test_an_id_written_by_hand_counts_and_those_before_are_tried() -> None:
    key = ids("a", a=X).key("a", Y)
    assert (key.id, key.older) == (Y, (X, derive_id(SECRET, "a")))
    shared = ids("a", "b", a=X, b=X, c=derive_id(SECRET, "a")).key("a", Y)
    assert shared.older == (derive_id(SECRET, "a", 1), X, derive_id(SECRET, "a"))


@pytest.mark.parametrize("claimed", ["", "?", X[:-1], X.upper(), f"{X}0"])
def test_what_is_no_id_is_none(claimed: str) -> None:
    assert ids("a").key("a", claimed) == ids("a").key("a")


def test_ids_yml_reads_back_and_what_noevict_did_not_write_is_one_line() -> None:
    recorded = {"a: b": X, "1": "1" * 32, "yes": Y}
    assert read_ids(Path("ids.yml"), render_ids(recorded)) == recorded
    assert render_ids({"b": X, "a": "1" * 32}) == f"a: '{'1' * 32}'\nb: {X}\n"
    assert read_ids(Path("ids.yml"), "") == read_ids(Path("ids.yml"), " \n") == {}
    for text in ("a: b", "- a", "a: [", f"a: {'1' * 32}", "x", f"a: {Y}\nb: c", f"5: {Y}", "[" * 100_000):
        with pytest.raises(NoevictError, match=r"^ids\.yml: should be lines of HOST: ID"):
            read_ids(Path("ids.yml"), text)


# On their way


def moving(host: Managed, *, own: bool, of_all: bool, **fields: object) -> Managed:
    """A host whose users take their own passwords, or those that all hosts had, or both."""
    lines = {line.split()[1]: line for line in host.state.live.acl}
    for user in PER_HOST:
        mine, all_had = f"#{host.secrets.digest(user)}", f"#{sha256(OF_ALL[user])}"
        words = " ".join([mine] * own + [all_had] * of_all)
        lines[user] = lines[user].replace(mine, words)
    return host.but({"acl": tuple(lines.values())}, **fields)


def no_id(host: Managed) -> Managed:
    """As it is before it has its id file."""
    assert host.secrets.host
    key = replace(host.secrets.host, has_id=False)
    return replace(host, secrets=host.secrets.of_host(key)).but(id="")


def taken(host: Managed) -> dict[str, set[str]]:
    """User -> whose passwords it should take."""
    users = {user.name: set(user.passwords) for user in host.target.users}
    names = {user: {host.secrets.digest(user): "own", sha256(OF_ALL[user]): "all"} for user in PER_HOST}
    return {user: {names[user][digest] for digest in users[user]} for user in PER_HOST}


def test_the_new_password_is_added_beside_the_old_one() -> None:
    host = no_id(moving(managed("trixie"), own=False, of_all=True))
    assert taken(host) == {key: {"own", "all"} for key in PER_HOST}
    assert {(each.what, each.wanted) for each in host.plan.changes if each.what.startswith("user ")} == {
        (f"user {user} passwords", "this host's own") for user in PER_HOST
    }
    assert gives_passwords(host.plan.changes, host.layout.aclfile)
    assert left_over(host.secrets, host.state) == ()


@pytest.mark.parametrize("user", ["app", "health"])
def test_a_user_that_is_missing_gets_a_password_and_one_that_is_deleted_none(user: str) -> None:
    made, gone = (
        managed("trixie").but_acl(without=user),
        managed("trixie").but_acl("user eve on nopass ~* +@all"),
    )
    assert gives_passwords(made.plan.changes, "/nowhere")
    assert not gives_passwords(gone.plan.changes, "/nowhere")


def test_the_old_one_goes_once_the_new_one_is_there() -> None:
    host = no_id(moving(managed("trixie"), own=True, of_all=True))
    assert taken(host) == {key: {"own"} for key in PER_HOST}
    assert set(left_over(host.secrets, host.state)) == set(PER_HOST)
    assert {each.what for each in host.plan.changes} >= {f"user {user} {OLDER}" for user in PER_HOST} | {ID}
    assert not gives_passwords(host.plan.changes, "/nowhere")


def test_the_exporters_old_one_stays_until_the_exporter_has_the_new_one_and_is_no_drift() -> None:
    with_old = frozenset({sha256(OF_ALL["exporter"])})
    host = moving(managed("trixie"), own=True, of_all=True, exporter_passwords=with_old)
    assert taken(host) == {"admin": {"own"}, "health": {"own", "all"}, "exporter": {"own", "all"}}
    assert left_over(host.secrets, host.state) == ("admin",)
    lines = {line.split()[1]: line for line in host.state.live.acl}
    lines["admin"] = lines["admin"].replace(f" #{sha256(OF_ALL['admin'])}", "")
    host = host.but({"acl": tuple(lines.values())})
    assert [each for each in host.plan.changes if each.what.startswith("user ")] == []
    both = host.but(
        exporter_passwords=with_old | {host.secrets.digest("exporter")}
    )  # written, not yet restarted
    assert taken(both)["exporter"] == {"own", "all"}
    done = host.but(exporter_passwords=frozenset({host.secrets.digest("exporter")}))
    assert taken(done) == {key: {"own"} for key in PER_HOST}
    assert left_over(done.secrets, done.state) == ("health", "exporter")


def test_an_old_password_that_is_gone_is_never_given_back() -> None:
    with_old = frozenset({sha256(OF_ALL["exporter"])})
    host = managed("trixie").but(exporter_passwords=with_old)
    assert taken(host) == {key: {"own"} for key in PER_HOST}
    assert host.plan.clean


def test_a_server_that_does_not_run_starts_with_what_its_exporter_has() -> None:
    host = fresh().but(exporter_passwords=frozenset({sha256(OF_ALL["exporter"])}))
    assert taken(host) == {"admin": {"own"}, "health": {"own", "all"}, "exporter": {"own", "all"}}


def test_somebody_elses_password_is_drift_as_ever() -> None:
    host = managed("trixie")
    [line] = (line for line in host.state.live.acl if line.startswith("user admin "))
    changed = host.but_acl(line.replace(host.secrets.digest("admin"), hashlib.sha256(b"x").hexdigest()))
    assert [each.what for each in changed.plan.changes] == ["user admin passwords"]
    assert {tuple(user.passwords) for user in changed.target.users if user.name == "admin"} == {
        (host.secrets.digest("admin"),)
    }


def test_an_exporter_whose_passwords_are_not_understood_may_need_the_old_ones() -> None:
    host = moving(managed("trixie"), own=True, of_all=True, exporter_passwords=frozenset({NOT_UNDERSTOOD}))
    assert taken(host) == {"admin": {"own"}, "health": {"own", "all"}, "exporter": {"own", "all"}}
    assert left_over(host.secrets, host.state) == ("admin",)
    assert managed("trixie").but(exporter_passwords=frozenset({NOT_UNDERSTOOD})).plan.clean


PLAIN = '{\n "rediss://a:1": "one",\n "rediss://exporter@a:1": "one"\n}\n'


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (None, set()),
        (PLAIN, {sha256("one")}),
        (passwords_file("rediss://[fd00::1]:6379", "two"), {sha256("two")}),
        (PLAIN.removesuffix("\n}\n"), {sha256("one")}),
        ("", {NOT_UNDERSTOOD}),
        ("{}\n", {NOT_UNDERSTOOD}),
        ('{"rediss://a:1": "one"}\n', {NOT_UNDERSTOOD}),
        ('{\n "rediss://a:1": "o\\\\ne"\n}\n', {NOT_UNDERSTOOD}),
        (PLAIN.replace('"one"\n', '"o\\\\ne"\n'), {sha256("one"), NOT_UNDERSTOOD}),
        (PLAIN.replace('"one",', "1,"), {NOT_UNDERSTOOD}),
        ("a link", {NOT_UNDERSTOOD}),
        ("a link to nothing", {NOT_UNDERSTOOD}),
        ("a directory", {NOT_UNDERSTOOD}),
    ],
)
def test_the_look_says_what_the_exporter_has_or_that_nobody_knows(
    tmp_path: Path, text: str | None, reported: set[str]
) -> None:
    file, elsewhere = tmp_path / "passwords.json", tmp_path / "elsewhere"
    if text == "a directory":
        file.mkdir()
    elif text and text.startswith("a link"):
        file.symlink_to(elsewhere)
        if text == "a link":
            elsewhere.write_text(PLAIN)
    elif text is not None:
        file.write_text(text)
    whole = script("look_instance")
    [loop] = re.findall(r'^  for file in "\$exporter_etc/.*?^  done 2>/dev/null$', whole, re.M | re.S)
    variables = f"exporter_etc={shlex.quote(str(tmp_path))}\nexporter_credentials=/nowhere\n"
    code = variables + 'say() { echo "$1"; }\n' + loop
    printed = subprocess.run(
        ["bash", "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = read_one([*edited("trixie")[:-1], *printed, "end-of-look"])
    assert found.exporter_passwords == reported
    assert found.exporter_certificate == read_one(edited("trixie")).exporter_certificate


# Which are tried


def test_the_password_of_all_hosts_is_not_sent_to_a_host_that_has_its_own() -> None:
    host = managed("trixie")
    own, of_all = host.secrets.password("admin"), OF_ALL["admin"]
    assert admin_logins(host.secrets, host.state) == (own,)
    host = no_id(host)
    assert admin_logins(host.secrets, host.but(given=None).state) == (of_all, own)
    assert admin_logins(host.secrets, host.but(given=Generation(1, "x")).state) == (own, of_all)


def test_before_there_is_a_host_secret_all_hosts_have_one() -> None:
    secrets = Secrets(Path("secrets"), authority.make_ca(NOW), {"admin": "of-all"}).known_host("a")
    assert (secrets.password("admin"), secrets.older("admin")) == ("of-all", ())


# An older copy


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (None, ""),
        (Generation(1, "d" * 32), ""),
        (Generation(5, "d" * 32), ""),
        (Generation(5, "e" * 32), "of generation 5 .*another generation 5"),
        (Generation(6, "d" * 32), "of generation 6 .*of generation 5: it is older"),
        (Generation(), "should be a number and a digest"),
    ],
)
def test_an_older_or_another_copy_is_refused_with_both(
    monkeypatch: pytest.MonkeyPatch, given: Generation | None, refused: str
) -> None:
    monkeypatch.setattr(Secrets, "generation", Generation(5, "d" * 32))
    host = managed("trixie").but(given=given)
    assert [bool(re.search(refused, line)) for line in stale(host.secrets, host.state)] == [True] * bool(
        refused
    )
    assert (host.plan.changes, bool(host.plan.refusals)) == ((), bool(refused))
    if given and given.number:
        assert all("noevict secrets accept" in line for line in host.plan.refusals)
