"""TLS contexts for clients: whom to trust, and a client certificate for servers that ask for one."""

import contextlib
import functools
import ssl
import tempfile

# A handshake takes two turns of both ends with TLS 1.3, three with TLS 1.2.
_TURNS = 10


def client_context(ca: bytes, certificate: str | None = None, *, strict: bool = True) -> ssl.SSLContext:
    """Return the context of a client that has the CA (PEM) and, for servers that ask, a certificate and key (PEM).

    ``strict`` enables all checks of RFC 5280, for the fleet's CA. A user's CA may have been made by `openssl req -x509`
    without a key usage. The flags are the same on every release of Python: 3.13 is strict by default, and trusts a
    chain that ends in an intermediate certificate, as few other clients do.

    Raise ssl.SSLError if they cannot be read.
    """
    context = ssl.create_default_context(cadata=ca.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return _with_certificate(context, certificate)


@functools.lru_cache(maxsize=64)
def trusting(ca: bytes, certificate: str | None = None, *, strict: bool = True) -> ssl.SSLContext:
    """Return one ``client_context`` for the whole run: building one costs 40 ms of CPU."""
    return client_context(ca, certificate, strict=strict)


@functools.lru_cache(maxsize=8)
def unchecked(certificate: str | None = None) -> ssl.SSLContext:
    """Return a context that does not check who answers: only for a server behind SSH, which proved who the host is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _with_certificate(context, certificate)


def refusal(client: ssl.SSLContext, certificate: str, name: str) -> str | None:
    """Return why this client would not accept a server with that certificate, chain and key (PEM); None if it would.

    It makes a whole handshake in memory, as the client and the server would.
    """
    try:
        server = _with_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate)
        return _shake_hands(client, server, name)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return (error.reason or "TLS fails").replace("_", " ").lower()


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> str | None:
    """Why it came to no end; None if it did. Raise what the side that refuses raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(_TURNS):
        for end in tuple(ends):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)
    return "the handshake did not end" if ends else None


def _with_certificate(context: ssl.SSLContext, certificate: str | None) -> ssl.SSLContext:
    if certificate is not None:
        # ssl reads only files: only its owner can read this one, and it is removed at once.
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(certificate)
            file.flush()
            context.load_cert_chain(file.name)
    return context
