"""The controller's ``secrets/``: the fleet's CA and the passwords of its users.

==========  ==============================================================================================
ca.crt      the CA's certificate, which clients need; the directory counts as made once it is there
ca.key      its key
users.yml   user: password; ``takeover`` in it is the password of a foreign Redis, never a user's
clients/    NAME.crt and NAME.key of clients, for mutual TLS
==========  ==============================================================================================

All of it is for its owner alone. Files are replaced whole, by one process at a time; the order in which they
are made (ca.crt last) lets the next run finish what an interrupted one began. A ``.gitignore`` inside keeps
the directory out of whatever checkout it stands in.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from noevict import pki, users_file
from noevict.errors import NoevictError
from noevict.private_files import locked, make_directory, read_private, write_private
from noevict.users_file import TAKEOVER

_CLIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")  # a file's name, and at most 64 in a CN


def locate(root: Path) -> Path:
    """Where the secrets are: $NOEVICT_SECRETS, else ``secrets`` beside the inventory, which is in `root`."""
    elsewhere = os.environ.get("NOEVICT_SECRETS")
    return (Path(elsewhere).expanduser() if elsewhere else root / "secrets").absolute()


def load_secrets(root: Path) -> "Secrets":
    """Those of the checkout in `root`. Raises NoevictError where there are none yet."""
    path = locate(root)
    found = Secrets.load(path)
    if found is None:
        raise NoevictError(f"{path}: should hold the fleet's secrets, does not: the first deploy makes them")
    return found


@dataclass(frozen=True)
class Secrets:
    """What is in the directory. `passwords` holds `takeover` too, where the file does."""

    path: Path
    ca: pki.Authority
    passwords: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> "Secrets | None":
        """None where they were not made yet. NoevictError: unsafe, incomplete, not what they should be."""
        # ca.crt is made last and so read first: where it is, the others were.
        certificate, key, users = (read_private(path, name) for name in ("ca.crt", "ca.key", "users.yml"))
        if certificate is None:
            return None
        if key is None or users is None:
            missing = "ca.key" if key is None else "users.yml"
            raise NoevictError(
                f"{path}: should hold {missing} beside ca.crt: copy it from where the others are"
            )
        with _naming(path):
            ca = pki.Authority.parse(certificate, key)
        return cls(path, ca, users_file.parse(path / "users.yml", users))

    @classmethod
    def draft(cls, path: Path) -> "Secrets":
        """What `create` would make, in memory alone.

        Passwords that are there, such as a `takeover` put there before the first run, are in it.
        """
        users, key = read_private(path, "users.yml"), read_private(path, "ca.key")
        with _naming(path):
            ca = pki.make_ca(datetime.now(UTC), pki.parse_key(key) if key else None)
        return cls(path, ca, users_file.parse(path / "users.yml", users or ""))

    @classmethod
    def create(cls, path: Path) -> "Secrets":
        """Make them; where they are there, or another process was first, those that are there."""
        return cls.draft(path).save()

    def save(self) -> "Secrets":
        """Write what the directory lacks of these. What is there stays: the result is what is there then."""
        make_directory(self.path)
        with locked(self.path):
            made = Secrets.load(self.path)  # refuses what has lost a part, which must not be made anew
            if not (self.path / ".gitignore").exists():
                write_private(self.path / ".gitignore", "# No secret belongs in a repository.\n*\n")
            file, text = self.path / "users.yml", read_private(self.path, "users.yml")
            users = users_file.add(file, text or "", self.passwords)
            if users != text:
                write_private(file, users)
            if made is None:
                write_private(self.path / "ca.key", self.ca.key_pem)
                write_private(self.path / "ca.crt", self.ca.certificate_pem, mode=0o644)
            return Secrets.load(self.path) or self

    def draft_passwords(self, users: Iterable[str]) -> "Secrets":
        """With random passwords of 256 bits for those of the users that have none; in memory alone.

        `default` gets that of the Redis taken over, where there was one: its old clients can stay.
        """
        new = {user: secrets.token_urlsafe(32) for user in self.missing(users)}
        if "default" in new and self.takeover:
            new["default"] = self.takeover
        return replace(self, passwords={**self.passwords, **new}) if new else self

    def with_passwords(self, users: Iterable[str]) -> "Secrets":
        """The same, added to ``users.yml``. Nothing is written where no user lacks one."""
        drafted = self.draft_passwords(users)
        return self if drafted is self else drafted.save()

    def missing(self, users: Iterable[str]) -> tuple[str, ...]:
        """Those of the users that have no password yet."""
        return tuple(user for user in map(_a_user, dict.fromkeys(users)) if user not in self.passwords)

    @property
    def takeover(self) -> str | None:
        """The password of a Redis that noevict did not set up."""
        return self.passwords.get(TAKEOVER)

    def password(self, user: str) -> str:
        """NoevictError for a user that has none."""
        found = self.passwords.get(_a_user(user))
        if found is None:
            raise NoevictError(f"{self.path / 'users.yml'}: should have a password for {user}, has none")
        return found

    def digest(self, user: str) -> str:
        """SHA-256 of the password, in hex: what an ACL file takes after ``#``."""
        return hashlib.sha256(self.password(user).encode()).hexdigest()

    def digests(self, users: Iterable[str]) -> dict[str, str]:
        return {user: self.digest(user) for user in users}

    def issue_client(self, name: str, now: datetime, days: int, renew: bool = False) -> tuple[Path, Path]:
        """A client's certificate and key, as files in ``clients/``. One that is there is kept but to renew."""
        if not _CLIENT_NAME.fullmatch(name):
            raise NoevictError(f"{name!r}: should be up to 60 letters, digits, dots, dashes and underscores")
        clients = self.path / "clients"
        certificate, key = clients / f"{name}.crt", clients / f"{name}.key"
        make_directory(clients)
        with locked(self.path):
            if not renew and (certificate.exists() or key.exists()):
                raise NoevictError(f"{certificate}: is there already: --renew replaces it")
            certificate_pem, key_pem = pki.make_client_certificate(self.ca, name, now, days)
            write_private(key, key_pem)
            write_private(certificate, certificate_pem)
        return certificate, key


def _a_user(name: str) -> str:
    if name == TAKEOVER:
        raise NoevictError(f"{TAKEOVER}: should not be a user's name: in users.yml it is a foreign Redis's")
    return name


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except NoevictError as error:
        raise NoevictError(f"{path}/{error}") from None
