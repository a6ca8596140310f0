"""Settings: the manual says what they are, defaults are filled in, and what is taken is usable later on."""

import ast
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.engines.engine import ENGINES
from noevict.errors import NoevictError
from noevict.inventory.reader import Host, Inventory, read_fleet
from noevict.pki.certificate import normalise
from noevict.settings.model import Settings, build_settings, check_fleet, read_settings, settings_of

MANUAL = Path(__file__).parents[3] / "group_data" / "all.py"


def manual() -> dict[str, object]:
    return {name: value for name, value in runpy.run_path(str(MANUAL)).items() if not name.startswith("__")}


def test_the_manual_has_every_setting_with_its_default() -> None:
    assert list(manual()) == list(Settings.model_fields)
    assert build_settings("a", manual()) == build_settings("a", {}) == Settings()
    defaults = {name: list(value) if isinstance(value, tuple) else value for name, value in Settings()}
    assert manual() == defaults


def test_the_manual_is_only_literals_with_a_comment_above_each() -> None:
    body = ast.parse(MANUAL.read_text()).body[1:]
    lines = MANUAL.read_text().splitlines()
    for node in body:
        assert isinstance(node, ast.Assign)
        ast.literal_eval(node.value)
        above = lines[node.lineno - 2]
        assert above.startswith("# ") or above.startswith("redis_tls_"), lines[node.lineno - 1]


def test_the_manual_passes_its_own_check() -> None:
    fleet = Inventory(MANUAL.parent, {"a": Host("a", ("redis",), {})}, {"all": manual()}, ("redis",))
    assert check_fleet(fleet) == {"a": Settings()}


def test_what_is_no_setting_is_not_looked_at() -> None:
    assert build_settings("a", {"ssh_user": 5, "_sudo": "x", "mine": []}) == Settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().redis_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given_", "bound"),
    [
        ("private", None),
        ("loopback", ("127.0.0.1", "-::1")),
        ("*  -::*", ("*", "-::*")),
        (["127.0.0.1", "-::1"], ("127.0.0.1", "-::1")),
        ("10.0.0.5 fe80::1%eth0", ("10.0.0.5", "fe80::1%eth0")),
        ("-* ::*", ("-*", "::*")),
        ("* ::1", ("*", "::1")),
    ],
)
def test_bind_takes_what_redis_conf_takes(given_: object, bound: tuple[str, ...] | None) -> None:
    assert build_settings("a", {"redis_bind": given_}).bind_addresses == bound


@pytest.mark.parametrize(
    ("size", "in_bytes"),
    [
        (None, None),
        ("1600mb", 1600 * 1024**2),
        ("2GB", 2 * 1024**3),
        ("5m", 5_000_000),
        (10**9, 10**9),
        ("2000000", 2_000_000),
    ],
)
def test_sizes_are_written_as_in_redis_conf(size: object, in_bytes: int | None) -> None:
    assert build_settings("a", {"redis_maxmemory": size}).maxmemory_bytes == in_bytes


def test_save_points_are_pairs_whatever_the_spaces() -> None:
    settings = build_settings("a", {"redis_save": "3600 1\n  300   100"})
    assert settings.redis_save == "3600 1 300 100"
    assert settings.saves == ((3600, 1), (300, 100))
    assert build_settings("a", {"redis_save": ""}).saves == ()


WORDS = {
    "redis_engine": ("redis", "valkey"),
    "redis_connect": ("ssh", "direct"),
    "redis_maxmemory_policy": (
        "noeviction",
        *(f"allkeys-{which}" for which in ("lru", "lfu", "random")),
        *(f"volatile-{which}" for which in ("lru", "lfu", "random", "ttl")),
    ),
    "redis_appendfsync": ("always", "everysec", "no"),
    "redis_tls_auth_clients": ("no", "yes", "optional"),
}


@pytest.mark.parametrize("name", WORDS)
def test_each_word_that_a_server_knows_is_taken(name: str) -> None:
    for word in WORDS[name]:
        settings = build_settings("a", {name: word, "redis_allow_eviction": True})
        assert getattr(settings, name) == word
        assert len(mistakes_in({name: word.upper()})) == 1


def test_an_engine_is_one_of_the_two_and_an_address_any_that_clients_know() -> None:
    assert build_settings("a", {"redis_engine": "valkey"}).engine is ENGINES["valkey"]
    assert build_settings("a", {"redis_address": "cache.example.com"}).redis_address == "cache.example.com"


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("redis_port", 1, 65535),
        ("redis_plaintext_port", 0, 65535),
        ("redis_exporter_port", 1, 65535),
        ("redis_maxmemory_percent", 1, 95),
        ("redis_restart_at_once", 1, 1000),
    ],
)
def test_numbers_are_taken_up_to_their_bounds(name: str, low: int, high: int) -> None:
    assert [getattr(build_settings("a", {name: value}), name) for value in (low, high)] == [low, high]
    assert [len(mistakes_in({name: value})) for value in (low - 1, high + 1)] == [1, 1]


def test_eviction_is_allowed_to_those_who_say_so() -> None:
    given_ = {"redis_maxmemory_policy": "allkeys-lru", "redis_allow_eviction": True}
    assert build_settings("a", given_).redis_maxmemory_policy == "allkeys-lru"


def test_either_kind_of_persistence_is_enough() -> None:
    build_settings("a", {"redis_save": ""})
    build_settings("a", {"redis_appendonly": False})


def test_users_and_directives_are_taken_and_stay_out_of_the_repr() -> None:
    users = {"shop": {"profile": "app", "keys": ["shop:*"]}, "reports": "readonly"}
    settings = build_settings("a", {"redis_users": users, "redis_config": {"hz": 50, "activedefrag": True}})
    assert settings.redis_users == users
    assert settings.redis_config == {"hz": 50, "activedefrag": True}
    assert "shop" not in repr(settings)
    assert "activedefrag" not in repr(settings)


def test_an_own_certificate_takes_all_three_files(tmp_path: Path) -> None:
    files = {f"redis_tls_{part}": f"tls/{part}.pem" for part in ("cert", "key", "ca")}
    (tmp_path / "tls").mkdir()
    for path in files.values():
        (tmp_path / path).touch()
    settings = check_fleet(Inventory(tmp_path, {"a": Host("a", ("r",), files)}, {}, ("r",)))["a"]
    assert {name: getattr(settings, name) for name in files} == files


def test_a_path_may_begin_with_the_home_of_whoever_runs_noevict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pem").touch()
    files = {f"redis_tls_{part}": "~/a.pem" for part in ("cert", "key", "ca")}
    assert check_fleet(Inventory(Path("/nowhere"), {"a": Host("a", ("r",), files)}, {}, ("r",)))


def test_the_settings_of_one_host_are_checked_only_for_that_host(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("redis:\n  a:\n    redis_port: 6380\n  b:\n    redis_port: 0\n")
    fleet = read_fleet(tmp_path)
    assert settings_of(fleet, "a").redis_port == 6380
    with pytest.raises(NoevictError, match=r"^b: redis_port: .*, got 0 \(hosts.yml:5\)$"):
        settings_of(fleet, "b")
    with pytest.raises(NoevictError, match=r"^b: redis_port: "):
        check_fleet(fleet)


def test_hosts_and_their_settings_are_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("redis:\n  a:\n    redis_port: 6380\n  b:\n")
    fleet, settings = read_settings(tmp_path)
    assert list(fleet.hosts) == ["a", "b"]
    assert [settings[host].redis_port for host in fleet.hosts] == [6380, 6379]


def mistakes_in(data: dict[str, object]) -> tuple[str, ...]:
    try:
        build_settings("a", data)
    except NoevictError as error:
        return error.lines
    return ()


texts = st.text(st.sampled_from("aB1.-_*:%[]/ é@"), max_size=20) | st.ip_addresses().map(str)


@given(texts)
def test_every_name_taken_is_one_a_certificate_can_hold(name: str) -> None:
    for given_ in ({"redis_tls_names": [name]}, {"redis_address": name}):
        assert normalise(name) is not None or len(mistakes_in(given_)) == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)
settings_names = st.sampled_from(list(Settings.model_fields)) | st.text().map("redis_".__add__)


@given(st.dictionaries(settings_names, anything))
def test_any_data_gives_settings_or_mistakes_on_one_line_each(data: dict[str, object]) -> None:
    for line in mistakes_in(data):
        assert line.startswith("a: ")
        assert ": should be " in line or ": unknown setting" in line
        assert line.isprintable()
