"""hosts.yml and group_data as a Fleet: what is read, whose data wins, and that nothing else ever comes out."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from noevict.inventory.hosts_file import parse_hosts
from noevict.inventory.reader import Host, Inventory, read_fleet
from noevict.inventory.strict_yaml import parse


def fleet_of(root: Path, hosts: str, **group_data: str) -> Inventory:
    (root / "hosts.yml").write_text(hosts)
    (root / "group_data").mkdir(exist_ok=True)
    for group, text in group_data.items():
        (root / "group_data" / f"{group}.py").write_text(text)
    return read_fleet(root)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOEVICT_HOSTS", raising=False)


def test_hosts_and_groups_keep_the_order_of_the_file(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "web:\n  z:\n  a:\nredis:\n  m:\n  a:\n")
    assert list(fleet.hosts) == ["z", "a", "m"]
    assert fleet.hosts["a"].groups == ("web", "redis")
    assert fleet.groups() == {"web": ["z", "a"], "redis": ["a", "m"]}


def test_the_hosts_own_data_wins_then_the_last_group_then_all(tmp_path: Path) -> None:
    fleet = fleet_of(
        tmp_path,
        "web:\n  a:\n    redis_port: 1\nredis:\n  a:\n",
        all="redis_port = 4\nredis_save = 'all'\nredis_bind = 'all'\nredis_address = 'all'\n",
        web="redis_port = 3\nredis_save = 'web'\nredis_bind = 'web'\n",
        redis="redis_port = 2\nredis_save = 'redis'\n",
    )
    expected = {"redis_port": 1, "redis_save": "redis", "redis_bind": "web", "redis_address": "all"}
    assert fleet.data("a") == expected


def test_a_host_in_two_groups_has_the_data_of_both_and_the_later_value(tmp_path: Path) -> None:
    fleet = fleet_of(
        tmp_path,
        "web:\n  a: {ssh_user: x, ssh_port: 1}\nredis:\n  a: {ssh_user: y, _sudo: true}\n",
    )
    assert fleet.data("a") == {"ssh_user": "y", "ssh_port": 1, "_sudo": True}


def test_group_data_leaves_out_what_it_imports_and_keeps_arguments(tmp_path: Path) -> None:
    fleet = fleet_of(
        tmp_path,
        "redis:\n  a:\n",
        redis="import os\nfrom math import pi as half\n_sudo = True\nredis_port = 6000 + 1\n",
    )
    assert fleet.data("a") == {"_sudo": True, "redis_port": 6001}


def test_group_data_gives_what_all_names_if_it_is_there(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "r:\n  a:\n", r="__all__ = ['redis_port']\nredis_port = 1\nx = 2\n")
    assert fleet.data("a") == {"redis_port": 1}


def test_a_group_data_file_without_a_group_is_named_with_the_group_that_it_may_be_for(tmp_path: Path) -> None:
    data = dict.fromkeys(
        ("all", "inventory", "redis", "_shared", "reddis", "elsewhere"), "redis_port = 7000\n"
    )
    fleet = fleet_of(tmp_path, "redis:\n  a:\nweb:\n  b:\n", **data)
    assert fleet.unused_group_data() == [
        "group_data/elsewhere.py: should have the name of a group in hosts.yml, is ignored",
        "group_data/reddis.py: should have the name of a group in hosts.yml (did you mean redis?), is ignored",
    ]


def test_the_data_of_local_counts_only_if_this_machine_is_a_host(tmp_path: Path) -> None:
    data = {"@local": "redis_port = 7000\n"}
    assert fleet_of(tmp_path, 'redis:\n  "@local":\n', **data).unused_group_data() == []
    assert len(fleet_of(tmp_path, "redis:\n  a:\n", **data).unused_group_data()) == 1


@given(
    groups=st.sets(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=4),
    others=st.sets(st.from_regex(r"[a-z]{1,8}", fullmatch=True), max_size=4),
)
def test_a_group_data_file_is_either_used_by_a_host_or_named(groups: set[str], others: set[str]) -> None:
    names = groups | others
    hosts = {"a": Host("a", tuple(sorted(groups)), {})}
    fleet = Inventory(Path(), hosts, {name: {name: 1} for name in sorted(names)}, tuple(sorted(groups)))
    used = {name for name in names if name in fleet.data("a")}
    named = {line.partition(".py: ")[0].removeprefix("group_data/") for line in fleet.unused_group_data()}
    assert (used | named, used & named) == (names, set())


def test_anchors_and_merges_work_and_an_own_key_wins(tmp_path: Path) -> None:
    fleet = fleet_of(
        tmp_path,
        "redis:\n"
        "  a: &base {ssh_user: admin, ssh_port: 22}\n"
        "  b: *base\n"
        "  c:\n    <<: *base\n    ssh_port: 2222\n"
        "  d:\n    <<: *base\n    ssh_port: 2223\n",
    )
    ports = {host: fleet.data(host)["ssh_port"] for host in fleet.hosts}
    assert ports == {"a": 22, "b": 22, "c": 2222, "d": 2223}
    assert {fleet.data(host)["ssh_user"] for host in fleet.hosts} == {"admin"}


@pytest.mark.parametrize(
    "name",
    ["cache-1.example.com", "cache_1", "10.0.0.12", "fe80::1%eth0", "::1", "büro", "@ssh/cache-1", "@local"],
)
def test_usual_names_of_hosts_are_taken(name: str, tmp_path: Path) -> None:
    assert list(fleet_of(tmp_path, f'redis:\n  "{name}":\n').hosts) == [name]


@pytest.mark.parametrize("name", ["redis-prod", "my caches", "class", "Größe", "a.b", "1st", "redis_prod"])
def test_a_group_may_have_any_name(name: str, tmp_path: Path) -> None:
    assert fleet_of(tmp_path, f'"{name}":\n  a:\n').groups() == {name: ["a"]}


def test_this_machine_is_changed_with_sudo_unless_we_are_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert fleet_of(tmp_path, 'redis:\n  "@local":\n  a:\n').data("@local") == {"_sudo": True}
    assert fleet_of(tmp_path, 'redis:\n  "@local":\n  a:\n').data("a") == {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert fleet_of(tmp_path, 'redis:\n  "@local":\n').data("@local") == {}


@pytest.mark.parametrize("own", ["_sudo: false", "_doas: true", "_su_user: root"])
def test_this_machine_is_changed_as_its_user_says(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fleet = fleet_of(tmp_path, f'redis:\n  "@local":\n    {own}\n')
    assert fleet.data("@local") == yaml.safe_load(own)


def test_the_hosts_file_may_be_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.yml").write_text("redis:\n  b:\n")
    monkeypatch.setenv("NOEVICT_HOSTS", str(tmp_path / "elsewhere.yml"))
    assert list(fleet_of(tmp_path, "redis:\n  a:\n").hosts) == ["b"]
    (tmp_path / "third.yml").write_text("redis:\n  c:\n")
    assert list(read_fleet(tmp_path, tmp_path / "third.yml").hosts) == ["c"]


def test_a_password_is_in_no_repr(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "r:\n  a:\n    ssh_password: hunter2\n", r="_sudo_password = 'hunter2'\n")
    assert "hunter2" not in repr(fleet)


names = st.sampled_from(["redis", "a", "b-1", "@local", "ssh_user", "redis_port", "_sudo"]) | st.text(
    max_size=5
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates()
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | scalars, inner, max_size=4)
)


@settings(deadline=None)
@given(trees)
def test_any_tree_gives_groups_or_mistakes_on_one_line_each(tree: object) -> None:
    found = parse_hosts(yaml.safe_dump(tree), "hosts.yml")
    assert found.groups or found.mistakes
    assert all(line.isprintable() and ": should be " in line for line in found.mistakes)
    for group, hosts in found.groups.items():
        assert isinstance(group, str)
        assert all(isinstance(own, dict) for own in hosts.values())


@settings(deadline=None)
@given(st.text(st.sampled_from("a1:-? \n\t\"'[]{},&*!|>%@#~<=.\\\0é"), max_size=30))
def test_any_text_gives_groups_or_mistakes_on_one_line_each(text: str) -> None:
    found = parse_hosts(text, "hosts.yml")
    assert found.groups or found.mistakes
    assert all(line.isprintable() and ": should be " in line for line in found.mistakes)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5), st.recursive(scalars, lambda inner: st.lists(inner, max_size=3))
    )
)
def test_what_is_not_mistaken_is_read_as_yaml_means_it(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree)
    document = parse(text, ("a name",))
    assert not document.mistakes
    assert repr(document.value) == repr(yaml.safe_load(text))
