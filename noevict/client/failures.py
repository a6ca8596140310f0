"""What an error on the way to a server means."""

import ssl
from collections.abc import Iterator

import redis


def certificate_fault(error: BaseException) -> str | None:
    """Why a certificate was not accepted, in OpenSSL's words; None where the error is about something else."""
    if isinstance(error, redis.AuthenticationError):
        return None
    fault = next((each for each in _causes(error) if isinstance(each, ssl.SSLCertVerificationError)), None)
    return None if fault is None else str(fault.verify_message)


def wants_certificate(error: BaseException) -> bool:
    """Whether the server ended TLS because the client's certificate is missing, or of a CA that it does not know."""
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
    """The error, and what led to it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def sentence(error: BaseException) -> str:
    """An error from outside in one line."""
    fault = certificate_fault(error)
    if fault:
        return f"the certificate is not accepted: {fault}"
    return " ".join(str(error).split()) or type(error).__name__
