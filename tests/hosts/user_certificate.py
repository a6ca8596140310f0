"""A certificate that the user brings, from a CA that noevict does not know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import CertificateSigningRequestBuilder, Name, NameAttribute
from cryptography.x509.oid import NameOID

from noevict.pki import authority


@dataclass(frozen=True)
class UserCertificateFiles:
    """The three files, in PEM, and the CA that issues the next certificate."""

    authority: authority.Authority
    certificate: Path
    key: Path
    ca: Path

    @classmethod
    def make(cls, directory: Path, names: Iterable[str], days: int = 90) -> "UserCertificateFiles":
        """Written into the directory, as ``own.crt``, ``own.key`` and ``own-ca.crt``."""
        paths = (directory / name for name in ("own.crt", "own.key", "own-ca.crt"))
        made = cls(authority.make_ca(datetime.now(UTC)), *paths)
        made.ca.write_text(made.authority.certificate_pem)
        made.issue(names, days)
        return made

    def issue(self, names: Iterable[str], days: int = 90) -> None:
        """Another certificate and key in place of those in the files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = Name([NameAttribute(NameOID.COMMON_NAME, "own")])
        request = CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        pem = request.public_bytes(serialization.Encoding.PEM).decode()
        self.certificate.write_text(
            authority.sign_request(self.authority, pem, names, datetime.now(UTC), days)
        )
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        self.key.chmod(0o600)

    @property
    def settings(self) -> dict[str, str]:
        """For hosts.yml: paths relative to the checkout the files are in."""
        return {
            "redis_tls_cert": self.certificate.name,
            "redis_tls_key": self.key.name,
            "redis_tls_ca": self.ca.name,
        }
