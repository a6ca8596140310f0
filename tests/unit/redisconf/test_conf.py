"""redis.conf as text: golden files, differences. tests/server holds them to what servers do."""

import os
from pathlib import Path

import pytest

from noevict.directives import table
from noevict.engines.engine import Server
from noevict.engines.package_layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.redisconf import diff as conf_diff
from noevict.redisconf import render as conf
from noevict.redisconf.diff import Difference
from noevict.redisconf.parser import parse
from tests.server.managed_server import MAXMEMORY, Settings

GOLDEN = Path(__file__).parents[1] / "golden"
REDIS_7 = Server("redis", (7, 0, 15))
REDIS_8 = Server("redis", (8, 0, 2))
VALKEY = Server("valkey", (8, 1, 1))
LOOPBACK = ("127.0.0.1", "-::1")

CASES = {
    "redis": (REDIS_8, Settings(redis_port=6379), True),
    "valkey": (VALKEY, Settings(redis_port=6379), True),
    "init-script": (REDIS_7, Settings(redis_port=6379), False),
    "no-persistence": (REDIS_8, Settings(redis_port=6379, redis_save="", redis_appendonly=False), True),
    "extras": (
        VALKEY,
        Settings(
            redis_port=7000,
            redis_plaintext_port=6379,
            redis_maxmemory_policy="volatile-lru",
            redis_appendfsync="always",
            redis_tls_auth_clients="yes",
            redis_config={
                "slowlog-max-len": 1000,
                "tcp-keepalive": 300,
                "repl-backlog-size": "64MB",
                "activerehashing": False,
                "tls-ciphers": "",
                "availability-zone": "",
                "syslog-ident": "cache 1",
            },
        ),
        True,
    ),
}


def _text(server: Server, settings: Settings, *, systemd: bool = True) -> str:
    layout = LAYOUTS[server.engine]
    wanted = conf.wanted(settings, layout, server, maxmemory=MAXMEMORY, bind=LOOPBACK, systemd=systemd)
    return conf.render(wanted, server, layout)


@pytest.mark.parametrize("case", CASES)
def test_the_text_is_the_golden_one(case: str) -> None:
    """``UPDATE_GOLDEN=1 pytest`` rewrites them."""
    server, settings, systemd = CASES[case]
    text = _text(server, settings, systemd=systemd)
    golden = GOLDEN / f"redis.conf-{case}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_text_has_the_layout_that_config_rewrite_keeps(case: str) -> None:
    server, settings, systemd = CASES[case]
    text = _text(server, settings, systemd=systemd)
    lines = text.split("\n")
    assert text.startswith("# noevict manages this file")
    assert text.endswith("\n\n")
    assert not text.endswith("\n\n\n")
    assert "\n\n\n" not in text
    assert [line for line in lines if line != line.rstrip() or line != line.lstrip()] == []
    names = [line.split()[0] for line in lines if line and not line.startswith("#")]
    repeated = {name for name in names if names.count(name) > 1}
    assert repeated <= {"save", "client-output-buffer-limit"}


def test_a_directive_this_release_does_not_know_is_refused_by_name() -> None:
    settings = Settings(redis_config={"dynamic-hz": True, "hz": 20, "log-format": "json"})
    with pytest.raises(NoevictError) as refused:
        _text(VALKEY, settings)
    assert refused.value.lines == (
        "redis_config: dynamic-hz: should be a directive that Valkey 8.1.1 knows",
        "redis_config: log-format: should be one of: legacy, logfmt",
    )


def test_what_no_setting_names_is_wanted_at_the_servers_default() -> None:
    layout = LAYOUTS["redis"]
    wanted = conf.wanted(Settings(), layout, REDIS_7, maxmemory=MAXMEMORY, bind=LOOPBACK, systemd=True)
    live = conf.wanted_live(wanted, REDIS_7)
    assert wanted.items() <= live.items()
    assert live["hz"] == "10"
    assert live["maxmemory"] == "1677721600"
    assert live["requirepass"] == ""
    probed = {"hz": "7", "new-in-this-release": "1"}
    assert conf.wanted_live({"hz": "20"}, REDIS_7, probed) == {"hz": "20", "new-in-this-release": "1"}
    assert conf.wanted_live({"hz": "20"}, Server("redis", (99, 0, 0))) == {"hz": "20"}


def test_what_differs_is_named_and_nothing_else() -> None:
    wanted = {"save": "", "hz": "10", "maxmemory": "1073741824", "slowlog-max-len": "128", "requirepass": ""}
    live = {
        "hz": "50",
        "maxmemory": "1073741824",
        "slowlog-max-len": "128",
        "requirepass": "hunter2",
        "save": "60 1",
        "search-threads": "20",
    }
    assert conf_diff.differences(wanted, live, REDIS_8) == (
        Difference("hz", "10", "50"),
        Difference("requirepass", "not set", "set"),
        Difference("save", '""', "60 1"),
    )
    assert conf_diff.differences({"hz": "10"}, {}, REDIS_8) == (Difference("hz", "10", "not there"),)


def test_a_directive_reported_under_its_old_and_its_new_name_counts_once() -> None:
    wanted = {"replica-priority": "100", "commandlog-slow-execution-max-len": "128"}
    live = {
        "slave-priority": "5",
        "replica-priority": "5",
        "slowlog-max-len": "128",
        "commandlog-slow-execution-max-len": "128",
    }
    assert conf_diff.differences(wanted, live, VALKEY) == (Difference("replica-priority", "100", "5"),)
    assert conf_diff.live_values({"slowlog-max-len": "7", "a-module.option": "1"}, VALKEY) == {
        "commandlog-slow-execution-max-len": "7",
        "a-module.option": "1",
    }


def test_a_line_of_a_file_counts_under_the_name_that_the_server_writes() -> None:
    wanted = {"commandlog-slow-execution-max-len": "7"}
    assert conf_diff.file_differences(wanted, "slowlog-max-len 7\n", VALKEY) == ()


def test_a_difference_is_displayed_in_one_unit_what_is_found_first() -> None:
    assert Difference("maxmemory", "1677721600", "1073741824").displayed == ("1024mb", "1600mb")


def test_files_are_compared_without_telling_a_secret() -> None:
    found = (
        "hz 50\nrequirepass hunter2\nuser eve on >hunter2 +@all\nmodule-secret hunter2\nsave 60 1\nsave 5 5\n"
    )
    reported = conf_diff.file_differences({"hz": "20", "save": "60 1", "timeout": "7"}, found, REDIS_8)
    assert reported == (
        Difference("hz", "20", "50"),
        Difference("module-secret", "not set", "set"),
        Difference("requirepass", "not set", "set"),
        Difference("save", "60 1", "60 1 5 5"),
        Difference("timeout", "7", "not there"),
        Difference("user", "not set", "set"),
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "hz 10\n"),
        ({"hz": "10"}, ""),
        ({"hz": "20"}, "hz 77\n  HZ   '20'  # not a comment, to a server a mistake\n".replace("  #", "\n#")),
        ({"maxmemory": "1677721600"}, "maxmemory 1600MB\n"),
        ({"maxmemory": "1677721600"}, "maxmemory 1677721600b\r\n"),
        ({"busy-reply-threshold": "7"}, "lua-time-limit 7\n"),
        ({"slowlog-max-len": "5"}, 'slowlog-max-len "\\x35"\n'),
        ({"save": "60 1 5 5"}, 'save 1 1\nsave ""\nsave 60 1\nsave 5 5\n'),
        ({"save": "60 1 5 5"}, "save 60 1 5 5\n"),
        ({"save": "60 1"}, 'save ""\nsave 1 1\nsave ""\nsave 60 1\n'),
        ({"save": ""}, 'save 60 1\nsave ""\n'),
        ({"notify-keyspace-events": "AKE"}, 'notify-keyspace-events "KEg$lshzxetd"\n'),
        (
            {"client-output-buffer-limit": "normal 0 0 0 slave 1024 0 5 pubsub 33554432 8388608 60"},
            "client-output-buffer-limit REPLICA 1kb 0 5\n",
        ),
        ({"oom-score-adj": "yes"}, "oom-score-adj relative\n"),
        ({"tls-protocols": "TLSv1.2 TLSv1.3"}, 'tls-protocols "TLSv1.3 TLSv1.2"\n'),
        ({"syslog-ident": "a  b"}, "syslog-ident 'a  b'\n"),
    ],
)
def test_texts_that_mean_the_same_have_no_difference(wanted: dict[str, str], found: str) -> None:
    assert conf_diff.file_differences(wanted, found, REDIS_8) == ()


def test_of_a_release_nobody_measured_the_probed_defaults_count() -> None:
    newer = Server("redis", (99, 0, 0))
    assert conf_diff.file_differences({"hz": "10"}, "", newer) == (Difference("hz", "10", "not there"),)
    assert conf_diff.file_differences({"hz": "10"}, "", newer, {"hz": "10"}) == ()
    assert conf_diff.file_differences({}, "hz 9\n", newer, {"hz": "10"}) == (Difference("hz", "10", "9"),)


@pytest.mark.parametrize("case", CASES)
def test_the_rendered_text_says_every_wanted_value(case: str) -> None:
    server, settings, systemd = CASES[case]
    layout = LAYOUTS[server.engine]
    wanted = conf.wanted(settings, layout, server, maxmemory=MAXMEMORY, bind=LOOPBACK, systemd=systemd)
    printed = parse(conf.render(wanted, server, layout))
    for name, value in wanted.items():
        directive = table.find(name)
        assert directive is not None
        lines = printed.pop(directive.name, [""])
        measured = directive.on(server)
        assert measured is not None
        text = " ".join(lines)
        assert (measured.kind.canonical(text) if text else "") == value, name
    assert printed == {}
