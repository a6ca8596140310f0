"""Inputs that somebody means harm with: refused in one bounded line, or taken byte for byte; never run, never more."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from noevict.acl import profiles
from noevict.cli.main import run
from noevict.directives import table
from noevict.drift.junit import as_junit
from noevict.drift.report import Report
from noevict.drift.table import print_table
from noevict.engines.engine import Server
from noevict.engines.package_layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.inventory.hosts_file import parse_hosts
from noevict.messages import one_line
from noevict.pki.certificate import normalise
from noevict.plan.change import Change, How, Part
from noevict.platforms.systemd.read import parse_facts
from noevict.redisconf import diff as conf_diff
from noevict.redisconf import render as conf
from noevict.redisconf.parser import split
from noevict.secrets.store import Secrets
from noevict.settings.model import Settings, build_settings, read_settings
from noevict.settings.validators import endpoint
from tests.unit.looks.captured import HOSTS, lines
from tests.unit.reports import NOW, page_of, read_xml, report_with

MEGABYTE = 2**20
BOUND = 1600  # characters of a line of a message

EVIL = {
    "a command": "$(touch canary)",
    "an old command": "`touch canary`",
    "the end of a command": "'; touch canary; '",
    "quotes": "\"'\"'",
    "a line of redis.conf": "x\nrequirepass hunter2",
    "a line of an old Mac": "x\rrequirepass hunter2",
    "a line of users.acl": "x\nuser eve on nopass ~* +@all",
    "a backslash": "\\",
    "the end of a text": "a\0b",
    "a screen wiped": "\x1b[2J\x1b[H",
    "a title": "\x1b]0;owned\x07",
    "a C1 control": "\x9b2J",
    "a line backwards": "\u202etxt.exe",
    "a mark of byte order": "\ufeffx",
    "lines of Unicode": "a\u2028b\u2029c\x85d",
    "half a character": "\ud800",
    "blanks": " \t ",
    "nothing": "",
    "a megabyte": "x" * MEGABYTE,
    "a megabyte of escapes": "\x1b" * MEGABYTE,
    "a template": "{{ 7 * 7 }}{% for %}",
    "a percent sign": "%s%n%(x)s",
    "braces": "{0}{x}",
    "a path": "../../../etc/shadow",
    "an option": "--exec=touch canary",
}
"""Text, by what it is meant to be."""

ANY_VALUE = st.one_of(
    st.sampled_from([*EVIL.values()]),
    st.text(),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.lists(st.sampled_from([*EVIL.values()]), max_size=3),
    st.dictionaries(
        st.sampled_from([*EVIL.values(), "profile", "keys"]),
        st.sampled_from([*EVIL.values(), "app"]),
        max_size=3,
    ),
)


def assert_bounded(reported: list[str]) -> None:
    assert reported
    for line in reported:
        assert line.isprintable(), ascii(line[:200])
        assert len(line) <= BOUND


@given(st.text())
@example("x" * MEGABYTE)
@example("\x1b" * MEGABYTE)
@example("  TLS: what is indented stays so")
def test_whatever_is_printed_is_one_line_that_a_terminal_shows(text: str) -> None:
    assert_bounded([one_line(text)])
    assert one_line(text) == text or not text.isprintable() or len(text) > 1000
    assert NoevictError(text, text).lines == (one_line(text),) * 2


# hosts.yml and group_data


def _laughs(levels: int, merge: str) -> str:
    first = "a0: &a0 {k: &v [lol, lol, lol, lol, lol, lol, lol, lol, lol]}\n"
    more = (f"a{n}: &a{n} {{{merge} [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, levels))
    return first + "".join(more)


YAML = {
    "a billion laughs": _laughs(10, "k:"),
    "a billion laughs, merged": _laughs(10, "<<:"),
    "a billion laughs in a setting": "redis:\n  a:\n    redis_users:\n      x: &a0 [lol, lol]\n"
    + "".join(f"      x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "a thousand levels": "redis: " + "[" * 1000,
    "a hundred thousand levels": "redis: " + "[" * 100_000 + "]" * 100_000,
    "levels of mappings": "".join(" " * n + "a:\n" for n in range(2000)),
    "a tag of Python's": "redis:\n  a: !!python/object/apply:os.system ['touch canary']\n",
    "a tag of Python's for a name": "redis:\n  ? !!python/name:os.system\n  : x\n",
    "a module": "redis:\n  a: {ssh_user: !!python/module:os }\n",
    "a tag of its own": "redis:\n  a: {ssh_user: !<tag:evil> x}\n",
    "binary": "redis:\n  a: {ssh_user: !!binary aGVsbG8=}\n",
    "a set": "redis:\n  a: {ssh_user: !!set {x, y}}\n",
    "NUL": "redis:\n  a\0b:\n",
    "a host's name that turns around": 'redis:\n  "\u202ehost":\n',
    "a host's name with an escape": 'redis:\n  "\\e[2Jhost":\n',
    "a megabyte of a name": f"redis:\n  {'x' * MEGABYTE}:\n",
    "a megabyte of a quoted name": f'redis:\n  "{"x " * (MEGABYTE // 2)}":\n',
    "a megabyte of a key": f"redis:\n  a:\n    ? {'x' * MEGABYTE}\n    : 1\n",
    "a megabyte of a group, twice": f"? {'g' * MEGABYTE}\n: {{a: }}\n? {'g' * MEGABYTE}\n: {{a: }}\n",
    "a setting with a megabyte of a name": f"redis:\n  a:\n    ? redis_{'x' * MEGABYTE}\n    : 1\n",
    "a megabyte of a value": f"redis:\n  a:\n    redis_address: {'x' * MEGABYTE}\n",
    "a megabyte of a user's name": f"redis:\n  a:\n    redis_users:\n      ? {'x' * MEGABYTE}\n      : app\n",
    "a megabyte of a rule": f"redis:\n  a:\n    redis_users:\n      x: +{'x' * MEGABYTE} (\n",
    "a megabyte of a directive": f"redis:\n  a:\n    redis_config:\n      ? {'x' * MEGABYTE}\n      : 1\n",
    "a megabyte of a directive's value": f"redis:\n  a:\n    redis_config:\n      syslog-ident: {'x' * MEGABYTE}\n",
    "a number with a million digits": f"redis:\n  a:\n    redis_port: {'9' * 10**6}\n",
    "a number in base 60": f"redis:\n  a:\n    redis_port: {'1:' * 100_000}1\n",
    "a date without end": "redis:\n  a:\n    redis_address: 9999-99-99\n",
    "an infinite number": "redis:\n  a:\n    redis_port: .inf\n",
    "an anchor on nothing": "redis: &a\n",
    "lines of Unicode": "redis:\n  a\u2028b:\n",
}  # fmt: skip
"""Files that are no hosts.yml."""


@pytest.mark.parametrize("what", YAML)
def test_a_file_that_means_harm_is_answered_in_bounded_lines(what: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(YAML[what], newline="")
    with pytest.raises(NoevictError) as refused:
        read_settings(tmp_path)
    assert_bounded(list(refused.value.lines))
    assert len(refused.value.lines) < 2100
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.yml"]


def test_a_mark_of_byte_order_and_aliases_that_are_few_are_fine() -> None:
    text = "\ufeffredis:\n  a: &a {redis_port: 6390}\n  b: *a\n  c: {<<: *a, redis_takeover: true}\n"
    found = parse_hosts(text, "hosts.yml")
    assert found.mistakes == ()
    assert found.groups["redis"]["c"] == {"redis_port": 6390, "redis_takeover": True}


@settings(max_examples=300)
@given(st.text(st.one_of(st.characters(), st.sampled_from("[]{}:,-?!&*#|>'\"%@` \n\t~<"))))
def test_any_text_is_hosts_or_bounded_lines(text: str) -> None:
    if mistakes := parse_hosts(text, "hosts.yml").mistakes:
        assert_bounded(list(NoevictError(*mistakes).lines))


NAMED_FILES = [
    "$(touch canary).py",
    "`touch canary`.py",
    "a b.py",
    'it\'s "quoted".py',
    "new\nline.py",
    "\x1b[2J.py",
]


@pytest.mark.parametrize("name", NAMED_FILES)
@pytest.mark.parametrize(
    "text", ["raise SystemExit(0)\n", "x = (\n", "ssh_port = 'x'\n", "x = '" + "\x1b" * 9, "\0"]
)
def test_a_file_of_group_data_may_have_any_name(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("redis:\n  a:\n")
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / name).write_text(text)
    with pytest.raises(NoevictError) as refused:
        read_settings(tmp_path)
    assert_bounded(list(refused.value.lines))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["group_data", "hosts.yml"]


# Values of settings, as far as the files on a host


SERVERS = (Server("redis", (7, 0, 15)), Server("valkey", (9, 1, 2)))
PRINTABLE = {chr(code) for code in range(32, 127)}


def assert_contained(host: Settings) -> None:
    """What is rendered from settings that were taken has the lines it should have, and no others."""
    for server in SERVERS:
        layout = LAYOUTS[server.engine]
        users = profiles.wanted_users(
            host.redis_users, dict.fromkeys(profiles.user_names(host.redis_users), "0" * 64), server
        )
        rendered = profiles.render_acl(users)
        assert [split(line)[:2] for line in rendered.split("\n")[:-1]] == [
            ["user", name] for name in sorted({"admin", *profiles.BUILT_IN, *host.redis_users})
        ]
        assert all(character.isprintable() or character == "\n" for character in rendered)
        config = {name: value for name, value in host.redis_config.items() if table.known(name, server)}
        if any(table.problem(name, value, server) for name, value in config.items()):
            continue
        host_here = host.model_copy(update={"redis_config": config})
        bind = host.bind_addresses or ("127.0.0.1",)
        wanted = conf.wanted(host_here, layout, server, maxmemory=1 << 20, bind=bind, systemd=True)
        text = conf.render(wanted, server, layout)
        assert set(text) <= PRINTABLE | {"\n"}
        assert conf_diff.file_differences(wanted, text, server) == ()
        assert {line.split()[0] for line in text.splitlines() if line and line[0] != "#"} <= wanted.keys()


@pytest.mark.parametrize("setting", Settings.model_fields)
@pytest.mark.parametrize("evil", EVIL)
def test_an_evil_text_for_a_setting_is_refused_in_a_line_or_stays_in_its_place(
    setting: str, evil: str
) -> None:
    forms: list[Any] = [EVIL[evil], [EVIL[evil]], {EVIL[evil]: "app"}, {"x": EVIL[evil]}]
    if setting == "redis_users":
        forms += [
            {"x": {"profile": "app", "keys": [EVIL[evil]]}},
            {"x": {"profile": EVIL[evil]}},
            {"x": f"~{EVIL[evil]} +get"},
            {"x": f"(~{EVIL[evil]} +get)"},
            {"x": f"+{EVIL[evil]}"},
            {"x": {EVIL[evil]: "app"}},
        ]
    if setting == "redis_config":
        forms += [{name: EVIL[evil]} for name, row in table.table().items()]
    for form in forms:
        check({setting: form})


@given(
    st.dictionaries(
        st.sampled_from([*Settings.model_fields, "redis_", *map("redis_{}".format, EVIL.values())]),
        ANY_VALUE,
        max_size=4,
    )
)
def test_any_data_are_settings_or_bounded_lines(data: dict[str, Any]) -> None:
    check(data)


def check(data: Mapping[str, Any]) -> None:
    try:
        host = build_settings("cache-1", data)
    except NoevictError as refused:
        assert_bounded(list(refused.lines))
    else:
        assert_contained(host)


@given(st.text())
@example("\u017ferver")
@example("\u212aey.example")
def test_a_name_for_clients_is_one_that_a_certificate_can_hold(text: str) -> None:
    """U+017F and U+212A are s and k to whoever ignores case."""
    try:
        endpoint(text)
    except ValueError:
        return
    assert normalise(text) is not None


# What a host prints


@given(
    st.sampled_from([*HOSTS]),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from([*EVIL.values()])), min_size=1, max_size=9),
)
def test_a_look_with_evil_in_it_is_a_state_or_one_clear_error(
    name: str, edits: list[tuple[int, str]]
) -> None:
    reported = list(lines(name))
    for place, evil in edits:
        key, _, value = reported[place % (len(reported) - 1)].partition(" ")
        reported[place % (len(reported) - 1)] = f"{key} {evil}{value}"
    try:
        parse_facts(reported)
    except NoevictError as refused:
        assert_bounded(list(refused.lines))


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_the_table_of_drift_shows_nothing_that_a_terminal_obeys(evil: str) -> None:
    change = Change(Part.USER, evil, How.LIVE, evil, "off", aspect="state")
    out = io.StringIO()
    print_table([Report("cache-1", changes=(change,), faults=(evil,)), Report("cache-2")], out)
    table = out.getvalue().split("\n")
    assert len([line for line in table if line.startswith("cache-1")]) == 2
    for line in filter(None, table):
        assert line.isprintable()
        assert len(line) < 6 * BOUND


@pytest.mark.parametrize("name", [name for name in EVIL if name != "nothing"])
def test_a_report_with_evil_in_it_is_the_same_document_with_other_text(name: str) -> None:
    evil, harmless = report_with(EVIL[name]), report_with("harmless")
    assert page_of(evil).tags == page_of(harmless).tags
    evil_suite, suite = (read_xml(as_junit([report], NOW)) for report in (evil, harmless))
    assert [each.tag for each in evil_suite.iter()] == [each.tag for each in suite.iter()]


# The controller's own files and commands


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with secrets, that is the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in "inventory", "deploy.py":
        (tmp_path / name).touch()
    (tmp_path / "hosts.yml").write_text("redis:\n  cache-1:\n")
    monkeypatch.setenv("NOEVICT_SECRETS", str(tmp_path / "secrets"))
    Secrets.create(tmp_path / "secrets").draft_passwords(["admin", "app"]).save()
    return tmp_path


@pytest.mark.parametrize(
    "command", [["url"], ["url", "cache-1", "--user"], ["cert"], ["cert", "x", "--days"], ["drift"], []]
)
@pytest.mark.parametrize("evil", [evil for evil in EVIL if evil != "nothing"])
def test_an_evil_argument_is_answered_in_a_bounded_line(
    root: Path, command: list[str], evil: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in root.rglob("*") if path.name != "clients")
    assert run([*command, EVIL[evil]]) == 1
    reported = capsys.readouterr()
    assert reported.out == ""
    assert_bounded(reported.err.rstrip("\n").split("\n"))
    assert len(reported.err.splitlines()) == 1
    assert sorted(path for path in root.rglob("*") if path.name != "clients") == before


USERS_YML = {
    "many levels": "[" * 100_000,
    "levels that end": "[" * 5000 + "]" * 5000,
    "a billion laughs": _laughs(10, "k:"),
    "NUL": "app: a\0b\n",
    "an escape": 'app: "\\e[2J"\n',
    "a line break": 'app: "a\\nb"\n',
    "a megabyte of a user": f"? {'x' * MEGABYTE}\n: [1]\n",
    "a tag": "app: !!python/object/apply:os.system ['touch canary']\n",
}


@pytest.mark.parametrize("what", USERS_YML)
def test_a_users_yml_that_means_harm_is_answered_in_bounded_lines(root: Path, what: str) -> None:
    (root / "secrets/users.yml").write_text(USERS_YML[what])
    with pytest.raises(NoevictError) as refused:
        Secrets.load(root / "secrets")
    assert_bounded(list(refused.value.lines))


def test_secrets_in_a_directory_that_everybody_writes_in_are_refused(root: Path) -> None:
    root.chmod(0o777)
    with pytest.raises(NoevictError, match="should not be writable for everybody") as refused:
        Secrets.load(root / "secrets")
    assert f"chmod o-w {root}" in str(refused.value)
    for fine in (0o1777, 0o775, 0o700):
        root.chmod(fine)
        assert Secrets.load(root / "secrets")


def test_another_name_of_a_secret_opens_it_to_nobody(root: Path, tmp_path: Path) -> None:
    """A hard link: owner and mode are the file's own, and a rewrite makes a new file."""
    users, other = root / "secrets/users.yml", tmp_path / "other"
    other.hardlink_to(users)
    before = other.read_text()
    loaded = Secrets.load(root / "secrets")
    assert loaded
    loaded.draft_passwords(["billing"]).save()
    assert other.read_text() == before
    assert "billing" in users.read_text()
    assert users.stat().st_nlink == 1
    other.unlink()
    other.hardlink_to(users)
    other.chmod(0o644)
    with pytest.raises(NoevictError, match="should have mode 0600"):
        Secrets.load(root / "secrets")


@pytest.mark.parametrize("file", ["ca.key", "users.yml", "ca.crt"])
@pytest.mark.parametrize("to", ["nowhere", "itself", "a directory", "a device"])
def test_a_link_in_secrets_to_what_is_no_file_is_refused_in_one_line(root: Path, file: str, to: str) -> None:
    path = root / "secrets" / file
    path.unlink()
    targets = {"nowhere": "nowhere", "itself": file, "a directory": "/etc", "a device": "/dev/null"}
    path.symlink_to(targets[to])
    if (file, to) == ("ca.crt", "nowhere"):
        assert Secrets.load(root / "secrets") is None  # as if there is none: `create` then refuses
        return
    with pytest.raises(NoevictError) as refused:
        Secrets.load(root / "secrets")
    assert_bounded(list(refused.value.lines))
    assert len(refused.value.lines) == 1
