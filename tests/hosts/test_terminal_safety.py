"""Words meant to be obeyed, in what hosts print and in what users name: shown or kept byte for byte, never run."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from noevict.messages import one_line
from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, admin, changes, deploy
from tests.hosts.manual_changes import lines_about
from tests.hosts.terminal_safety import COMMAND_INJECTION, INJECTION, assert_terminal_safe
from tests.hosts.user_certificate import UserCertificateFiles
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host

CONF, TLS = "/etc/redis/redis.conf", "/etc/redis/tls"
DROPINS = "/etc/systemd/system/redis-server.service.d"
CLEAR = "\x1b[2J"
PRINTED_BY_A_SCRIPT = CLEAR.replace("\x1b", "?")  # no command's output has more of it


@dataclass(frozen=True)
class Word:
    """Where it stands, and how a run repeats what clears a screen; "" is not at all."""

    put: Callable[[Checkout, Host], object]
    reported: str = one_line(CLEAR)


def as_admin(*command: str) -> Callable[[Checkout, Host], object]:
    def put(checkout: Checkout, host: Host) -> None:
        with admin(checkout, host) as client:
            client.execute_command(*command)

    return put


def on_host(command: str, text: str = "") -> Callable[[Checkout, Host], object]:
    return lambda _, host: host.run(command, input=text)


def locked(checkout: Checkout, host: Host) -> None:
    """Somebody works there, by a name of theirs; and something is due, for which the lock is asked."""
    as_admin("CONFIG SET", "hz", "77")(checkout, host)
    host.run("cat >/run/noevict.lock", input=f"{INJECTION}\n")
    host.run("setsid flock /run/noevict.lock sleep 600 >/dev/null 2>&1 </dev/null & sleep 0.2")


def certificate_of(words: str) -> str:
    """Signed by itself, for a subject and a name of these words."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=99))
    names = x509.SubjectAlternativeName([x509.DNSName(words)])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


WORDS = {
    "acl-user": Word(as_admin("ACL SETUSER", INJECTION.replace(" ", "-"), "on", "nopass", "+@all", "~*")),
    "acl-key": Word(as_admin("ACL SETUSER", "app", "resetkeys", f"~{INJECTION.replace(' ', '-')}")),
    "live-value": Word(as_admin("CONFIG SET", "masteruser", INJECTION)),
    "file-value": Word(on_host(f"cat >>{CONF}", f"syslog-ident {json.dumps(INJECTION)}\n".replace("\\u00", "\\x"))),
    "file-bytes": Word(on_host(f"cat >>{CONF}", f"# {INJECTION}\n{INJECTION} {INJECTION}\n"), reported=""),
    "file-long": Word(on_host(f"cat >>{CONF}", f"# {'x' * 2**20}\nsyslog-ident {'y' * 2**20}\n"), reported=""),
    "os-release": Word(
        on_host("cat >/etc/os-release", f"ID={shlex.quote(INJECTION)}\nVERSION_ID=12\n"),
        PRINTED_BY_A_SCRIPT,
    ),
    "hostname": Word(on_host("python3 -", f"import socket\nsocket.sethostname({INJECTION!r}[:60])\n"), reported=""),
    "drop-in": Word(
        on_host(f"cat >{DROPINS}/{shlex.quote('zz-' + INJECTION.replace('/', '-'))}.conf && systemctl daemon-reload",
                "[Service]\nLimitNOFILE=9999\n"), reported=""),
    "lock": Word(locked, PRINTED_BY_A_SCRIPT),
    "last-words": Word(
        on_host(f"cat >{DROPINS}/a.conf && systemctl daemon-reload && systemctl stop redis-server && "
                f"printf '%s\\n' {shlex.quote(f'fatal error {INJECTION}')} >>/var/log/redis/redis-server.log",
                "[Service]\nExecStartPre=/bin/false\n"), reported=""),
    "certificate": Word(on_host(f"cat >{TLS}/server.crt", certificate_of(INJECTION[:60])), reported=""),
    "no-certificate": Word(
        on_host(f"cat >{TLS}/server.crt", f"-----BEGIN CERTIFICATE-----\n{INJECTION}\n-----END CERTIFICATE-----\n"),
        reported=""),
    "no-ca": Word(on_host(f"cat >{TLS}/ca.crt", INJECTION * 9999), reported=""),
}  # fmt: skip


@dataclass(frozen=True)
class Story:
    hosts: dict[str, Host]
    runs: tuple[Result, ...]


@pytest.fixture(scope="module")
def story(boot_for_module: Boot, checkout_for_module: Checkout) -> Story:
    """Hosts provisioned; a word put on each; then looked at, and deployed to, however that ends."""
    checkout = checkout_for_module
    hosts = boot_for_module(*(Spec("bookworm", name=name) for name in WORDS))
    checkout.list_hosts(hosts)
    deploy(checkout)
    for host in hosts:
        WORDS[host.name].put(checkout, host)
    commands = (
        ("noevict", "drift"),
        ("noevict", "drift", "--json"),
        ("pyinfra", "--dry", *DEPLOY[-2:]),
        DEPLOY,
    )
    return Story({host.name: host for host in hosts}, tuple(checkout.run(*command) for command in commands))


def test_nothing_that_a_host_prints_is_obeyed(story: Story) -> None:
    drift, as_json, dry, run = story.runs
    assert (drift.returncode, as_json.returncode, run.returncode) == (1, 1, 1), (drift, run)
    for reported in (drift.output, as_json.stderr, dry.stderr, run.stderr):
        assert_terminal_safe(story.hosts.values(), reported)
    assert as_json.stdout.isascii()
    assert "\x1b" not in as_json.stdout


@pytest.mark.parametrize("name", [name for name, word in WORDS.items() if word.reported])
def test_what_is_printed_of_it_is_escaped(story: Story, name: str) -> None:
    lines = lines_about(story.runs[-1], story.hosts[name])
    assert any(WORDS[name].reported in line for line in lines), lines


def test_hosts_whose_words_are_drift_are_repaired(story: Story) -> None:
    """But for what somebody else has to mend, and says so."""
    left = {"os-release", "drop-in", "lock", "last-words"}
    assert set(story.runs[-1].json["results"]["failed_hosts"]) == left, story.runs[-1]


FILE = f'it\'s a "place" {COMMAND_INJECTION.replace("/", "-")} é;&|<x>*?[y]\\z'
DIRECTORY = f"{FILE}\nof two lines"
TEXT = f"{COMMAND_INJECTION} it's ; & | < > * ? [x] {{{{ 7 }}}} {{% x %}} %s #"
"""All that a directive's text may have: quotes and backslashes are refused."""
PATTERN = f"a'b;{COMMAND_INJECTION.replace(' ', '-')}|<>&*?[x]{{{{7}}}}é"
QUOTED = f'q"{PATTERN}\\'


def test_files_of_any_name_and_values_of_any_text_arrive_as_they_are(tmp_path: Path, boot: Boot) -> None:
    checkout = Checkout(tmp_path / DIRECTORY)
    checkout.secrets = tmp_path / f"secrets {DIRECTORY}"
    redis, valkey = boot("bookworm", Spec("trixie", name="valkey"))
    (checkout.root / FILE).mkdir()
    own = UserCertificateFiles.make(checkout.root / FILE, [redis.address])
    checkout.list_hosts(
        [redis, valkey],
        group=json.dumps(FILE),
        each={
            redis.name: {name: f"{FILE}/{file}" for name, file in own.settings.items()},
            "valkey": {"redis_engine": "valkey"},
        },
        redis_users={"shop": {"profile": "app", "keys": [PATTERN, QUOTED]}, "rules": f"~{QUOTED} +get"},
    )
    checkout.write(f"group_data/{FILE}.py", f"redis_config = {{'syslog-ident': {TEXT!r}}}\n")
    hosts_yml = checkout.hosts_yml.rename(tmp_path / f"hosts {DIRECTORY}.yml")
    named = {"NOEVICT_HOSTS": str(hosts_yml), "NOEVICT_SECRETS": str(checkout.secrets), "USER": INJECTION}
    runs = [checkout.run(*DEPLOY, env=named) for _ in range(2)]
    assert [done.returncode for done in runs] == [0, 0], runs
    assert (changes(runs[0]) > 0, changes(runs[1])) == (True, 0), runs
    drift = checkout.run("noevict", "drift", env=named)
    assert drift.stdout == "2 of 2 hosts as wanted\n", drift
    ca = checkout.run("noevict", "url", redis.name, "--ca", env=named)
    assert ca.stdout == f"{own.ca}\n"
    for host, authority in ((redis, own.ca), (valkey, checkout.secrets / "ca.crt")):
        with admin(checkout, host, ssl_ca_certs=str(authority)) as client:
            assert client.config_get("syslog-ident") == {"syslog-ident": TEXT}
            keys = {name: set(client.acl_getuser(name)["keys"]) for name in ("shop", "rules")}
        assert keys == {"shop": {f"~{PATTERN}", f"~{QUOTED}"}, "rules": {f"~{QUOTED}"}}
    for reported in (*(done.stderr for done in runs), drift.output):
        assert_terminal_safe([redis, valkey], reported)
