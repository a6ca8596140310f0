"""Certificates: renewed without a restart or a lost connection, the user's own, and asked of clients."""

import ssl
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import redis
from cryptography import x509

from noevict.engines.package_layout import LAYOUTS
from noevict.pki import authority
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import (
    Fleet,
    admin,
    assert_clean,
    changes,
    connect,
    deploy,
    engine_of,
    operations,
    run_id,
    run_ids,
)
from tests.hosts.user_certificate import UserCertificateFiles
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.sampling import sample

CERTIFICATE = ["Lock the host, as it was looked at", "Certificate"]


@pytest.fixture(scope="module")
def shared(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Redis 7.0, Redis 8.0 and Valkey."""
    hosts = boot_for_module("bookworm", Spec("trixie", name="trixie"), Spec("trixie", name="valkey"))
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts()
    deploy(fleet.checkout)
    return fleet


@pytest.fixture
def fleet(shared: Fleet) -> Fleet:
    """The same for each test, with the settings as shipped, and clean."""
    shared.list_hosts()
    deploy(shared.checkout)
    return shared


def tls(host: Host) -> str:
    return LAYOUTS[engine_of(host)].tls


def served(host: Host) -> x509.Certificate:
    """The certificate that the server shows now."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host.address, 6379)).encode())


def in_place(host: Host) -> x509.Certificate:
    """The certificate in the host's file."""
    return x509.load_pem_x509_certificate(host.read(f"{tls(host)}/server.crt").encode())


def names_in(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in extension}


def issue(fleet: Fleet, days: int, now: datetime | None = None) -> None:
    """Give every host a certificate like the one it has, for so many days, and have it served."""
    secrets = Secrets.load(fleet.checkout.secrets)
    assert secrets
    for host in fleet.hosts:
        request = host.run(f"openssl req -new -key {tls(host)}/server.key -subj /CN=ours").stdout
        names = names_in(in_place(host))
        pem = authority.sign_request(secrets.ca, request, names, now or datetime.now(UTC), days)
        with admin(fleet.checkout, host) as client:
            client.ping()
            host.write(f"{tls(host)}/server.crt", pem)
            client.config_set("tls-cert-file", f"{tls(host)}/server.crt")


def test_a_certificate_that_ends_within_30_days_is_renewed_under_connected_clients(fleet: Fleet) -> None:
    before, keys = run_ids(fleet), [host.read(f"{tls(host)}/server.key") for host in fleet.hosts]
    issue(fleet, days=31)
    assert_clean(fleet.checkout)
    issue(fleet, days=20)
    connected = [connect(fleet.checkout, host, "app", single_connection_client=True) for host in fleet.hosts]
    ids = [client.client_id() for client in connected]
    done = deploy(fleet.checkout)
    assert operations(done) == CERTIFICATE
    assert "server.crt: expires in 19 days" in done.output
    assert [client.client_id() for client in connected] == ids
    for client in connected:
        client.close()
    for host in fleet.hosts:
        assert served(host).not_valid_after_utc - datetime.now(UTC) > timedelta(days=390)
        assert served(host) == in_place(host)
    for host, key in zip(fleet.hosts, keys, strict=True):  # one that leaked ends with its certificate
        assert host.read(f"{tls(host)}/server.key") != key
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_an_expired_certificate_is_renewed(fleet: Fleet) -> None:
    before = run_ids(fleet)
    issue(fleet, days=0, now=datetime.now(UTC) - timedelta(minutes=30))
    refused = pytest.raises(redis.ConnectionError, match="certificate has expired")
    with refused, admin(fleet.checkout, fleet.hosts[0]) as client:
        client.ping()
    assert operations(deploy(fleet.checkout)) == CERTIFICATE
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_names_asked_for_are_added_and_those_no_longer_asked_for_are_no_drift(fleet: Fleet) -> None:
    before = run_ids(fleet)
    fleet.list_hosts(redis_tls_names=["queue.example.com", "192.0.2.7"])
    done = deploy(fleet.checkout)
    assert operations(done) == CERTIFICATE
    assert "does not cover queue.example.com" in done.output
    for host in fleet.hosts:
        wanted = {"queue.example.com", "192.0.2.7", host.address, host.name, "localhost", "127.0.0.1", "::1"}
        assert wanted <= names_in(served(host))
    assert_clean(fleet.checkout)
    fleet.list_hosts()
    assert_clean(fleet.checkout)
    assert run_ids(fleet) == before


def test_a_users_own_certificate_serves_is_replaced_with_its_files_and_can_be_given_up(fleet: Fleet) -> None:
    before, names = run_ids(fleet), [*(host.address for host in fleet.hosts), "localhost"]
    own = UserCertificateFiles.make(fleet.checkout.root, names)
    fleet.list_hosts(**own.settings)
    for _ in range(2):
        assert operations(deploy(fleet.checkout)) == CERTIFICATE
        for host in fleet.hosts:
            assert served(host) == x509.load_pem_x509_certificate(own.certificate.read_bytes())
            stat = host.run(f"stat -c '%U:%G %a' {tls(host)}/server.key").stdout
            assert stat == f"root:{engine_of(host)} 640\n"
            assert host.read(f"{tls(host)}/server.key") == own.key.read_text()
        assert_clean(fleet.checkout)
        own.issue(names)
    assert fleet.checkout.run("noevict", "url", "trixie", "--ca").stdout == f"{own.ca}\n"
    with connect(fleet.checkout, fleet["trixie"], ssl_ca_certs=str(own.ca)) as client:
        assert client.ping()
    fleet.list_hosts()
    assert operations(deploy(fleet.checkout)) == CERTIFICATE
    assert run_ids(fleet) == before
    for host in fleet.hosts:
        assert host.read(f"{tls(host)}/server.key") != own.key.read_text()
    assert_clean(fleet.checkout)


def test_own_certificate_files_serve_from_the_first_second(checkout: Checkout, boot: Boot) -> None:
    [host] = boot("trixie")
    own = UserCertificateFiles.make(checkout.root, [host.address])
    checkout.list_hosts([host], redis_tls_auth_clients="optional", **own.settings)
    deploy(checkout)
    assert_clean(checkout)
    with connect(checkout, host, ssl_ca_certs=str(own.ca), **client_files(checkout, "worker")) as client:
        assert client.ping()


def test_own_certificate_files_for_another_host_are_refused_before_a_change(
    checkout: Checkout, boot: Boot
) -> None:
    [host] = boot("trixie")
    own = UserCertificateFiles.make(checkout.root, ["elsewhere.example.com"])
    checkout.list_hosts([host], **own.settings)
    done = deploy(checkout, code=1)
    assert f"redis_tls_cert: should cover {host.address}, by which clients reach this host" in done.output, (
        done
    )
    assert host.run("ls /etc/redis", check=False).returncode != 0
    checkout.list_hosts([host], redis_address="elsewhere.example.com", **own.settings)
    deploy(checkout)
    assert_clean(checkout)


def test_a_ca_made_with_plain_openssl_serves_and_is_watched(checkout: Checkout, boot: Boot) -> None:
    """Neither key usage nor names that strict clients want: what most companies' own CAs are like."""
    [host] = boot("trixie")
    run = partial(subprocess.run, cwd=checkout.root, check=True, capture_output=True)
    new = ("-nodes", "-newkey", "rsa:2048")
    run(["openssl", "req", "-x509", *new, "-keyout", "ca.key", "-out", "plain-ca.crt", "-subj", "/CN=ours"])
    run(["openssl", "req", *new, "-keyout", "plain.key", "-out", "plain.csr", "-subj", "/CN=redis"])
    (checkout.root / "san").write_text(f"subjectAltName=IP:{host.address}\n")
    signed = (
        "x509",
        "-req",
        "-in",
        "plain.csr",
        "-CA",
        "plain-ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
    )
    run(["openssl", *signed, "-extfile", "san", "-out", "plain.crt"])
    files = {"redis_tls_cert": "plain.crt", "redis_tls_key": "plain.key", "redis_tls_ca": "plain-ca.crt"}
    checkout.list_hosts([host], **files)
    deploy(checkout)
    assert_clean(checkout)
    assert checkout.run("noevict", "status").returncode == 0
    # Of another CA: nothing is changed, and the reason is reported.
    before = in_place(host)
    run(["openssl", "req", "-x509", *new, "-keyout", "ca.key", "-out", "plain-ca.crt", "-subj", "/CN=ours"])
    done = deploy(checkout, code=1)
    assert "redis_tls_cert: no client that has plain-ca.crt would accept it for" in done.output, done
    assert in_place(host) == before


def client_files(checkout: Checkout, name: str) -> dict[str, str]:
    """What ``noevict cert`` made, as redis-py takes it."""
    certificate, key = checkout.run("noevict", "cert", name).stdout.splitlines()
    return {"ssl_certfile": certificate, "ssl_keyfile": key}


def redis_cli(fleet: Fleet, host: Host, *words: str, **options: str) -> str:
    """What the engine's own client, on the host, prints."""
    url = fleet.checkout.run("noevict", "url", host.name).stdout.strip()
    extra = " ".join(f"--{name} {value}" for name, value in options.items())
    cli = f"{engine_of(host)}-cli --no-auth-warning --tls --cacert {tls(host)}/ca.crt {extra} -u '{url}'"
    return host.run(f"{cli} {' '.join(words)}", check=False).stdout


def place(host: Host, files: Iterable[str]) -> None:
    """The client's files, for a client on the host."""
    for name in files:
        host.write(f"/root/{Path(name).name}", Path(name).read_text(), mode=0o600)


def test_mutual_tls_is_turned_on_and_off_without_a_restart(fleet: Fleet) -> None:
    before = run_ids(fleet)
    fleet.list_hosts(redis_tls_auth_clients="yes")
    done = deploy(fleet.checkout)
    assert "Restart, one host at a time" not in operations(done), done
    assert_clean(fleet.checkout)
    drift = fleet.checkout.run("noevict", "drift")
    assert drift.returncode == 0, drift

    worker = client_files(fleet.checkout, "worker")
    for host, started in zip(fleet.hosts, before, strict=True):
        with pytest.raises(redis.ConnectionError), admin(fleet.checkout, host) as client:
            client.ping()
        with connect(fleet.checkout, host, "app", **worker) as client:
            assert client.set("job", "1")
        assert run_id(fleet.checkout, host, **worker) == started
        place(host, worker.values())
        assert redis_cli(fleet, host, "get", "job", cert="/root/worker.crt", key="/root/worker.key") == "1\n"
        assert redis_cli(fleet, host, "get", "job") != "1\n"

    fleet.list_hosts(redis_tls_auth_clients="no")
    assert changes(deploy(fleet.checkout)) > 0
    assert run_ids(fleet) == before
    assert_clean(fleet.checkout)


def test_mutual_tls_from_the_first_second(checkout: Checkout, boot: Boot) -> None:
    fleet = Fleet(checkout, boot("bookworm", Spec("trixie", name="valkey")))
    fleet.list_hosts(user="admin", redis_tls_auth_clients="yes")
    deploy(checkout)
    assert_clean(checkout)
    worker = client_files(checkout, "worker")
    for host in fleet.hosts:
        with connect(checkout, host, **worker) as client:
            assert client.config_get("tls-auth-clients") == {"tls-auth-clients": "yes"}


def damaged_key(host: Host) -> None:
    host.run(f"echo broken > {tls(host)}/server.key")


def another_key(host: Host) -> None:
    host.run(f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {tls(host)}/server.key")


def no_files(host: Host) -> None:
    host.run(f"rm -r {tls(host)}")


@pytest.mark.parametrize(
    "damage",
    sample({each.__name__: each for each in (damaged_key, another_key, no_files)}, "damaged_key"),
)
def test_a_damaged_key_or_lost_files_are_replaced_without_a_restart(
    fleet: Fleet, damage: Callable[[Host], None]
) -> None:
    before = run_ids(fleet)
    for host in fleet.hosts:
        damage(host)
    assert "Restart, one host at a time" not in operations(deploy(fleet.checkout))
    assert run_ids(fleet) == before
    for host in fleet.hosts:
        assert served(host) == in_place(host)
    assert_clean(fleet.checkout)
