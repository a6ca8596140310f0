"""A host's own passwords on their way to it: what is tried, let in, due and refused. Without a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noevict.acl.diff import EXTRA, MISSING
from noevict.machine.found import MachineState
from noevict.pki.authority import make_ca
from noevict.plan.change import Change, How, Part
from noevict.secrets.host_passwords import HostKey, derive_password
from noevict.secrets.passwords import HOST_SECRET, Generation
from noevict.secrets.store import Secrets, sha256
from noevict.server.live import NOT_UNDERSTOOD, Live, Reach
from noevict.server.password_rotation import (
    GIVEN,
    ID,
    OLDER,
    PASSWORDS,
    admin_logins,
    gives_passwords,
    identity,
    is_finishing,
    kept,
    left_over,
    password_change,
    stale,
)
from tests.unit.looks.managed import fresh

NEW, OLD = "0123456789abcdef" * 2, "fedcba9876543210" * 2
KEY = HostKey("a", NEW, older=(OLD,))
OF_ALL = {"admin": "admin-of-all", "health": "health-of-all", "exporter": "exporter-of-all"}
BARE = Secrets(Path("secrets"), make_ca(datetime.now(UTC)), {HOST_SECRET: "secret"})
OURS = replace(BARE, host=KEY)  # of a fleet that never had passwords of all
BOTH = replace(OURS, passwords={**OF_ALL, HOST_SECRET: "secret"})


def own(user: str, of: str = NEW) -> str:
    return derive_password("secret", user, of)


@dataclass(frozen=True)
class Found:
    """What was found on a host."""

    live: Live = field(default_factory=lambda: Live(Reach.NOT_RUNNING))
    machine: MachineState = fresh().state.machine
    exporter_passwords: frozenset[str] = frozenset()


def of_machine(id: str = "", given: Generation | None = None) -> Found:
    return Found(machine=replace(Found.machine, id=id, given=given))


def taking(**passwords: tuple[str, ...]) -> Live:
    """A server of ours whose users take these."""
    users = {user: " ".join(f"#{sha256(each)}" for each in each_of) for user, each_of in passwords.items()}
    return Live(
        Reach.TLS, user="admin", acl=tuple(f"user {user} on {words} ~*" for user, words in users.items())
    )


def test_a_password_that_stays_too_long_has_words_of_its_own() -> None:
    assert OLDER == "older passwords"


# --- which are tried ---


@pytest.mark.parametrize(
    ("secrets", "given", "tried"),
    [
        (BOTH, None, ("admin-of-all", own("admin"), own("admin", OLD))),
        (BOTH, Generation(1, "x"), (own("admin"), own("admin", OLD), "admin-of-all")),
        (replace(BOTH, host=replace(KEY, has_id=True)), None, (own("admin"), own("admin", OLD))),
        (OURS, None, (own("admin"), own("admin", OLD))),
        (replace(BOTH, host=replace(KEY, older=(OLD, NEW))), Generation(1, "x"),
         (own("admin"), own("admin", OLD), "admin-of-all")),
        (replace(BARE, passwords=OF_ALL), None, ("admin-of-all",)),
    ],
)  # fmt: skip
def test_admins_passwords_are_tried_in_this_order(
    secrets: Secrets, given: Generation | None, tried: tuple[str, ...]
) -> None:
    assert admin_logins(secrets, of_machine(given=given)) == tried


# --- which are let in beside the new ones ---


def old(*users: str) -> dict[str, tuple[str, ...]]:
    return {user: (sha256(own(user, OLD)),) for user in users}


ALL_OLD = {user: (own(user, OLD),) for user in OF_ALL}
ALL_BOTH = {user: (own(user), own(user, OLD)) for user in OF_ALL}
WITH_OLD = frozenset({sha256(own("exporter", OLD))})
WITH_NEW = frozenset({sha256(own("exporter"))})


@pytest.mark.parametrize(
    ("live", "exporter", "stay"),
    [
        # One that does not run starts with what its exporter has.
        (None, frozenset(), {}),
        (None, WITH_NEW, {}),
        (None, WITH_OLD, old("health", "exporter")),
        (None, WITH_OLD | WITH_NEW, old("health", "exporter")),
        (None, frozenset({NOT_UNDERSTOOD}), old("health", "exporter")),
        # One that runs keeps the old one until it has the new one, and as long as its exporter needs it.
        (taking(**ALL_OLD), frozenset(), old("admin", "health", "exporter")),
        (taking(**ALL_BOTH), frozenset(), {}),
        (taking(**ALL_BOTH), WITH_OLD, old("health", "exporter")),
        (taking(**{**ALL_BOTH, "health": (own("health"),)}), WITH_OLD, old("exporter")),
        (taking(**{**ALL_BOTH, "admin": ALL_OLD["admin"]}), WITH_NEW, old("admin")),
        # What it does not take any more is never given back to it.
        (taking(admin=("x",), health=(), exporter=("x",)), WITH_OLD, {}),
        (taking(), WITH_OLD, {}),
    ],
)
def test_an_older_password_stays_as_long_as_somebody_needs_it(
    live: Live | None, exporter: frozenset[str], stay: Mapping[str, tuple[str, ...]]
) -> None:
    found = Found(live=live or Live(Reach.NOT_RUNNING), exporter_passwords=exporter)
    assert kept(OURS, found) == stay


def test_of_a_server_that_is_not_ours_nobody_knows_what_it_takes() -> None:
    foreign = replace(taking(**ALL_BOTH), user="default")
    assert kept(OURS, Found(live=foreign)) == {}
    assert kept(OURS, Found(live=foreign, exporter_passwords=WITH_OLD)) == old("health", "exporter")
    assert left_over(OURS, Found(live=foreign)) == ()


def test_an_older_password_that_nobody_needs_is_left_over() -> None:
    assert left_over(OURS, Found(live=taking(**ALL_BOTH))) == ("admin", "health", "exporter")
    assert left_over(OURS, Found(live=taking(**ALL_BOTH), exporter_passwords=WITH_OLD)) == ("admin",)
    assert left_over(OURS, Found(live=taking(**ALL_OLD))) == ()
    assert left_over(OURS, Found(live=taking(admin=ALL_BOTH["admin"]))) == ("admin",)
    assert left_over(OURS, Found(live=taking(admin=(own("admin"),)))) == ()
    assert left_over(OURS, Found(live=taking())) == ()


# --- what is due ---


@pytest.mark.parametrize(
    ("user", "takes", "change"),
    [
        ("admin", ALL_OLD["admin"], (PASSWORDS, "an outdated one", "this host's own")),
        ("admin", ALL_BOTH["admin"], (OLDER, "still accepted", "not accepted any more")),
        ("admin", ("x",), None),
        ("admin", (own("admin"), "x"), None),
        ("admin", (), None),
        ("app", (own("app"),), None),
    ],
)
def test_passwords_on_their_way_are_reported_as_such(
    user: str, takes: tuple[str, ...], change: tuple[str, str, str] | None
) -> None:
    assert password_change(user, OURS, taking(**{user: takes})) == change
    assert password_change("exporter", OURS, taking(**{user: takes})) is None


@pytest.mark.parametrize(
    ("key", "file", "reported"),
    [
        (KEY, NEW, None),
        (KEY, "", "missing"),
        (KEY, "x", "damaged"),
        (replace(KEY, has_id=True), OLD, "another host's"),
        (None, "", None),
    ],
)
def test_the_file_with_the_id_is_due_if_the_id_differs(
    key: HostKey | None, file: str, reported: str | None
) -> None:
    change = Change(Part.FILE, ID, How.FILE, reported or "", "the id of this host's passwords")
    assert list(identity(replace(BARE, host=key), of_machine(id=file))) == [change] * bool(reported)
    assert ID == "/var/lib/noevict/id"


FILE = Change(Part.FILE, "/etc/redis/users.acl", How.FILE, "other content", "ours")


def user(aspect: str) -> Change:
    return Change(Part.USER, "app", How.LIVE, "found", "wanted", aspect=aspect)


def directive(name: str, aspect: str = "") -> Change:
    return Change(Part.DIRECTIVE, name, How.LIVE, "found", "wanted", aspect=aspect)


@pytest.mark.parametrize(
    ("change", "gives", "finishes"),
    [
        (FILE, True, False),
        (replace(FILE, part=Part.ACCESS), False, False),
        (replace(FILE, subject="/etc/redis/redis.conf"), False, False),
        (replace(FILE, subject=ID), False, True),
        (replace(FILE, part=Part.SERVER, subject=ID), False, False),
        (user(PASSWORDS), True, False),
        (user(MISSING), True, False),
        (user(EXTRA), False, False),
        (user("commands"), False, False),
        (user(OLDER), False, True),
        (directive("hz"), False, False),
        (directive("hz", PASSWORDS), False, False),
        (directive("hz", OLDER), False, False),
    ],
)
def test_which_changes_give_a_password_and_which_end_a_run(
    change: Change, gives: bool, finishes: bool
) -> None:
    assert gives_passwords((directive("timeout"), change), FILE.subject) is gives
    assert is_finishing(change) is finishes


# --- an older copy of secrets/ ---


def test_an_older_or_another_copy_is_reported_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Secrets, "generation", Generation(5, "d" * 32))

    def reported(given: Generation | None) -> list[str]:
        return list(stale(OURS, of_machine(given=given)))

    assert reported(None) == reported(Generation(5, "d" * 32)) == reported(Generation(4, "e" * 32)) == []
    assert reported(Generation(0, "")) == [
        f"{GIVEN}: should be a number and a digest, is not: remove it, then run again"
    ]
    assert GIVEN == "/var/lib/noevict/generation"
    [older] = reported(Generation(6, "d" * 32))
    assert older.startswith(
        "has passwords of generation 6 of secrets/users.yml, and this copy is of generation 5: it is older; copy "
    )
    [another] = reported(Generation(5, "0123456789"))
    assert another.startswith(
        "has passwords of generation 5 of secrets/users.yml (01234567), and this copy is another generation 5 "
        "(dddddddd): copy the current secrets/ here"
    )
