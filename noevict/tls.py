"""What a client's side of TLS needs: whom to trust, and a certificate of its own where a server asks for one."""

import functools
import ssl
import tempfile


def client_context(ca: bytes, own: str | None = None) -> ssl.SSLContext:
    """The context of a client that has the CA (PEM) and, where servers ask for it, a certificate and key (PEM).

    Raises ssl.SSLError where they are none.
    """
    context = ssl.create_default_context(cadata=ca.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return _with_certificate(context, own)


@functools.lru_cache(maxsize=64)
def trusting(ca: bytes, own: str | None = None) -> ssl.SSLContext:
    """As ``client_context``, one for the whole run: building one costs 40 ms of CPU."""
    return client_context(ca, own)


@functools.lru_cache(maxsize=8)
def unchecked(own: str | None = None) -> ssl.SSLContext:
    """TLS with no check of who answers: only for looking at a server through SSH that proved who the host is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _with_certificate(context, own)


def _with_certificate(context: ssl.SSLContext, own: str | None) -> ssl.SSLContext:
    if own is not None:
        # ssl reads files alone: this one is its owner's alone, and gone at once.
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(own)
            file.flush()
            context.load_cert_chain(file.name)
    return context
