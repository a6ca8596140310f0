"""ACL users, rules and comparison: what needs no server. tests/server/test_acl.py asks real ones."""

import hashlib
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.acl.diff import EXTRA, MISSING, PASSWORDS, differences, passwords, repair_commands, unknown_words
from noevict.acl.profiles import PROFILES, User, render_acl, rules_for, user_names, wanted_users
from noevict.acl.rules import CATEGORIES, Catalogue, Selector, canonical, kind, words
from noevict.acl.validation import user_problems
from noevict.engines.engine import Server
from tests.unit.looks.captured import reported
from tests.unit.looks.managed import managed

REDIS_7 = Server("redis", (7, 0, 15))
VALKEY_8 = Server("valkey", (8, 0, 0))
VALKEY_9 = Server("valkey", (9, 1, 2))

MEMBERS = {
    "read": {"get", "scan", "keys"},
    "write": {"set", "del", "flushall"},
    "dangerous": {"keys", "flushall", "config|get", "config|set", "client|kill", "info"},
    "connection": {"ping", "select", "client|id", "client|kill"},
    "slow": {"config", "client", "scan", "info"},
}
TOP = ["get", "set", "del", "scan", "keys", "flushall", "config", "client", "ping", "select", "info", "VADD"]
SMALL = Catalogue.parse([*(MEMBERS.get(name, set()) for name in CATEGORIES), TOP])


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


DIGESTS = {
    name: digest(name) for name in ("admin", "app", "default", "exporter", "health", "reports", "cache")
}


def allowed(rule: str) -> set[str]:
    return set(Selector.read(words(rule), SMALL).commands)


# --- rules ---


def test_a_command_with_subcommands_stands_for_all_of_them() -> None:
    assert allowed("+config") == {"config|get", "config|set"}
    assert allowed("+client -client|kill") == {"client|id"}
    assert allowed("+@all -config") == allowed("+@all -config|get -config|set")


def test_a_category_with_a_container_stands_for_its_subcommands() -> None:
    assert allowed("+@slow") == {"config|get", "config|set", "client|id", "client|kill", "scan", "info"}
    assert allowed("+@dangerous") == MEMBERS["dangerous"]
    assert allowed("+@all -@slow") == {"get", "set", "del", "keys", "flushall", "ping", "select", "vadd"}


def test_rules_are_read_from_left_to_right() -> None:
    assert allowed("+@all -@dangerous +info") >= {"info", "get"}
    assert "info" not in allowed("+@all +info -@dangerous")
    assert allowed("+get nocommands +set") == {"set"}
    assert allowed("allcommands") == allowed("AllCommands") == allowed("+@ALL") == set(SMALL.commands)
    assert allowed("+get NoCommands") == set()
    assert allowed("+nosuch -@all +get") == {"get"}


def test_commands_of_modules_that_are_in_no_category_are_among_all() -> None:
    assert "vadd" in allowed("+@all")
    assert allowed("+VADD") == {"vadd"}


def test_a_first_argument_counts_only_while_the_command_itself_is_not_allowed() -> None:
    assert allowed("+select|0 +SELECT|1") == {"select|0", "select|1"}
    assert allowed("+select|0 +select") == {"select"}
    assert allowed("+select +select|0") == {"select"}
    assert allowed("+select|0 -select") == allowed("+select|0 -@connection") == set()


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("~a %R~a", {"~a"}),
        ("%R~a %W~a", {"~a"}),
        ("%rw~a", {"~a"}),
        ("%R~a ~b", {"%R~a", "~b"}),
        ("allkeys", {"~*"}),
        ("~a AllKeys", {"~*"}),
        ("~a ~*", {"~*"}),
        ("%R~*", {"%R~*"}),
        ("%r~a %w~b", {"%R~a", "%W~b"}),
        ("~a~b~c", {"~a~b~c"}),
        ("~a ResetKeys", set()),
        ("%RW~* ~x", {"~*"}),
        ("~a resetkeys %W~b", {"%W~b"}),
        ("", set()),
    ],
)
def test_key_patterns_are_compared_by_what_they_permit(rule: str, keys: set[str]) -> None:
    assert Selector.read(words(rule), SMALL).keys == keys


@pytest.mark.parametrize(
    ("rule", "channels"), [("&a &b", {"&a", "&b"}), ("&a AllChannels", {"&*"}), ("&a ResetChannels", set())]
)
def test_channel_patterns_are_compared_by_what_they_permit(rule: str, channels: set[str]) -> None:
    assert Selector.read(words(rule), SMALL).channels == channels


@pytest.mark.parametrize(
    ("rule", "databases"),
    [
        ("", {"alldbs"}),
        ("DB=1,02", {"1", "2"}),
        ("db=1 db=3", {"3"}),
        ("resetdbs", set()),
        ("db=1 ALLDBS", {"alldbs"}),
    ],
)
def test_databases_are_what_the_last_word_about_them_says(rule: str, databases: set[str]) -> None:
    assert Selector.read(words(rule), SMALL).databases == databases


@pytest.mark.parametrize(
    ("about", "examples"),
    [
        ("keys", "allkeys RESETKEYS ~ ~a %R~ %rw~a %WR~a"),
        ("channels", "allchannels resetchannels & &a"),
        ("databases", "alldbs resetdbs db=1 DB=1,20"),
        ("commands", "allcommands nocommands +@x -@x.y-z +x -x +config|get +select|0 -x.y-z"),
        ("selectors", "() (+get)"),
        ("state", "on OFF"),
        ("payload", "sanitize-payload skip-sanitize-payload"),
        ("passwords", "nopass resetpass > >x <x #x !x"),
        (None, "x reset %~a %RR~a db= db=x db=1, db=1,x +@ + - +x| +x|y|z (+get xon on2 nopassx"),
    ],
)
def test_each_word_is_of_the_kind_that_the_server_takes_it_for(about: str | None, examples: str) -> None:
    assert {word: kind(word) for word in examples.split()} == dict.fromkeys(examples.split(), about)


@pytest.mark.parametrize("word", ["~a\nb", "&a\nb", ">a\nb", "(a\nb)"])
def test_a_line_break_in_a_word_does_not_hide_its_kind(word: str) -> None:
    assert kind(word) == kind(word[0] + word[-1])


def test_replies_are_text_or_bytes_and_as_many_as_the_questions() -> None:
    replies = [*([name.encode() for name in MEMBERS.get(each, ())] for each in CATEGORIES), TOP]
    assert Catalogue.parse(replies) == SMALL
    with pytest.raises(ValueError, match="shorter"):
        Catalogue.parse([["get"], TOP])


def test_the_questions_are_about_every_category_that_servers_have() -> None:
    *categories, everything = Catalogue.QUESTIONS
    assert everything == ("COMMAND LIST",)
    assert categories == [("ACL CAT", name) for name in reported("valkey")["categories"]]


def test_a_selector_is_one_word() -> None:
    assert words("~a (~b  +get) +set") == ("~a", "(~b +get)", "+set")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("+get ~a", "~a resetchannels -@all +get"),
        ("~* &* +@all", "~* &* +@all"),
        ("&x on +get (+set ~b)", "resetchannels &x -@all +get (~b resetchannels -@all +set)"),
        ("db=1 db=7 db=2,3 +get", "resetchannels db=2,3 -@all +get"),
        ("&d &b &a &c &e", "resetchannels &a &b &c &d &e -@all"),
        ("", "resetchannels -@all"),
    ],
)
def test_rules_are_written_in_the_order_of_acl_list(rule: str, expected: str) -> None:
    assert canonical(words(rule)) == expected


NAMES = ("@all", "@read", "@slow", "@dangerous", "get", "config", "client|kill")
COMMAND_WORDS = [
    *(f"{sign}{name}" for sign in "+-" for name in NAMES),
    "+select|0",
    "+select|1",
    "allcommands",
]
PATTERN_WORDS = ["~a", "%R~a", "%W~b", "~*", "resetkeys", "&a", "&*", "resetchannels"]
RULE_WORDS = st.sampled_from([*COMMAND_WORDS, *PATTERN_WORDS, "off", "(~a +get)", "(%R~b +@all -config)"])


@given(st.lists(RULE_WORDS, max_size=12))
def test_writing_a_rule_in_canonical_form_keeps_its_meaning(rule: list[str]) -> None:
    text = canonical(rule)
    assert Selector.read(words(text), SMALL) == Selector.read(rule, SMALL)
    assert canonical(words(text)) == text


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    Selector.read(words(text), SMALL)
    list(user_problems(text, text))


# --- users ---


def test_without_redis_users_there_are_the_built_in_ones_and_default_is_off() -> None:
    users = {user.name: user for user in wanted_users({}, DIGESTS, REDIS_7)}
    assert list(users) == ["admin", "app", "default", "exporter", "health"]
    assert users["default"] == User("default", enabled=False, rules="~* &* +@all")
    assert users["admin"] == User("admin", True, "~* &* +@all", (DIGESTS["admin"],))
    assert users["app"] == User("app", True, rules_for("app", REDIS_7), (DIGESTS["app"],))
    assert users["health"].rules == "resetchannels -@all +ping +info"
    assert users["exporter"].rules.startswith("~* resetchannels -@all +ping +info +client|list")
    assert user_names({}) == ("admin", "app", "exporter", "health")


def test_older_passwords_are_let_in_beside_the_users_own_and_never_for_one_that_is_off() -> None:
    older = {"app": ("1", "2"), "default": ("3",)}
    users = {user.name: user.passwords for user in wanted_users({}, DIGESTS, REDIS_7, older)}
    assert users["app"] == (DIGESTS["app"], "1", "2")
    assert users["default"] == ()


def test_redis_users_adds_users_and_may_name_the_built_in_ones() -> None:
    setting = {
        "default": "app",
        "app": {"profile": "app", "keys": ["bull:*", "sess:*"], "channels": []},
        "reports": "%R~stats:* -@all +@read -keys",
        "cache": "off ~cache:* +get",
        "exporter": "off",
        "health": {"profile": "health", "keys": ["canary"]},
    }
    users = {user.name: user for user in wanted_users(setting, DIGESTS, REDIS_7)}
    assert users["default"].enabled
    assert users["app"].rules.startswith("~bull:* ~sess:* resetchannels -@all +@read")
    assert users["reports"].rules == "%R~stats:* resetchannels -@all +@read -keys"
    assert users["cache"] == User("cache", enabled=False, rules="~cache:* resetchannels -@all +get")
    assert users["health"].rules == "~canary resetchannels -@all +ping +info"
    assert user_names(setting) == ("admin", "app", "default", "health", "reports")


@pytest.mark.parametrize(
    ("value", "loads"),
    [
        ("app", True),
        ({"profile": "app"}, True),
        ({"profile": "app", "keys": ["*"], "channels": []}, True),
        ({"profile": "app", "keys": ["shop:*"]}, False),
        ({"profile": "app", "keys": []}, False),
        ({"profile": "readonly", "keys": ["shop:*"]}, False),
    ],
)
def test_who_has_some_keys_only_loads_no_functions_for_others_to_call(value: object, loads: bool) -> None:
    [rules] = [u.rules for u in wanted_users({"reports": value}, DIGESTS, REDIS_7) if u.name == "reports"]
    assert ("-function|load" not in rules and "+@scripting" in rules) == loads


def test_the_exporter_does_not_see_the_arguments_of_other_users_commands() -> None:
    rules = rules_for("exporter", REDIS_7).split()
    assert "+slowlog|len" in rules
    assert not {"+slowlog", "+slowlog|get", "+monitor", "+@slow"} & set(rules)


def test_a_user_is_on_unless_the_last_word_about_it_says_otherwise() -> None:
    for rule, on in (("~a", True), ("off ON ~a", True), ("on OFF ~a", False)):
        [user] = (each for each in wanted_users({"cache": rule}, DIGESTS, REDIS_7) if each.name == "cache")
        assert user.enabled is on
        assert ("cache" in user_names({"cache": rule})) is on


@pytest.mark.parametrize("value", ["off", "off ~x +get"])
def test_default_switched_off_has_all_rights_for_the_sake_of_loading(value: str) -> None:
    users = {user.name: user for user in wanted_users({"default": value}, DIGESTS, REDIS_7)}
    assert users["default"] == User("default", enabled=False, rules="~* &* +@all")


def test_a_word_only_newer_servers_know_is_left_out_for_older_ones() -> None:
    knowing = [VALKEY_9, Server("valkey", (8, 1, 0))]
    for server in (REDIS_7, VALKEY_8, Server("redis", (99, 0, 0)), *knowing):
        for profile in ("app", "readonly"):
            assert rules_for(profile, server).endswith(" -client|import-source") == (server in knowing)


def test_a_repr_shows_no_digest() -> None:
    displayed = repr(wanted_users({}, DIGESTS, REDIS_7))
    assert not any(value in displayed for value in DIGESTS.values())


def test_the_acl_file_has_one_user_a_line_by_name_and_no_comment() -> None:
    text = render_acl(reversed(wanted_users({"reports": "~r:* +get"}, DIGESTS, REDIS_7)))
    lines = text.split("\n")
    assert lines.pop() == ""
    assert [line.split()[1] for line in lines] == ["admin", "app", "default", "exporter", "health", "reports"]
    assert lines[0] == f"user admin on sanitize-payload #{DIGESTS['admin']} ~* &* +@all"
    assert lines[2] == "user default off sanitize-payload ~* &* +@all"
    assert lines[4] == f"user health on sanitize-payload #{DIGESTS['health']} resetchannels -@all +ping +info"
    assert lines[5] == f"user reports on sanitize-payload #{DIGESTS['reports']} ~r:* resetchannels -@all +get"


def test_every_profile_says_what_it_is_for() -> None:
    assert sorted(PROFILES) == ["admin", "app", "exporter", "health", "readonly"]
    assert all(profile.about.endswith(".") for profile in PROFILES.values())


@pytest.mark.parametrize("profile", ["app", "exporter", "health", "readonly"])
def test_what_a_profile_allows_on_redis_8_is_the_golden_list(profile: str) -> None:
    """``UPDATE_GOLDEN=1 pytest`` rewrites them."""
    catalogue = managed("trixie").state.live.catalogue
    assert catalogue is not None
    allows = Selector.read(words(rules_for(profile, Server("redis", (8, 0, 2)))), catalogue)
    text = "\n".join([*allows.keys, *allows.channels, *sorted(allows.commands), ""])
    golden = Path(__file__).parents[1] / "golden" / f"profile-{profile}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_admin_may_do_everything() -> None:
    assert rules_for("admin", REDIS_7) == "~* &* +@all"


# --- what redis_users may say ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("app", "app"),
        ("default", "app"),
        ("default", "off"),
        ("default", {"profile": "app", "channels": []}),
        ("default", "~* -@all +@write +@read -@dangerous"),
        ("default", "admin"),
        ("default", "OFF"),
        ("default", "on off ~x"),
        ("default", "~* -@write +@all"),
        ("default", "~* allcommands -shutdown"),
        ("x" * 64, "app"),
        ("reports", "~* RESETKEYS ~a"),
        ("reports", "&* ResetChannels &a"),
        ("reports", "~a'b ~@c +get"),
        ("reports", {"profile": "app", "keys": ["*"], "channels": ["*"]}),
        ("reports", {"profile": "app", "keys": ["a~b&c", "%~d", "*x"]}),
        ("me@example.com", "admin"),
        ("reports", "~stats:* %R~x resetchannels &news:* -@all +@read -keys +client|id +select|0"),
        ("reports", "on ~* allchannels allcommands sanitize-payload"),
        ("reports", "~a resetkeys ~b (%R~c +@READ) (~d +set)"),
        ("reports", "~* resetkeys ~a"),
        ("reports", {"profile": "readonly"}),
        ("reports", {"profile": "app", "keys": ["a:*", "b"], "channels": ()}),
    ],
)
def test_what_makes_sense_is_taken(name: str, value: object) -> None:
    assert list(user_problems(name, value)) == []


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("a b", "app", "under a name of 1 to 64 letters"),
        ("a\nb", "app", "under a name of 1 to 64 letters"),
        ('"a"', "app", "under a name of 1 to 64 letters"),
        ("", "app", "under a name of 1 to 64 letters"),
        ("x" * 65, "app", "under a name of 1 to 64 letters"),
        (7, "app", "got 7"),
        ("admin", "app", "left out"),
        ("takeover", "app", "under another name"),
        ("generation", "app", "under another name"),
        ("host_secret", "app", "under another name"),
        (
            "x",
            None,
            "a profile (admin, app, readonly, health, exporter), rules, or {profile, keys, channels}, got None",
        ),
        ("x", "", "got ''"),
        ("x", "  ", "got '  '"),
        ("x", 1.5, "got 1.5"),
        ("x", True, "got True"),
        ("x", ["app"], "got a list"),
        (
            "x",
            "raedonly",
            "a profile (admin, app, readonly, health, exporter) (did you mean readonly?) or rules",
        ),
        ("x", "+get\n+set", "rules on one line"),
        ("x", "~a\t+get", "rules on one line"),
        ("x", "+@raed", "write (did you mean read?), got '+@raed'"),
        ("x", "+@gea", "write (did you mean geo?), got '+@gea'"),
        ("x", "+@nohint", "write, got '+@nohint'"),
        ("x", "+get,+set|", "got '+get,+set|'"),
        ("x", "+config|get|x", "got '+config|get|x'"),
        ("x", "nopass +@all", "without a password (it is in secrets/users.yml), got nopass"),
        ("x", "resetpass", "got resetpass"),
        ("x", "reset +get", "got 'reset'"),
        ("x", "Reset +get", "got 'Reset'"),
        ("x", "skip-sanitize-payload", "got 'skip-sanitize-payload'"),
        ("x", "Skip-Sanitize-Payload", "got 'Skip-Sanitize-Payload'"),
        ("x", "~* ~x", "got '~x' after it"),
        ("x", "&* &x", "got '&x' after it"),
        ("x", "AllKeys ~x", "rules with AllKeys or other patterns, not both, got '~x' after it"),
        ("x", "allchannels &x", "rules with allchannels or other patterns, not both, got '&x' after it"),
        ("x", "(~* ~x)", "got '~x' after it"),
        ("x", "(~'a' +get)", "rules without quotes in (...)"),
        ("x", "(on +get)", "got 'on'"),
        ("x", "(off +get)", "got 'off'"),
        ("x", "(sanitize-payload +get)", "got 'sanitize-payload'"),
        ("x", "((+get))", "got '(+get)'"),
        ("x", "(~a +get", "got '(~a +get'"),
        (
            "x",
            {"profile": "app", "key": ["a"]},
            "made of profile, keys and channels (did you mean keys?), got 'key'",
        ),
        ("x", {"keys": ["a"]}, "with a profile (admin, app, readonly, health, exporter), got None"),
        ("x", {"profile": "raedonly"}, "exporter) (did you mean readonly?), got 'raedonly'"),
        ("x", {"profile": "app", "keys": "~"}, "with keys that are a list of patterns, got '~'"),
        ("x", {"profile": "app", "keys": 5}, "with keys that are a list of patterns, got 5"),
        ("x", {"profile": "app", "keys": ["a\tb"]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "keys": ["%rw~a"]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "keys": ["&a"]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "keys": [1]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "keys": ["~a"]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "keys": ["%R~a"]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "keys": ["a b"]}, "with keys that are plain patterns"),
        ("x", {"profile": "app", "channels": [""]}, "with channels that are plain patterns"),
        (
            "x",
            {"profile": "app", "channels": ["*", "a"]},
            "with channels that are either '*' or other patterns",
        ),
        (
            "default",
            "readonly",
            'off, "app", "admin", or rules with ~* and +@write: with less, a restart would drop transactions and '
            "scripts",
        ),
        ("default", "health", "a restart would drop transactions"),
        ("default", {"profile": "exporter"}, "a restart would drop transactions"),
        ("default", {"profile": "app", "keys": ["old:*"]}, "a restart would drop transactions"),
        ("default", "~old:* +@all", "a restart would drop transactions"),
        ("default", "~* +@all -@write", "a restart would drop transactions"),
        ("default", "~* +@all nocommands +get", "a restart would drop transactions"),
        ("default", "~* +get", "a restart would drop transactions"),
        ("default", "off on ~x", "a restart would drop transactions"),
    ],
)
def test_each_mistake_is_answered_with_what_it_should_be(name: object, value: object, answer: str) -> None:
    [problem] = user_problems(name, value)
    assert answer in problem
    assert "\n" not in problem
    assert problem.startswith(BEGINNINGS)


# After "should be".
BEGINNINGS = ("a profile (", "left out: ", "made of ", "off, ", "rules ", "under ", "with ")
RESERVED_NAMES = {
    "takeover": "the password of a foreign Redis",
    "host_secret": "what the passwords of admin, health and exporter are derived from",
    "generation": "the number and digest by which an older copy is recognised",
}


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_a_name_that_means_something_else_in_users_yml_is_no_users(name: str) -> None:
    [problem] = user_problems(name, "app")
    assert problem == f"under another name: in secrets/users.yml, {name} is {RESERVED_NAMES[name]}"


@pytest.mark.parametrize("sign", list("><#!"))
def test_a_password_in_rules_is_refused_and_never_shown(sign: str) -> None:
    for rule in (f"~* {sign}hunter2 +get", f"(~* {sign}hunter2)"):
        [problem] = user_problems("x", rule)
        assert problem.endswith(f", got {sign}...")


@pytest.mark.parametrize("word", ["hunter2", "Xhunter2", "hunter2)", "@hunter2"])
def test_a_word_of_no_known_kind_may_be_a_password_and_is_not_shown(word: str) -> None:
    [problem] = user_problems("x", f"~* {word} +get")
    assert problem.endswith("got a word that is none of these")


# --- comparison ---


def test_what_differs_of_a_user_has_these_words_in_json() -> None:
    assert (PASSWORDS, MISSING, EXTRA) == ("passwords", "missing", "extra")


def lines_of(users: tuple[User, ...]) -> list[str]:
    return render_acl(users).splitlines()


USERS = wanted_users({"reports": "~r:* &n:* +@read (~s +get)"}, DIGESTS, REDIS_7)


def test_what_is_wanted_does_not_differ_from_itself() -> None:
    assert differences(USERS, lines_of(USERS), SMALL) == ()
    assert repair_commands(USERS, ()) == ()
    assert len(repair_commands(USERS, ["app", "app"])) == 1


def test_differences_come_by_user() -> None:
    assert [found.user for found in differences(USERS, [], SMALL)] == [user.name for user in USERS]


def test_the_digests_of_live_users_are_read() -> None:
    lines = ["user a on #aa #bb ~* +@all", "user b on nopass ~#c +get"]
    assert passwords(lines) == {"a": {"aa", "bb"}, "b": set()}


PASSWORD, READS = "(reports on .*)#[0-9a-f]+ ", r"(reports .*)\+@read"
ELEVEN = "client|id, client|kill, config|get, config|set, del and 6 more"


@pytest.mark.parametrize(
    ("pattern", "instead", "subject", "wanted", "found"),
    [
        (r"(?m)^user reports.*\n", "", "reports", "created", "missing"),
        (r"\Z", "user eve on nopass ~* +@all\n", "eve", "deleted", "not in the settings"),
        ("user reports on", "user reports off", "reports state", "on", "off"),
        ("user default off", "user default on", "default state", "off", "on"),
        ("reports on san", "reports on skip-san", "reports payload", "checked", "not checked"),
        ("default off", "default off nopass", "default passwords", "none", "any, or none (nopass)"),
        (PASSWORD, rf"\1#{digest('other')} ", "reports passwords", "its own", "another"),
        (PASSWORD, rf"\g<0>#{digest('x')} #{digest('y')} ", "reports passwords", "its own", "2 more"),
        (PASSWORD, r"\1nopass ", "reports passwords", "its own", "any, or none (nopass)"),
        (PASSWORD, r"\1", "reports passwords", "its own", "none, so that nobody gets in"),
        (r"~r:\*", "~r:* ~x ~d ~c ~b %R~x", "reports keys", "~r:*", "~b ~c ~d ~r:* ~x"),
        (r"&n:\*", "", "reports channels", "&n:*", "none"),
        (r"&n:\*", "&n:* db=1", "reports databases", "alldbs", "1"),
        (READS, r"\1+get", "reports commands", "keys, scan allowed", "keys, scan refused"),
        (READS, r"\1+@read -get +set", "reports commands", "set refused; get allowed", "set allowed; get refused"),
        (READS, r"\1+@read +ping +@write +vadd", "reports commands", "del, flushall, ping, set, vadd refused",
         "del, flushall, ping, set, vadd allowed"),
        (READS, r"\1+@all", "reports commands", f"{ELEVEN} refused", f"{ELEVEN} allowed"),
        (r"\(~s .*\)", "", "reports selectors", "(~s: get)", "none"),
        (r"\(~s ", "(%R~s ", "reports selectors", "(~s: get)", "(%R~s: get)"),
        (r"\(~s .*\)", r"\g<0> (~t &u -@all)", "reports selectors", "none", "(&u, ~t: no command)"),
    ],
)  # fmt: skip
def test_each_tampering_is_one_difference_and_its_repair_is_that_user(
    pattern: str, instead: str, subject: str, wanted: str, found: str
) -> None:
    tampered = re.sub(pattern, instead, render_acl(USERS), count=1)
    (reported,) = differences(USERS, tampered.splitlines(), SMALL)
    assert str(reported) == f"user {subject}: should be {wanted}, got {found}"
    assert not re.search("[0-9a-f]{64}", str(reported))
    first, *also = repair_commands(USERS, [reported.user])
    assert also == ([("CLIENT", "KILL", "USER", "default")] if reported.user == "default" else [])
    made = {user.name: ("ACL", "SETUSER", user.name, "reset", *user.words) for user in USERS}
    assert first == made.get(reported.user, ("ACL", "DELUSER", "eve"))


@pytest.mark.parametrize(
    ("me", "order"),
    [("admin", "admin app default eve exporter health reports"),
     ("default", "admin app eve exporter health reports default"),
     ("eve", "admin app default exporter health reports eve")],
)  # fmt: skip
def test_admin_is_mended_first_and_any_other_user_that_does_it_last(me: str, order: str) -> None:
    found = differences(
        USERS, ["user default on nopass ~* &* +@all", "user eve on nopass ~* &* +@all"], SMALL
    )
    commands = repair_commands(USERS, {each.user for each in found}, me)
    assert [command[2] for command in commands if command[0] == "ACL"] == order.split()


def test_words_a_server_does_not_know_are_named() -> None:
    user = User(
        "x",
        True,
        "~a -@all +get +config|get +select|0 allcommands +nosuch -@geo +config|rewind -select|0 (+neither)",
    )
    assert unknown_words(user, SMALL) == ("+nosuch", "+config|rewind", "-select|0", "+neither")


def test_a_word_the_server_does_not_know_is_a_difference() -> None:
    wanted = (User("x", True, "~a resetchannels -@all +get +nosuch"),)
    (found,) = differences(wanted, ["user x on ~a resetchannels -@all +get"], SMALL)
    assert found.wanted == "nosuch allowed"


@given(st.lists(RULE_WORDS, max_size=8), st.lists(RULE_WORDS, max_size=8))
def test_no_differences_means_the_same_access(one: list[str], other: list[str]) -> None:
    first, second = canonical(one), canonical(other)
    found = differences([User("x", True, first)], [f"user x on {second}"], SMALL)
    same = Selector.read(words(first), SMALL) == Selector.read(words(second), SMALL)
    selectors = [
        {Selector.read(words(w[1:-1]), SMALL) for w in words(text) if kind(w) == "selectors"}
        for text in (first, second)
    ]
    assert (not found) == (same and selectors[0] == selectors[1])
