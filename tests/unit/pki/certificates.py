"""A CA, certificates that it signed, and a handshake over them in memory."""

import base64
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from noevict.pki.authority import Authority, make_ca, sign_request
from noevict.pki.certificate import Certificate, public_key_digest

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
STRICT = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # what Python 3.13 sets by itself
CA = make_ca(NOW)


def pem_of(key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def request_of(key, name: str = "evil.example", algorithm=None) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def patched(pem: str, old: str, new: str) -> str:
    """The same PEM with other bytes (in hex) in it."""
    head, *body, foot = pem.strip().splitlines()
    der = base64.b64decode("".join(body))
    assert bytes.fromhex(old) in der
    text = base64.encodebytes(der.replace(bytes.fromhex(old), bytes.fromhex(new))).decode()
    return f"{head}\n{text}{foot}\n"


def of_an_odd_curve(pem: str) -> str:
    """A key of P-256, or what has one, as one of prime239v1, a curve that cryptography does not have."""
    return patched(pem, "06082a8648ce3d030107", "06082a8648ce3d030104")


@dataclass(frozen=True)
class Host:
    """A host's certificate with its key, PEM."""

    pem: str
    key: str
    digest: str

    @property
    def certificate(self) -> Certificate:
        found = Certificate.parse(self.pem)
        assert found
        return found


def host(*names: str, now: datetime = NOW, ca: Authority = CA, days: int = 397) -> Host:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = sign_request(ca, request_of(key, algorithm=hashes.SHA256()), names, now, days)
    return Host(pem, pem_of(key), public_key_digest(key.public_key()))


CACHE = host("cache-1.example.com", "localhost", "10.0.0.12", "fd00::12")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """A whole TLS handshake in memory; raises what the side that refuses raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in tuple(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
    assert not ends, "the handshake should be over after ten turns"


def client_context(ca_pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca_pem)
    context.verify_flags |= STRICT
    return context


def server_context(directory: Path, pem: str, key: str) -> ssl.SSLContext:
    (directory / "server.crt").write_text(pem)
    (directory / "server.key").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    return context
