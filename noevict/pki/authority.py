"""The fleet's CA, and what it signs.

Pure, except for randomness; `now` is an argument (aware, UTC).

Keys are EC P-256: a server signs 14 times as fast as with RSA-2048 (`openssl speed`), which counts when every worker
reconnects at once, and unlike Ed25519, every TLS library and FIPS mode accepts it. The extensions are what RFC 5280
asks for, so that strict X.509 checks, the default since Python 3.13, pass.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from noevict.errors import NoevictError
from noevict.pki.certificate import fingerprint, missing_extensions, normalise
from noevict.pki.validity import CLOCK_SKEW, DAYS, expiry

CA_NAME = "noevict CA"  # how the names of fleets' CAs begin
CA_DAYS = 3653  # ten years
CA_WARNING_DAYS = 180  # every client needs the next CA, which takes users longer than a renewal


@dataclass(frozen=True)
class Authority:
    """The fleet's CA: its certificate and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def parse(cls, certificate: str, key: str) -> "Authority":
        """Parse PEM. NoevictError names the part, without its content, if it is unusable or they are not a pair."""
        private = parse_key(key)
        try:
            ca = x509.load_pem_x509_certificate(certificate.encode())
            matches = ca.public_key() == private.public_key()
            signs = ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound):
            raise NoevictError("ca.crt: should be the certificate of a CA in PEM") from None
        if not matches:
            raise NoevictError("ca.key: should be the key of ca.crt, is the key of another certificate")
        if not signs:
            raise NoevictError("ca.crt: should be the certificate of a CA, is one of a server or client")
        if missing := ", ".join(missing_extensions(ca)):
            raise NoevictError(
                f"ca.crt: should have {missing}, without which strict clients (Python 3.13) trust nothing it signs: "
                "docs/certificates.md has the command that makes one"
            )
        return cls(ca, private)

    @property
    def certificate_pem(self) -> str:
        return _pem(self.certificate)

    @property
    def key_pem(self) -> str:
        return _key_pem(self.key)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    def warning(self, now: datetime) -> str | None:
        """Return a line if less than half a year of the CA is left."""
        left = self.certificate.not_valid_after_utc - now
        if left >= timedelta(days=CA_WARNING_DAYS):
            return None
        return f"the fleet's CA {expiry(left)}, and with it every certificate: all clients need a new one"


def named_as_ca(certificate: x509.Certificate) -> bool:
    """Whether a certificate has the name of a fleet's CA, ours or another one's."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any(str(name.value).startswith(CA_NAME) for name in names)


def parse_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Parse the CA's key. NoevictError, without any of the text in it, for anything else."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NoevictError("ca.key: should be an EC private key in PEM without a passphrase")
    return key


def make_ca(now: datetime, key: ec.EllipticCurvePrivateKey | None = None) -> Authority:
    """Make a new CA, with `key` if there is one. A random part of its name distinguishes it from other fleets' CAs."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"{CA_NAME} {secrets.token_hex(4)}")
    builder = _builder(subject, subject, key.public_key(), key.public_key())
    certificate = (
        builder.not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def sign_request(ca: Authority, csr_pem: str, names: Iterable[str], now: datetime, days: int = DAYS) -> str:
    """Return a server's certificate, in PEM, for a host's request, with ``names``; names in the request are ignored.

    It is only for serverAuth: a server of the fleet is nobody's client. NoevictError for text that is not a request, a
    weak key or a kind of key that some clients refuse, a name that a certificate cannot hold, a CA that has expired.
    """
    key = _requested_key(csr_pem)
    wanted = tuple(dict.fromkeys(_checked(name) for name in names))
    if not wanted:
        raise NoevictError("certificate: should have at least one name")
    purpose = ExtendedKeyUsageOID.SERVER_AUTH
    return _pem(_issue(ca, key, wanted[0], names=wanted, purpose=purpose, now=now, days=days))


def sign_client_request(ca: Authority, csr_pem: str, name: str, now: datetime, days: int = DAYS) -> str:
    """Return a client's certificate, in PEM, with the name as its CN. NoevictError as for ``sign_request``."""
    key, purpose = _requested_key(csr_pem), ExtendedKeyUsageOID.CLIENT_AUTH
    return _pem(_issue(ca, key, name, names=(), purpose=purpose, now=now, days=days))


def _requested_key(csr_pem: str) -> CertificatePublicKeyTypes:
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        genuine, key = request.is_signature_valid, request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NoevictError("certificate request: should be one in PEM, cannot be read") from None
    if not genuine:
        raise NoevictError("certificate request: its signature is not by its key")
    if not _acceptable(key):
        raise NoevictError(
            "certificate request: its key should be EC P-256, P-384 or RSA of 2048 bits or more"
        )
    return key


def make_client_certificate(ca: Authority, name: str, now: datetime, days: int = DAYS) -> tuple[str, str]:
    """Return a client's certificate, with the name as its CN, and its key (PKCS #8), both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    certificate = _issue(ca, key.public_key(), name, names=(), purpose=purpose, now=now, days=days)
    return _pem(certificate), _key_pem(key)


def _issue(
    ca: Authority,
    key: CertificatePublicKeyTypes,
    common_name: str,
    *,
    names: tuple[str, ...],
    purpose: x509.ObjectIdentifier,
    now: datetime,
    days: int,
) -> x509.Certificate:
    start, end = ca.certificate.not_valid_before_utc, ca.certificate.not_valid_after_utc
    if not start <= now < end:
        raise NoevictError(
            f"the fleet's CA is valid from {start:%Y-%m-%d} to {end:%Y-%m-%d}, it is {now:%Y-%m-%d}"
        )
    # 64 characters are RFC 5280's limit for a CN, which no client compares if there are other names.
    builder = _builder(_subject(common_name[:64]), ca.certificate.subject, key, ca.key.public_key())
    builder = (
        builder.not_valid_before(max(now - CLOCK_SKEW, start))
        .not_valid_after(min(now + timedelta(days=days), end))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if names:
        held = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(held, critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    """Begin a certificate with what a CA's certificate and those it signs have in common."""
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(signer, critical=False)
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _acceptable(key: CertificatePublicKeyTypes) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048


def _checked(name: str) -> str:
    usable = normalise(name)
    if usable is None:
        raise NoevictError(f"certificate: {name!r} should be a DNS name or an address")
    return usable


def _general_name(name: str) -> x509.GeneralName:
    """Return an address or a DNS name: clients compare addresses only with addresses, and names with names."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
