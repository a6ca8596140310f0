"""One change: what programs read of it (JSON, and which part of a run makes it), and its words for people."""

from dataclasses import replace

import pytest

from noevict.acl.diff import EXTRA, MISSING
from noevict.plan.change import LISTENING, MODE, OWNER, RESTARTING, Change, How, Part
from noevict.urgency import Urgency

CONF, KEY = "/etc/redis/redis.conf", "/etc/redis/tls/server.key"


def test_the_words_of_a_change_are_those_that_programs_read() -> None:
    assert " ".join(How) == "package live certificate file kernel unit restart engine"
    assert " ".join(Part) == (
        "directive user file access certificate served kernel unit package dpkg server directory engine environment "
        "arguments credential"
    )
    assert (OWNER, MODE, LISTENING) == ("owner", "mode", "listening")


def test_clients_lose_their_connections_by_a_restart_and_by_a_change_of_engine() -> None:
    assert set(RESTARTING) == {How.RESTART, How.ENGINE}


def test_a_change_says_no_more_than_it_was_given() -> None:
    change = Change(Part.UNIT, "redis-server", How.UNIT, "disabled", "enabled")
    assert (change.why, change.aspect, change.file, change.urgency) == ("", "", "", Urgency.DRIFT)


@pytest.mark.parametrize(
    ("part", "subject", "how", "aspect", "what"),
    [
        (Part.DIRECTIVE, "hz", How.LIVE, "", "hz"),
        (Part.DIRECTIVE, "hz", How.RESTART, "", "hz"),
        (Part.DIRECTIVE, "hz", How.FILE, "", f"{CONF}: hz"),
        (Part.DIRECTIVE, "bind", How.RESTART, LISTENING, "bind"),
        (Part.USER, "app", How.LIVE, MISSING, "user app"),
        (Part.USER, "app", How.LIVE, EXTRA, "user app"),
        (Part.USER, "app", How.LIVE, "commands", "user app commands"),
        (Part.FILE, CONF, How.FILE, "", CONF),
        (Part.ACCESS, CONF, How.FILE, OWNER, f"{CONF} owner"),
        (Part.ACCESS, CONF, How.FILE, MODE, f"{CONF} mode"),
        (Part.CERTIFICATE, KEY, How.CERTIFICATE, "", KEY),
        (Part.SERVED, KEY, How.CERTIFICATE, "", "the certificate served"),
        (Part.KERNEL, "vm.overcommit_memory", How.KERNEL, "", "vm.overcommit_memory"),
        (Part.UNIT, "redis-server", How.UNIT, "", "redis-server"),
        (Part.PACKAGE, "redis-server", How.PACKAGE, "", "package redis-server"),
        (Part.DPKG, CONF, How.FILE, "diversion", f"diversion of {CONF}"),
        (Part.SERVER, "Redis", How.RESTART, "", "the running Redis"),
        (Part.DIRECTORY, "/etc/redis", How.RESTART, "", "the directory /etc/redis"),
        (Part.ENGINE, "valkey-server", How.ENGINE, "", "valkey-server"),
        (Part.ENGINE, "", How.ENGINE, "", "the engine"),
        (Part.ENVIRONMENT, "REDIS_ADDR", How.RESTART, "", "REDIS_ADDR"),
        (Part.ARGUMENTS, "prometheus-redis-exporter", How.RESTART, "", "arguments of prometheus-redis-exporter"),
        (Part.CREDENTIAL, "/run/password", How.RESTART, "", "/run/password"),
        # What is no user has no whole that could be missing, and what is no engine no subject that may be left out.
        (Part.FILE, CONF, How.FILE, MISSING, CONF),
        (Part.FILE, "", How.FILE, "", ""),
    ],
)  # fmt: skip
def test_what_changes_is_named_in_words(part: Part, subject: str, how: How, aspect: str, what: str) -> None:
    assert Change(part, subject, how, "a", "b", aspect=aspect, file=CONF).what == what


def test_a_line_about_a_change_has_both_values_how_it_is_made_and_why() -> None:
    change = Change(Part.DIRECTIVE, "hz", How.LIVE, "10", "20")
    assert str(change) == "hz: 10 → 20 [live]"
    assert str(replace(change, why="by hand")) == "hz: 10 → 20 [live] (by hand)"


WITH_A_PATH = {Part.FILE, Part.ACCESS, Part.CERTIFICATE}


@pytest.mark.parametrize("part", Part)
def test_what_is_about_a_files_content_or_access_has_its_path(part: Part) -> None:
    change = Change(part, "/x", How.LIVE, "a", "b", file=CONF)
    assert change.path == ("/x" if part in WITH_A_PATH else "")
    assert replace(change, how=How.FILE).path == (
        "/x" if part in WITH_A_PATH else CONF if part is Part.DIRECTIVE else ""
    )


@pytest.mark.parametrize("part", Part)
def test_what_is_about_a_directive_has_its_name(part: Part) -> None:
    assert Change(part, "hz", How.LIVE, "a", "b").directive == ("hz" if part is Part.DIRECTIVE else "")
