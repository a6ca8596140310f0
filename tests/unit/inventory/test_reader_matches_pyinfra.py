"""The one reader says what pyinfra says: hosts, order, groups, data, and the keys pyinfra knows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pyinfra.api.arguments import all_global_arguments
from pyinfra.connectors.ssh import SSHConnector
from typeguard import check_type

from noevict.inventory.pyinfra_keys import ARGUMENTS, CONNECTOR_KEYS, KEYS
from noevict.inventory.reader import Inventory, read_fleet
from tests.unit.project_copy import PROJECT, copy_project, run_pyinfra

TRICKY = """
"my caches":
  both.invalid: &base
    ssh_user: admin
    ssh_port: 2201
    redis_port: 6381
  "@ssh/third.invalid":
    ssh_paramiko_connect_kwargs: {banner_timeout: 5}
all:
  both.invalid:
    redis_maxmemory_percent: 61
class:
  both.invalid:
    ssh_port: 2202
    redis_users: {shop: {profile: app, keys: ["shop:*"]}}
  "10.0.0.12":
    <<: *base
    _sudo: true
web-1.prod:
  last.invalid:
  "@local":
    redis_config: {hz: 50, activedefrag: true}
"""
GROUP_DATA = {
    "my caches": "redis_maxmemory_percent = 50\nredis_appendfsync = 'always'\n",
    "class": "import os\nredis_maxmemory_percent = 70\nredis_tls_names = ['a.example']\n",
    "inventory": "redis_address = 'by-the-file.example'\n",
    "@local": "redis_address = 'by-the-connector.example'\n_timeout = 60\n",
    "nobody": "redis_port = 1\n",
    "web-1.prod": "redis_address = 'by-the-group.example'\nmine = {'x': [1]}\n",
}


def by_pyinfra(project: Path) -> list[dict[str, Any]]:
    done = run_pyinfra(project, "inventory", "debug-inventory", "--json")
    assert done.returncode == 0, done.stderr
    hosts: list[dict[str, Any]] = json.loads(done.stdout)
    return hosts


def assert_same(fleet: Inventory, hosts: list[dict[str, Any]]) -> None:
    assert [host["name"] for host in hosts] == list(fleet.hosts)
    for host in hosts:
        data = fleet.data(host["name"])
        options = host["data"].pop("ssh_paramiko_connect_kwargs", {})
        assert host["data"].pop("ssh_hostname", None) == data.pop(
            "ssh_hostname", _connector_name(host["name"])
        )
        given = data.pop("ssh_paramiko_connect_kwargs", {})
        if host["name"] != "@local":
            given["transport_factory"] = "Function: transport_factory"
        assert options == given
        assert host["data"] == json.loads(json.dumps(data))
        groups = [group for group in fleet.hosts[host["name"]].groups if group != "all"]
        assert host["groups"][: len(groups)] == groups


def _connector_name(host: str) -> str | None:
    """@ssh/NAME is short for ssh_hostname: pyinfra's connector adds it."""
    return host.removeprefix("@ssh/") if host.startswith("@ssh/") else None


def test_a_tricky_inventory_reads_as_pyinfra_reads_it(tmp_path: Path) -> None:
    project = copy_project(tmp_path, TRICKY, **GROUP_DATA)
    assert_same(read_fleet(project, project / "hosts.yml"), by_pyinfra(project))


def test_a_group_named_as_the_inventory_file_reads_as_pyinfra_reads_it(tmp_path: Path) -> None:
    hosts = "web:\n  a.invalid:\ninventory:\n  b.invalid:\n  a.invalid:\nlast:\n  a.invalid:\n"
    data = {name: f"redis_address = '{name}.example'\n" for name in ("web", "inventory")}
    project = copy_project(tmp_path, hosts, **data)
    assert_same(read_fleet(project, project / "hosts.yml"), by_pyinfra(project))


def test_the_inventory_as_shipped_reads_as_pyinfra_reads_it() -> None:
    assert_same(read_fleet(PROJECT, PROJECT / "hosts.yml"), by_pyinfra(PROJECT))


def test_only_groups_of_the_hosts_file_become_groups(tmp_path: Path) -> None:
    project = copy_project(tmp_path, "read_groups:\n  a.invalid:\nPath:\n  b.invalid:\n")
    assert [host["groups"] for host in by_pyinfra(project)] == [
        ["read_groups", "inventory"],
        ["Path", "inventory"],
    ]


def test_the_keys_match_pyinfras() -> None:
    assert set(CONNECTOR_KEYS) == set(get_type_hints(SSHConnector.data_cls))
    left_out = {"name", "_if", "_retry_until"}
    assert set(ARGUMENTS) == {name for name, _ in all_global_arguments()} - left_out


SAMPLES: tuple[object, ...] = ("x", "yes", "sftp", True, 0, 22, 1.5, {}, {"a": "b"}, [], [0, 2])


@pytest.mark.parametrize("key", KEYS)
def test_a_value_taken_for_a_key_is_one_pyinfra_takes(key: str) -> None:
    types = dict(all_global_arguments()) | get_type_hints(SSHConnector.data_cls)
    _, takes = KEYS[key]
    taken = [value for value in SAMPLES if takes(value)]
    assert taken
    for value in taken:
        check_type(value, types[key])


def test_the_reader_does_without_pyinfra() -> None:
    code = "import sys, noevict.settings; sys.exit('pyinfra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
