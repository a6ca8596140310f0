"""The client's side of TLS: what a context checks, and which certificate it shows."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noevict.pki import contexts
from noevict.pki.authority import make_client_certificate
from tests.unit.pki.certificates import CA, CACHE, handshake, server_context

CA_PEM = CA.certificate_pem.encode()
OWN = "".join(make_client_certificate(CA, "worker", datetime.now(UTC)))
FLAGS = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


@pytest.mark.parametrize("make", [contexts.client_context, contexts.trusting])
def test_a_client_checks_who_answers_strictly_unless_the_ca_is_a_users(make) -> None:
    strict, loose = make(CA_PEM), make(CA_PEM, strict=False)
    assert strict.verify_flags & FLAGS == ssl.VERIFY_X509_STRICT
    assert loose.verify_flags & FLAGS == 0
    for context in (strict, loose):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_flags_are_the_same_on_releases_of_python_with_other_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = ssl.create_default_context

    def other(**given: str) -> ssl.SSLContext:
        context = made(**given)
        context.verify_flags |= FLAGS  # as 3.13 has them
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    monkeypatch.setattr(ssl, "create_default_context", other)
    test_a_client_checks_who_answers_strictly_unless_the_ca_is_a_users(contexts.client_context)


def test_a_look_through_ssh_checks_nobody() -> None:
    context = contexts.unchecked()
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_one_context_is_made_for_the_whole_run_and_another_for_another_ca_or_certificate() -> None:
    assert contexts.trusting(CA_PEM) is contexts.trusting(CA_PEM)
    assert contexts.trusting(CA_PEM) is not contexts.trusting(CA_PEM, OWN)
    assert contexts.unchecked(OWN) is contexts.unchecked(OWN)
    assert contexts.unchecked(OWN) is not contexts.unchecked()


@pytest.mark.parametrize(
    "make",
    [
        contexts.unchecked,
        lambda own: contexts.client_context(CA_PEM, own),
        lambda own: contexts.trusting(CA_PEM, own),
    ],
    ids=["unchecked", "checked", "kept"],
)
def test_a_certificate_of_its_own_is_shown_if_a_server_asks_for_one(tmp_path: Path, make) -> None:
    server = server_context(tmp_path, CACHE.pem, CACHE.key)
    server.load_verify_locations(cadata=CA.certificate_pem)
    server.verify_mode = ssl.CERT_REQUIRED
    handshake(server, make(OWN), "localhost")
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(server, make(None), "localhost")


def test_what_a_client_would_not_accept_is_reported_in_words() -> None:
    client = contexts.client_context(CA_PEM)
    assert contexts.refusal(client, CACHE.pem + CACHE.key, "localhost") is None
    assert contexts.refusal(client, OWN, "localhost") == "unsuitable certificate purpose"
    assert (
        contexts.refusal(client, CACHE.pem, "localhost") == "tls fails"
    )  # no key: OpenSSL has no word for it
    old = contexts.client_context(CA_PEM)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES256-GCM-SHA384")  # for RSA keys only
    assert contexts.refusal(old, CACHE.pem + CACHE.key, "localhost") == "no shared cipher"


def test_a_handshake_that_does_not_end_is_no_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "_TURNS", 1)
    client = contexts.client_context(CA_PEM)
    assert contexts.refusal(client, CACHE.pem + CACHE.key, "localhost") == "the handshake did not end"
