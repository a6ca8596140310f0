"""secrets/: made whole and once, closed to others, described without their contents."""

import hashlib
import multiprocessing
import os
import re
import stat
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noevict.errors import NoevictError
from noevict.pki import authority
from noevict.secrets import passwords
from noevict.secrets.passwords import Takeover
from noevict.secrets.store import Secrets, locate

# A busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime.now(UTC)
USERS = ("admin", "app")
SECRET = "sEcReT-vAlUe"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


@pytest.fixture
def made(path: Path) -> Secrets:
    return Secrets.create(path).draft_passwords(USERS).save()


def prepared(path: Path, users: str) -> Path:
    """secrets/ as a user makes it before the first run."""
    path.mkdir(mode=0o700)
    (path / "users.yml").touch(mode=0o600)
    (path / "users.yml").write_text(users)
    return path


def load(path: Path) -> Secrets:
    found = Secrets.load(path)
    assert found
    return found


def refusal(call: Callable[[], object]) -> str:
    """The one line of a refusal, which shows no secret, in its traceback neither."""
    with pytest.raises(NoevictError) as refused:
        call()
    (line,) = refused.value.lines
    assert "\n" not in line
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    return line


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Where


def test_secrets_are_beside_the_inventory_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOEVICT_SECRETS", raising=False)
    assert locate(tmp_path) == tmp_path / "secrets"
    monkeypatch.setenv("NOEVICT_SECRETS", "")
    assert locate(tmp_path) == tmp_path / "secrets"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOEVICT_SECRETS", "elsewhere")
    assert locate(Path("/root-of-the-checkout")) == tmp_path / "elsewhere"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NOEVICT_SECRETS", "~/vault")
    assert locate(tmp_path) == tmp_path / "vault"


# Making


def test_secrets_that_were_not_made_are_none_and_looking_makes_nothing(path: Path) -> None:
    assert Secrets.load(path) is None
    draft = Secrets.draft(path).draft_passwords(USERS)
    assert draft.known_host("cache-1").digests(USERS)
    assert not path.exists()


def test_drafted_secrets_say_why_there_is_no_ca_until_they_are_made(path: Path) -> None:
    assert Secrets.draft(path).no_ca == "it does not exist"
    path.mkdir(mode=0o700)
    assert Secrets.draft(path).draft_passwords(USERS).no_ca == "there is no ca.crt in it"
    assert (Secrets.create(path).no_ca, load(path).no_ca) == ("", "")


def test_what_is_made_is_there_only_for_its_owner(path: Path, made: Secrets) -> None:
    assert load(path).passwords == made.passwords
    assert load(path).ca.certificate == made.ca.certificate
    assert mode(path) == 0o700
    modes = {file.name: mode(file) for file in path.iterdir()}
    assert modes.pop("ca.crt") == 0o644
    assert set(modes.values()) == {0o600}
    assert {"ca.key", "users.yml", ".gitignore"} <= set(modes)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_umask_has_no_say(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        Secrets.create(path).draft_passwords(USERS).save()
    finally:
        os.umask(before)
    assert (mode(path), mode(path / "users.yml"), mode(path / "ca.crt")) == (0o700, 0o600, 0o644)


def test_making_them_twice_keeps_the_first(path: Path, made: Secrets) -> None:
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    again = Secrets.create(path).draft_passwords(USERS).save()
    assert again.passwords == made.passwords
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_git_never_sees_them(path: Path, made: Secrets) -> None:
    assert made
    assert "*" in (path / ".gitignore").read_text().splitlines()


def test_passwords_have_256_bits_and_are_all_different(made: Secrets) -> None:
    assert len(set(made.passwords.values())) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", password) for password in made.passwords.values())


def test_a_password_put_there_before_the_first_run_is_kept(path: Path) -> None:
    prepared(path, f"# of the old server\ntakeover: {SECRET}\n")
    assert Secrets.load(path) is None
    assert Secrets.draft(path).takeover == Takeover(None, SECRET)
    made = Secrets.create(path).draft_passwords(USERS).save()
    assert made.takeover == Takeover(None, SECRET)
    assert (
        (path / "users.yml").read_text().startswith(f"# of the old server\ntakeover: {SECRET}\ngeneration: ")
    )


@pytest.mark.parametrize("kept", [(), ("users.yml",), ("users.yml", "ca.key")])
def test_making_them_continues_where_it_was_interrupted(
    path: Path, made: Secrets, kept: tuple[str, ...]
) -> None:
    for file in path.iterdir():
        if file.name not in kept:
            file.unlink()
    (path / ".ca.key.new").write_text("half a fi")
    assert Secrets.load(path) is None
    again = Secrets.create(path)
    assert (again.ca.key_pem == made.ca.key_pem) == ("ca.key" in kept)
    assert (again.passwords == made.passwords) == ("users.yml" in kept)
    assert not list(path.glob(".*.new"))


@pytest.mark.parametrize("lost", ["ca.key", "users.yml"])
def test_incomplete_secrets_are_refused(path: Path, made: Secrets, lost: str) -> None:
    (made.path / lost).unlink()
    assert f"should have {lost} beside ca.crt" in refusal(lambda: Secrets.load(path))
    assert f"should have {lost} beside ca.crt" in refusal(lambda: Secrets.create(path).save())


def test_a_key_of_another_ca_is_refused(path: Path, made: Secrets) -> None:
    (made.path / "ca.key").write_text(authority.make_ca(NOW).key_pem)
    assert (
        refusal(lambda: Secrets.load(path))
        == f"{path}/ca.key: should be the key of ca.crt, is the key of another certificate"
    )


def test_secrets_that_are_a_file_or_cannot_be_made_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").touch(mode=0o700)
    assert "Not a directory" in refusal(lambda: Secrets.load(tmp_path / "secrets"))
    assert "cannot be made" in refusal(
        lambda: Secrets(tmp_path / "secrets" / "x", authority.make_ca(NOW), {}).save()
    )


# Who may read them


@pytest.mark.parametrize("file", [".", "ca.key", "users.yml"])
@pytest.mark.parametrize("bits", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
def test_what_others_can_reach_is_refused_with_the_remedy(
    path: Path, made: Secrets, file: str, bits: int
) -> None:
    target = made.path / file
    good = mode(target)
    target.chmod(good | bits)
    line = refusal(lambda: Secrets.load(path))
    assert f"should have mode {good:04o}, only for its owner, has {good | bits:04o}: chmod {good:04o}" in line
    target.chmod(good)
    load(path)


def test_the_certificate_may_be_read_by_all_and_written_by_none(path: Path, made: Secrets) -> None:
    (made.path / "ca.crt").chmod(0o666)
    assert "ca.crt: should have mode 0644" in refusal(lambda: Secrets.load(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")
@pytest.mark.parametrize("file", [".", "ca.key", "users.yml", "ca.crt"])
def test_what_another_user_owns_is_refused(
    path: Path, made: Secrets, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    os.chown(made.path / file, 65534, -1)
    assert "should be owned by 0, is by 65534" in refusal(lambda: Secrets.load(path))
    monkeypatch.setenv("SUDO_UID", "65534")
    load(path)


def test_a_symlink_counts_as_what_it_leads_to(path: Path, made: Secrets, tmp_path: Path) -> None:
    vault = tmp_path / "vault.yml"
    (made.path / "users.yml").rename(vault)
    (path / "users.yml").symlink_to(vault)
    assert load(path).passwords == made.passwords
    added = load(path).draft_passwords(["billing"]).save()
    assert (path / "users.yml").is_symlink()
    assert "billing" in yaml.safe_load(vault.read_text())
    assert added.password("billing")
    vault.chmod(0o644)
    assert "users.yml: should have mode 0600" in refusal(lambda: Secrets.load(path))


# users.yml


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"app: '{SECRET}", ":1: should be lines of USER: PASSWORD, is not YAML"),
        (f"app: *{SECRET}", ":1: should be lines of USER: PASSWORD, is not YAML"),
        (f"app: x\nadmin: @{SECRET}", ":2: should be lines of USER: PASSWORD, is not YAML"),
        (f"app: {SECRET}\x07", ": should be lines of USER: PASSWORD, is not YAML"),
        (f"app: x\n---\napp: {SECRET}", ":2: should be lines of USER: PASSWORD, is not YAML"),
        (SECRET, ": should be lines of USER: PASSWORD"),
        (f"- {SECRET}", ": should be lines of USER: PASSWORD"),
        ("app: 123456", ":1: the password of app should be text in quotes"),
        ("# comment\napp:", ":2: the password of app should be text in quotes"),
        ("app: yes", ":1: the password of app should be text in quotes"),
        ("app: 2024-01-01", ":1: the password of app should be text in quotes"),
        (f"app: [{SECRET}]", ":1: the password of app should be text in quotes"),
        (f"app: !{SECRET} x", ":1: the password of app should be text in quotes"),
        ("1: x", ":1: a user's name should be text"),
        (f"? [{SECRET}]\n: x", ":1: a user's name should be text"),
        (f"app: x\napp: {SECRET}", ":2: app should occur once, occurs twice"),
        (f"app: {SECRET} b", ":1: the password of app should be printable ASCII"),
        (f"app: '{SECRET}\"'", ":1: the password of app should be printable ASCII"),
        (f'app: "{SECRET}\'"', ":1: the password of app should be printable ASCII"),
        (f"app: {SECRET}\\", ":1: the password of app should be printable ASCII"),
        (f'app: "{SECRET}\\n"', ":1: the password of app should be printable ASCII"),
        (f"app: {SECRET}é", ":1: the password of app should be printable ASCII"),
        ("app: ''", ":1: the password of app should be printable ASCII"),
        ("takeover: ''", ":1: the password of takeover should be printable ASCII"),
    ],
)
def test_a_mistake_in_users_yml_is_one_line_without_the_password(path: Path, text: str, line: str) -> None:
    prepared(path, text)
    assert refusal(lambda: Secrets.draft(path)).startswith(f"{path}/users.yml{line}")


def test_all_mistakes_in_users_yml_are_reported_at_once(path: Path) -> None:
    prepared(path, "app: 1\nadmin: a b\n")
    with pytest.raises(NoevictError) as refused:
        Secrets.draft(path)
    assert len(refused.value.lines) == 2


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "{}"])
def test_a_users_yml_without_users_is_fine(path: Path, text: str) -> None:
    assert Secrets.draft(prepared(path, text)).passwords == {}


@pytest.mark.parametrize(
    "text",
    ["app: x", "app: x\n", "---\napp: x # old\n\n# the end", "  app: x\n  other: y\n", "app: |-\n  x\n", ""],
)
def test_passwords_are_added_below_what_is_there(path: Path, text: str) -> None:
    prepared(path, text)
    Secrets.create(path).draft_passwords(("admin", "yes", "ärger")).save()
    written = (path / "users.yml").read_text()
    assert written.startswith(text)
    assert load(path).missing(("admin", "yes", "ärger")) == ()


@pytest.mark.parametrize("text", ["{app: x}", "app: x\n...\n"])
def test_a_users_yml_that_cannot_be_added_to_is_left_alone(path: Path, text: str) -> None:
    prepared(path, text)
    assert "so that more can be added" in refusal(lambda: Secrets.create(path))
    assert (path / "users.yml").read_text() == text


@PATIENT
@given(
    st.dictionaries(
        st.text(min_size=1), st.text("abc!$%&#*?-_=:,{}[]<>|@^~0123456789", min_size=1), max_size=5
    ),
    st.dictionaries(
        st.text(min_size=1), st.text("abc!$%&#*?-_=:,{}[]<>|@^~0123456789", min_size=1), max_size=5
    ),
)
def test_whatever_was_there_stays_and_what_is_added_reads_back(
    old: dict[str, str], new: dict[str, str]
) -> None:
    file = Path("users.yml")
    text = passwords.add(file, "", old)
    added = passwords.add(file, text, new)
    assert passwords.parse(file, added) == {**new, **old}
    assert added.startswith(text)


# Passwords


def test_a_digest_is_what_an_acl_file_takes(made: Secrets) -> None:
    expected = hashlib.sha256(made.passwords["app"].encode()).hexdigest()
    assert made.digests(["app"]) == {"app": expected}


def test_a_user_without_a_password_is_named(made: Secrets) -> None:
    assert made.missing(("billing", "app", "billing")) == ("billing",)
    assert refusal(lambda: made.digest("billing")).endswith("should have a password for billing, has none")


def test_nothing_is_written_if_no_password_is_missing(path: Path, made: Secrets) -> None:
    os.utime(path / "users.yml", ns=(0, 0))
    assert made.draft_passwords(USERS) is made
    made.save()
    assert (path / "users.yml").stat().st_mtime_ns == 0


def test_old_clients_of_a_server_taken_over_keep_their_password_for_good(path: Path) -> None:
    odd = "pass \"word'\\ é"
    prepared(path, yaml.safe_dump({"takeover": odd}))
    taken = Secrets.create(path).draft_passwords(["default", "app"]).save()
    assert taken.password("default") == odd
    assert taken.password("app") != odd
    text = (path / "users.yml").read_text()
    (path / "users.yml").write_text(text.partition("\n")[2])  # takeover is not needed any more
    assert load(path).takeover is None
    assert load(path).draft_passwords(["default"]).save().password("default") == odd


def test_default_has_a_password_of_its_own_if_nothing_was_taken_over(made: Secrets) -> None:
    assert len(made.draft_passwords(["default"]).save().password("default")) == 43


@pytest.mark.parametrize("name", ["takeover", "generation", "host_secret"])
def test_what_is_no_user_in_users_yml_is_nobodys_name(made: Secrets, name: str) -> None:
    for call in made.password, made.digest, lambda name: made.draft_passwords([name]):
        assert "should not be a user's name" in refusal(lambda call=call: call(name))


def test_no_secret_shows_in_a_representation(path: Path) -> None:
    secrets = Secrets.create(prepared(path, f"takeover: {SECRET}")).draft_passwords(USERS).save()
    displayed = f"{secrets!r} {secrets} {vars(secrets)['ca']!r}"
    assert not any(password in displayed for password in secrets.passwords.values())
    assert "PRIVATE" not in displayed


# Client certificates


def test_a_client_certificate_is_issued_once_and_renewed_on_demand(path: Path, made: Secrets) -> None:
    certificate, key = made.issue_client("worker", NOW, days=10)
    assert (certificate, key) == (path / "clients/worker.crt", path / "clients/worker.key")
    assert (mode(path / "clients"), mode(certificate), mode(key)) == (0o700, 0o600, 0o600)
    before = certificate.read_bytes()
    assert "--renew replaces it" in refusal(lambda: made.issue_client("worker", NOW, days=10))
    assert certificate.read_bytes() == before
    made.issue_client("worker", NOW, days=10, renew=True)
    assert certificate.read_bytes() != before


@pytest.mark.parametrize("name", ["", "../ca", "a/b", ".hidden", "a b", "a\n", "x" * 61])
def test_a_client_name_that_is_no_file_name_is_refused(made: Secrets, name: str) -> None:
    assert "should be up to 60 letters" in refusal(lambda: made.issue_client(name, NOW, days=10))


# Several processes at once


def _make_and_add(path: Path, start, user: str, results) -> None:
    start.wait()
    made = Secrets.create(path).draft_passwords([*USERS, user]).save()
    admin = made.known_host("cache-1").password("admin")
    results.put((made.ca.fingerprint, admin, user, made.password(user)))


def test_processes_that_start_at_once_agree_on_one_ca_and_keep_each_others_passwords(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    users = [f"user-{number}" for number in range(8)]
    workers = [context.Process(target=_make_and_add, args=(path, start, user, results)) for user in users]
    for worker in workers:
        worker.start()
    start.set()
    reported = [results.get(timeout=60) for _ in users]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    final = load(path)
    admin = final.known_host("cache-1").password("admin")
    assert {(ca, admin) for ca, admin, _, _ in reported} == {(final.ca.fingerprint, admin)}
    assert {user: password for _, _, user, password in reported} == {
        user: final.password(user) for user in users
    }


def _look(path: Path, start, stop, results) -> None:
    start.set()
    seen = set()
    while not stop.is_set():
        try:
            found = Secrets.load(path)
            seen.add(found and found.ca.fingerprint)
        except NoevictError as error:
            seen.add(str(error))
    results.put(seen)


def test_who_looks_while_they_are_made_sees_none_or_all(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, stop, results = context.Event(), context.Event(), context.Queue()
    looker = context.Process(target=_look, args=(path, start, stop, results))
    looker.start()
    assert start.wait(60)
    made = Secrets.create(path)
    for number in range(20):
        made = made.draft_passwords([f"user-{number}"]).save()
    stop.set()
    assert results.get(timeout=60) <= {None, made.ca.fingerprint}
    looker.join(60)


@pytest.mark.parametrize("calls", range(12))
def test_a_process_killed_at_any_write_leaves_what_the_next_one_finishes(path: Path, calls: int) -> None:
    """Every rename and every fsync is a point to die at."""
    child = os.fork()
    if child == 0:
        left = [calls]

        def dying(real: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object) -> object:
                if not left[0]:
                    os._exit(1)
                left[0] -= 1
                return real(*args)

            return call

        os.fsync = dying(os.fsync)  # type: ignore[assignment]
        os.rename = os.replace = dying(os.replace)  # type: ignore[assignment]
        Secrets.draft(path).draft_passwords(USERS).save()
        os._exit(0)
    os.waitpid(child, 0)
    before = Secrets.load(path)
    after = Secrets.create(path).draft_passwords(USERS).save()
    assert before is None or before.ca.fingerprint == after.ca.fingerprint
    assert load(path).missing(USERS) == ()
