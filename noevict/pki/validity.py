"""How long certificates are valid, and when a host's certificate has to be renewed. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509

from noevict.pki.certificate import Certificate
from noevict.pki.host_names import Owner, nobody

DAYS = 397  # 13 months, as for public CAs: all clients accept that, and a leaked key expires by itself
RENEW_DAYS = 30
# A machine whose clock is slow by less than this accepts what was signed just now.
CLOCK_SKEW = timedelta(hours=1)


def problems(
    certificate: Certificate | None,
    key_digest: str,
    ca: x509.Certificate,
    names: Iterable[str],
    now: datetime,
    *,
    renew_days: int = RENEW_DAYS,
    owner: Owner = nobody,
) -> tuple[str, ...]:
    """Return why a host's certificate has to be renewed, in words; empty if it is as it should be.

    `certificate` is None if it cannot be read, `key_digest` is empty if there is no key. More names than those wanted
    are not a problem, unless they belong to another host (`owner`). Nor is an end that is also the CA's: a new
    certificate would not last longer.
    """
    if certificate is None:
        return ("cannot be read",)
    found = [f"does not cover {name}" for name in dict.fromkeys(names) if not certificate.covers(name)]
    others = {name: owner(name) for name in sorted(certificate.names)}
    found += [f"covers {name}, which is {other}'s" for name, other in others.items() if other]
    left = certificate.not_after - now
    ends_with_ca = certificate.not_after >= ca.not_valid_after_utc
    if left <= timedelta(0) or (left < timedelta(days=renew_days) and not ends_with_ca):
        found.append(expiry(left))
    if certificate.not_before > now:
        found.append(f"is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC")
    if not certificate.signed_by(ca):
        found.append("is signed by another CA")
    if key_digest != certificate.key_digest:
        found.append("does not match its key" if key_digest else "has no key")
    return tuple(found)


def outlives(certificate: Certificate, days: int = DAYS) -> bool:
    """Whether a certificate was made for longer than certificates are made now."""
    return certificate.not_after - certificate.not_before > timedelta(days=days) + 2 * CLOCK_SKEW


def expiry(left: timedelta) -> str:
    """Return how long a certificate is still valid, as the end of a sentence."""
    if left <= timedelta(0):
        return "has expired"
    return f"expires in {left.days} days" if left.days != 1 else "expires in 1 day"
