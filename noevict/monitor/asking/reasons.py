"""Says in one line why a host gave no answer. The line can be shown to anybody."""

import socket
import ssl

from noevict.monitor.asking.wire import RefusedCommand

SECONDS = 2.0  # for an answer, the connection included


class ShutOut(ConnectionError):
    """The server ended a connection at its login."""


_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, f"no answer in {SECONDS:g} s"),
    (socket.gaierror, "DNS does not know its name"),
    (ConnectionRefusedError, "refuses connections: nothing listens there"),
    (
        ShutOut,
        "hangs up at the login: perhaps it asks clients for a certificate (redis_tls_auth_clients)",
    ),
    (ConnectionError, "hangs up"),
    (EOFError, "hangs up"),
)


def reason(error: Exception, user: str) -> str:
    """Return why asking as that user raised ``error``."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {_tls(error)}"
    if isinstance(error, RefusedCommand):
        return _refusal(error, user)
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).lower()
    return str(error)  # of ours


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    why = error.reason or ""
    if why in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        return "this port does not speak TLS"
    if "CERTIFICATE_REQUIRED" in why or "HANDSHAKE_FAILURE" in why:
        return "it asks for a certificate, and rejects ours (redis_tls_auth_clients)"
    return why.replace("_", " ").lower() or "the handshake failed"


def _refusal(error: RefusedCommand, user: str) -> str:
    if error.code in {"WRONGPASS", "NOAUTH"}:
        way_out = "copy the current secrets/ here, name them in NOEVICT_SECRETS, or deploy"
        return f"the password of user {user} is not accepted: {way_out}"
    if error.code == "NOPERM":
        return f"user {user} may not do what it should: the next deploy repairs it"
    return str(error)
