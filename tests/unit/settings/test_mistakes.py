"""Wrong inputs: every mistake is answered in exactly one line that names place, host, setting, what it should be."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from noevict.errors import NoevictError
from noevict.settings.model import Settings, build_settings, read_settings
from tests.unit.project_copy import copy_project, run_pyinfra

# What was mistaken, in hosts.yml → what its one line must have in it.
HOSTS: dict[str, tuple[str, list[str]]] = {
    "an empty file": ("", ["hosts.yml: ", "at least one host"]),
    "comments alone": ("# redis:\n", ["hosts.yml: ", "at least one host"]),
    "a list of hosts instead of groups": ("- cache-1\n", ["hosts.yml: ", "groups", "a list"]),
    "a bare word": ("cache-1\n", ["hosts.yml: ", "groups", "text"]),
    "a group without hosts": ("redis:\n", ["hosts.yml:1: redis: ", "`name:`", "nothing"]),
    "a group that is an empty mapping": ("redis: {}\n", ["hosts.yml:1: redis: ", "`name:`", "nothing"]),
    "a group that is a list": ("redis:\n  - cache-1\n", ["hosts.yml:1: redis: ", "`name:`", "a list"]),
    "a group that is a word": ("redis: cache-1\n", ["hosts.yml:1: redis: ", "`name:`", "text"]),
    "a group twice": ("redis:\n  a:\nredis:\n  b:\n", ["hosts.yml:3: redis: ", "once", "line 1"]),
    "a host twice in a group": ("redis:\n  a:\n  b:\n  a:\n", ["hosts.yml:4: redis: a: ", "once", "line 2"]),
    "a key twice": (
        "redis:\n  a:\n    ssh_user: x\n    ssh_user: y\n",
        ["hosts.yml:4: redis: a: ssh_user: ", "once", "line 3"],
    ),
    "a user twice": (
        "redis:\n  a:\n    redis_users:\n      shop: app\n      shop: readonly\n",
        ["hosts.yml:5: redis: a: redis_users: shop: ", "once"],
    ),
    "a host that is a number": ("redis:\n  1.10:\n", ["hosts.yml:2: redis: ", '"1.10"', "a number"]),
    "a host that is true": ("redis:\n  yes:\n", ["hosts.yml:2: redis: ", '"yes"', "true or false"]),
    "a host that is a date": ("redis:\n  2024-01-31:\n", ["hosts.yml:2: ", '"2024-01-31"', "a date"]),
    "a host that is nothing": ("redis:\n  ~:\n", ["hosts.yml:2: redis: ", '"~"', "nothing"]),
    "a group that is a number": ("7:\n  a:\n", ["hosts.yml:1: ", "group's name", '"7"']),
    "a group that is off": ("off:\n  a:\n", ["hosts.yml:1: ", "group's name", '"off"']),
    "a key that is a number": ("redis:\n  a:\n    5: x\n", ["hosts.yml:3: redis: a: ", "key's name", '"5"']),
    "a host that is a list": ("redis:\n  ? [a, b]\n  : x\n", ["hosts.yml:2: redis: ", "a list or mapping"]),
    "a host that is a list of data": (
        "redis:\n  a: [x]\n",
        ["hosts.yml:2: redis: a: ", "empty, or a mapping"],
    ),
    "a host that is an address": (
        "redis:\n  a: 10.0.0.1\n",
        ["hosts.yml:2: redis: a: ", "empty, or a mapping", "text"],
    ),
    "a name with a space": ("redis:\n  a b:\n", ["hosts.yml:2: redis: a b: ", "host name", "'a b'"]),
    "a name with a semicolon": ("redis:\n  a;reboot:\n", ["hosts.yml:2: redis: a;reboot: ", "host name"]),
    "a name with a command": ("redis:\n  $(reboot):\n", ["hosts.yml:2: redis: $(reboot): ", "host name"]),
    "a name with a line break": ('redis:\n  "a\\nb":\n', ["hosts.yml:2: redis: 'a\\nb': ", "host name"]),
    "a name that is an option": ("redis:\n  -v:\n", ["hosts.yml:2: redis: -v: ", "host name"]),
    "a name that is a path": ("redis:\n  ../a:\n", ["hosts.yml:2: redis: ../a: ", "host name"]),
    "no name": ('redis:\n  "":\n', ["hosts.yml:2: redis: '': ", "host name"]),
    "a container": (
        'redis:\n  "@docker/x":\n',
        ["hosts.yml:2: redis: @docker/x: ", '"@local"', "'@docker/x'"],
    ),
    "an unknown connector": ('redis:\n  "@lcoal":\n', ["hosts.yml:2: redis: @lcoal: ", '"@local"']),
    "a second local": ('redis:\n  "@local/b":\n', ["hosts.yml:2: redis: @local/b: ", '"@local"']),
    "a reserved group": (
        "redis_docker:\n  a:\n",
        ["hosts.yml:1: redis_docker: ", "reserved", "not supported yet"],
    ),
    "a hidden group": ("_old:\n  a:\n", ["hosts.yml:1: _old: ", "without a leading _"]),
    "a group with a line break": ('"a\\nb":\n  a:\n', ["hosts.yml:1: 'a\\nb': ", "on one line"]),
    "a mistyped key of pyinfra's": (
        "redis:\n  a:\n    ssh_prot: 22\n",
        ["hosts.yml:3: redis: a: ssh_prot: ", "did you mean ssh_port?", "unknown name"],
    ),
    "an argument without its underscore": (
        "redis:\n  a:\n    sudo: true\n",
        ["hosts.yml:3: redis: a: sudo: ", "did you mean _sudo?"],
    ),
    "a setting without its prefix": (
        "redis:\n  a:\n    maxmemory: 1gb\n",
        ["hosts.yml:3: redis: a: maxmemory: ", "did you mean redis_maxmemory?"],
    ),
    "a setting with a hyphen": (
        "redis:\n  a:\n    redis-port: 6380\n",
        ["hosts.yml:3: redis: a: redis-port: ", "did you mean redis_port?"],
    ),
    "a key from elsewhere": (
        "redis:\n  a:\n    ansible_become: true\n",
        ["hosts.yml:3: redis: a: ansible_become: ", "a redis_ setting", "unknown name"],
    ),
    "an SSH port that is text": (
        'redis:\n  a:\n    ssh_port: "22"\n',
        ["hosts.yml:3: redis: a: ssh_port: ", "from 1 to 65535", "text"],
    ),
    "an SSH port that is none": ("redis:\n  a:\n    ssh_port: 0\n", ["a: ssh_port: ", "from 1 to 65535"]),
    "a user that is a number": (
        "redis:\n  a:\n    ssh_user: 1000\n",
        ["hosts.yml:3: redis: a: ssh_user: ", "text (in quotes)", "a number"],
    ),
    "a key left empty": ("redis:\n  a:\n    ssh_key:\n", ["redis: a: ssh_key: ", "text", "nothing"]),
    "sudo by a word": ("redis:\n  a:\n    _sudo: sure\n", ["a: _sudo: ", "true or false", "text"]),
    "an unquoted yes": (
        "redis:\n  a:\n    ssh_strict_host_key_checking: yes\n",
        ["a: ssh_strict_host_key_checking: ", '"yes"', "in quotes", "true"],
    ),
    "a mistyped setting": (
        "redis:\n  a:\n    redis_maxmemroy: 1gb\n",
        ["a: redis_maxmemroy: ", "did you mean redis_maxmemory?"],
    ),
    "a setting of the wrong type": (
        'redis:\n  a:\n    redis_port: "6380"\n',
        ["a: redis_port: ", "from 1 to 65535", "'6380'"],
    ),
    "no end of a list": ("redis: [\n", ["hosts.yml:", "valid YAML"]),
    "a tab": ("redis:\n\ta:\n", ["hosts.yml:2: ", "indented with spaces", "got a tab"]),
    "a colon too many": ("redis: a: b\n", ["hosts.yml:1: ", "valid YAML", "mapping values"]),
    "two documents": ("redis:\n  a:\n---\nredis:\n  b:\n", ["hosts.yml:3: ", "valid YAML"]),
    "an unquoted password with a star": (
        "redis:\n  a:\n    ssh_password: *hunter2\n",
        ["hosts.yml:3: ", "valid YAML", "alias"],
    ),
    "an unquoted password with an exclamation mark": (
        "redis:\n  a:\n    ssh_password: !hunter2 x\n",
        ["hosts.yml:3: redis: a: ssh_password: ", "quotes"],
    ),
    "Python in YAML": (
        "redis:\n  a: !!python/object/apply:os.system [reboot]\n",
        ["hosts.yml:2: redis: a: ", "plain mapping"],
    ),
    "a value that contains itself": (
        "redis:\n  a: &a\n    _env: *a\n",
        ["hosts.yml:2: redis: a: _env: ", "contain themselves"],
    ),
    "a date that is none": (
        "redis:\n  a:\n    redis_address: 2024-13-45\n",
        ["hosts.yml:3: redis: a: redis_address: ", "quotes", "a date"],
    ),
    "a merge of nothing to merge": ("redis:\n  a:\n    <<: 5\n", ["hosts.yml:3: ", "valid YAML", "merging"]),
    "control characters": ("redis:\n  a\x07b:\n", ["hosts.yml", "valid YAML"]),
}

# What was mistaken, in the settings of a host → what its one line must have in it.
SETTINGS: dict[str, tuple[dict[str, object], list[str]]] = {
    "an engine nobody knows": (
        {"redis_engine": "keydb"},
        ["redis_engine: ", '"redis" or "valkey"', "'keydb'"],
    ),
    "a port as text": ({"redis_port": "6379"}, ["redis_port: ", "1 to 65535 (without quotes)", "'6379'"]),
    "a flag as text": ({"redis_takeover": "True"}, ["redis_takeover: ", "(without quotes)", "'True'"]),
    "a size as text that is a number": (
        {"redis_maxmemory": "5"},
        ["redis_maxmemory: ", "1mb or more", "'5'"],
    ),
    "a port as text that is no port": ({"redis_port": "70000"}, ["redis_port: ", "1 to 65535", "'70000'"]),
    "half a character": ({"redis_engine": "\ud800"}, ["redis_engine: ", '"redis" or "valkey"', "ud800"]),
    "half a character in save points": ({"redis_save": "\ud800"}, ["redis_save: ", "pairs", "ud800"]),
    "half a character in a name": ({"redis_\ud800": 1}, ["'redis_\\ud800': ", "unknown setting"]),
    "eviction, in words, by a policy": (
        {"redis_maxmemory_policy": "allkeys-lru", "redis_allow_eviction": "yes"},
        ["redis_allow_eviction: ", "'yes'"],
    ),
    "the exporter's port in words, and another on its default": (
        {"redis_exporter_port": "x", "redis_port": 9121},
        ["redis_exporter_port: ", "'x'"],
    ),
    "Redis' port in words, and the exporter on its default": (
        {"redis_exporter_port": 6379, "redis_port": "x"},
        ["redis_port: ", "'x'"],
    ),
    "a bind of addresses and numbers": (
        {"redis_bind": ["10.0.0.1", 5]},
        ["redis_bind: ", '"private"', "a list"],
    ),
    "a port too high": ({"redis_port": 65536}, ["redis_port: ", "1 to 65535", "65536"]),
    "no TLS port": ({"redis_port": 0}, ["redis_port: ", "1 to 65535", "got 0"]),
    "a port that is true": ({"redis_port": True}, ["redis_port: ", "1 to 65535", "got True"]),
    "a port left empty": ({"redis_port": None}, ["redis_port: ", "1 to 65535", "nothing"]),
    "a negative plaintext port": (
        {"redis_plaintext_port": -1},
        ["redis_plaintext_port: ", "0 for none", "-1"],
    ),
    "the exporter on a port of Redis'": (
        {"redis_exporter_port": 6379},
        ["redis_exporter_port: ", "another port than redis_port", "6379"],
    ),
    "the exporter on Redis' port without TLS": (
        {"redis_exporter_port": 6400, "redis_plaintext_port": 6400},
        ["redis_exporter_port: ", "another port than redis_plaintext_port", "6400"],
    ),
    "one port for both": ({"redis_plaintext_port": 6379}, ["redis_plaintext_port: ", "another port", "6379"]),
    "a bind that is a number": ({"redis_bind": 10}, ["redis_bind: ", '"private"', "got 10"]),
    "a bind that is a name": ({"redis_bind": "eth0"}, ["redis_bind: ", '"private"', "'eth0'"]),
    "a bind with a network": ({"redis_bind": ["10.0.0.0/8"]}, ["redis_bind: ", "addresses", "'10.0.0.0/8'"]),
    "private beside an address": ({"redis_bind": "private 10.0.0.1"}, ["redis_bind: ", "'private'"]),
    "no address at all": ({"redis_bind": ""}, ["redis_bind: ", "1 to 16", "got 0"]),
    "17 addresses": ({"redis_bind": [f"10.0.0.{n}" for n in range(17)]}, ["redis_bind: ", "1 to 16", "17"]),
    "an address twice": ({"redis_bind": "10.0.0.1 -10.0.0.1"}, ["redis_bind: ", "once", "'-10.0.0.1'"]),
    "an address beside all": ({"redis_bind": "127.0.0.1 *"}, ["redis_bind: ", "once", "'*'"]),
    "an address that is a URL": ({"redis_address": "redis://a"}, ["redis_address: ", "without a port"]),
    "an address with a port": ({"redis_address": "a.example:6379"}, ["redis_address: ", "without a port"]),
    "an address out of range": ({"redis_address": "10.0.0.256"}, ["redis_address: ", "'10.0.0.256'"]),
    "a link with a space": (
        {"redis_runbooks": "https://a/my books"},
        ["redis_runbooks: ", "a URL", "without spaces"],
    ),
    "a link that is a template": ({"redis_runbooks": "https://a/{{ x }}"}, ["redis_runbooks: ", "a URL"]),
    "a link with an anchor": ({"redis_runbooks": "https://a/b#c"}, ["redis_runbooks: ", "a URL"]),
    "no link": ({"redis_runbooks": ""}, ["redis_runbooks: ", "a URL"]),
    "a way nobody knows": ({"redis_connect": "tunnel"}, ["redis_connect: ", '"ssh" or "direct"', "'tunnel'"]),
    "all of the memory": ({"redis_maxmemory_percent": 100}, ["redis_maxmemory_percent: ", "1 to 95", "100"]),
    "a percentage with its sign": (
        {"redis_maxmemory_percent": "80%"},
        ["redis_maxmemory_percent: ", "'80%'"],
    ),
    "a fraction": ({"redis_maxmemory_percent": 0.8}, ["redis_maxmemory_percent: ", "whole number", "0.8"]),
    "a size of 1.5gb": ({"redis_maxmemory": "1.5gb"}, ["redis_maxmemory: ", '"1600mb"', "'1.5gb'"]),
    "a size in terabytes": ({"redis_maxmemory": "1tb"}, ["redis_maxmemory: ", '"1600mb"', "'1tb'"]),
    "a size without its unit": ({"redis_maxmemory": 1600}, ["redis_maxmemory: ", "1mb or more", "1600"]),
    "no limit": ({"redis_maxmemory": 0}, ["redis_maxmemory: ", "1mb or more", "got 0"]),
    "an evicting policy": (
        {"redis_maxmemory_policy": "allkeys-lru"},
        ["redis_maxmemory_policy: ", '"noeviction"', "jobs", "redis_allow_eviction = True", "'allkeys-lru'"],
    ),
    "a policy nobody knows": (
        {"redis_maxmemory_policy": "no-eviction"},
        ["redis_maxmemory_policy: ", '"noeviction"', "'no-eviction'"],
    ),
    "eviction by a word": (
        {"redis_allow_eviction": "yes"},
        ["redis_allow_eviction: ", "True or False", "'yes'"],
    ),
    "half a save point": ({"redis_save": "3600"}, ["redis_save: ", "pairs", "'3600'"]),
    "save points in words": ({"redis_save": "hourly"}, ["redis_save: ", "pairs", "'hourly'"]),
    "save points as a list": ({"redis_save": [3600, 1]}, ["redis_save: ", "pairs", "a list"]),
    "no persistence at all": (
        {"redis_save": "", "redis_appendonly": False},
        ["redis_appendonly: ", "True if redis_save is empty", "loses everything", "False"],
    ),
    "AOF by a word": ({"redis_appendonly": "yes"}, ["redis_appendonly: ", "True or False", "'yes'"]),
    "an unquoted no": ({"redis_appendfsync": False}, ["redis_appendfsync: ", '"no" (in quotes)', "False"]),
    "an unquoted yes": ({"redis_tls_auth_clients": True}, ["redis_tls_auth_clients: ", '"yes"', "in quotes"]),
    "one name without its list": (
        {"redis_tls_names": "a.example"},
        ["redis_tls_names: ", "list", "'a.example'"],
    ),
    "a name that is a URL": (
        {"redis_tls_names": ["https://a"]},
        ["redis_tls_names: ", "DNS names", "'https://a'"],
    ),
    "a name that is a number": ({"redis_tls_names": [7]}, ["redis_tls_names: ", "DNS names", "got 7"]),
    "a path with a line break": (
        {"redis_tls_cert": "a\nb", "redis_tls_key": "k", "redis_tls_ca": "c"},
        ["redis_tls_cert: ", "a file on this machine", "'a\\nb'"],
    ),
    "a CA left out": (
        {"redis_tls_cert": "a.crt", "redis_tls_key": "a.key"},
        ["redis_tls_ca: ", "go together", "None"],
    ),
    "users as a list": ({"redis_users": ["app"]}, ["redis_users: ", "a mapping", "a list"]),
    "a user without a profile": ({"redis_users": {"shop": None}}, ["redis_users.shop: ", "a profile"]),
    "a profile nobody knows": ({"redis_users": {"shop": "writer"}}, ["redis_users.shop: ", "a profile"]),
    "a password in rules": ({"redis_users": {"shop": "on >hunter2 ~*"}}, ["redis_users.shop: ", "password"]),
    "noevict's own user": ({"redis_users": {"admin": "app"}}, ["redis_users.admin: ", "admin"]),
    "a user's name with a space": ({"redis_users": {"a b": "app"}}, ["redis_users.'a b': ", "name"]),
    "directives in one text": (
        {"redis_config": "requirepass hunter2"},
        ["redis_config: ", "a mapping", "text"],
    ),
    "a directive nobody knows": (
        {"redis_config": {"hzz": 50}},
        ["redis_config.hzz: ", "directive of redis.conf"],
    ),
    "a directive's wrong value": (
        {"redis_config": {"hz": "fast"}},
        ["redis_config.hz: ", "whole number", "'fast'"],
    ),
    "a directive with its own setting": (
        {"redis_config": {"maxmemory": "1gb"}},
        ["redis_config.maxmemory: "],
    ),
    "a directive with a password": (
        {"redis_config": {"requirepass": "hunter2"}},
        ["redis_config.requirepass: "],
    ),
    "a directive with a role": ({"redis_config": {"replicaof": "a 6379"}}, ["redis_config.replicaof: "]),
    "a directive by both its names": (
        {"redis_config": {"busy-reply-threshold": 5000, "lua-time-limit": 1000}},
        ["redis_config.lua-time-limit: ", "busy-reply-threshold"],
    ),
    "a directive that is a number": ({"redis_config": {5: 6}}, ["redis_config.5: ", "text"]),
    "take-over by a word": ({"redis_takeover": "please"}, ["redis_takeover: ", "True or False", "'please'"]),
    "no restarts": ({"redis_restart_at_once": 0}, ["redis_restart_at_once: ", "1 to 1000", "got 0"]),
    "a mistyped setting": ({"redis_prot": 6380}, ["redis_prot: ", "did you mean redis_port?"]),
    "a queue without its list": ({"redis_queues": "email"}, ["redis_queues: ", "a list", "'email'"]),
    "a queue that is a number": ({"redis_queues": [5]}, ["redis_queues: ", "names of queues", "got 5"]),
    "a queue without a name": ({"redis_queues": ["bull:"]}, ["redis_queues: ", "a colon at", "'bull:'"]),
    "a queue on two lines": ({"redis_queues": ["a\nb"]}, ["redis_queues: ", "on one line", "'a\\nb'"]),
    "a queue by both its names": (
        {"redis_queues": ["email", "bull:email"]},
        ["redis_queues: ", "once", "'bull:email'"],
    ),
    "a setting of later days": ({"redis_sentinel": ["a"]}, ["redis_sentinel: ", "unknown setting"]),
    "a password as a setting": ({"redis_password": "hunter2"}, ["redis_password: ", "unknown setting"]),
    "a name with a line break": ({"redis_a\nb": 1}, ["'redis_a\\nb': ", "unknown setting"]),
    "an endless text": ({"redis_engine": "x" * 10000}, ["redis_engine: ", "xxx..."]),
    "an endless number": ({"redis_port": 10**5000}, ["redis_port: ", "1 to 65535", "a number"]),
}


def mistakes_of_hosts(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "hosts.yml").write_text(text)
    with pytest.raises(NoevictError) as caught:
        read_settings(tmp_path)
    return str(caught.value).splitlines()


# What it should be, and what it is; or that there is no such setting.
WHAT = re.compile(r": should be .*, got:? |: unknown setting( \(did you mean redis_\w+\?\))?( \(\S+\))?$")


@pytest.mark.parametrize("mistake", HOSTS)
def test_a_mistake_in_hosts_yml_is_answered_in_one_line(mistake: str, tmp_path: Path) -> None:
    text, parts = HOSTS[mistake]
    lines = mistakes_of_hosts(tmp_path, text)
    assert len(lines) == 1, lines
    assert all(part in lines[0] for part in parts), lines
    assert WHAT.search(lines[0]), lines
    assert "hunter2" not in lines[0]


@pytest.mark.parametrize("mistake", SETTINGS)
def test_a_mistake_in_settings_is_answered_in_one_line(mistake: str) -> None:
    settings, parts = SETTINGS[mistake]
    with pytest.raises(NoevictError) as caught:
        build_settings("cache-1", settings)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"cache-1: {parts[0]}"), lines
    assert all(part in lines[0] for part in parts), lines
    assert WHAT.search(lines[0]), lines
    assert "hunter2" not in lines[0]
    assert len(lines[0]) < 400
    assert lines[0].count(", got ") == (": unknown setting" not in lines[0])
    assert ("(without quotes)" in lines[0]) == any("(without quotes)" in part for part in parts)


def test_a_line_ends_with_what_was_got() -> None:
    with pytest.raises(NoevictError) as caught:
        build_settings("a", {"redis_port": "x", "redis_users": {"shop": None}})
    assert caught.value.lines == (
        "a: redis_port: should be a port from 1 to 65535, got 'x'",
        "a: redis_users.shop: should be a profile (admin, app, readonly, health, exporter), rules, or "
        "{profile, keys, channels}, got None",
    )


FILE = "the path of a file on this machine, or None"
PORT = "a port from 1 to 65535"
FLAG = "True or False"
# Each setting → what it should be, in words.
SHOULD_BE = {
    "redis_engine": '"redis" or "valkey"',
    "redis_port": PORT,
    "redis_plaintext_port": f"{PORT}, or 0 for none",
    "redis_bind": '"private", "loopback", or addresses as redis.conf takes them ("127.0.0.1 -::1 10.0.0.5")',
    "redis_address": "a DNS name or an address, without a port, or None",
    "redis_connect": '"ssh" or "direct"',
    "redis_maxmemory_percent": "a whole number from 1 to 95",
    "redis_maxmemory": 'a size of 1mb or more ("1600mb", "2gb", or bytes as a number), or None',
    "redis_maxmemory_policy": '"noeviction", or another maxmemory-policy that Redis and Valkey know',
    "redis_allow_eviction": FLAG,
    "redis_save": 'pairs of seconds and changes ("3600 1 300 100"), or "" for no RDB',
    "redis_appendonly": FLAG,
    "redis_appendfsync": '"always", "everysec" or "no" (in quotes)',
    "redis_tls_auth_clients": '"no", "yes" or "optional" (in quotes)',
    "redis_tls_names": "a list of DNS names or addresses",
    "redis_tls_cert": FILE,
    "redis_tls_key": FILE,
    "redis_tls_ca": FILE,
    "redis_queues": "a list of names of BullMQ queues",
    "redis_exporter_port": PORT,
    "redis_runbooks": 'a URL ("https://git.example.com/.../docs/runbooks") or a path, without spaces',
    "redis_takeover": FLAG,
    "redis_restart_at_once": "a whole number of hosts from 1 to 1000",
}
# Of these no value is repeated: they may hold secrets.
QUIETLY = {
    "redis_users": "a mapping: user's name -> profile or rules",
    "redis_config": "a mapping: redis.conf directive -> value",
}


def test_each_setting_says_what_it_should_be() -> None:
    with pytest.raises(NoevictError) as caught:
        build_settings("a", dict.fromkeys(Settings.model_fields, 0.5))
    assert set(caught.value.lines) == {
        *(f"a: {name}: should be {what}, got 0.5" for name, what in SHOULD_BE.items()),
        *(f"a: {name}: should be {what}, got a number" for name, what in QUIETLY.items()),
    }


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"redis_zzz": 1}, "redis_zzz: unknown setting"),
        (
            {"redis_plaintext_port": 6379},
            "redis_plaintext_port: should be another port than redis_port, got 6379 for both",
        ),
        (
            {"redis_exporter_port": 6379},
            "redis_exporter_port: should be another port than redis_port, got 6379 for both",
        ),
        (
            {"redis_plaintext_port": 9121},
            "redis_exporter_port: should be another port than redis_plaintext_port, got 9121 for both",
        ),
        (
            {"redis_maxmemory_policy": "allkeys-lru"},
            'redis_maxmemory_policy: should be "noeviction": any other deletes jobs, sessions and locks when memory '
            "is full (redis_allow_eviction = True if all of it is a cache), got 'allkeys-lru'",
        ),
        (
            {"redis_save": "", "redis_appendonly": False},
            "redis_appendonly: should be True if redis_save is empty: with neither AOF nor RDB a restart loses "
            "everything, got False",
        ),
        ({"redis_engine": ["\ud800"]}, 'redis_engine: should be "redis" or "valkey", got a list'),
    ],
    ids=str,
)
def test_a_line_says_all_that_there_is_to_say(settings: dict[str, object], line: str) -> None:
    with pytest.raises(NoevictError) as caught:
        build_settings("a", settings)
    assert caught.value.lines == (f"a: {line}",)


def test_no_error_of_pydantics_repeats_what_was_given() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(redis_port="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", ["cert", "key", "ca"])
def test_of_an_own_certificate_each_file_that_is_left_out_is_named(given: str) -> None:
    with pytest.raises(NoevictError) as caught:
        build_settings("a", {f"redis_tls_{given}": "a.pem"})
    together = "redis_tls_cert, redis_tls_key, redis_tls_ca go together"
    assert caught.value.lines == tuple(
        f"a: redis_tls_{part}: should be set too: {together}, got None"
        for part in ("cert", "key", "ca")
        if part != given
    )


def test_there_are_at_least_forty_mistakes() -> None:
    assert len(HOSTS) + len(SETTINGS) >= 40


def test_every_mistake_of_every_host_is_in_one_list(tmp_path: Path) -> None:
    lines = mistakes_of_hosts(
        tmp_path,
        "redis:\n"
        "  a:\n    ssh_prot: 22\n    redis_port: 0\n    redis_plaintext_port: -5\n"
        "  b:\n    redis_save: ''\n    redis_appendonly: false\n    redis_prot: 1\n"
        "  1.10:\n"
        "  c: 5\n",
    )
    starts = ["hosts.yml:10: ", "hosts.yml:3: ", "hosts.yml:11: ", "a: redis_port", "a: redis_plaintext_port"]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=False)] == starts
    assert [line.split(":")[1].strip() for line in lines[5:]] == ["redis_prot", "redis_appendonly"]


def test_each_mistake_of_one_user_is_reported_with_the_nearest_name() -> None:
    users = {
        "shop": {"profil": "app", "keys": ["~a", "b c"]},
        "x": "~* +@raed >hunter2 ~b (+@wirte)",
        "y": "raedonly",
    }
    with pytest.raises(NoevictError) as caught:
        build_settings("a", {"redis_users": users})
    starts = [
        "a: redis_users.shop: should be made of profile, keys and channels (did you mean profile?), got 'profil'",
        "a: redis_users.shop: should be with a profile (admin, app, readonly, health, exporter), got None",
        "a: redis_users.shop: should be with keys that are plain patterns, without spaces, ~ and &, got '~a'",
        "a: redis_users.shop: should be with keys that are plain patterns, without spaces, ~ and &, got 'b c'",
        "a: redis_users.x: should be rules with categories among all, admin, ",
        "a: redis_users.x: should be rules without a password (it is in secrets/users.yml), got >...",
        "a: redis_users.x: should be rules with categories among all, admin, ",
        "a: redis_users.x: should be rules with ~* or other patterns, not both, got '~b' after it",
        "a: redis_users.y: should be a profile (admin, app, readonly, health, exporter) (did you mean readonly?) or ",
    ]
    lines = caught.value.lines
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert (" (did you mean read?), got '+@raed'" in lines[4], " (did you mean write?)" in lines[6]) == (
        True,
        True,
    )


def test_a_mistake_names_the_file_and_line_that_count(tmp_path: Path) -> None:
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data/all.py").write_text("redis_port = 6379\nredis_exporter_port = 9121\n")
    (tmp_path / "group_data/fast.py").write_text("redis_port = 1\n\nredis_port = 0\n")
    (tmp_path / "group_data/slow.py").write_text("redis_port = 5\nif True:\n    redis_connect = 'no'\n")
    text = (
        "fast:\n  a:\n  b:\n    redis_port: 70000\n"
        "slow:\n  b:\n    redis_save: x\n  c:\n    <<: {redis_appendfsync: x}\n    redis_plaintext_port: 5\n"
    )
    assert [re.sub(": should be .*, got ", ": ", line) for line in mistakes_of_hosts(tmp_path, text)] == [
        "a: redis_port: 0 (group_data/fast.py:3)",
        "b: redis_port: 70000 (hosts.yml:4)",
        "b: redis_connect: 'no' (group_data/slow.py)",
        "b: redis_save: 'x' (hosts.yml:7)",
        "c: redis_connect: 'no' (group_data/slow.py)",
        "c: redis_appendfsync: 'x' (hosts.yml:9)",
        "c: redis_plaintext_port: 5 for both (hosts.yml:10)",
    ]


def test_a_contradiction_names_where_its_own_setting_is_or_else_the_other(tmp_path: Path) -> None:
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data/all.py").write_text("redis_appendonly = False\n")
    (tmp_path / "x").touch()
    text = (
        "redis:\n"
        "  a:\n    redis_save: ''\n"
        "  b:\n    redis_allow_eviction: false\n    redis_maxmemory_policy: allkeys-lru\n"
        "  c:\n    redis_tls_cert: x\n    redis_tls_ca: x\n"
    )
    lines = mistakes_of_hosts(tmp_path, text)
    assert [re.sub(": should be .*, got ", ": ", line) for line in lines] == [
        "a: redis_appendonly: False (hosts.yml:3)",
        "b: redis_maxmemory_policy: 'allkeys-lru' (hosts.yml:6)",
        "c: redis_tls_key: None (hosts.yml:9)",
    ]


def test_a_mistake_does_not_drag_a_contradiction_along() -> None:
    with pytest.raises(NoevictError) as caught:
        build_settings("a", {"redis_port": "6380", "redis_plaintext_port": 6379})
    assert len(caught.value.lines) == 1


def test_a_missing_hosts_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        NoevictError, match=r"^hosts\.yml: should be a file with your hosts, got none at .*hosts\.yml$"
    ):
        read_settings(tmp_path)


def test_a_hosts_file_that_is_a_directory_or_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").mkdir()
    with pytest.raises(NoevictError, match=r"^hosts\.yml: should be a readable text file, got: .+$"):
        read_settings(tmp_path)
    (tmp_path / "latin").write_bytes(b"redis:\n  \xe4:\n")
    with pytest.raises(NoevictError, match=r"latin: should be a readable text file, got: .+UTF-8$"):
        read_settings(tmp_path, tmp_path / "latin")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("redis_port = \n", "group_data/redis.py:1: should be plain Python, got SyntaxError: invalid syntax"),
        ("x = 1\nredis_port = y\n", "group_data/redis.py:2: should be plain Python, got NameError"),
        ("raise SystemExit(0)\n", "group_data/redis.py:1: should be plain Python, got SystemExit"),
        ("import nothing_at_all\n", "group_data/redis.py:1: should be plain Python, got ModuleNotFoundError"),
        (
            "ssh_port = '22'\n",
            "group_data/redis.py: ssh_port: should be a port from 1 to 65535 (without quotes), got text",
        ),
        (
            "_sudo_password = 12\n",
            "group_data/redis.py: _sudo_password: should be text (in quotes), got a number",
        ),
        (
            "redis_port = '22'\n",
            "a: redis_port: should be a port from 1 to 65535 (without quotes), got '22' (group_data/redis.py:1)",
        ),
    ],
)
def test_a_mistake_in_group_data_is_answered_in_one_line(text: str, answer: str, tmp_path: Path) -> None:
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "redis.py").write_text(text)
    assert mistakes_of_hosts(tmp_path, "redis:\n  a:\n") == [answer]


def test_certificate_files_that_are_not_there_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.crt").touch()
    names = "redis_tls_cert: b.crt, redis_tls_key: a.crt, redis_tls_ca: a.crt"
    assert mistakes_of_hosts(tmp_path, f"redis: {{a: {{{names}}}}}") == [
        "a: redis_tls_cert: should be a file on this machine, got 'b.crt' (not there) (hosts.yml:1)"
    ]
    names = "redis_tls_cert: a.crt, redis_tls_key: keys/a.key, redis_tls_ca: /nowhere/ca.crt"
    lines = mistakes_of_hosts(tmp_path, f"redis: {{a: {{{names}}}}}")
    assert lines == [
        "a: redis_tls_key: should be a file on this machine, got 'keys/a.key' (not there) (hosts.yml:1)",
        "a: redis_tls_ca: should be a file on this machine, got '/nowhere/ca.crt' (not there) (hosts.yml:1)",
    ]


MANY = """
redis:
  cache-1.invalid:
    ssh_prot: 22
    ssh_password: 1234567
    redis_port: 70000
    redis_config: {requirepass: hunter2}
  cache-2.invalid:
    redis_maxmemory_policy: allkeys-lru
  1.10:
  cache-1.invalid:
"""


@pytest.mark.parametrize(
    "arguments",
    [("-y", "inventory", "deploy.py"), ("--dry", "inventory", "deploy.py"), ("inventory", "debug-inventory")],
    ids=lambda arguments: arguments[0],
)
def test_the_pyinfra_command_lists_all_mistakes_and_connects_to_nothing(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = run_pyinfra(copy_project(tmp_path, MANY), *arguments)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Traceback" not in output
    assert "Connecting" not in output
    assert "inventory line" not in output
    assert not (tmp_path / "deployed").exists()
    assert "hunter2" not in output
    assert "1234567" not in output
    lines = [line for line in output.splitlines() if "should be" in line]
    assert [line.split(": should be")[0] for line in lines] == [
        "hosts.yml:10: redis",
        "hosts.yml:11: redis: cache-1.invalid",
        "hosts.yml:4: redis: cache-1.invalid: ssh_prot",
        "hosts.yml:5: redis: cache-1.invalid: ssh_password",
        "cache-1.invalid: redis_port",
        "cache-1.invalid: redis_config.requirepass",
        "cache-2.invalid: redis_maxmemory_policy",
    ]


def test_the_pyinfra_command_answers_broken_yaml_and_group_data_in_a_line(tmp_path: Path) -> None:
    project = copy_project(tmp_path, "redis: [\n", redis="redis_port = \n")
    done = run_pyinfra(project, "-y", "inventory", "deploy.py")
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Traceback" not in output
    assert "Connecting" not in output
    reported = [line.partition(": should be")[0] for line in output.splitlines() if "should be" in line]
    assert reported == ["hosts.yml:2", "group_data/redis.py:1"]


def test_the_pyinfra_command_answers_secrets_that_others_can_read_before_any_connection(
    tmp_path: Path,
) -> None:
    project = copy_project(tmp_path, "redis:\n  cache-1.invalid:\n")
    (project / "secrets").mkdir()
    (project / "secrets").chmod(0o755)
    done = run_pyinfra(project, "-y", "inventory", "deploy.py")
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Connecting" not in output
    assert "preview.py" not in output
    path = project / "secrets"
    assert output.splitlines()[-1] == (
        f"{path}: should have mode 0700, only for its owner, has 0755: chmod 0700 {path}"
    )
