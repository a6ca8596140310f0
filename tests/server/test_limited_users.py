"""A user limited to some keys stays limited, whatever code the users of a server share."""

import hashlib
from pathlib import Path

import pytest
import redis

from noevict.acl.profiles import render_acl, wanted_users
from tests.lab.servers import Binary, Running
from tests.server.conftest import StartServer

SETTING = {
    "shop": {"profile": "app", "keys": ["shop:*"], "channels": ["shop:*"]},
    "wide": {"profile": "app", "keys": ["*"]},
}
NAMES = ("admin", "app", "exporter", "health", "shop", "wide")
LIBRARY = """#!lua name=jobs
redis.register_function('add', function(keys, args) return redis.call('SET', keys[1], args[1]) end)"""
STEALING = """#!lua name=jobs
redis.register_function('add', function(keys, args)
  redis.call('SET', 'shop:stolen', redis.call('GET', 'secret'))
  return redis.call('SET', keys[1], args[1])
end)"""
STOLEN = "return redis.call('SET', 'shop:stolen', redis.call('GET', 'secret'))"


@pytest.fixture
def managed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Running:
    """A server with `shop`, which has some of the keys, beside users that have all."""
    acl = tmp_path / "users.acl"
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES}
    acl.write_text(render_acl(wanted_users(SETTING, digests, binary.server)))
    server = start_server(
        binary, None, "--aclfile", str(acl), client={"username": "admin", "password": "admin"}
    )
    server.redis.set("secret", "of others")
    return server


def as_user(server: Running, name: str) -> "redis.Redis":
    return server.client(username=name, password=name, single_connection_client=True)


def test_a_user_of_some_keys_cannot_replace_a_function_that_others_call(managed: Running) -> None:
    shop, app, wide = (as_user(managed, name) for name in ("shop", "app", "wide"))
    assert app.function_load(LIBRARY) == "jobs"
    for replace in (False, True):
        with pytest.raises(redis.exceptions.NoPermissionError):
            shop.function_load(STEALING, replace=replace)
    assert wide.function_load(LIBRARY, replace=True) == "jobs"
    assert app.fcall("add", 1, "job", "1") == "OK"
    assert not managed.redis.exists("shop:stolen")


def test_functions_and_scripts_of_others_run_with_the_rights_of_the_caller(managed: Running) -> None:
    shop, app = as_user(managed, "shop"), as_user(managed, "app")
    app.function_load(LIBRARY)
    assert shop.fcall("add", 1, "shop:job", "1") == "OK"
    app.function_load(STEALING, replace=True)
    digest = app.script_load(STOLEN)
    for call in (
        lambda: shop.fcall("add", 1, "shop:job", "1"),
        lambda: shop.eval(STOLEN, 0),
        lambda: shop.evalsha(digest, 0),
    ):
        with pytest.raises(
            redis.ResponseError, match=r"No permissions to access a key|can't access at least one of the keys"
        ):
            call()
    assert not managed.redis.exists("shop:stolen")


def test_a_script_of_a_user_of_some_keys_is_run_by_those_only_who_name_it(managed: Running) -> None:
    shop, app = as_user(managed, "shop"), as_user(managed, "app")
    shop.script_load(STOLEN)
    wanted = "return redis.call('SET', KEYS[1], 1)"
    digest = hashlib.sha1(wanted.encode(), usedforsecurity=False).hexdigest()
    with pytest.raises(redis.exceptions.NoScriptError):
        app.evalsha(digest, 1, "job")
    assert app.eval(wanted, 1, "job") == "OK"
    assert not managed.redis.exists("shop:stolen")
