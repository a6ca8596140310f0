"""Brings a host's own passwords (host_passwords.py) to the host: which ones work meanwhile, and what is due. Pure.

A user's new password is added beside the old one. The old one is removed when nobody needs it any more: for `admin`
once noevict has logged in with the new one, for `health` and `exporter` once the host's exporter has the new one.
"""

from collections.abc import Iterator
from typing import Protocol

from noevict.acl import diff as acl_diff
from noevict.machine.found import GIVEN, ID, MachineState
from noevict.plan.change import Change, How, Part
from noevict.secrets.host_passwords import PER_HOST
from noevict.secrets.store import Secrets
from noevict.server.live import NOT_UNDERSTOOD, Live

PASSWORDS, OLDER = acl_diff.PASSWORDS, "older passwords"  # aspects of a user
_WATCHING = ("health", "exporter")


class FoundPasswords(Protocol):
    """The part of what was found on a host that this module needs."""

    @property
    def machine(self) -> MachineState: ...
    @property
    def exporter_passwords(self) -> frozenset[str]: ...
    @property
    def live(self) -> Live: ...


def admin_logins(secrets: Secrets, state: FoundPasswords) -> tuple[str, ...]:
    """Return the passwords to try as admin, in this order.

    The password that all hosts had comes first if the host was given none of its own. It is not sent to a host that has
    an id file: there it can only be overheard.
    """
    of_all = secrets.passwords.get("admin")
    passwords = [secrets.password("admin"), *(each for each in secrets.older("admin") if each != of_all)]
    has_id = secrets.host is not None and secrets.host.has_id
    if of_all is None or has_id:
        return tuple(dict.fromkeys(passwords))
    return tuple(dict.fromkeys((*passwords, of_all) if state.machine.given else (of_all, *passwords)))


def kept(secrets: Secrets, state: FoundPasswords) -> dict[str, tuple[str, ...]]:
    """Return by user the digests of older passwords that should work beside the new one.

    A password that the server no longer accepts is never added to it again.
    """
    accepted = acl_diff.passwords(state.live.acl) if state.live.ours else None
    # A password that we cannot identify may be an older one.
    in_use = not state.exporter_passwords.isdisjoint((*secrets.older_digests("exporter"), NOT_UNDERSTOOD))
    found = {}
    for user in PER_HOST:
        older = secrets.older_digests(user)
        needed = in_use and user in _WATCHING
        if accepted is not None:
            needed = needed or secrets.digest(user) not in accepted.get(user, ())
            older = tuple(each for each in older if each in accepted.get(user, ()))
        if older and needed:
            found[user] = older
    return found


def left_over(secrets: Secrets, state: FoundPasswords) -> tuple[str, ...]:
    """Return the users whose older passwords should no longer work, but do."""
    if not state.live.ours:
        return ()
    accepted, stay = acl_diff.passwords(state.live.acl), kept(secrets, state)
    return tuple(
        user
        for user in PER_HOST
        if user not in stay and not accepted.get(user, frozenset()).isdisjoint(secrets.older_digests(user))
    )


def password_change(user: str, secrets: Secrets, live: Live) -> tuple[str, str, str] | None:
    """Return what is due (aspect, found, wanted) if a user's passwords are being rotated; else None."""
    if user not in PER_HOST:
        return None
    current = secrets.digest(user)
    accepted, older = acl_diff.passwords(live.acl).get(user), secrets.older_digests(user)
    if not accepted or not accepted <= {current, *older}:
        return None
    if current in accepted:
        return OLDER, "still accepted", "not accepted any more"
    return PASSWORDS, "an outdated one", "this host's own"


def identity(secrets: Secrets, state: FoundPasswords) -> Iterator[Change]:
    """Yield the file with the host's id, which is written last."""
    key = secrets.host
    if key is not None and state.machine.id != key.id:
        found = "another host's" if key.has_id else "damaged" if state.machine.id else "missing"
        yield Change(Part.FILE, ID, How.FILE, found, "the id of this host's passwords")


def is_finishing(change: Change) -> bool:
    """Whether a change is made at the very end of a run, once noevict has logged in with the new password."""
    return change.path == ID or (change.part is Part.USER and change.aspect == OLDER)


def gives_passwords(changes: tuple[Change, ...], aclfile: str) -> bool:
    """Whether the changes give the host a password that it did not have."""
    return any(
        (change.part is Part.FILE and change.subject == aclfile)
        or (change.part is Part.USER and change.aspect in (PASSWORDS, acl_diff.MISSING))
        for change in changes
    )


def stale(secrets: Secrets, state: FoundPasswords) -> Iterator[str]:
    """Report that this copy of secrets/ is older than the one the host got its passwords from, or another one."""
    given, ours = state.machine.given, secrets.generation
    if given is None:
        return
    way_out = (
        "copy the current secrets/ here or name them in NOEVICT_SECRETS, or make this copy the current one "
        "(`noevict secrets accept`); nothing was changed"
    )
    if not given.number:
        yield f"{GIVEN}: should be a number and a digest, is not: remove it, then run again"
    elif ours.number < given.number:
        yield (
            f"has passwords of generation {given.number} of secrets/users.yml, and this copy is of generation "
            f"{ours.number}: it is older; {way_out}"
        )
    elif ours.number == given.number and ours.digest != given.digest:
        yield (
            f"has passwords of generation {given.number} of secrets/users.yml ({given.digest[:8]}), and this copy is "
            f"another generation {ours.number} ({ours.digest[:8]}): {way_out}"
        )
