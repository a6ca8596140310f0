"""Fixtures for tests against real servers: one of each release, TLS files, a factory."""

import datetime
import ipaddress
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab.servers import BINARIES, Binary, Running

StartServer = Callable[..., Running]


@pytest.fixture(params=BINARIES, ids=lambda binary: binary.id)
def binary(request: pytest.FixtureRequest) -> Binary:
    """Each of the five server programs."""
    return request.param


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """``start_server(binary, conf=None, *arguments, directory=None, client=None)``: see Running.

    Every server it starts is ended with the test.
    """
    running: list[Running] = []

    def start(*args: object, **kwargs: object) -> Running:
        running.append(Running(*args, **kwargs))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def server(binary: Binary, start_server: StartServer) -> Running:
    """A fresh server of each release: unix socket, no port, no persistence, no password."""
    return start_server(binary)


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ca.crt, ca.key, server.crt, server.key, for localhost, 127.0.0.1 and ::1."""
    directory = tmp_path_factory.mktemp("tls")
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")),
        ]
    )
    ca = _builder("noevict tests", "noevict tests", ca_key.public_key(), ca_key.public_key(), ca=True)
    leaf = _builder("noevict tests", "localhost", ca_key.public_key(), server_key.public_key(), ca=False)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    leaf = leaf.add_extension(names, critical=False).add_extension(usage, critical=False)
    for name, builder, key in (("ca", ca, ca_key), ("server", leaf, server_key)):
        certificate = builder.sign(ca_key, hashes.SHA256())
        (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return directory


def _builder(
    issuer: str,
    subject: str,
    issuer_key: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePublicKey,
    *,
    ca: bool,
) -> x509.CertificateBuilder:
    """A certificate that Python 3.13's strict X.509 checks take."""
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
    return (
        x509.CertificateBuilder()
        .issuer_name(name(issuer))
        .subject_name(name(subject))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory of the test with a short path (a unix socket's has at most 107 characters)."""
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        yield Path(directory)
