"""TLS as an attacker sees it from outside: Debian's sslscan, pointed at the port of a host of each kind."""

import socket
import subprocess
from xml.etree import ElementTree

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import Fleet, deploy
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.machine import ensure_packages

HOSTS = {"redis-7": "bookworm", "redis-8": "trixie", "valkey": "trixie"}

# Forward secrecy and authenticated encryption only: what Mozilla's intermediate list has for a key on a curve, and
# the three of TLS 1.3.
GOOD_CIPHERS = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
}
WEAK_GROUPS = 112  # bits of security, below which a key exchange counts as weak (NIST SP 800-57)


@pytest.fixture(scope="module")
def fleet(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """With the settings as shipped."""
    hosts = boot_for_module(*(Spec(suite, name=name) for name, suite in HOSTS.items()))
    fleet = Fleet(checkout_for_module, hosts)
    fleet.list_hosts()
    deploy(fleet.checkout)
    return fleet


@pytest.fixture(scope="module")
def scans(fleet: Fleet) -> dict[str, ElementTree.Element]:
    """Name of a host -> what sslscan found there."""
    ensure_packages()
    return {host.name: scan(f"{host.address}:6379") for host in fleet.hosts}


def scan(target: str) -> ElementTree.Element:
    command = ("sslscan", "--no-colour", "--xml=-", target)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = ElementTree.fromstring(done.stdout).find("ssltest")  # noqa: S314 - of a program of Debian's, about a host of ours
    assert found is not None, done.stdout
    return found


@pytest.mark.parametrize("name", HOSTS)
def test_no_protocol_below_tls_1_2_is_spoken(scans: dict[str, ElementTree.Element], name: str) -> None:
    protocols = {
        f"{each.get('type')} {each.get('version')}": each.get("enabled")
        for each in scans[name].findall("protocol")
    }
    assert {each for each, enabled in protocols.items() if enabled == "1"} == {"tls 1.2", "tls 1.3"}
    assert {"ssl 2", "ssl 3", "tls 1.0", "tls 1.1"} <= protocols.keys()  # they were tried


@pytest.mark.parametrize("name", HOSTS)
def test_no_cipher_is_offered_that_is_weak_or_without_forward_secrecy(
    scans: dict[str, ElementTree.Element], name: str
) -> None:
    ciphers = scans[name].findall("cipher")
    assert {cipher.get("cipher") for cipher in ciphers} <= GOOD_CIPHERS
    assert {cipher.get("sslversion") for cipher in ciphers} == {"TLSv1.2", "TLSv1.3"}
    assert all(int(cipher.get("bits", "0")) >= 128 for cipher in ciphers)
    assert {cipher.get("strength") for cipher in ciphers} <= {"strong", "acceptable"}
    groups = scans[name].findall("group")
    assert groups
    assert [group.get("name") for group in groups if int(group.get("bits", "0")) < WEAK_GROUPS] == []


@pytest.mark.parametrize("name", HOSTS)
def test_nobody_renegotiates_and_no_memory_bleeds(scans: dict[str, ElementTree.Element], name: str) -> None:
    renegotiation, bleeding = scans[name].find("renegotiation"), scans[name].findall("heartbleed")
    assert renegotiation is not None
    assert renegotiation.get("supported") == "0"
    assert {each.get("sslversion") for each in bleeding} == {"TLSv1.2", "TLSv1.3"}
    assert {each.get("vulnerable") for each in bleeding} == {"0"}


def hello(compressions: bytes) -> bytes:
    """The first message of a TLS 1.2 client that offers a good cipher and these ways to compress (RFC 5246)."""

    def counted(data: bytes, width: int) -> bytes:
        return len(data).to_bytes(width) + data

    groups, algorithms = counted(b"\x00\x17", 2), counted(b"\x04\x03", 2)  # P-256; ECDSA with it and SHA-256
    extensions = b"\x00\x0a" + counted(groups, 2) + b"\x00\x0d" + counted(algorithms, 2)
    cipher = b"\xc0\x2b"  # ECDHE-ECDSA-AES128-GCM-SHA256
    body = b"\x03\x03" + bytes(32) + b"\x00" + counted(cipher, 2) + counted(compressions, 1)
    return b"\x16\x03\x01" + counted(b"\x01" + counted(body + counted(extensions, 2), 3), 2)


def test_nothing_is_compressed_whatever_a_client_offers(fleet: Fleet) -> None:
    """sslscan's own OpenSSL cannot ask, so this does."""
    for host in fleet.hosts:
        with socket.create_connection((host.address, 6379), timeout=10) as connection:
            connection.sendall(hello(b"\x01\x00"))
            answer = connection.recv(4096)
        assert answer[:1] == b"\x16", answer  # a handshake, and not an alert
        session = answer[43]
        cipher, compression = answer[44 + session : 46 + session], answer[46 + session]
        assert (cipher, compression) == (b"\xc0\x2b", 0), host


@pytest.mark.parametrize("name", HOSTS)
def test_its_certificate_is_strong_and_not_signed_by_itself(
    scans: dict[str, ElementTree.Element], name: str
) -> None:
    certificate = scans[name].find("certificates/certificate")
    assert certificate is not None
    assert "SHA256" in (certificate.findtext("signature-algorithm") or "").upper()
    key = certificate.find("pk")
    assert key is not None
    assert key.get("error") == "false"
    assert (key.get("type"), key.get("curve_name")) == ("EC", "prime256v1")
    assert certificate.findtext("self-signed") == "false"
    assert certificate.findtext("expired") == "false"
