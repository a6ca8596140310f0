"""Certificates: made, signed, read and judged; and accepted by real TLS in strict mode."""

import hashlib
import re
import ssl
import subprocess
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noevict.errors import NoevictError
from noevict.pki.authority import (
    Authority,
    make_ca,
    make_client_certificate,
    named_as_ca,
    parse_key,
    sign_client_request,
    sign_request,
)
from noevict.pki.certificate import Certificate, normalise, public_key_digest
from tests.unit.pki.certificates import (
    CA,
    CACHE,
    DAY,
    NOW,
    STRICT,
    client_context,
    handshake,
    host,
    of_an_odd_curve,
    patched,
    pem_of,
    request_of,
    server_context,
)

SECOND = timedelta(seconds=1)
NO_CA = "ca.crt: should be the certificate of a CA in PEM"
# A busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def bare_certificate(name: x509.Name = x509.Name([]), key=None) -> x509.Certificate:  # noqa: B008
    """Of the CA's key unless another one is given; without extensions."""
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key or CA.key.public_key()).serial_number(7)
    return builder.not_valid_before(NOW).not_valid_after(NOW + DAY).sign(CA.key, hashes.SHA256())


def pem_of_certificate(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


# Real TLS


@pytest.mark.parametrize("name", ["cache-1.example.com", "localhost", "10.0.0.12", "fd00::12"])
def test_a_strict_client_accepts_every_name_and_address(tmp_path: Path, name: str) -> None:
    server = server_context(tmp_path, CACHE.pem, CACHE.key)
    handshake(server, client_context(CA.certificate_pem), name)


@pytest.mark.parametrize("name", ["other.example.com", "10.0.0.13", "evil.example"])
def test_a_client_refuses_a_name_that_the_certificate_does_not_have(tmp_path: Path, name: str) -> None:
    server = server_context(tmp_path, CACHE.pem, CACHE.key)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        handshake(server, client_context(CA.certificate_pem), name)


def test_a_client_refuses_the_certificate_of_another_fleet(tmp_path: Path) -> None:
    server = server_context(tmp_path, CACHE.pem, CACHE.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client_context(make_ca(NOW).certificate_pem), "localhost")


def test_mutual_tls_takes_a_client_certificate_and_not_a_servers(tmp_path: Path) -> None:
    server = server_context(tmp_path, CACHE.pem, CACHE.key)
    server.load_verify_locations(cadata=CA.certificate_pem)
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= STRICT
    pair = make_client_certificate(CA, "worker", NOW)
    for (pem, key), accepted in (pair, True), ((CACHE.pem, CACHE.key), False):
        (tmp_path / "client.crt").write_text(pem)
        (tmp_path / "client.key").write_text(key)
        client = client_context(CA.certificate_pem)
        client.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
        if accepted:
            handshake(server, client, "localhost")
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
                handshake(server, client, "localhost")


def test_openssl_verifies_them_in_strict_mode(tmp_path: Path) -> None:
    client, _ = make_client_certificate(CA, "worker", NOW)
    for name, pem in ("ca", CA.certificate_pem), ("server", CACHE.pem), ("client", client):
        (tmp_path / name).write_text(pem)
    verify = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", str(tmp_path / "ca")]
    for purpose in "server", "client":
        command = [*verify, "-purpose", f"ssl{purpose}", str(tmp_path / purpose)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    done = subprocess.run([*verify, str(tmp_path / "ca")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# What is made


def test_a_ca_lasts_ten_years_from_an_hour_ago_and_is_distinguished_from_others() -> None:
    certificate = CA.certificate
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3653)
    assert certificate.subject != make_ca(NOW).certificate.subject
    assert re.fullmatch(r"CN=noevict CA [0-9a-f]{8}", certificate.subject.rfc4514_string())
    assert isinstance(CA.key.curve, ec.SECP256R1)


def test_a_ca_for_a_key_that_is_there_has_that_key_and_another_name() -> None:
    again = make_ca(NOW, CA.key)
    assert again.key is CA.key
    assert again.certificate.public_key() == CA.certificate.public_key()
    assert again.certificate.subject != CA.certificate.subject


Extensions = dict[str, tuple[bool, object]]
USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")


def extensions(certificate: x509.Certificate) -> Extensions:
    """Name -> whether it is critical, and what it says; of keyUsage, what is allowed."""
    found: Extensions = {}
    for each in certificate.extensions:
        value: object = each.value
        if isinstance(value, x509.KeyUsage):
            value = {name for name in (*USAGES, "key_cert_sign", "crl_sign") if getattr(value, name)}
        found[type(each.value).__name__] = (each.critical, value)
    return found


def identifiers(certificate: x509.Certificate) -> Extensions:
    own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    of_ca = x509.SubjectKeyIdentifier.from_public_key(CA.key.public_key())
    signer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_ca)
    return {"SubjectKeyIdentifier": (False, own), "AuthorityKeyIdentifier": (False, signer)}


def test_a_ca_signs_certificates_and_nothing_that_signs_others() -> None:
    assert extensions(CA.certificate) == {
        **identifiers(CA.certificate),
        "BasicConstraints": (True, x509.BasicConstraints(ca=True, path_length=0)),
        "KeyUsage": (True, {"key_cert_sign", "crl_sign"}),
    }


def test_what_it_signs_is_for_one_purpose() -> None:
    client = x509.load_pem_x509_certificate(make_client_certificate(CA, "worker", NOW)[0].encode())
    key = ec.generate_private_key(ec.SECP256R1())
    signed = sign_client_request(CA, request_of(key, algorithm=hashes.SHA256()), "worker", NOW)
    requested = x509.load_pem_x509_certificate(signed.encode())
    assert requested.public_key() == key.public_key()
    dns = map(x509.DNSName, ("cache-1.example.com", "localhost"))
    addresses = map(x509.IPAddress, (ip_address("10.0.0.12"), ip_address("fd00::12")))
    names = {"SubjectAlternativeName": (False, x509.SubjectAlternativeName([*dns, *addresses]))}
    for certificate, purpose, common_name, more in (
        (CACHE.certificate.parsed, ExtendedKeyUsageOID.SERVER_AUTH, "cache-1.example.com", names),
        (client, ExtendedKeyUsageOID.CLIENT_AUTH, "worker", {}),
        (requested, ExtendedKeyUsageOID.CLIENT_AUTH, "worker", {}),
    ):
        assert extensions(certificate) == {
            **identifiers(certificate),
            **more,
            "BasicConstraints": (True, x509.BasicConstraints(ca=False, path_length=None)),
            "KeyUsage": (True, {"digital_signature"}),
            "ExtendedKeyUsage": (False, x509.ExtendedKeyUsage([purpose])),
        }
        assert certificate.issuer == CA.certificate.subject
        assert certificate.subject.rfc4514_string() == f"CN={common_name}"
        assert certificate.not_valid_after_utc == NOW + 397 * DAY


def test_each_certificate_has_a_number_of_its_own() -> None:
    assert len({host("a").certificate.parsed.serial_number for _ in range(3)}) == 3


def test_a_client_certificate_lasts_as_long_as_it_is_asked_to() -> None:
    pem, key = make_client_certificate(CA, "worker", NOW, 7)
    found = Certificate.parse(pem)
    assert found
    assert found.not_after == NOW + 7 * DAY
    private = serialization.load_pem_private_key(key.encode(), None)
    assert found.key_digest == public_key_digest(private.public_key())


def test_the_name_of_a_fleets_ca_is_known_whosever_it_is() -> None:
    assert named_as_ca(CA.certificate)
    assert named_as_ca(make_ca(NOW).certificate)
    assert not named_as_ca(CACHE.certificate.parsed)
    cut = host(f"{'a' * 60}.example.com").certificate.parsed
    assert not named_as_ca(cut)
    assert not named_as_ca(bare_certificate())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, each) for each in ("Ours", "noevict CA 1")]
    assert named_as_ca(bare_certificate(x509.Name(names)))


def test_a_key_that_no_ca_of_ours_has_is_refused_and_not_shown() -> None:
    locked = CA.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    ).decode()
    edwards = pem_of(ed25519.Ed25519PrivateKey.generate())
    for pem in (locked, edwards, "", CA.certificate_pem, of_an_odd_curve(CA.key_pem)):
        with pytest.raises(NoevictError) as refused:
            parse_key(pem)
        assert refused.value.lines == ("ca.key: should be an EC private key in PEM without a passphrase",)
    assert parse_key(CA.key_pem).private_numbers() == CA.key.private_numbers()


def test_a_ca_survives_the_way_through_its_files_and_shows_no_key() -> None:
    again = Authority.parse(CA.certificate_pem, CA.key_pem)
    assert again.certificate == CA.certificate
    found = Certificate.parse(CA.certificate_pem)
    assert found
    assert again.fingerprint == found.fingerprint
    assert "BEGIN PRIVATE KEY" in CA.key_pem
    assert "key" not in repr(CA).lower()


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("nonsense", CA.key_pem, NO_CA),
        (of_an_odd_curve(CA.certificate_pem), CA.key_pem, NO_CA),
        (pem_of_certificate(bare_certificate()), CA.key_pem, NO_CA),
        (CA.certificate_pem, "nonsense", "ca.key: should be an EC private key in PEM without a passphrase"),
        (
            CA.certificate_pem,
            make_ca(NOW).key_pem,
            "ca.key: should be the key of ca.crt, is the key of another certificate",
        ),
        (CACHE.pem, CACHE.key, "ca.crt: should be the certificate of a CA, is one of a server or client"),
    ],
    ids=["nonsense", "odd curve", "no extensions", "no key", "another key", "a server's"],
)
def test_a_ca_that_is_none_is_refused_in_words(certificate: str, key: str, message: str) -> None:
    with pytest.raises(NoevictError) as refused:
        Authority.parse(certificate, key)
    assert refused.value.lines == (message,)


def test_a_signed_certificate_has_our_names_and_none_of_the_requests() -> None:
    assert CACHE.certificate.names == {"cache-1.example.com", "localhost", "10.0.0.12", "fd00::12"}
    extensions = CACHE.certificate.parsed.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.12"), ip_address("fd00::12")]
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_signed_certificate_starts_an_hour_back_and_never_outlives_the_ca() -> None:
    assert CACHE.certificate.not_before == NOW - timedelta(hours=1)
    assert CACHE.certificate.not_after == NOW + 397 * DAY
    late = host("a", now=NOW + 3600 * DAY).certificate
    assert late.not_after == CA.certificate.not_valid_after_utc


def test_a_name_of_more_than_64_characters_is_fine(tmp_path: Path) -> None:
    name = f"{'a' * 60}.{'b' * 60}.example.com"
    long = host(name)
    handshake(server_context(tmp_path, long.pem, long.key), client_context(CA.certificate_pem), name)
    [common_name] = long.certificate.parsed.subject
    assert common_name.value == name[:64]


def test_a_ca_that_is_over_or_not_begun_signs_nothing() -> None:
    starts, ends = CA.certificate.not_valid_before_utc, CA.certificate.not_valid_after_utc
    assert host("a", now=starts).certificate.not_before == starts
    assert host("a", now=ends - SECOND).certificate.not_after == ends
    for now in ends, NOW + 3700 * DAY, starts - SECOND, NOW - DAY:
        with pytest.raises(NoevictError) as refused:
            host("a", now=now)
        assert refused.value.lines == (
            f"the fleet's CA is valid from {starts.date()} to {ends.date()}, it is {now.date()}",
        )


@pytest.mark.parametrize(
    "name", ["", "a b", "*", "*.com", "a.*.com", "bücher.example", "224.0.0.1", "::", "-a", "1.2.3"]
)
def test_a_name_that_no_certificate_can_hold_is_refused(name: str) -> None:
    with pytest.raises(NoevictError) as refused:
        host("good.example.com", name)
    assert refused.value.lines == (f"certificate: {name!r} should be a DNS name or an address",)


def test_a_request_without_a_name_is_refused() -> None:
    with pytest.raises(NoevictError, match=r"^certificate: should have at least one name$"):
        host()


def test_keys_of_common_kinds_are_signed_and_others_are_not() -> None:
    sha = hashes.SHA256()
    good = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)
    for key in good:
        assert Certificate.parse(sign_request(CA, request_of(key, algorithm=sha), ["a"], NOW))
    weak = ec.generate_private_key(ec.SECP192R1()), rsa.generate_private_key(65537, 2047)  # noqa: S505
    requests = [request_of(key, algorithm=sha) for key in weak]
    for request in [*requests, request_of(ed25519.Ed25519PrivateKey.generate())]:
        with pytest.raises(NoevictError) as refused:
            sign_request(CA, request, ["a"], NOW)
        assert refused.value.lines == (
            "certificate request: its key should be EC P-256, P-384 or RSA of 2048 bits or more",
        )


def test_a_request_that_its_key_did_not_sign_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = bytearray(
        x509.load_pem_x509_csr(request_of(key, algorithm=hashes.SHA256()).encode()).public_bytes(
            serialization.Encoding.DER
        )
    )
    der[der.index(b"evil")] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(NoevictError, match=r"^certificate request: its signature is not by its key$"):
        sign_request(CA, forged, ["a"], NOW)
    for unreadable in "nonsense", of_an_odd_curve(request_of(key, algorithm=hashes.SHA256())):
        with pytest.raises(
            NoevictError, match=r"^certificate request: should be one in PEM, cannot be read$"
        ):
            sign_request(CA, unreadable, ["a"], NOW)


# When it is renewed


def test_a_certificate_of_a_ca_with_the_same_name_and_another_key_is_signed_by_another() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = CA.certificate.subject
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(NOW).not_valid_after(NOW + DAY)
    twin = builder.sign(key, hashes.SHA256())
    assert CACHE.certificate.signed_by(CA.certificate)
    assert not CACHE.certificate.signed_by(twin)
    odd = x509.load_pem_x509_certificate(of_an_odd_curve(CA.certificate_pem).encode())
    assert not CACHE.certificate.signed_by(odd)
    nobodys = bare_certificate(name, x25519.X25519PrivateKey.generate().public_key())
    assert not CACHE.certificate.signed_by(nobodys)
    assert "<Certificate" not in repr(CACHE.certificate)


def test_names_in_a_certificate_are_read_in_lower_case() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([]))
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + DAY)
    bare = Certificate.parse(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    )
    assert bare
    assert bare.names == frozenset()
    names = x509.SubjectAlternativeName(
        [x509.DNSName("Cache-1.EXAMPLE"), x509.IPAddress(ip_address("fd00::12"))]
    )
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    found = Certificate.parse(signed.public_bytes(serialization.Encoding.PEM).decode())
    assert found
    assert found.names == {"cache-1.example", "fd00::12"}


def test_the_end_of_the_ca_is_announced_half_a_year_before() -> None:
    assert CA.warning(NOW) is None
    assert CA.warning(NOW + (3653 - 180) * DAY) is None
    warning = "the fleet's CA {}, and with it every certificate: all clients need a new one"
    assert CA.warning(NOW + (3653 - 179) * DAY) == warning.format("expires in 179 days")
    assert CA.warning(NOW + 3652 * DAY) == warning.format("expires in 1 day")
    assert CA.warning(NOW + 3653 * DAY) == warning.format("has expired")


def test_the_fingerprint_and_the_keys_digest_are_those_openssl_shows(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(CACHE.key)
    (tmp_path / "crt").write_text(CACHE.pem)
    public = ["openssl", "pkey", "-in", tmp_path / "key", "-pubout", "-outform", "DER"]
    digest = hashlib.sha256(subprocess.check_output(public)).hexdigest()
    assert digest == CACHE.certificate.key_digest
    printed = subprocess.check_output(
        ["openssl", "x509", "-in", tmp_path / "crt", "-noout", "-fingerprint", "-sha256"], text=True
    )
    assert printed.strip().partition("=")[2] == CACHE.certificate.fingerprint


# Names


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("Cache-1.Example.COM.", "cache-1.example.com"),
        ("cache_1", "cache_1"),
        ("*.example.com", "*.example.com"),
        ("[FD00:0:0::1]", "fd00::1"),
        ("010.0.0.1", None),
        ("fe80::1%eth0", None),
        ("a..b", None),
        ("a" * 63, "a" * 63),
        ("a" * 64, None),
        (".".join(["a" * 63] * 3 + ["a" * 61]), ".".join(["a" * 63] * 3 + ["a" * 61])),
        (".".join(["a" * 63] * 3 + ["a" * 62]), None),
        (".".join(["a" * 63] * 3 + ["a" * 61]) + ".", ".".join(["a" * 63] * 3 + ["a" * 61])),
        ("a.b-c_d.e", "a.b-c_d.e"),
        ("-a", None),
        ("a-", None),
        ("a.-b", None),
        ("ab.cd", "ab.cd"),
        ("[a", None),
        ("[ab", None),
        ("ab]", None),
        ("[::12", None),
        ("::12]", None),
        ("a]", None),
        ("[::1", None),
        ("::1]", None),
        (".a", None),
        ("a..", None),
        ("", None),
        (".", None),
        ("1.2.3", None),
        ("1.2.3.4.5", None),
        ("1.2.3.a", "1.2.3.a"),
        ("10.0.0.1", "10.0.0.1"),
        ("0.0.0.0", None),  # noqa: S104 - bound nowhere
        ("::", None),
        ("224.0.0.1", None),
        ("ff02::1", None),
        ("*", None),
        ("*.com", None),
        ("*.*.com", None),
        ("a.*.example.com", None),
        ("*x.example.com", None),
        ("*xa.example.com", None),
        ("axb", "axb"),
        ("a b", None),
        ("\u212a.example", None),  # the Kelvin sign, a k in lower case
        ("a\n", None),
        ("@local", None),
    ],
)
def test_names_are_held_in_one_form(name: str, held: str | None) -> None:
    assert normalise(name) == held


def test_a_wildcard_covers_one_label_as_clients_read_it() -> None:
    wild = host("*.example.com").certificate
    assert wild.covers("a.example.com")
    assert wild.covers("*.Example.com")
    odd = replace(wild, names=frozenset({"*.", "*.1"}))
    assert not odd.covers("localhost")
    assert host("a").certificate.covers("a")
    assert not any(
        map(wild.covers, ["example.com", "a.b.example.com", "a.example.org", "*", "a b", "127.0.0.1"])
    )


@PATIENT
@given(
    st.one_of(st.text(), st.ip_addresses().map(str), st.from_regex(r"[A-Za-z0-9_*.-]{1,70}", fullmatch=True))
)
def test_a_name_is_refused_or_held_and_covered(name: str) -> None:
    held = normalise(name)
    if held is not None:
        assert normalise(held) == held
        assert host(name).certificate.covers(name)


@PATIENT
@given(st.text())
def test_no_text_breaks_the_reading_of_certificates(text: str) -> None:
    assert Certificate.parse(text) is None


def test_a_certificate_with_a_key_or_extensions_that_cannot_be_read_is_none() -> None:
    assert Certificate.parse(of_an_odd_curve(CACHE.pem)) is None
    key_identifier, authority_key_identifier = "0603551d0e", "0603551d23"
    assert Certificate.parse(patched(CACHE.pem, key_identifier, authority_key_identifier)) is None


def test_a_request_that_openssl_made_as_hosts_do_is_signed(tmp_path: Path) -> None:
    new = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command = [*new, "-subj", "/CN=host", "-keyout", str(tmp_path / "key")]
    request = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pem = sign_request(CA, request, ["cache-1"], NOW)
    server = server_context(tmp_path, pem, (tmp_path / "key").read_text())
    handshake(server, client_context(CA.certificate_pem), "cache-1")
