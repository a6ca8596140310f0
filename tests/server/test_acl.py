"""ACL users on real servers: the file loads, the comparison is the server's own truth, repairs hurt nobody else."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from noevict.acl.diff import AclDifference, differences, repair_commands, unknown_words
from noevict.acl.profiles import User, render_acl, wanted_users
from noevict.acl.rules import CATEGORIES, Catalogue, Selector, canonical, words
from noevict.engines.engine import Server
from tests.lab.servers import Binary, Running
from tests.server.conftest import StartServer
from tests.server.permitted_commands import FREE, catalogue_of, dry_run

PASSWORDS = {
    name: f"password-of-{name}"
    for name in ("admin", "app", "exporter", "health", "legacy", "reports", "viewer")
}
DIGESTS = {name: hashlib.sha256(password.encode()).hexdigest() for name, password in PASSWORDS.items()}
SETTING: dict[str, Any] = {
    "legacy": {"profile": "app", "keys": ["old:*", "new:*"], "channels": ["old"]},
    "reports": "%R~stats:* &news:* -@all +@read -@dangerous +config|get +select|0 +client|id (~tmp:* +set +get)",
    "viewer": "readonly",
}


def names(found: Iterable[AclDifference]) -> set[str]:
    return {each.user for each in found}


OTHER = hashlib.sha256(b"another").hexdigest()

# One thing done by hand, and what is then reported of whom.
TAMPERINGS: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "a user added": (("SETUSER", "eve", "on", "nopass", "~*", "+@all"), ("eve", "extra")),
    "a user removed": (("DELUSER", "viewer"), ("viewer", "missing")),
    "default switched on": (("SETUSER", "default", "on"), ("default", "state")),
    "a user switched off": (("SETUSER", "viewer", "off"), ("viewer", "state")),
    "default without a password": (("SETUSER", "default", "nopass"), ("default", "passwords")),
    "another password": (("SETUSER", "viewer", "resetpass", f"#{OTHER}"), ("viewer", "passwords")),
    "a second password": (("SETUSER", "app", f"#{OTHER}"), ("app", "passwords")),
    "all commands": (("SETUSER", "app", "+@all"), ("app", "commands")),
    "one command more": (("SETUSER", "app", "+flushall"), ("app", "commands")),
    "one subcommand more": (("SETUSER", "app", "+client|kill"), ("app", "commands")),
    "one command less": (("SETUSER", "app", "-evalsha"), ("app", "commands")),
    "a first argument more": (("SETUSER", "reports", "+select|1"), ("reports", "commands")),
    "admin without a command": (("SETUSER", "admin", "-monitor"), ("admin", "commands")),
    "a key pattern removed": (("SETUSER", "legacy", "resetkeys", "~old:*"), ("legacy", "keys")),
    "a key pattern widened": (("SETUSER", "reports", "%W~stats:*"), ("reports", "keys")),
    "all channels": (("SETUSER", "legacy", "resetchannels", "&*"), ("legacy", "channels")),
    "a selector added": (("SETUSER", "viewer", "(~* +set)"), ("viewer", "selectors")),
    "payloads unchecked": (("SETUSER", "app", "skip-sanitize-payload"), ("app", "payload")),
}


@pytest.fixture
def managed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Running:
    """A server started with the rendered file; its own client is admin."""
    acl = tmp_path / "users.acl"
    acl.write_text(render_acl(wanted_users(SETTING, DIGESTS, binary.server)))
    admin = {"username": "admin", "password": PASSWORDS["admin"]}
    return start_server(binary, None, "--aclfile", str(acl), client=admin)


def compare(server: Running, catalogue: Catalogue) -> tuple[AclDifference, ...]:
    wanted = wanted_users(SETTING, DIGESTS, server.server)
    return differences(wanted, server.redis.acl_list(), catalogue)


def reload(server: Running) -> None:
    """ACL LOAD, after which Redis 7.0 closes every connection, this one included."""
    server.redis.acl_load()
    server.redis.connection_pool.disconnect()


def as_user(server: Running, name: str) -> "redis.Redis":
    return server.client(username=name, password=PASSWORDS[name], single_connection_client=True)


def test_the_rendered_file_loads_and_nothing_differs(managed: Running) -> None:
    assert compare(managed, catalogue_of(managed)) == ()
    reload(managed)
    assert compare(managed, catalogue_of(managed)) == ()
    with pytest.raises(redis.AuthenticationError):
        managed.client(username=None, password=None).ping()


def test_the_file_saved_by_the_server_itself_differs_in_nothing(managed: Running) -> None:
    managed.redis.acl_save()
    reload(managed)
    assert compare(managed, catalogue_of(managed)) == ()


def test_each_tampering_is_one_difference_and_its_repair_disconnects_nobody_else(managed: Running) -> None:
    catalogue = catalogue_of(managed)
    clients = {name: as_user(managed, name) for name in ("admin", "app", "legacy", "reports")}
    listener = clients["legacy"].pubsub()
    listener.subscribe("old")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    before = {name: client.client_id() for name, client in clients.items()}
    for what, (command, reported) in TAMPERINGS.items():
        if reported[1] == "payload" and managed.server >= Server("valkey", (9, 0, 0)):
            continue  # it takes the word and forgets it
        managed.redis.execute_command("ACL", *command)
        found = compare(managed, catalogue)
        assert [(each.user, each.aspect) for each in found] == [reported], what
        with managed.redis.pipeline(transaction=True) as pipeline:
            for repair in repair_commands(wanted_users(SETTING, DIGESTS, managed.server), names(found)):
                pipeline.execute_command(*repair)
            pipeline.execute()
        assert compare(managed, catalogue) == (), what
    assert {name: client.client_id() for name, client in clients.items()} == before
    clients["app"].publish("old", "still here")
    assert listener.get_message(timeout=5)["data"] == "still here"


def test_a_server_with_its_first_users_is_repaired_in_one_go(server: Running) -> None:
    wanted = wanted_users(SETTING, DIGESTS, server.server)
    catalogue = catalogue_of(server)
    found = differences(wanted, server.redis.acl_list(), catalogue)
    open_to_all = {"state", "passwords"}
    assert {each.aspect for each in found if each.user == "default"} == open_to_all
    with server.redis.pipeline(transaction=True) as pipeline:
        for repair in repair_commands(wanted, names(found), me="default"):
            pipeline.execute_command(*repair)
        pipeline.execute()
    assert differences(wanted, as_user(server, "admin").acl_list(), catalogue) == ()
    with pytest.raises(redis.AuthenticationError):
        server.client().ping()


def test_a_user_that_is_to_go_can_repair_all_users(server: Running) -> None:
    server.redis.acl_setuser("eve", enabled=True, nopass=True, keys=["*"], categories=["+@all"])
    eve = server.client(username="eve", password="x", single_connection_client=True)
    wanted = wanted_users(SETTING, DIGESTS, server.server)
    catalogue = catalogue_of(server)
    with eve.pipeline(transaction=True) as pipeline:
        for repair in repair_commands(
            wanted, names(differences(wanted, eve.acl_list(), catalogue)), me="eve"
        ):
            pipeline.execute_command(*repair)
        pipeline.execute()
    assert differences(wanted, as_user(server, "admin").acl_list(), catalogue) == ()


def test_databases_are_compared_if_users_have_them(binary: Binary, managed: Running) -> None:
    if binary.server.engine == "redis" or binary.server.version < (9, 1, 0):
        with pytest.raises(redis.ResponseError, match="Syntax error"):
            managed.redis.execute_command("ACL", "SETUSER", "app", "db=1")
        return
    managed.redis.execute_command("ACL", "SETUSER", "app", "db=1,2")
    (found,) = compare(managed, catalogue_of(managed))
    assert (found.aspect, found.wanted, found.found) == ("databases", "alldbs", "1 2")


def test_words_a_release_does_not_know_are_named_before_it_refuses_the_file(server: Running) -> None:
    user = User(
        "x", True, "~a resetchannels -@all +client|setinfo +@read +config|get +select|0 +nosuch|x -hello"
    )
    unknown = unknown_words(user, catalogue_of(server))
    assert unknown == (("+client|setinfo",) if server.server.version < (7, 2, 0) else ()) + ("+nosuch|x",)
    for word in unknown:
        with pytest.raises(redis.ResponseError, match="Unknown command"):
            server.redis.execute_command("ACL", "SETUSER", "x", word)


def test_transactions_and_scripts_are_there_after_a_restart(
    binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    acl = tmp_path / "users.acl"
    acl.write_text(render_acl(wanted_users({}, DIGESTS, binary.server)))
    admin = {"username": "admin", "password": PASSWORDS["admin"]}
    server = start_server(binary, None, "--aclfile", str(acl), "--appendonly", "yes", client=admin)
    app = as_user(server, "app")
    with app.pipeline(transaction=True) as pipeline:
        pipeline.set("transaction:1", 1).set("transaction:2", 1).execute()
    app.eval(
        "redis.call('set', KEYS[1], 1) redis.call('xadd', KEYS[2], '*', 'a', 1)", 2, "script:1", "script:2"
    )
    server.restart()
    assert sorted(server.redis.keys()) == ["script:1", "script:2", "transaction:1", "transaction:2"]
    for anybody in ({}, {"username": "default", "password": ""}):
        with pytest.raises(redis.AuthenticationError):
            server.client(**{"username": None, "password": None, **anybody}).ping()


def test_connections_of_default_end_when_it_is_switched_off(managed: Running) -> None:
    managed.redis.execute_command("ACL", "SETUSER", "default", "on", "nopass")
    anybody = managed.client(username=None, password=None, single_connection_client=True)
    assert anybody.ping()
    with managed.redis.pipeline(transaction=True) as pipeline:
        for repair in repair_commands(
            wanted_users(SETTING, DIGESTS, managed.server), names(compare(managed, catalogue_of(managed)))
        ):
            pipeline.execute_command(*repair)
        pipeline.execute()
    with pytest.raises(redis.ConnectionError):
        anybody.ping()


# --- the server's own truth ---


def test_rules_allow_what_the_server_allows(server: Running) -> None:
    catalogue = catalogue_of(server)
    ask = dry_run(server, catalogue, "tmp")
    parents = sorted({name.partition("|")[0] for name in catalogue.commands})
    names = st.one_of(
        st.sampled_from([f"@{name}" for name in (*CATEGORIES, "all")]),
        st.sampled_from(parents),
        st.sampled_from(sorted(catalogue.commands)),
    )
    word = st.one_of(
        st.builds("{}{}".format, st.sampled_from("+-"), names),
        st.sampled_from(["+select|0", "+select|1", "+get|x", "allcommands", "nocommands", "+@all", "-@all"]),
    )

    @settings(max_examples=40, deadline=None)
    @given(st.lists(word, max_size=10))
    def check(rule: list[str]) -> None:
        server.redis.execute_command("ACL", "SETUSER", "tmp", "reset", "~*", "&*", *rule)
        mine = set(Selector.read(rule, catalogue).commands) - FREE
        theirs = ask()
        assert {name for name in mine if name in catalogue.commands} | (
            {"select"} if "select|0" in mine else set()
        ) == theirs

    check()
    server.redis.acl_deluser("tmp")


def test_what_acl_list_prints_means_what_was_asked(server: Running) -> None:
    catalogue = catalogue_of(server)
    commands = st.builds(
        "{}{}".format,
        st.sampled_from("+-"),
        st.sampled_from([*(f"@{name}" for name in CATEGORIES), *sorted(catalogue.commands)]),
    )
    pattern = st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*)\"'"), min_size=1, max_size=4
    )
    keys = st.builds("{}{}".format, st.sampled_from(["~", "%R~", "%W~", "%RW~"]), pattern)
    plain = st.one_of(commands, keys, st.builds("&{}".format, pattern), st.just("+select|0"))
    selector = st.builds(lambda rule: f"({' '.join(rule)})", st.lists(plain, max_size=3))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.one_of(plain, plain, selector), max_size=8))
    def check(rule: list[str]) -> None:
        user = User("tmp", True, canonical(rule), (OTHER,))
        server.redis.execute_command("ACL", "SETUSER", "tmp", "reset", "on", f"#{OTHER}", *rule)
        line = next(line for line in server.redis.acl_list() if line.startswith("user tmp "))
        assert differences([user], [line], catalogue) == ()
        server.redis.execute_command("ACL", "SETUSER", "tmp", "reset", *user.words)
        line = next(line for line in server.redis.acl_list() if line.startswith("user tmp "))
        assert differences([user], [line], catalogue) == ()

    check()


# --- the profiles ---

REFUSED = """ACL LIST;ACL SETUSER app +@all;BGREWRITEAOF;BGSAVE;CLIENT KILL ID 1;CLIENT PAUSE 1;CLIENT NO-EVICT on
CLUSTER INFO;CONFIG GET *;CONFIG SET hz 10;CONFIG REWRITE;FAILOVER;FLUSHALL;FLUSHDB;FUNCTION FLUSH
FUNCTION DELETE x;FUNCTION RESTORE x;KEYS *;LATENCY RESET;MIGRATE h 1 k 0 1;MODULE LIST;MONITOR
PSYNC ? -1;REPLICAOF no one;REPLICAOF h 1;RESTORE k 0 x;SAVE;SCRIPT FLUSH;SCRIPT KILL;SCRIPT DEBUG YES;SHUTDOWN
SLAVEOF no one;SLOWLOG GET;SWAPDB 0 1;SYNC"""


@pytest.mark.parametrize("name", ["app", "viewer"])
def test_what_could_hurt_the_whole_server_is_refused(managed: Running, name: str) -> None:
    client = as_user(managed, name)
    for command in REFUSED.replace("\n", ";").split(";"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())
    for command in (
        "DEBUG SLEEP 0",
        "MODULE LOAD /x.so",
    ):  # refused to everybody, before rights are looked at
        with pytest.raises(redis.ResponseError):
            client.execute_command(*command.split())


def test_app_has_every_data_command_and_nothing_for_administrators(managed: Running) -> None:
    catalogue = catalogue_of(managed)
    members = dict(catalogue.categories)
    (app,) = (user for user in wanted_users({}, DIGESTS, managed.server) if user.name == "app")
    allowed = Selector.read(words(app.rules), catalogue).commands
    assert allowed & members["dangerous"] == {"info", "client|list"}
    assert not allowed & members["admin"] - {"client|list"}
    data = members["read"] | members["write"] | members["transaction"] | members["pubsub"]
    kept = {"function|delete", "function|flush", "function|restore"}
    assert data - members["dangerous"] - allowed == kept


def test_readonly_changes_nothing(managed: Running) -> None:
    catalogue = catalogue_of(managed)
    members = dict(catalogue.categories)
    (viewer,) = (user for user in wanted_users(SETTING, DIGESTS, managed.server) if user.name == "viewer")
    allowed = Selector.read(words(viewer.rules), catalogue).commands
    assert not allowed & (
        members["write"] | members["admin"] | {"publish", "spublish", "eval", "evalsha", "fcall"}
    )
    assert members["read"] - members["dangerous"] <= allowed


def test_the_ordinary_work_of_an_app_is_refused_nothing(managed: Running) -> None:
    managed.redis.acl_log_reset()
    client = as_user(managed, "app")
    _cache_and_sessions(client)
    _scripts_and_streams(client)
    _messages(managed)
    with client.lock("lock:order", timeout=10):
        assert client.ttl("lock:order") in range(11)
    assert managed.redis.acl_log() == []


def _cache_and_sessions(client: "redis.Redis") -> None:
    client.client_setname("app-1")
    client.set("cache:a", "1", ex=60)
    client.mset({"cache:b": "2", "sess:1": "{}"})
    client.expire("sess:1", 3600)
    client.hset("user:1", mapping={"name": "x", "age": "1"})
    assert client.hincrby("user:1", "age") == 2
    assert client.set("cache:a", "3", nx=True) is None
    with client.pipeline() as pipeline:
        pipeline.watch("cache:b")
        pipeline.multi()
        pipeline.incr("cache:b")
        assert pipeline.execute() == [3]
    keys = list(client.scan_iter("cache:*"))
    assert client.unlink(*keys) == 2
    assert client.memory_usage("sess:1")
    assert client.object("encoding", "sess:1")
    assert client.info("memory")["maxmemory_policy"]
    assert client.time()
    assert client.dbsize()
    assert client.client_list()
    assert client.wait(0, 10) == 0


def _scripts_and_streams(client: "redis.Redis") -> None:
    assert client.register_script("return redis.call('TIME')[1]")()
    assert client.function_load(
        "#!lua name=app\nredis.register_function('one', function() return 1 end)", replace=True
    )
    assert client.fcall("one", 0) == 1
    client.xgroup_create("stream", "group", mkstream=True)
    client.xadd("stream", {"k": "v"})
    assert client.xreadgroup("group", "me", {"stream": ">"}, block=1000)
    client.zadd("board", {"a": 1})
    assert client.bzpopmin("board", timeout=1)
    client.lpush("queue", "job")
    assert client.blmove("queue", "busy", 1)


def _messages(server: Running) -> None:
    sender, receiver = (as_user(server, "app") for _ in range(2))
    with receiver.pubsub() as messages:
        messages.psubscribe("news:*")
        assert messages.get_message(timeout=5)["type"] == "psubscribe"
        assert sender.publish("news:1", "hello") == 1
        assert sender.pubsub_numpat() == 1
        assert messages.get_message(timeout=5)["data"] == "hello"
