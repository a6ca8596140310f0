"""Certificates that users bring: what noevict takes is what its own connections accept later, whoever made them."""

import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from noevict.errors import NoevictError
from noevict.fleet.access import Access
from noevict.fleet.endpoint import Endpoint, make_endpoint
from noevict.pki import authority, contexts
from noevict.pki.authority import make_ca
from noevict.pki.certificate import UserCertificate, load_user_certificate
from noevict.run.context import RunContext
from noevict.secrets.store import Secrets
from tests.unit.pki.certificates import of_an_odd_curve

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
NAME = "cache-1"


def pem_of(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def accepted(own: UserCertificate, name: str = NAME) -> str | None:
    """Why noevict's connections would not accept it; None if they do."""
    return contexts.refusal(contexts.client_context(own.ca.encode(), strict=False), own.chain + own.key, name)


@dataclass
class Own:
    """A corporate CA with an intermediate, and a server's certificate below it, as files."""

    directory: Path

    def __post_init__(self) -> None:
        self.root, self.root_key = self.issue("root", None, ca=True)
        self.middle, self.middle_key = self.issue("middle", (self.root, self.root_key), ca=True)
        self.server, self.server_key = self.issue("server", (self.middle, self.middle_key))
        self.write("crt", self.server, self.middle)
        self.write("ca", self.root)
        (self.directory / "key").write_text(pem_of(self.server_key))

    def issue(self, name: str, issuer, ca: bool = False, start: datetime = NOW - DAY, days: int = 100):
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
            .sign(issuer[1] if issuer else key, hashes.SHA256())
        )
        return certificate, key

    def write(self, file: str, *certificates: x509.Certificate) -> None:
        blocks = [each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates]
        (self.directory / file).write_text("a comment\n" + "".join(blocks))

    def load(self, now: datetime = NOW) -> UserCertificate:
        return load_user_certificate(
            self.directory / "crt", self.directory / "key", self.directory / "ca", now
        )

    def refused(self, now: datetime = NOW) -> str:
        with pytest.raises(NoevictError) as refused:
            self.load(now)
        (line,) = refused.value.lines
        assert "\n" not in line
        return line.removeprefix(f"{self.directory}/")


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def test_of_own_files_only_certificates_are_taken_and_the_key_is_not_shown(own: Own) -> None:
    given = (own.directory / "crt").read_text()
    with (own.directory / "crt").open("a") as file:
        file.write((own.directory / "key").read_text())  # many programs want both in one file
    found = own.load()
    assert found.chain == given.removeprefix("a comment\n")
    assert found.ca.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" in found.key
    assert "PRIVATE" not in repr(found)
    assert accepted(found) is None


def test_a_comment_may_be_in_any_language(own: Own) -> None:
    chain = (own.directory / "crt").read_text()
    (own.directory / "crt").write_bytes("für cache-1\n".encode("latin-1") + chain.encode())
    assert own.load().chain == chain.removeprefix("a comment\n")


def test_an_intermediate_may_stand_in_the_cas_file(own: Own) -> None:
    own.write("crt", own.server)
    assert accepted(own.load()) == "unable to get local issuer certificate"
    own.write("ca", own.middle, own.root)
    assert accepted(own.load()) is None
    own.write("ca", own.root, own.issue("other", None)[0], own.middle)
    assert accepted(own.load()) is None


def test_a_certificate_that_signs_itself_is_its_own_ca(own: Own) -> None:
    single, key = own.issue("alone", None)
    own.write("crt", single)
    own.write("ca", single)
    (own.directory / "key").write_text(pem_of(key))
    assert accepted(own.load()) is None


def test_a_ca_that_is_another_one_or_has_no_root_is_accepted_by_no_client(own: Own) -> None:
    own.write("ca", own.middle)
    assert accepted(own.load()) == "unable to get issuer certificate"
    own.write("ca", own.issue("other", None)[0])
    assert accepted(own.load()) == "unable to get local issuer certificate"
    own.write("ca", own.root)
    assert "Hostname mismatch" in str(accepted(own.load(), "cache-2"))


def test_an_intermediate_that_has_expired_is_no_link(own: Own) -> None:
    start = NOW - 20 * DAY
    own.middle, own.middle_key = own.issue("middle", (own.root, own.root_key), ca=True, start=start, days=10)
    own.server, own.server_key = own.issue("server", (own.middle, own.middle_key))
    own.write("crt", own.server, own.middle)
    (own.directory / "key").write_text(pem_of(own.server_key))
    assert accepted(own.load()) == "certificate has expired"


def test_each_mistake_in_own_files_is_one_line(own: Own) -> None:
    starts, ends = NOW - DAY, NOW + 99 * DAY
    assert own.load(starts).certificate.not_before == starts
    assert own.load(ends - timedelta(seconds=1)).certificate.not_after == ends
    for now in ends, NOW + 200 * DAY, NOW - 2 * DAY:
        assert own.refused(now) == f"crt: valid from {starts.date()} to {ends.date()}, it is {now.date()}"
    (own.directory / "key").write_text(pem_of(own.middle_key))
    assert (
        own.refused() == f"key: should be the key of {own.directory}/crt, is the key of another certificate"
    )
    (own.directory / "key").write_text(of_an_odd_curve(make_ca(NOW).key_pem))
    assert own.refused().startswith("key: should hold a private key in PEM")
    (own.directory / "key").write_text("nonsense")
    assert own.refused().startswith("key: should hold a private key in PEM")
    locked = own.server_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (own.directory / "key").write_bytes(locked)
    assert own.refused().startswith("key: should be a key without a passphrase")
    (own.directory / "key").unlink()
    assert own.refused() == "key: cannot be read: No such file or directory"
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    good = (own.directory / "crt").read_text()
    for text in (broken, good + broken, "nothing\n", ""):
        (own.directory / "crt").write_text(text)
        assert own.refused().startswith("crt: should hold certificates in PEM")
    (own.directory / "crt").write_text(good)
    (own.directory / "ca").write_text("nothing\n")
    assert own.refused().startswith("ca: should hold certificates in PEM")


# What people make with openssl

PLAIN = {
    # As many instructions have it; Debian's openssl.cnf adds identifiers, and no key usage.
    "as shipped": "",
    # An openssl.cnf of somebody's own, or LibreSSL: no extension at all but that it is a CA.
    "no extensions": "[req]\ndistinguished_name=n\n[n]\n[ca]\nbasicConstraints=CA:true\n",
}


def openssl(directory: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


def make_plainly(directory: Path, key: str, config: str) -> None:
    """ca.crt, own.crt, own.key in the directory."""
    new = ("-nodes", "-newkey", *key.split())
    options: tuple[str, ...] = ()
    if config:
        (directory / "cnf").write_text(config)
        options = ("-config", "cnf", "-extensions", "ca")
    openssl(
        directory, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ours", *options
    )
    openssl(directory, "req", *new, "-keyout", "own.key", "-out", "own.csr", "-subj", f"/CN={NAME}")
    (directory / "san").write_text(f"subjectAltName=DNS:{NAME}\n")
    signed = ("x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
    openssl(directory, *signed, "-extfile", "san", "-out", "own.crt")


@pytest.mark.parametrize("config", PLAIN)
@pytest.mark.parametrize("key", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"])
def test_a_ca_made_with_plain_openssl_is_trusted_as_it_is_accepted(
    tmp_path: Path, key: str, config: str
) -> None:
    make_plainly(tmp_path, key, PLAIN[config])
    own = load_user_certificate(
        tmp_path / "own.crt", tmp_path / "own.key", tmp_path / "ca.crt", datetime.now(UTC)
    )
    assert accepted(own) is None
    fleet = RunContext(tmp_path, {NAME: settings(tmp_path)})
    fleet.try_own_certificate(fleet.settings[NAME], endpoint(fleet))
    # With the very context that reaches the host later.
    assert contexts.refusal(fleet.trusting(endpoint(fleet)), own.chain + own.key, NAME) is None
    assert not fleet.trusting(endpoint(fleet)).verify_flags & ssl.VERIFY_X509_STRICT


def endpoint(run: RunContext) -> Endpoint:
    return make_endpoint(run.root, NAME, NAME, run.settings[NAME])


def settings(directory: Path) -> dict[str, str]:
    files = {"cert": "own.crt", "key": "own.key", "ca": "ca.crt"}
    return {f"redis_tls_{what}": str(directory / name) for what, name in files.items()}


def test_what_no_client_would_accept_is_refused_with_the_reason(tmp_path: Path) -> None:
    make_plainly(tmp_path, "rsa:2048", "")
    (tmp_path / "ca.crt").write_text(authority.make_ca(NOW).certificate_pem)
    fleet = RunContext(tmp_path, {NAME: settings(tmp_path)})
    with pytest.raises(NoevictError) as refused:
        fleet.try_own_certificate(fleet.settings[NAME], endpoint(fleet))
    [line] = refused.value.lines
    assert line.startswith(
        f"redis_tls_cert: no client that has {tmp_path}/ca.crt would accept it for {NAME}: "
    )
    assert "unable to get local issuer certificate" in line


def test_the_fleets_own_ca_is_checked_strictly(tmp_path: Path) -> None:
    fleet = RunContext(tmp_path, {NAME: {}})
    flags = fleet.trusting(endpoint(fleet)).verify_flags
    assert flags & ssl.VERIFY_X509_STRICT
    assert not flags & ssl.VERIFY_X509_PARTIAL_CHAIN


def test_status_and_serve_check_a_users_ca_as_runs_do(tmp_path: Path) -> None:
    make_plainly(tmp_path, "rsa:2048", "")
    own = load_user_certificate(
        tmp_path / "own.crt", tmp_path / "own.key", tmp_path / "ca.crt", datetime.now(UTC)
    )
    Secrets.create(tmp_path / "secrets")
    (tmp_path / "hosts.yml").write_text(f"redis:\n  {NAME}:\n")
    access = Access(tmp_path)
    plain = access.context(Endpoint(NAME, NAME, 6379, ca=own.ca), datetime.now(UTC))
    assert contexts.refusal(plain, own.chain + own.key, NAME) is None
    fleets = access.context(Endpoint(NAME, NAME, 6379), datetime.now(UTC))
    assert fleets.verify_flags & ssl.VERIFY_X509_STRICT
    assert contexts.refusal(fleets, own.chain + own.key, NAME) is not None


# A fleet's own CA that a user made

KEY_USAGE = "-addext keyUsage=critical,keyCertSign,cRLSign"


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (KEY_USAGE, ""),  # as docs/certificates.md has it
        ("", "keyUsage with keyCertSign"),
        ("-addext keyUsage=critical,digitalSignature", "keyUsage with keyCertSign"),
        (f"{KEY_USAGE} -addext subjectKeyIdentifier=none", "subjectKeyIdentifier"),
        ("-config cnf -extensions ca", "basicConstraints that are critical, keyUsage with keyCertSign"),
    ],
)
def test_a_ca_for_the_fleet_that_strict_clients_refuse_is_refused_at_once(
    tmp_path: Path, options: str, missing: str
) -> None:
    (tmp_path / "cnf").write_text(PLAIN["no extensions"])
    new = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout ca.key -out ca.crt -subj /CN=ours"
    openssl(tmp_path, *new.split(), *options.split())
    certificate, key = (tmp_path / "ca.crt").read_text(), (tmp_path / "ca.key").read_text()
    parsed = authority.Authority(
        x509.load_pem_x509_certificate(certificate.encode()), authority.parse_key(key)
    )
    made = "".join(authority.make_client_certificate(parsed, "x", datetime.now(UTC)))
    server = subprocess.run(
        ["openssl", "req", "-new", "-nodes", "-newkey", "rsa:2048", "-keyout", "s.key", "-subj", "/CN=x"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    chain = (
        authority.sign_request(parsed, server, [NAME], datetime.now(UTC)) + (tmp_path / "s.key").read_text()
    )
    strict = contexts.client_context(certificate.encode(), made)
    assert bool(contexts.refusal(strict, chain, NAME)) == bool(missing)
    if not missing:
        assert authority.Authority.parse(certificate, key).fingerprint == parsed.fingerprint
        return
    with pytest.raises(NoevictError) as refused:
        authority.Authority.parse(certificate, key)
    [line] = refused.value.lines
    if "cnf" in options:  # some releases of openssl add an identifier by themselves
        line = line.replace(", subjectKeyIdentifier", "")
    assert line == (
        f"ca.crt: should have {missing}, without which strict clients (Python 3.13) trust nothing it signs: "
        "docs/certificates.md has the command that makes one"
    )
