"""Why a host is left alone: each reason, once, in a line that says what to do."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import CertificateBuilder, Name, NameAttribute
from cryptography.x509.oid import NameOID

from noevict.engines.engine import Server
from noevict.machine.found import File, Listener
from noevict.pki.authority import make_ca
from noevict.pki.certificate import Certificate, UserCertificate
from noevict.platforms.systemd.preflight import managed as is_managed
from noevict.platforms.systemd.preflight import of_others
from noevict.server.live import Reach
from tests.unit.looks.captured import MANAGED
from tests.unit.looks.managed import Managed, fresh, managed

CONF = "/etc/redis/redis.conf"
PACKAGED = "bind 127.0.0.1 -::1\nport 6379\ndir /var/lib/redis\ndbfilename dump.rdb\n"
DATA = "/var/lib/redis"


def _nameless_ca() -> str:
    """A CA as a company has one: no fleet's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = Name([NameAttribute(NameOID.COMMON_NAME, "Example Corp Root")])
    builder = CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    now = datetime.now(UTC)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


NAMELESS_CA = _nameless_ca()


def foreign(**live: Any) -> Managed:
    """A Redis that somebody else set up on a Debian 13: plaintext, RDB only, 20,000 keys, two clients."""
    host = managed("trixie")
    without = {
        path: file for path, file in host.state.files.items() if "noevict" not in path and "tls" not in path
    }
    config = {**host.state.live.config, "appendonly": "no", "port": "6379", "tls-port": "0"}
    info = {**host.state.live.info, "db0": {"keys": 20000}, "connected_clients": 3}
    reported = {"reach": Reach.PLAINTEXT, "user": "default", "open": True, "certificate": None, "config": config,
            "acl": ("user default on nopass sanitize-payload ~* &* +@all",), "info": info}  # fmt: skip
    host = host.but(reported | live, conf=PACKAGED, files=without, ca=None, certificate=None, key_digest=None)
    return host.but(diversion=None)


def stopped(host: Managed, *data: str, conf: str = PACKAGED) -> Managed:
    """The same, its server not running; with files in the data directory."""
    files = {
        f"{DATA}/{name}": File(f"{DATA}/{name}", "regular file", "redis", "redis", "660") for name in data
    }
    reported = {
        "reach": Reach.NOT_RUNNING,
        "user": "",
        "open": False,
        "server": None,
        "config": {},
        "acl": (),
        "info": {},
    }
    return host.but(reported, conf=conf, data=files, listeners=(), pid=0)


def other_secrets(host: Managed) -> Managed:
    """Another checkout, with secrets of its own, that the host's server does not take."""
    return replace(host, secrets=replace(host.secrets, ca=make_ca(host.now)))


def refused_us(host: Managed) -> Managed:
    return host.but(
        {"reach": Reach.REFUSED, "why": "WRONGPASS", "user": "", "server": None, "certificate": None},
        aof_open=True,
    )


def listener(port: int, address: str = "10.0.0.5") -> Callable[[Managed], Managed]:
    return lambda host: host.but(listeners=(*host.state.listeners, Listener(False, address, port, "-")))


def another_os(*os: str) -> Callable[[Managed], Managed]:
    return lambda host: host.but(os=os)


Case = tuple[Callable[[Managed], Managed], tuple[str, ...]]

# What is so on a provisioned host -> what the one line says.
REASONS: Mapping[str, Case] = {
    "neither root nor sudo": (
        lambda host: host.but(root=False),
        ("as root, or as a user with sudo", "_sudo: true"),
    ),
    "Debian 11": (another_os("debian", "11", "bullseye"), ("Debian 12 or later", "runs debian 11")),
    "Ubuntu 22.04": (another_os("ubuntu", "22.04", "jammy"), ("Ubuntu 24.04 or later", "runs ubuntu 22.04")),
    "another distribution": (another_os("fedora", "40", ""), ("Debian 12 or later", "runs fedora 40")),
    "no distribution": (another_os("", "", ""), ("Debian 12 or later",)),
    "Sentinel": (
        lambda host: host.but(processes=(*host.state.machine.processes, "77 redis-sentinel sentinel")),
        ("runs Sentinel",),
    ),
    "its port is another program's": (
        listener(6379),
        ("port 6379 is in use on 10.0.0.5", "not redis-server.service", "redis_port"),
    ),
    "an address that it does not have": (
        lambda host: host.but_set(redis_bind="127.0.0.1 10.9.9.9 -10.9.9.8"),
        ("redis_bind: should be addresses that this host has, got 10.9.9.9:", "would not start", "-10.9.9.9"),
    ),
    "a port of root's": (
        lambda host: host.but_set(redis_port=443),
        (
            "redis_port: should be 1024 or more, got 443",
            "on this host the server may not listen on lower ports",
        ),
    ),
    "a plaintext port of root's": (
        lambda host: host.but_set(redis_plaintext_port=80),
        ("redis_plaintext_port: should be 1024 or more, got 80",),
    ),
    "it could not be reached": (
        lambda host: host.but(
            {"reach": Reach.UNREACHED, "why": "connection reset", "user": "", "server": None}
        ),
        ("is running but could not be looked at: connection reset",),
    ),
    "a replica": (lambda host: host.but_info(role="slave"), ("is a replica", "noevict never changes roles")),
    "has a replica": (
        lambda host: host.but_info(connected_slaves=2),
        ("has 2 replicas", "only manages standalone servers"),
    ),
    "Cluster": (lambda host: host.but_info(cluster_enabled=1), ("runs Cluster",)),
    "more in use than it would have": (
        lambda host: host.but_info(used_memory=1601 << 20).but_config(maxmemory="0"),
        ("redis_maxmemory: 1600 MiB would be below the 1601 MiB in use", "every write would fail"),
    ),
    "a command that the server does not know": (
        lambda host: host.but_set(redis_users={"jobs": "~* +get +no-such-command"}),
        ("redis_users: jobs: Redis 8.0.2 does not know +no-such-command",),
    ),
    "an old release": (
        lambda host: host.but({"server": Server("redis", (6, 0, 16))}),
        ("runs Redis 6.0.16: should be 7.0 or later",),
    ),
    "its data elsewhere": (
        lambda host: host.but_config(dir="/mnt/redis").but_info(db0={"keys": 1}),
        ("its dir is /mnt/redis, noevict's is /var/lib/redis", "would not be found"),
    ),
    "its append-only files elsewhere": (
        lambda host: host.but_config(appenddirname="aof").but_info(db0={"keys": 1}),
        ("its appenddirname is aof",),
    ),
    "its RDB file elsewhere, with nothing else": (
        lambda host: (
            host.but_set(redis_appendonly=False)
            .but_config(appendonly="no", dbfilename="queue.rdb")
            .but_info(db0={"keys": 1})
        ),
        ("its dbfilename is queue.rdb",),
    ),
    "keys beyond its databases": (
        lambda host: host.but_info(db20={"keys": 3}),
        ("has keys in db20", "would have 16 databases", "redis_config databases"),
    ),
    "no memory": (lambda host: host.but(limits=(1 << 20,)), ("redis_maxmemory_percent", "1 MiB or more")),
    "our admin refused, and keys that are in memory alone": (
        lambda host: refused_us(host).but(aof_open=False),
        ("rejects the password of admin", "a restart may lose keys", "secrets/users.yml"),
    ),
    "data of a later release, not running": (
        lambda host: stopped(
            host.but_package("redis-server", "5:7.0.15-1"), "appendonlydir/appendonly.aof.manifest"
        ).but(rdb={"base": 12}),
        (
            "Redis 7.0.15 does not read its data, which is in RDB version 12",
            "install the release that wrote it",
        ),
    ),
    "its directory removed": (
        lambda host: host.but_config(dir="").but_info(db0={"keys": 7}),
        ("was removed", "7 keys are only in memory", "do not stop it"),
    ),
    "other secrets": (
        lambda host: other_secrets(refused_us(host)),
        ("is managed with other secrets", "set NOEVICT_SECRETS to a copy of those it was made with"),
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_host_is_left_alone_for_a_reason_that_is_reported_in_one_line(reason: str) -> None:
    change, words = REASONS[reason]
    plan = change(managed("trixie")).plan
    # Memory that is refused is refused for what is in use as well.
    line = plan.refusals[0]
    assert reason == "no memory" or len(plan.refusals) == 1
    assert all(word in line for word in words), line
    assert "\n" not in line
    assert plan.changes == ()


FINE: Mapping[str, Callable[[Managed], Managed]] = {
    "Debian 13": another_os("debian", "13", "trixie"),
    "Debian's next release, which has no number yet": another_os("debian", "", "forky"),
    "Ubuntu 24.04": another_os("ubuntu", "24.04", "noble"),
    "another program on another port": listener(8080),
    "an address that may come later": lambda host: host.but_set(redis_bind="127.0.0.1 -10.9.9.9"),
    "an address that it has, though another than a private one": lambda host: host.but_set(
        redis_bind="127.0.0.1 169.254.7.7"
    ).but(other_addresses=frozenset({"169.254.7.7"})),
    "the first port that anybody may bind": lambda host: host.but_set(redis_port=443).but(first_port=443),
    "all of the memory in use": lambda host: host.but_info(used_memory=1600 << 20),
    "a server of noevict's with keys and clients": lambda host: host.but_info(
        db0={"keys": 5}, connected_clients=90
    ),
    "an empty server with another directory": lambda host: host.but_config(dir="/mnt/redis"),
    "another RDB file, and AOF": lambda host: host.but_config(dbfilename="q.rdb").but_info(db0={"keys": 1}),
    "keys in the last database": lambda host: host.but_info(db15={"keys": 3}),
    "our CA, and our password is refused: it was changed by hand": refused_us,
    "other secrets that have the same admin": other_secrets,
}


@pytest.mark.parametrize("case", FINE)
def test_a_host_is_not_left_alone_without_a_reason(case: str) -> None:
    assert FINE[case](managed("trixie")).plan.refusals == ()


def test_a_plaintext_port_that_is_another_programs_is_a_reason() -> None:
    host = listener(6400)(managed("trixie"))
    assert host.plan.refusals == ()
    [line] = host.but_set(redis_plaintext_port=6400).plan.refusals
    assert "port 6400 is in use" in line


def test_debian_12_has_no_valkey() -> None:
    host = fresh(redis_engine="valkey").but(os=("debian", "12", "bookworm"))
    assert host.plan.refusals == ('redis_engine: should be "redis": Debian 12 has no Valkey',)


@pytest.mark.parametrize("name", MANAGED)
def test_a_host_is_known_as_managed_by_its_redis_conf_or_its_drop_in(name: str) -> None:
    host = managed(name)
    assert is_managed(host.state, host.target.layout)
    assert is_managed(host.but(conf=PACKAGED).state, host.target.layout)
    assert is_managed(host.but_file(host.layout.dropin, gone=True).state, host.target.layout)
    assert not is_managed(
        host.but_file(host.layout.dropin, gone=True).but(conf=PACKAGED).state, host.target.layout
    )
    assert not is_managed(fresh().state, fresh().target.layout)


# --- a managed host and other secrets ----------------------------------------------------------------------------


def test_the_ca_of_such_a_host_is_reported_by_its_fingerprint() -> None:
    host = other_secrets(refused_us(managed("trixie")))
    theirs = Certificate.parse(host.state.ca or "")
    assert theirs is not None
    [line] = host.plan.refusals
    assert theirs.fingerprint in line


def test_a_server_that_does_not_run_shows_by_its_users_whose_it_is() -> None:
    ours = other_secrets(managed("trixie")).but({"reach": Reach.NOT_RUNNING, "user": "", "server": None})
    assert ours.plan.refusals == ()
    [line] = ours.but_file("/etc/redis/users.acl", sha256="0" * 64).plan.refusals
    assert "other secrets" in line


def test_beside_the_users_own_ca_the_fleets_is_found() -> None:
    host = refused_us(managed("trixie"))
    both = make_ca(host.now).certificate_pem + (host.state.ca or "")
    assert host.but(ca=both).plan.refusals == ()
    [line] = other_secrets(host).but(ca=both).plan.refusals
    assert host.secrets.ca.fingerprint in line


def test_a_bundle_of_cas_is_not_taken_for_another_fleet() -> None:
    host = refused_us(managed("trixie"))
    ours, corporate, other = host.state.ca or "", NAMELESS_CA, make_ca(host.now).certificate_pem
    # Whoever adds to ours, or puts another in its place: the host's certificate is still signed by ours.
    for bundle in (ours + corporate, corporate + ours + corporate, corporate, ours + other, other):
        assert host.but(ca=bundle).plan.refusals == (), bundle
    # A certificate of the user's own does not show that: the fleet's is ours, or there is none.
    bare = host.but(certificate=corporate)
    for bundle in (ours + corporate, corporate + ours):
        assert bare.but(ca=bundle).plan.refusals == (), bundle


def test_of_a_bundle_the_fleets_ca_is_reported_and_not_the_last_one() -> None:
    host = refused_us(managed("trixie"))
    theirs = make_ca(host.now)
    for bundle in (
        theirs.certificate_pem + NAMELESS_CA,
        NAMELESS_CA + theirs.certificate_pem,
        # A fleet of somebody else's that trusts ours, as one of its users' CAs.
        (host.state.ca or "") + theirs.certificate_pem,
    ):
        [line] = host.but(ca=bundle, certificate=NAMELESS_CA).plan.refusals
        assert theirs.fingerprint in line


def test_a_host_of_other_secrets_says_what_is_wrong_with_these_and_its_fingerprint_last() -> None:
    host = refused_us(managed("trixie"))
    ours = Certificate.parse(host.state.ca or "")
    assert ours
    other = other_secrets(host)
    copy = "set NOEVICT_SECRETS to a copy of those it was made with"
    assert other.plan.refusals == (
        f"is managed with other secrets than {host.secrets.path}: {copy}; its CA is {ours.fingerprint}",
    )
    none = replace(other, secrets=replace(other.secrets, no_ca="it does not exist"))
    assert none.plan.refusals == (
        f"is managed with other secrets: {host.secrets.path} has no CA (it does not exist): {copy}; "
        f"its CA is {ours.fingerprint}",
    )


def test_a_users_own_ca_is_no_fleets_whatever_else_is_lost() -> None:
    host = refused_us(managed("trixie"))
    leaf = Certificate.parse(NAMELESS_CA)
    assert leaf
    own = replace(host, own=UserCertificate(leaf, NAMELESS_CA, NAMELESS_CA, "key"))
    assert own.but(ca=NAMELESS_CA, certificate=NAMELESS_CA).plan.refusals == ()
    # Without that setting it may be the CA of a fleet that was named by hand.
    [line] = host.but(ca=NAMELESS_CA, certificate=NAMELESS_CA).plan.refusals
    assert leaf.fingerprint in line


def test_a_host_whose_other_engine_is_another_fleets_is_of_others() -> None:
    old = refused_us(managed("trixie"))
    new = fresh(redis_engine="valkey").but(other_engine=True, predecessor=old.state)

    def reasons(host: Managed) -> list[str]:
        return list(of_others(host.state, host.target, host.secrets))

    assert reasons(replace(new, secrets=old.secrets)) == []
    [line] = reasons(new)  # whose secrets are others
    assert line.startswith("is managed with other secrets")
    stopped_ = old.but({"reach": Reach.NOT_RUNNING, "user": ""})
    assert reasons(new.but(predecessor=stopped_.state)) == [line]
    logged_in = old.but({"reach": Reach.TLS, "user": "admin"})
    assert reasons(new.but(predecessor=logged_in.state)) == []


def test_a_managed_server_that_lost_our_admin_is_still_ours() -> None:
    """Whoever opened it to everybody: it is put right, not taken for somebody else's."""
    host = (
        managed("trixie")
        .but({"user": "default", "open": True})
        .but_info(db0={"keys": 9}, connected_clients=8)
    )
    plan = host.plan
    assert plan.refusals == ()
    assert [str(change.how) for change in plan.changes] == ["restart"]


# --- a Redis that somebody else set up ---------------------------------------------------------------------------


def test_a_redis_with_keys_that_noevict_did_not_set_up_is_refused_with_what_would_change() -> None:
    host = (
        foreign()
        .but_config(maxmemory_policy="allkeys-lru", timeout="300")
        .but_acl("user worker on nopass ~* +@all")
    )
    first, *report = host.plan.refusals
    assert first.startswith("runs a Redis that noevict did not set up, with 20000 keys and 2 clients. ")
    assert "redis_takeover = True" in first
    text = "\n".join(report)
    assert "TLS: only on port 6379" in text
    assert "password: as user app" in text
    assert "ACL users removed: worker (to keep them: redis_users)" in text
    assert "maxmemory-policy: allkeys-lru → noeviction" in text
    assert "timeout: 300 → 0" in text
    assert "hz" not in text  # as it is, or its own default
    assert "tls-" not in text


@pytest.mark.parametrize(
    ("default", "reported"),
    [
        ("user default on nopass sanitize-payload ~* &* +@all", True),
        ("user default on #aa ~* &* +@all", False),
        ("user default off nopass ~* &* +@all", False),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_that_clients_without_a_password_cannot_be_kept_is_reported_if_there_may_be_some(
    default: str, reported: bool, kept: bool
) -> None:
    host = foreign(acl=("user worker on nopass ~* +@all", default))
    if kept:
        host = host.but_set(redis_users={"default": "app"})
    text = "\n".join(host.plan.refusals)
    assert ("clients without one are refused, whatever is set" in text) == reported, text
    assert ("as user app with its password" in text) != kept, text


def test_what_the_settings_keep_for_old_clients_is_no_change_for_them() -> None:
    kept = {"redis_plaintext_port": 6380, "redis_users": {"default": "~* &* +@all"}}
    text = "\n".join(foreign().but_set(**kept).plan.refusals)
    assert "TLS" not in text
    assert "password: as" not in text


def test_a_foreign_server_that_has_only_begun_to_load_is_not_an_empty_one() -> None:
    host = foreign().but_info(db0={"keys": 0}, connected_clients=1, loading=1)
    assert "with 0 keys so far, and more to load, and 0 clients. " in host.plan.refusals[0]
    elsewhere = host.but_set(redis_takeover=True).but_config(dir="/srv/redis")
    assert elsewhere.plan.refusals[0].startswith("its dir is /srv/redis")


def test_a_server_too_busy_with_its_start_to_answer_is_for_later() -> None:
    reported = {"reach": Reach.UNREACHED, "why": "timed out", "user": "", "server": None}
    [refusal] = managed("trixie").but(reported, starting=True).plan.refusals
    assert refusal.startswith("Redis is starting, and too busy to answer (timed out): run again")


@pytest.mark.parametrize(
    "info", [{"db0": {"keys": 1}, "connected_clients": 1}, {"db0": {"keys": 0}, "connected_clients": 2}]
)
def test_one_key_or_one_client_is_enough(info: dict[str, object]) -> None:
    assert "did not set up" in foreign().but_info(**info).plan.refusals[0]


def test_an_empty_redis_without_clients_is_taken_as_it_is() -> None:
    assert foreign().but_info(db0={"keys": 0}, connected_clients=1).plan.refusals == ()


def test_a_takeover_that_is_asked_for_is_not_refused() -> None:
    assert foreign().but_set(redis_takeover=True).plan.refusals == ()


@pytest.mark.parametrize("name", ["dir", "appenddirname"])
def test_a_takeover_that_would_not_find_the_data_is_refused_all_the_same(name: str) -> None:
    host = foreign().but_set(redis_takeover=True).but_config(**{name: "/elsewhere"})
    [line] = host.plan.refusals
    assert line.startswith(f"its {name} is /elsewhere")


def test_a_password_that_is_not_ours_is_asked_for() -> None:
    [line] = refused_us(foreign()).plan.refusals
    assert "asks for a password that noevict does not have (WRONGPASS)" in line
    assert "secrets/users.yml as takeover" in line


# --- one that does not run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["dump.rdb", "appendonlydir/appendonly.aof.manifest"])
def test_data_of_a_redis_that_does_not_run_is_not_taken_without_being_asked(file: str) -> None:
    host = stopped(foreign(), file)
    [line] = host.plan.refusals
    assert f"({DATA}/{file})" in line
    assert "redis_takeover = True" in line
    assert host.but_set(redis_takeover=True).plan.refusals == ()


def test_a_package_just_installed_and_stopped_is_no_reason() -> None:
    assert stopped(foreign()).plan.refusals == ()


@pytest.mark.parametrize(
    "line", ["dir /mnt/redis", 'dir "/mnt/redis"', "dbfilename q.rdb", "appenddirname aof"]
)
def test_data_elsewhere_is_not_overlooked_because_its_redis_does_not_run(line: str) -> None:
    for settings in ({}, {"redis_takeover": True}, {"redis_appendonly": False}):
        [reported] = stopped(foreign(), conf=f"{PACKAGED}{line}\n").but_set(**settings).plan.refusals
        assert reported.startswith(f"its redis.conf says {line.split(maxsplit=1)[0]} ")


@pytest.mark.parametrize(
    "line",
    ["dir /srv/redis", "dbfilename jobs.rdb", "appenddirname aof", 'appendfilename "jobs.aof"', "DIR ./data"],
)
def test_data_elsewhere_is_not_overlooked_because_its_managed_redis_does_not_run(line: str) -> None:
    conf = managed("trixie").state.conf
    for settings in ({}, {"redis_appendonly": False}):
        host = stopped(managed("trixie"), "dump.rdb", conf=f"{conf}appendonly no\n{line}\n")
        [reported] = host.but_set(**settings).plan.refusals
        name, value = line.lower().replace('"', "").split()
        assert reported.startswith(f"its redis.conf says {name} {value}, noevict's is ")
        assert reported.endswith(": data there would not be found; move it and put that line right first")


@pytest.mark.parametrize("conf", ["", "port 6379\n", "dir /srv\ndir /var/lib/redis/\n"])
def test_a_managed_redis_conf_that_names_no_other_place_is_put_right(conf: str) -> None:
    assert stopped(managed("trixie"), "dump.rdb", conf=conf).plan.refusals == ()


def test_keys_in_append_only_files_are_not_left_behind_by_turning_aof_off() -> None:
    host = stopped(foreign(), "appendonlydir/appendonly.aof.manifest", conf=f"{PACKAGED}appendonly yes\n")
    assert host.but_set(redis_takeover=True).plan.refusals == ()
    [line] = host.but_set(redis_takeover=True, redis_appendonly=False).plan.refusals
    assert line.startswith("redis_appendonly: should be True while it is not running")


def test_data_that_a_release_of_long_ago_wrote_is_read_by_it_and_later_data_is_not() -> None:
    host = stopped(
        managed("trixie").but_package("redis-server", "5:6.2.7-1"), "appendonlydir/appendonly.aof.manifest"
    )
    assert host.but(rdb={"base": 9}).plan.refusals == ()
    [line] = host.but(rdb={"base": 10}).plan.refusals
    assert line.startswith("Redis 6.2.7 does not read its data, which is in RDB version 10")


def test_a_directory_may_end_with_a_slash() -> None:
    assert stopped(foreign(), conf="dir /var/lib/redis/\n").plan.refusals == ()


ROLES = {
    "replicaof 10.0.0.9 6379": "is a replica",
    "slaveof cache-1 6379": "is a replica",
    "cluster-enabled yes": "Cluster",
}


@pytest.mark.parametrize("line", ROLES)
@pytest.mark.parametrize("start", [PACKAGED, "# noevict manages this file\n"])
def test_a_role_counts_as_well_while_its_redis_does_not_run(line: str, start: str) -> None:
    [reported] = stopped(foreign(), conf=f"{start}{line}\n").plan.refusals
    assert ROLES[line] in reported


def test_a_role_that_was_given_up_does_not_count() -> None:
    assert stopped(foreign(), conf=f"{PACKAGED}replicaof no one\ncluster-enabled no\n").plan.refusals == ()


@pytest.mark.parametrize(
    ("before", "line"),
    [("replicaof no one", "replicaof 10.0.0.9 6379"), ("cluster-enabled no", "cluster-enabled yes")],
)
def test_of_lines_about_a_role_the_last_one_counts(before: str, line: str) -> None:
    [reported] = stopped(foreign(), conf=f"{PACKAGED}{before}\n{line}\n").plan.refusals
    assert ROLES[line] in reported
    assert stopped(foreign(), conf=f"{PACKAGED}{line}\n{before}\n").plan.refusals == ()


def test_no_secret_is_in_a_refusal() -> None:
    host = foreign().but_config(requirepass="(set)", masterauth="(set)")
    host = host.but_acl(f"user worker on #{'a' * 64} ~* +@all")
    text = "\n".join((*host.plan.refusals, *other_secrets(refused_us(managed("trixie"))).plan.refusals))
    assert "a" * 64 not in text
    assert not [password for password in host.secrets.passwords.values() if password in text]
