"""A Redis that somebody else set up: refused with a report, taken over on request, and no key is ever lost."""

from dataclasses import dataclass

import pytest

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, assert_clean, deploy
from tests.hosts.manual_changes import (
    apply_changes,
    assert_filled,
    file_states,
    fill,
    install_foreign,
    lines_about,
    plaintext_client,
    wait_until_loaded,
)
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample

KEYS = 20_000
PASSWORD = "open-sesame-of-old"
KINDS: tuple[tuple[str, EngineName], ...] = (("bookworm", "redis"), ("trixie", "redis"), ("trixie", "valkey"))
NAMES = tuple(f"{suite}-{engine}" for suite, engine in KINDS)


@dataclass(frozen=True)
class Foreign:
    """A host that somebody set up before, with its keys."""

    host: Host
    engine: EngineName

    def run_id(self, password: str | None = None) -> str:
        with plaintext_client(self.host, password) as client:
            return str(client.info("server")["run_id"])


def put_takeover(checkout: Checkout, password: str) -> None:
    """As the report says: the old password into secrets/users.yml, secrets/ made if it is missing."""
    checkout.secrets.mkdir(mode=0o700, exist_ok=True)
    users = checkout.secrets / "users.yml"
    users.touch(mode=0o600)
    users.write_text(f"{users.read_text()}takeover: {password}\n")


@pytest.fixture
def foreign(request: pytest.FixtureRequest, boot: Boot) -> Foreign:
    """The host of KINDS that a test asks for, with the lines of redis.conf it asks for, filled."""
    number, lines, password = request.param
    suite, engine = KINDS[number]
    [host] = boot(Spec(suite))
    install_foreign(host, *lines, engine=engine)
    with plaintext_client(host, password) as client:
        fill(client, KEYS)
    return Foreign(host, engine)


# Of each supported release, as the distribution has it: RDB only, no TLS, no password.
every_release = pytest.mark.parametrize(
    "foreign",
    sample({name: (n, (), None) for n, name in enumerate(NAMES)}, NAMES[0], NAMES[2]),
    indirect=True,
)


def refused(checkout: Checkout, foreign: Foreign) -> Result:
    """A run that fails and leaves everything as it was; on the controller no secrets are made either."""
    before, secrets = file_states(foreign.host), checkout.secrets.exists()
    done = checkout.run(*DEPLOY)
    assert done.returncode == 1, done
    assert file_states(foreign.host) == before
    assert checkout.secrets.exists() == secrets
    return done


@every_release
def test_keys_of_a_foreign_server_are_all_there_after_the_take_over(
    foreign: Foreign, checkout: Checkout
) -> None:
    host, engine = foreign.host, LAYOUTS[foreign.engine]
    checkout.list_hosts([host], redis_engine=foreign.engine)
    before = foreign.run_id()
    lines = lines_about(refused(checkout, foreign), host)
    title = f"runs a {engine.title} that noevict did not set up, with {KEYS + 6} keys and 0 clients."
    assert [line for line in lines if line.startswith(title) and "redis_takeover = True" in line], lines
    for start in ("TLS: only on port 6379", "password: as user app", "bind: * -::* → "):
        assert [line for line in lines if line.startswith(start)], lines
    assert foreign.run_id() == before

    checkout.list_hosts([host], redis_engine=foreign.engine, redis_takeover=True)
    deploy(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
    assert_clean(checkout)
    host.run(f"systemctl restart {engine.unit}")
    assert_serving(checkout, host)
    host.reboot()
    assert_serving(checkout, host)
    assert_clean(checkout)


def assert_serving(checkout: Checkout, host: Host) -> None:
    """It comes up by itself, with every key."""
    wait_until_loaded(checkout, host)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)


def test_a_server_with_a_password_is_taken_over_once_it_is_known(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("bookworm")
    lines = (f"requirepass {PASSWORD}", "maxmemory-policy allkeys-lru", "user bob on >bobs ~* +@all")
    install_foreign(host, *lines)
    with plaintext_client(host, PASSWORD) as client:
        fill(client, KEYS)
    foreign = Foreign(host, "redis")
    checkout.list_hosts([host], redis_takeover=True)
    unknown = lines_about(refused(checkout, foreign), host)
    assert [line for line in unknown if "asks for a password that noevict does not have" in line], unknown
    put_takeover(checkout, "not-it")
    wrong = lines_about(refused(checkout, foreign), host)
    assert [line for line in wrong if "asks for a password that noevict does not have" in line], wrong
    assert PASSWORD not in "".join(unknown + wrong)
    (checkout.secrets / "users.yml").unlink()
    put_takeover(checkout, PASSWORD)
    checkout.list_hosts([host])
    report = lines_about(refused(checkout, foreign), host)
    assert "ACL users removed: bob (to keep them: redis_users)" in report
    assert "maxmemory-policy: allkeys-lru → noeviction" in report
    checkout.list_hosts([host], redis_takeover=True)
    deploy(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, KEYS)
        assert client.acl_users() == ["admin", "app", "default", "exporter", "health"]
    assert_clean(checkout)


def test_a_takeover_is_offered_only_to_its_own_host_as_the_user_that_it_names(
    boot: Boot, checkout: Checkout
) -> None:
    """One server has ACL users, of which one is called as ours is, and ``default`` is off; another has a password."""
    users, other = boot("trixie", "bookworm")
    install_foreign(users, "user default off", f"user admin on >{PASSWORD} ~* &* +@all")
    install_foreign(other, "requirepass another")
    with plaintext_client(users, PASSWORD, username="admin") as client:
        fill(client, 100)
    checkout.list_hosts([users, other])
    put_takeover(checkout, f"{{{users.name}: {PASSWORD}}}")
    done = refused(checkout, Foreign(users, "redis"))
    assert [
        line for line in lines_about(done, users) if "asks for a password that noevict does not have" in line
    ], done
    with plaintext_client(other, "another") as client:
        tried = client.acl_log()
    assert [entry for entry in tried if entry["reason"] == "auth"] == []
    (checkout.secrets / "users.yml").unlink()
    put_takeover(checkout, f"{{{users.name}: {{user: admin, password: {PASSWORD}}}}}")
    done = refused(checkout, Foreign(users, "redis"))
    assert [line for line in lines_about(done, users) if "with 106 keys and 0 clients" in line], done
    checkout.list_hosts([users], redis_takeover=True)
    deploy(checkout)
    with admin(checkout, users) as client:
        assert_filled(client, 100)
        assert client.acl_users() == ["admin", "app", "default", "exporter", "health"]
    assert_clean(checkout)


def test_a_server_with_tls_of_its_own_is_taken_over(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    install_foreign(host, f"requirepass {PASSWORD}")
    with plaintext_client(host, PASSWORD) as client:
        fill(client, 100)
    names = "-subj /CN=theirs -addext subjectAltName=DNS:theirs"
    apply_changes(checkout, host, (
        f"cd ETC && openssl req -x509 -newkey rsa:2048 -nodes -keyout own.key -out own.crt {names} 2>/dev/null",
        "chown ENGINE ETC/own.*",
        "printf 'port 0\\ntls-port 6379\\ntls-auth-clients no\\ntls-cert-file ETC/own.crt\\n' >>CONF",
        "printf 'tls-key-file ETC/own.key\\ntls-ca-cert-file ETC/own.crt\\n' >>CONF",
        "systemctl restart UNIT",
    ))  # fmt: skip
    put_takeover(checkout, PASSWORD)
    checkout.list_hosts([host])
    lines = lines_about(refused(checkout, Foreign(host, "redis")), host)
    assert [line for line in lines if "with 106 keys and 0 clients" in line], lines
    checkout.list_hosts([host], redis_takeover=True)
    deploy(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, 100)
    assert_clean(checkout)


@dataclass(frozen=True)
class Legacy:
    """A foreign server whose keys could get lost: its redis.conf, what is done before, whether it runs."""

    id: str
    conf: tuple[str, ...] = ()
    before: tuple[str, ...] = ()  # as ``apply_changes`` takes it, once it is filled
    kept_aside: bool = False  # append-only files of earlier


OLD_AOF = (
    # An AOF of five keys, from when it was on.
    "mkdir /tmp/old && cd /tmp/old && SERVER --port 7000 --appendonly yes --daemonize yes --save '' >/dev/null",
    "for i in 1 2 3 4 5; do until ENGINE-cli -p 7000 set old:$i $i; do sleep 0.1; done; done",
    "ENGINE-cli -p 7000 shutdown; cp -r /tmp/old/appendonlydir DATA/ && chown -R ENGINE:ENGINE DATA/appendonlydir",
)
STOP = "systemctl disable --now UNIT"
LEGACIES = (
    Legacy("nothing on disk", conf=('save ""',)),
    Legacy("old append-only files", before=OLD_AOF, kept_aside=True),
    Legacy("stopped, an RDB file alone", before=(STOP,)),
    Legacy("stopped, AOF on", conf=("appendonly yes", 'save ""'), before=(STOP,)),
    Legacy("stopped, old append-only files", before=(*OLD_AOF, "touch -d -1hour DATA/appendonlydir/*", STOP),
           kept_aside=True),
    Legacy("AOF on, no RDB", conf=("appendonly yes", 'save ""')),
)  # fmt: skip


@pytest.mark.parametrize(
    "legacy",
    sample(
        {legacy.id: legacy for legacy in LEGACIES},
        *("nothing on disk", "stopped, old append-only files", "AOF on, no RDB"),
    ),
)
@pytest.mark.parametrize("appendonly", sample({"AOF": True, "RDB": False}, "AOF"))
def test_no_way_of_keeping_data_loses_a_key(
    boot: Boot, checkout: Checkout, legacy: Legacy, appendonly: bool
) -> None:
    number = LEGACIES.index(legacy) % len(KINDS)
    suite, engine = KINDS[number]
    [host] = boot(suite)
    install_foreign(host, *legacy.conf, engine=engine)
    with plaintext_client(host) as client:
        fill(client, 1000)
    apply_changes(checkout, host, legacy.before, engine)
    settings = {"redis_engine": engine, "redis_appendonly": appendonly}
    checkout.list_hosts([host], **settings)
    refused(checkout, Foreign(host, engine))
    checkout.list_hosts([host], **settings, redis_takeover=True)
    if legacy.id == "stopped, AOF on" and not appendonly:
        lines = lines_about(refused(checkout, Foreign(host, engine)), host)
        assert [line for line in lines if line.startswith("redis_appendonly: should be True while")], lines
        return
    done = deploy(checkout)
    with admin(checkout, host) as client:
        assert_filled(client, 1000)
    kept = host.run(f"cat {LAYOUTS[engine].data}/appendonlydir*/*.aof* | grep -c old: || true").stdout
    assert int(kept) == 5 * legacy.kept_aside, done
    assert_clean(checkout)
    host.run(f"systemctl restart {LAYOUTS[engine].unit}")
    with admin(checkout, host) as client:
        assert_filled(client, 1000)


def test_an_empty_server_that_nobody_uses_is_provisioned(boot: Boot, checkout: Checkout) -> None:
    hosts = boot("bookworm", "trixie")
    for host in hosts:
        install_foreign(host)
    checkout.list_hosts(hosts)
    deploy(checkout)
    assert_clean(checkout)


def test_an_empty_server_with_clients_is_refused(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("trixie")
    install_foreign(host)
    checkout.list_hosts([host])
    with plaintext_client(host) as client:
        assert client.ping()
        lines = lines_about(refused(checkout, Foreign(host, "redis")), host)
    assert [line for line in lines if "with 0 keys and 1 clients" in line], lines
    deploy(checkout)
