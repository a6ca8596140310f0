"""Explains errors on the way to a server."""

import ssl
from collections.abc import Iterator

import redis


def certificate_fault(error: BaseException) -> str | None:
    """Return why a certificate was not accepted, in OpenSSL's words; None if the error is about something else."""
    if isinstance(error, redis.AuthenticationError):
        return None
    fault = next((each for each in _causes(error) if isinstance(each, ssl.SSLCertVerificationError)), None)
    return None if fault is None else str(fault.verify_message)


def wants_certificate(error: BaseException) -> bool:
    """Whether the server ended TLS because the client's certificate is missing, or of a CA unknown to it."""
    return any(isinstance(each, ssl.SSLError) and each.reason in _CLIENT_REFUSED for each in _causes(error))


# https://github.com/openssl/openssl/blob/master/include/openssl/sslerr.h
_CLIENT_REFUSED = (
    *("TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA"),
    *(
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    ),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, and the errors that led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def sentence(error: BaseException) -> str:
    """Return an error from a library in one line."""
    fault = certificate_fault(error)
    if fault:
        return f"the certificate is not accepted: {fault}"
    return " ".join(str(error).split()) or type(error).__name__
