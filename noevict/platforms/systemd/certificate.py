"""Plans changes of a host's key, certificate and CA, which change together. Pure.

``tls`` is a link to a directory beside it, and both belong to root. A new pair is written to a new directory, and put
in place by one rename: no start finds a key that does not belong to the certificate. Files that somebody else could
write or read, by their owner or mode, are never used again: a new key and certificate replace them.
"""

from collections.abc import Iterator
from datetime import datetime

from noevict.engines.package_layout import Layout
from noevict.machine.files import attributes
from noevict.pki import validity
from noevict.pki.certificate import Certificate, UserCertificate
from noevict.plan.change import Change, How, Part
from noevict.platforms.systemd.conflicts import not_roots
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target, tls_files
from noevict.secrets.store import Secrets
from noevict.server import compare


def changes(
    state: InstanceState,
    target: Target,
    secrets: Secrets,
    user_certificate: UserCertificate | None,
    now: datetime,
) -> Iterator[Change]:
    """Yield the changes; none if ``tls`` does not belong to root, which is a fault."""
    there = state.file(target.layout.tls)
    if there is not None and (not there.is_directory or any(not_roots(state, target.layout))):
        return
    yield from _files(state, target.layout)
    path = f"{target.layout.tls}/server.crt"
    found = Certificate.parse(state.certificate or "")
    if state.file(path) is None:
        yield Change(Part.CERTIFICATE, path, How.CERTIFICATE, "none", "a certificate")
    elif user_certificate is not None:
        same = (state.certificate or "").strip() == user_certificate.chain.strip()
        wanted_key = user_certificate.certificate.key_digest
        if not same or _key(state, target, user_certificate.certificate) != wanted_key:
            yield Change(Part.CERTIFICATE, path, How.CERTIFICATE, "another one", "the one of redis_tls_cert")
    else:
        key, names = _key(state, target, found), target.names
        for problem in validity.problems(found, key, secrets.ca.certificate, names, now, owner=target.owner):
            yield Change(Part.CERTIFICATE, path, How.CERTIFICATE, problem, "a new certificate")
    if (state.ca or "").strip() != target.ca.strip():
        yield Change(
            Part.CERTIFICATE,
            f"{target.layout.tls}/ca.crt",
            How.CERTIFICATE,
            "another one" if state.ca else "none",
            "the CA",
        )
    if found is not None:
        yield from compare.served_change(state.live, found, path)


def proving_key(state: InstanceState, layout: Layout) -> str | None:
    """Return the digest of the host's key if only root and the server can have it; None if anybody else may."""
    wanted = tls_files(layout)[-1]
    found = state.file(wanted.path)
    safe = state.tls and found is not None and found.is_regular and not any(attributes(found, wanted))
    return state.key_digest if safe else None


def _files(state: InstanceState, layout: Layout) -> Iterator[Change]:
    """Yield changes of the files' places, owners and modes."""
    for wanted in tls_files(layout):
        found = state.file(wanted.path)
        if found is None:
            if wanted.directory:
                yield Change(Part.CERTIFICATE, wanted.path, How.CERTIFICATE, "missing", "a directory")
        elif wanted.directory:
            if found.is_directory:
                yield from attributes(found, wanted, How.CERTIFICATE)
                if not state.tls:
                    why = "key and certificate change in one rename"
                    yield Change(
                        Part.CERTIFICATE, wanted.path, How.CERTIFICATE, "a directory", "a link to one", why
                    )
        elif not found.is_regular:
            yield Change(Part.CERTIFICATE, wanted.path, How.CERTIFICATE, found.kind, "regular file")
        else:
            yield from attributes(found, wanted, How.CERTIFICATE)


def _key(state: InstanceState, target: Target, certificate: Certificate | None) -> str:
    """Return the digest of the host's key, "" if it has none. A key that cannot be read yet counts as the right one."""
    if state.file(f"{target.layout.tls}/server.key") is None:
        return ""
    return state.key_digest or (certificate.key_digest if certificate else "")
