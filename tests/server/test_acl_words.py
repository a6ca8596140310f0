"""Any pattern of redis_users, in users.acl as noevict renders it, is what real servers match keys and channels with."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noevict.acl import diff as acl_diff
from noevict.acl import profiles
from noevict.acl.rules import Catalogue
from noevict.acl.validation import user_problems
from noevict.errors import NoevictError
from noevict.settings.model import build_settings
from tests.lab.servers import Binary
from tests.server.conftest import StartServer
from tests.server.hypothesis_settings import FEW, MANY

# What splits a word, a line, a rule or a selector for somebody, and what is a letter to nobody.
LETTERS = st.sampled_from([*"aZ*?[]^-\\\"'`$(){};#~&%>+@:/=,.é€\u202e\x7f\x1b\t\n"])
PATTERNS = st.lists(st.text(LETTERS, min_size=1, max_size=9), min_size=1, max_size=3, unique=True)


@settings(FEW, max_examples=25)
@given(keys=PATTERNS, channels=PATTERNS)
def test_patterns_arrive_as_they_are_or_are_refused(
    binary: Binary, start_server: StartServer, short_path: Path, keys: list[str], channels: list[str]
) -> None:
    arrive(binary, start_server, short_path, keys, channels)


@pytest.mark.long
@settings(MANY, max_examples=400)
@given(keys=PATTERNS, channels=PATTERNS)
def test_very_many_patterns(
    binary: Binary, start_server: StartServer, short_path: Path, keys: list[str], channels: list[str]
) -> None:
    arrive(binary, start_server, short_path, keys, channels)


def arrive(
    binary: Binary, start_server: StartServer, short_path: Path, keys: list[str], channels: list[str]
) -> None:
    keys = [key for key in keys if not list(user_problems("shop", {"profile": "app", "keys": [key]}))]
    channels = [
        each for each in channels if not list(user_problems("shop", {"profile": "app", "channels": [each]}))
    ]
    entry = {"profile": "app", "keys": keys or ["*"], "channels": channels or ["*"]}
    try:
        host = build_settings("cache-1", {"redis_users": {"shop": entry}})
    except NoevictError:
        return
    digests = dict.fromkeys(profiles.user_names(host.redis_users), "0" * 64)
    users = profiles.wanted_users(host.redis_users, digests, binary.server)
    file = short_path / "users.acl"
    file.write_text(profiles.render_acl(users).replace("user default off", "user default on nopass"))
    running = start_server(binary, None, "--aclfile", str(file), directory=short_path)
    try:
        assert running.redis.acl_users() == sorted(["admin", "shop", *profiles.BUILT_IN])
        reported = running.redis.acl_getuser("shop")
        assert set(reported["keys"]) == {f"~{key}" for key in keys or ["*"]}
        assert set(reported["channels"]) == {f"&{channel}" for channel in channels or ["*"]}
        pipeline = running.redis.pipeline(transaction=False)
        for question in Catalogue.QUESTIONS:
            pipeline.execute_command(*question)
        catalogue = Catalogue.parse(pipeline.execute())
        found = acl_diff.differences(users, running.redis.acl_list(), catalogue)
        assert [each for each in found if each.user != "default"] == []
    finally:
        running.stop()
