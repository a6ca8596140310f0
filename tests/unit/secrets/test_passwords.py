"""What is beside the passwords in users.yml: takeover for each host, and the generation."""

from pathlib import Path

import pytest

from noevict.cli.accept import is_ahead
from noevict.errors import NoevictError
from noevict.secrets import passwords
from noevict.secrets.passwords import Generation, Takeover, read
from noevict.secrets.store import Secrets

FILE = Path("users.yml")
SECRET = "sEcReT-vAlUe"
PER_HOST = f"""takeover:
  cache-3: {SECRET} of old
  "1.10": {{user: ops, password: "{SECRET}"}}
app: x
"""


def prepared(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "secrets"
    path.mkdir(mode=0o700)
    (path / "users.yml").touch(mode=0o600)
    (path / "users.yml").write_text(text)
    return path


def text_of(path: Path) -> str:
    return (path / "users.yml").read_text()


# takeover


def test_a_takeover_is_for_the_hosts_that_it_names_and_no_others(tmp_path: Path) -> None:
    secrets = Secrets.draft(prepared(tmp_path, PER_HOST))
    assert secrets.known_host("cache-3").takeover == Takeover(None, f"{SECRET} of old")
    assert secrets.known_host("1.10").takeover == Takeover("ops", SECRET)
    assert secrets.known_host("cache-4").takeover is None
    assert SECRET not in repr(secrets)


def test_a_takeover_that_is_text_is_for_all_hosts(tmp_path: Path) -> None:
    secrets = Secrets.draft(prepared(tmp_path, f"takeover: {SECRET}"))
    assert secrets.known_host("cache-4").takeover == Takeover(None, SECRET)


def test_old_clients_of_each_host_keep_the_password_that_it_had(tmp_path: Path) -> None:
    made = Secrets.create(prepared(tmp_path, PER_HOST)).draft_passwords(["default", "app"]).save()
    assert made.known_host("cache-3").password("default") == f"{SECRET} of old"
    for host in ("1.10", "cache-4"):  # whose user was another one, or that nobody had
        assert len(made.known_host(host).password("default")) == 43
    assert text_of(made.path).startswith(PER_HOST)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (
            f"takeover: {{user: ops, password: {SECRET}}}",
            "should have a host's name before user and password",
        ),
        ("takeover: {a: }", "a should be a password in quotes"),
        ("takeover: {a: ''}", "a should be a password in quotes"),
        ("takeover: {a: 123}", "a should be a password in quotes"),
        (f"takeover: {{a: [{SECRET}]}}", "a should be a password in quotes"),
        (f"takeover: {{a: {{user: ops, passwort: {SECRET}}}}}", "a should be a password in quotes"),
        (f"takeover: {{a: {{password: {SECRET}}}}}", "a should be a password in quotes"),
        (f"takeover: {{a: {{user: ops, password: {SECRET}, more: x}}}}", "a should be a password in quotes"),
        (f"takeover: {{a: {SECRET}, a: {SECRET}}}", "a should occur once, occurs twice"),
        (
            f"takeover: {{a: {{user: x, password: y, password: {SECRET}}}}}",
            "takeover: a should be a password in quotes",
        ),
        (f"takeover: {{a: !{SECRET} x}}", "takeover: a should be a password in quotes"),
        (f"takeover: {{'': {SECRET}}}", "a host's name should be text"),
        (f"takeover: {{1: {SECRET}}}", "a host's name should be text"),
        (f"takeover: !{SECRET} x", "the password of takeover should be text in quotes"),
        (f"!{SECRET} {{app: x}}", "should be lines of USER: PASSWORD"),
        (f"app: [{{1: {SECRET}}}]", "the password of app should be text in quotes"),
        ("app: 2024-13-45", "the password of app should be text in quotes"),
        (f"takeover: [{SECRET}]", "the password of takeover should be text in quotes"),
        (f"generation: {SECRET}", "generation should be a number and a digest"),
        ("generation: 3", "generation should be a number and a digest"),
        (f"host_secret: a b{SECRET}", "the password of host_secret should be printable ASCII"),
    ],
)
def test_a_mistake_is_one_line_without_a_secret(text: str, printed: str) -> None:
    with pytest.raises(NoevictError) as refused:
        read(FILE, f"# users\n{text}\n")
    (line,) = refused.value.lines
    assert line.startswith("users.yml:2: ")
    assert printed in line
    assert SECRET not in line


def test_every_mistake_has_its_line_in_the_order_of_the_file() -> None:
    text = "a: 1\ntakeover:\n  b: x\n  c: 2\n  c: y\nd: x\nd: y\n1: x\ne: a b\n"
    with pytest.raises(NoevictError) as refused:
        read(FILE, text)
    lines = [line.partition(" ")[0] for line in refused.value.lines]
    assert lines == [f"users.yml:{number}:" for number in (1, 4, 5, 7, 8, 9)]


def test_what_is_merged_from_an_alias_is_no_line_of_a_user() -> None:
    with pytest.raises(NoevictError, match="should be lines of USER: PASSWORD"):
        read(FILE, f"takeover: &hosts {{generation: '4 {'d' * 32}'}}\n<<: *hosts\n")


# generation


def test_a_generation_is_raised_by_whatever_is_changed_and_by_nothing_else(tmp_path: Path) -> None:
    path = prepared(tmp_path, "# ours\napp: x  # of the shop\n")
    first = Secrets.create(path)
    assert first.generation.number == 1
    again = first.save()
    assert again.generation == first.generation
    added = first.draft_passwords(["billing"]).save()
    assert added.generation.number == 2
    assert added.generation == added.written
    assert text_of(path).startswith("# ours\napp: x  # of the shop\ngeneration: 2 ")
    # An edit by hand shows at once, and is written with the next change.
    (path / "users.yml").write_text(text_of(path).replace("app: x ", "app: y "))
    before = text_of(path)
    edited = Secrets.load(path)
    assert edited is not None
    assert (edited.generation.number, text_of(path)) == (3, before)
    assert edited.save().written == edited.generation
    assert text_of(path) == before.replace(str(added.generation), str(edited.generation))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a: x\nb: y", "b: y\na: x # y", True),
        ("a: x", "a: y", False),
        ("a: x", "a: x\nb: y", False),
        ("takeover: {a: x}", "takeover: {a: {user: x, password: x}}", False),
        ("takeover: {a: x}", "takeover: {b: x}", False),
        ("takeover: x", "takeover: y", False),
        ("host_secret: x", "host_secret: y", False),
    ],
)
def test_a_digest_is_of_all_that_counts(one: str, other: str, same: bool) -> None:
    found = [read(FILE, text) for text in (one, other)]
    digests = {passwords.digest(users.passwords, users.takeovers) for users in found}
    assert (len(digests) == 1) == same


@pytest.mark.parametrize(
    "text",
    [
        f"generation: 4 {'d' * 32} # ours\na: x",
        f"a: x\n'generation': '4 {'d' * 32}'\n",
        f"{{a: x, generation: '4 {'d' * 32}'}}",
    ],
)
def test_a_generation_is_replaced_in_its_place(text: str) -> None:
    new = Generation(12, "e" * 32)
    written = passwords.with_generation(FILE, text, new)
    assert read(FILE, written).written == new
    assert read(FILE, written).passwords == {"a": "x"}
    assert ("# ours" in written) == ("# ours" in text)
    assert passwords.with_generation(FILE, written, new) == written


def test_a_generation_in_a_form_that_cannot_be_replaced_is_left_alone() -> None:
    with pytest.raises(NoevictError, match="is written in another form of YAML"):
        passwords.with_generation(
            FILE, f"generation: >-\n  4\n  {'d' * 32}\na: x\n", Generation(12, "e" * 32)
        )


def test_a_copy_that_is_accepted_is_above_all_hosts(tmp_path: Path) -> None:
    made = Secrets.create(prepared(tmp_path, "app: x\n"))
    lifted = made.lift(7)
    assert lifted.generation == lifted.written
    assert lifted.generation.number == 8
    assert lifted.passwords == made.passwords
    assert lifted.lift(3).generation.number == 9


def test_a_host_is_ahead_by_its_number_or_its_digest() -> None:
    ours = Generation(5, "d" * 32)
    assert [
        is_ahead(Generation(*given), ours) for given in ((4, "e"), (5, "d" * 32), (5, "e"), (6, "d" * 32))
    ] == [
        *(False, False),
        *(True, True),
    ]
