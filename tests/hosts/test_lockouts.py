"""A Redis that lets noevict in no further, or its old clients afterwards: one line says what to do, and that works."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis

from noevict.engines.package_layout import LAYOUTS
from noevict.scripts import script
from tests.hosts.conftest import Boot
from tests.hosts.deployment import admin, deploy, wait_for
from tests.hosts.manual_changes import apply_changes, install_foreign, plaintext_client
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample

PASSWORD = "what-the-clients-send-now"
THEIRS = "-subj /CN=theirs -addext subjectAltName=DNS:theirs"
CERTIFICATES = (
    f"cd ETC && openssl req -x509 -newkey rsa:2048 -nodes -keyout own.key -out own.crt {THEIRS} 2>/dev/null",
    "chown ENGINE ETC/own.* && printf 'port 0\\ntls-port 6379\\ntls-auth-clients yes\\n' >>CONF",
    "printf 'tls-cert-file ETC/own.crt\\ntls-key-file ETC/own.key\\ntls-ca-cert-file ETC/own.crt\\n' >>CONF",
)
WITH_TLS = "--tls --cert /etc/redis/own.crt --key /etc/redis/own.key --cacert /etc/redis/own.crt"


@dataclass(frozen=True)
class Closed:
    """A server of somebody else's with a key in it; the line about it; what that line says to do."""

    suite: str
    manual_changes: tuple[str, ...]
    reported: str
    advice: str
    cli: str = ""


CLOSED = {
    "certificates": Closed(
        "trixie",
        CERTIFICATES,
        "it asks for a client certificate of its own CA: run CONFIG SET tls-auth-clients no there",
        f"redis-cli {WITH_TLS} config set tls-auth-clients no",
        WITH_TLS,
    ),
    "renamed": Closed(
        "bookworm",
        ("echo 'rename-command CONFIG \"\"' >>CONF",),
        "its command CONFIG is renamed or disabled: remove rename-command from its redis.conf, stop it with ",
        "sed -i /^rename-command/d /etc/redis/redis.conf; redis-cli shutdown save; systemctl start redis-server",
    ),
    "limited": Closed(
        "trixie",
        (
            "printf 'user default off\\nuser ops on >secret ~* +@read +info\\n' >>CONF",
            "echo 'user all on >all ~* +@all' >>CONF",
        ),
        "User ops has no permissions to run the 'config|get' command: set takeover in secrets/users.yml to a user",
        "true",
        "--no-auth-warning --user all --pass all",
    ),
}


@pytest.fixture(scope="module")
def closed(boot_for_module: Boot, checkout_for_module: Checkout) -> dict[str, Host]:
    hosts = boot_for_module(*(Spec(each.suite, name=name) for name, each in CLOSED.items()))
    named = {host.name: host for host in hosts}

    def prepare(host: Host) -> None:
        each = CLOSED[host.name]
        install_foreign(host)
        apply_changes(checkout_for_module, host, (*each.manual_changes, "systemctl restart UNIT"))
        host.run(f"redis-cli {each.cli} set key value")

    with ThreadPoolExecutor() as pool:
        list(pool.map(prepare, hosts))
    return named


def put_takeover(checkout: Checkout, name: str, value: str) -> None:
    checkout.secrets.mkdir(mode=0o700, exist_ok=True)
    users = checkout.secrets / "users.yml"
    users.touch(mode=0o600)
    users.write_text(f"takeover: {{{name}: {value}}}\n")


def test_a_server_that_keeps_noevict_out_is_reported_with_what_lets_it_in(
    closed: dict[str, Host], checkout_for_module: Checkout
) -> None:
    checkout = checkout_for_module
    checkout.list_hosts(closed.values())
    put_takeover(checkout, "limited", "{user: ops, password: secret}")
    shut = checkout.run("noevict", "drift")
    for name, host in closed.items():
        line = f"{name}: Redis is running but could not be looked at: "
        [reported] = [each for each in shut.stderr.splitlines() if each.startswith(line)]
        assert CLOSED[name].reported in reported, shut
        host.run(CLOSED[name].advice)
    put_takeover(checkout, "limited", "{user: all, password: all}")
    wait_for("they answer", lambda: "could not be looked at" not in checkout.run("noevict", "drift").stderr)
    known = checkout.run("noevict", "drift")
    for name in closed:
        assert f"{name}: runs a Redis that noevict did not set up, with 1 keys" in known.stderr, known


def test_clients_without_a_password_are_kept_as_the_report_says(boot: Boot, checkout: Checkout) -> None:
    [host] = boot("bookworm")
    install_foreign(host)
    with plaintext_client(host) as client:
        client.set("key", "value")
    checkout.list_hosts([host], redis_port=6380, redis_plaintext_port=6379, redis_users={"default": "app"})
    report = checkout.run("noevict", "drift").stderr
    assert "clients without one are refused, whatever is set" in report, report
    # What it says to do first: the server that needs no password takes one with a user's name.
    with plaintext_client(host, PASSWORD, username="default") as client:
        assert client.get("key") == "value"
    put_takeover(checkout, host.name, PASSWORD)
    checkout.list_hosts(
        [host],
        redis_port=6380,
        redis_plaintext_port=6379,
        redis_users={"default": "app"},
        redis_takeover=True,
    )
    deploy(checkout)
    with plaintext_client(host, PASSWORD, username="default") as client:
        assert client.get("key") == "value"
    with plaintext_client(host) as client, pytest.raises(redis.AuthenticationError):
        client.get("key")
    with admin(checkout, host, port=6380) as client:
        assert client.dbsize() == 1


WHY = {
    "data": (
        "echo nonsense >DATA/dump.rdb",
        "# Fatal error loading the DB",
        "# Wrong signature trying to load DB from file",
    ),
    "configuration": (
        'rm -f DATA/dump.rdb; echo "maxmemory lots" >>CONF',
        "*** FATAL CONFIG FILE ERROR",
        ">>> 'maxmemory lots'",
    ),
}


@pytest.mark.parametrize("engine", sample(["redis", "valkey"], "valkey"))
def test_the_last_words_begin_with_the_servers_own_fatal_line(
    boot: Boot, checkout: Checkout, engine: str
) -> None:
    """However often systemd tried, and whatever it printed about that; and nothing of an earlier fault."""
    [host] = boot("trixie")
    names = LAYOUTS[engine]  # type: ignore[index]
    install_foreign(host, engine=names.engine.name)
    words = script("descriptors", user=names.user) + script(
        "last_log_lines", unit=names.unit, logfile=names.logfile
    )
    for command, first, second in WHY.values():
        apply_changes(
            checkout,
            host,
            ("systemctl stop UNIT; systemctl reset-failed UNIT; " + command,),
            names.engine.name,
        )
        host.run(f"systemctl start {names.unit}", check=False)
        failed = f"systemctl is-failed {names.unit}"
        wait_for("systemd gives up", lambda command=failed: not host.run(command, check=False).returncode)
        reported = host.run("bash -s", input=words).stdout.splitlines()
        assert first in reported[0], reported
        assert second in reported[1], reported
        assert len(reported) <= 4, reported
        assert not [line for line in reported if names.unit in line], reported
