"""Every directive and every value its kind allows, on real servers of every release.

Rendered, loaded and read back with CONFIG GET a value compares equal, and CONFIG REWRITE leaves the file as it is.
"""

import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noevict.directives import table
from noevict.redisconf import diff as conf_diff
from noevict.redisconf import render as conf
from tests.lab.servers import Binary, StartFailed, free_port
from tests.sampling import sample
from tests.server import directive_values
from tests.server.conftest import StartServer
from tests.server.hypothesis_settings import FEW, MANY
from tests.server.managed_server import Managed, Settings, start_managed, want

_MIB = 1024**2
IPV4, PORT = "127.0.0.{}", "a free port"


@dataclass(frozen=True)
class Asked:
    """Settings of noevict's own (PORT stands for a free one), and what conf.py is handed beside them."""

    settings: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)

    def made(self) -> Settings:
        return Settings(
            **{name: free_port() if value == PORT else value for name, value in self.settings.items()}
        )


POLICIES = table.table()["maxmemory-policy"].measured
SETTINGS = {
    **{f"maxmemory {size}": Asked(how={"maxmemory": size}) for size in
       (1, _MIB, _MIB + 1, 1023 * 1024, 1024**3 - 1, 1024**3, 1500 * _MIB, 2**40 + 1023, 2**63 - 1)},
    **{f"policy {word}": Asked({"redis_maxmemory_policy": word})
       for word in next(iter(POLICIES.values())).kind.words},
    **{f"bind {' '.join(words)}": Asked(how={"bind": words}) for words in (
       ("127.0.0.1",), ("*",), ("*", "-::*"), ("127.0.0.1", "::1"), ("-192.0.2.1", "127.0.0.1"),
       ("127.0.0.1", "-fe80::1%lo", "-2001:DB8::1"))},
    "bind to 16 addresses": Asked(how={"bind": tuple(IPV4.format(number) for number in range(1, 17))}),
    **{f"save '{points}'": Asked({"redis_save": points}) for points in
       ("", "1 0", "1 1", "999999999 999999999", "60 10000 60 10000", "1 2 3 4 5 6 7 8 9 10")},
    **{f"AOF {fsync}": Asked({"redis_appendfsync": fsync}) for fsync in ("always", "everysec", "no")},
    "one client": Asked({"redis_config": {"maxclients": 1}}),
    "no AOF": Asked({"redis_appendonly": False}),
    **{f"clients' certificates {word}": Asked({"redis_tls_auth_clients": word}) for word in ("no", "optional")},
    "a plaintext port": Asked({"redis_plaintext_port": PORT}),
    "the init script": Asked(how={"systemd": False}),
}  # fmt: skip
"""The directives that settings of their own decide about. A server that wants clients' certificates has a test of
its own: every other client of these tests comes without one."""


@pytest.fixture
def served(binary: Binary, start_server: StartServer, tls_files: Path, short_path: Path) -> "Served":
    """Starts servers of one release, one after the other."""
    return Served(binary, start_server, tls_files, short_path)


@dataclass(frozen=True)
class Served:
    binary: Binary
    start_server: StartServer
    tls_files: Path
    directory: Path

    def start(self, asked: Settings, **how: Any) -> Managed:
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        return start_managed(self.start_server, self.binary, self.directory, self.tls_files, asked, **how)

    def stays(self, asked: Settings, **how: Any) -> None:
        """A server with these settings reports them all, and leaves its file as it is."""
        server = self.start(asked, **how)
        try:
            assert server.differences() == (), asked.redis_config
            assert server.rewritten() == server.text, asked.redis_config
            assert conf_diff.file_differences(server.wanted, server.text, self.binary.server) == ()
        finally:
            server.running.end(signal.SIGKILL)

    def all_edges(self) -> dict[str, list[str]]:
        """Directive -> values at the edges of what it takes here."""
        server = self.binary.server
        return {
            name: list(directive_values.edges(name, directive_values.kind_on(name, server)))
            for name in directive_values.tried(server)
        }


@pytest.mark.parametrize("turn", range(20))
def test_all_directives_at_an_edge_of_what_they_take(served: Served, turn: int) -> None:
    edges = served.all_edges()
    assert max(map(len, edges.values())) <= 20  # every edge has its turn
    asked = {name: values[turn % len(values)] for name, values in edges.items()}
    assert {table.problem(name, value, served.binary.server) for name, value in asked.items()} == {None}
    served.stays(Settings(redis_config=asked))


TRIED = [
    name
    for name, row in table.table().items()
    if row.use == "plain" and name not in directive_values.NOT_TRIED
]


@pytest.mark.parametrize("name", sample(TRIED, "oom-score-adj", "maxclients"))
def test_each_edge_of_a_directive_by_itself(served: Served, name: str) -> None:
    for value in served.all_edges().get(name, ()):
        served.stays(Settings(redis_config={name: value}))


@pytest.mark.parametrize("case", SETTINGS)
def test_each_setting_at_an_edge_of_what_it_takes(served: Served, case: str) -> None:
    served.stays(SETTINGS[case].made(), **SETTINGS[case].how)


def test_a_server_that_wants_clients_certificates_keeps_its_file(served: Served) -> None:
    asked = Settings(redis_tls_auth_clients="yes", redis_plaintext_port=free_port())
    served.stays(asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"unixsocket": "{}/s"},
        {"unixsocket": "{}/a socket", "unixsocketperm": "700"},
        {"unixsocket": "{}/it's $(here)", "unixsocketperm": "0777"},
    ],
)
def test_a_socket_beside_the_ports_is_where_it_was_asked_for(served: Served, asked: dict[str, str]) -> None:
    known = (name for name in asked if table.known(name, served.binary.server))
    found = {name: asked[name].format(served.directory) for name in known}
    served.stays(Settings(redis_config=found))


def test_what_debians_servers_cannot_do_is_refused_before_it_is_used(served: Served) -> None:
    with pytest.raises(StartFailed, match="modified Jemalloc"):
        served.start(Settings(redis_config={"activedefrag": True}))


def test_every_plain_directive_but_one_is_tried(binary: Binary) -> None:
    server = binary.server
    plain = {name for name, row in table.table().items() if row.use == "plain" and row.on(server)}
    assert plain - set(directive_values.tried(server)) <= directive_values.NOT_TRIED
    assert all(directive_values.edges(name, directive_values.kind_on(name, server)) for name in plain)


@pytest.fixture
def managed(served: Served) -> Managed:
    """Each release with the default settings."""
    return served.start(Settings())


@settings(FEW, max_examples=40)
@given(data=st.data())
def test_any_values_set_live_read_back_equal_and_render_as_config_rewrite_writes_them(
    managed: Managed, data: st.DataObject
) -> None:
    set_live(managed, data)


@pytest.mark.long
@settings(MANY, max_examples=1500)
@given(data=st.data())
def test_very_many_values_set_live(managed: Managed, data: st.DataObject) -> None:
    set_live(managed, data)


def set_live(managed: Managed, data: st.DataObject) -> None:
    server, client = managed.running.server, managed.running.redis
    names = [name for name in directive_values.tried(server) if table.changes_live(name, server)]
    asked = data.draw(directive_values.configs(names, server, most=5))
    assert [table.problem(name, value, server) for name, value in asked.items()] == [None] * len(asked)
    wished = Settings(redis_port=managed.settings.redis_port, redis_config=asked)
    wanted, text = want(managed.running.binary, managed.layout, wished)
    changed = {name: value for name, value in wanted.items() if value != managed.wanted.get(name)}
    if changed:
        client.config_set(*[item for pair in changed.items() for item in pair])
    try:
        live = client.config_get("*")
        assert {name: live[name] for name in changed} == changed
        assert conf_diff.differences(conf.wanted_live(wanted, server), live, server) == ()
        managed.running.conf.write_text(text)
        assert managed.rewritten() == text
    finally:
        for name in changed:
            client.config_set(name, managed.live[name])


@settings(FEW, max_examples=12)
@given(data=st.data())
def test_any_values_in_the_file_load_and_read_back_equal(served: Served, data: st.DataObject) -> None:
    load(served, data)


@pytest.mark.long
@settings(MANY, max_examples=500)
@given(data=st.data())
def test_very_many_values_in_the_file(served: Served, data: st.DataObject) -> None:
    load(served, data)


def load(served: Served, data: st.DataObject) -> None:
    server = served.binary.server
    served.stays(
        Settings(
            redis_config=data.draw(directive_values.configs(directive_values.tried(server), server, most=20))
        )
    )
