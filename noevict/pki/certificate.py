"""Parses certificates: the names they cover, when they end, who signed them.

It also reads the files of users who bring their own. `now` is an argument (aware, UTC).
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from noevict.errors import NoevictError

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME = re.compile(rf"(\*\.(?={_LABEL}\.))?({_LABEL}\.)*{_LABEL}")
_PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def normalise(name: str) -> str | None:
    """Return a name or address in the form of certificates: lower case, no final dot, no brackets, shortest IPv6.

    None for what a certificate cannot vouch for: characters that DNS does not have (an international name counts in its
    xn-- form), a wildcard that is not the whole first of three labels, 0.0.0.0, an address with a zone.
    """
    bare = name.lower()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        bare = bare.removesuffix(".")
        numeric = re.fullmatch(r"[0-9.]*", bare)  # a mistyped IPv4 address
        valid = name.isascii() and len(bare) <= 253 and _DNS_NAME.fullmatch(bare)
        return bare if valid and not numeric else None
    usable = not (address.is_unspecified or address.is_multicast or "%" in bare)
    return str(address) if usable else None


@dataclass(frozen=True)
class Certificate:
    """The content of a certificate.

    `names` are as `normalise` returns them. `key_digest` is the SHA-256, in hex, of its public key, which
    ``openssl pkey -pubout -outform DER | sha256sum`` prints for the private key.
    """

    names: frozenset[str]
    not_before: datetime
    not_after: datetime
    key_digest: str
    fingerprint: str
    parsed: x509.Certificate = field(repr=False)

    @classmethod
    def parse(cls, pem: str) -> "Certificate | None":
        """Parse the first certificate in the text; None if there is none that can be read."""
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            return cls(
                names=_names(certificate),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                key_digest=public_key_digest(certificate.public_key()),
                fingerprint=fingerprint(certificate),
                parsed=certificate,
            )
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
            return None

    def covers(self, name: str) -> bool:
        """Whether a client that asks for this name or address accepts it; wildcards as clients read them."""
        wanted = normalise(name)
        if wanted is None:
            return False
        _, _, rest = wanted.partition(".")
        return wanted in self.names or (bool(rest) and f"*.{rest}" in self.names)

    def signed_by(self, issuer: x509.Certificate) -> bool:
        try:
            self.parsed.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True


@dataclass(frozen=True)
class UserCertificate:
    """A certificate that the user brought, as PEM texts; the first one in `chain` is the server's."""

    certificate: Certificate
    chain: str
    ca: str
    key: str = field(repr=False)


def load_user_certificate(cert_path: Path, key_path: Path, ca_path: Path, now: datetime) -> UserCertificate:
    """Load the user's files. ``contexts.refusal`` checks whether a client accepts them.

    Intermediate certificates follow the server's certificate, or are in the CA's file. NoevictError names the file and
    what is wrong with it.
    """
    chain, ca = _read(cert_path), _read(ca_path)
    server, *_ = _certificates(cert_path, chain)
    _certificates(ca_path, ca)
    key = _read(key_path)
    if _private_key_digest(key_path, key) != server.key_digest:
        raise NoevictError(f"{key_path}: should be the key of {cert_path}, is the key of another certificate")
    if not server.not_before <= now < server.not_after:
        raise NoevictError(
            f"{cert_path}: valid from {server.not_before:%Y-%m-%d} to {server.not_after:%Y-%m-%d}, "
            f"it is {now:%Y-%m-%d}"
        )
    return UserCertificate(server, _only_certificates(chain), _only_certificates(ca), key)


def missing_extensions(ca: x509.Certificate) -> Iterator[str]:
    """Yield the extensions that OpenSSL's strict checks require of a root (check_chain in x509_vfy.c) and it lacks."""
    held = {type(each.value): each for each in ca.extensions}
    if not held[x509.BasicConstraints].critical:
        yield "basicConstraints that are critical"
    usage = held[x509.KeyUsage].value if x509.KeyUsage in held else None
    if not (isinstance(usage, x509.KeyUsage) and usage.key_cert_sign):
        yield "keyUsage with keyCertSign"
    if x509.SubjectKeyIdentifier not in held:
        yield "subjectKeyIdentifier"


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the fingerprint in the form of ``openssl x509 -fingerprint -sha256``."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def public_key_digest(key: PublicKeyTypes) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    held = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return frozenset([*held, *map(str, names.get_values_for_type(x509.IPAddress))])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise NoevictError(f"{path}: cannot be read: {error.strerror}") from None


def certificates_in(pem: str) -> list[str]:
    """Return the certificates of a text, unchanged, without anything else in it: comments, a key."""
    return _PEM_CERTIFICATE.findall(pem)


def _only_certificates(pem: str) -> str:
    return "".join(f"{block}\n" for block in certificates_in(pem))


def _certificates(path: Path, pem: str) -> tuple[Certificate, ...]:
    found = tuple(map(Certificate.parse, certificates_in(pem)))
    readable = tuple(certificate for certificate in found if certificate)
    if not found or len(readable) < len(found):
        raise NoevictError(f"{path}: should hold certificates in PEM, has none or one that cannot be read")
    return readable


def _private_key_digest(path: Path, pem: str) -> str:
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except TypeError:  # cryptography raises it if a passphrase is needed
        raise NoevictError(f"{path}: should be a key without a passphrase: no server could start") from None
    except (ValueError, UnsupportedAlgorithm):
        raise NoevictError(f"{path}: should hold a private key in PEM, has none that can be read") from None
    return public_key_digest(key.public_key())
