"""Finds out which fleet's secrets/ a managed host was set up with. Pure."""

from collections.abc import Iterator

from noevict.pki import authority
from noevict.pki.certificate import Certificate, certificates_in
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from noevict.secrets.store import Secrets
from noevict.server.live import Reach


def other_secrets(state: InstanceState, target: Target, secrets: Secrets) -> Iterator[str]:
    """Report a managed host that belongs to other secrets/: its CA is not ours, and it refuses our admin."""
    users = state.file(target.layout.aclfile)
    ours = users is not None and users.sha256 == target.digest(users.path)
    if not (ours and state.live.reach is Reach.NOT_RUNNING):
        yield from other_ca(state, target, secrets)


def fleet_ca(state: InstanceState, target: Target, secrets: Secrets) -> Certificate | None:
    """Return the certificate in the host's ca.crt that is a fleet's CA; None if that is not known.

    There may be CAs of clients beside it: from a certificate that the user brought, or added by hand.
    """
    ours = secrets.ca.certificate
    found = tuple(filter(None, map(Certificate.parse, certificates_in(state.ca or ""))))
    served = Certificate.parse(state.certificate or "")
    if served is not None and served.signed_by(ours):
        return next((each for each in found if each.parsed == ours), None)
    # noevict writes the fleet's CA last; a CA that the fleet trusts besides may be another fleet's.
    named = [each for each in found if each.parsed == ours or authority.named_as_ca(each.parsed)]
    known = {each.fingerprint for each in map(Certificate.parse, certificates_in(target.ca)) if each}
    strange = [each for each in found if each.fingerprint not in known]
    return next(reversed(named or strange), None)


def other_ca(state: InstanceState, target: Target, secrets: Secrets) -> Iterator[str]:
    """Report a CA that is not ours, on a host whose server refuses our admin."""
    theirs = fleet_ca(state, target, secrets)
    if theirs is None or theirs.fingerprint == secrets.ca.fingerprint or state.live.user == "admin":
        return
    path, no_ca = secrets.path, secrets.no_ca
    what = (
        f"is managed with other secrets: {path} has no CA ({no_ca})"
        if no_ca
        else f"is managed with other secrets than {path}"
    )
    yield f"{what}: set NOEVICT_SECRETS to a copy of those it was made with; its CA is {theirs.fingerprint}"
