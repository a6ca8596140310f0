"""The exporter's client certificate: as short as the others, renewed only by runs of deploys/monitoring.py."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from noevict.companions.exporter.wanted import CERTIFICATE, KEY, UNIT
from noevict.fleet import records
from noevict.pki import authority
from noevict.secrets.store import Secrets
from tests.hosts.conftest import Boot
from tests.hosts.deployment import changes, deploy, run_id
from tests.hosts.exporter_checks import monitor, process, scrape, value
from tests.hosts.manual_changes import lines_about
from tests.hosts.test_certificates import client_files
from tests.lab.checkout import Checkout
from tests.lab.host import Host


def issue(checkout: Checkout, host: Host, days: int) -> None:
    """Another certificate for the key it has, in use."""
    secrets = Secrets.load(checkout.secrets)
    assert secrets
    request = host.run(f"openssl req -new -key {KEY} -subj /CN=exporter").stdout
    host.write(
        CERTIFICATE, authority.sign_client_request(secrets.ca, request, "exporter", datetime.now(UTC), days)
    )
    host.run(f"systemctl restart {UNIT}")


def ends(host: Host) -> datetime:
    return x509.load_pem_x509_certificate(host.read(CERTIFICATE).encode()).not_valid_after_utc


def test_a_long_or_ending_one_is_reported_by_deploys_and_renewed_with_its_key(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("trixie")
    checkout.list_hosts([host], redis_tls_auth_clients="yes")
    deploy(checkout)
    monitor(checkout)
    worker = client_files(checkout, "worker")
    before = run_id(checkout, host, **worker)
    cases = {
        3000: "the exporter's client certificate is valid for 2999 more days",
        20: "the exporter's client certificate expires in 19 days: run deploys/monitoring.py",
    }
    for days, notice in cases.items():
        issue(checkout, host, days)
        exporter, key = process(host), host.read(KEY)
        done = deploy(checkout)
        assert changes(done) == 0
        assert [line for line in lines_about(done, host) if line.startswith(notice)], done
        recorded = records.read(checkout.root / "state")[host.name].exporter_ends
        assert recorded == ends(host)
        assert (process(host), host.read(KEY)) == (exporter, key)  # deploy.py only warns

        done = monitor(checkout)
        assert changes(done) > 0
        assert timedelta(days=390) < ends(host) - datetime.now(UTC) <= timedelta(days=397)
        assert process(host) != exporter
        assert host.read(KEY) != key
        assert value(scrape(host), "redis_up") == 1
        assert records.read(checkout.root / "state")[host.name].exporter_ends == ends(host)
        assert changes(monitor(checkout)) == 0
        assert not [line for line in lines_about(deploy(checkout), host) if "exporter's client" in line]
    assert run_id(checkout, host, **worker) == before


def test_a_run_that_was_killed_between_certificate_and_key_is_finished_by_the_next(
    boot: Boot, checkout: Checkout
) -> None:
    [host] = boot("bookworm")
    checkout.list_hosts([host], redis_tls_auth_clients="yes")
    deploy(checkout)
    monitor(checkout)
    # What it leaves: the new certificate beside the old key, and the new key under another name.
    issue(checkout, host, 397)
    new = KEY.replace("client.key", ".client.key.new")
    host.run(f"mv {KEY} {new} && openssl ecparam -genkey -name prime256v1 -noout -out {KEY}")
    old = host.read(KEY)
    host.run(f"systemctl restart {UNIT}", check=False)
    done = monitor(checkout)
    assert "does not match its key" in done.output, done
    assert host.read(KEY) != old
    assert value(scrape(host), "redis_up") == 1
    assert host.run(f"ls -A {KEY.rpartition('/')[0]}").stdout.split() == [
        *("ca.crt", "client.crt", "client.key", "passwords.json"),
    ]
    assert changes(monitor(checkout)) == 0
