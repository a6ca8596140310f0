"""The controller's ``secrets/``: the fleet's CA and the passwords of its users.

==========  ==============================================================================================
ca.crt      the CA's certificate, which clients need; the directory counts as made once it is there
ca.key      its key
users.yml   user: password; passwords.py lists the entries in it that are not users
ids.yml     host: id, from which a host's passwords are derived (host_passwords.py); every run makes it again
clients/    NAME.crt and NAME.key of clients, for mutual TLS
==========  ==============================================================================================

Only the owner can read it. Files are replaced whole, by one process at a time. They are made in an order (ca.crt last)
that lets the next run finish what an interrupted one began. A ``.gitignore`` inside keeps the directory out of the
checkout that it is in.
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

from noevict.acl.profiles import HOST_SECRET, RESERVED, TAKEOVER
from noevict.errors import NoevictError
from noevict.pki import authority
from noevict.private_files import locked, make_directory, read_private, write_private
from noevict.secrets import host_passwords, passwords
from noevict.secrets.host_passwords import PER_HOST, HostIds, HostKey, derive_password
from noevict.secrets.passwords import Generation, Takeover, Users

IDS = "ids.yml"
_CLIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")  # a file's name, and at most 64 in a CN


def locate(root: Path) -> Path:
    """Return where the secrets are: $NOEVICT_SECRETS, else ``secrets`` beside the inventory, which is in `root`."""
    elsewhere = os.environ.get("NOEVICT_SECRETS")
    return (Path(elsewhere).expanduser() if elsewhere else root / "secrets").absolute()


def load_secrets(root: Path) -> "Secrets":
    """Load the secrets of the checkout in `root`. Raise NoevictError if there are none yet."""
    path = locate(root)
    found = Secrets.load(path)
    if found is None:
        raise NoevictError(
            f"{path}: should hold the fleet's secrets, does not: deploy to make them, or name "
            "their directory in NOEVICT_SECRETS"
        )
    return found


@dataclass(frozen=True)
class Secrets:
    """The content of the directory. `passwords` has the host secret too, and `takeover` if that is for all hosts.

    ``host``: for users whose passwords differ from host to host, ``password`` and the like return this host's; see
    ``of_host``. ``no_ca``: why the directory has no CA, if ``ca`` is only drafted; else "".
    """

    path: Path
    ca: authority.Authority
    passwords: Mapping[str, str] = field(repr=False)
    takeovers: Mapping[str, Takeover] = field(default_factory=dict, repr=False)
    written: Generation | None = None  # the one in users.yml
    ids: Mapping[str, str] = field(default_factory=dict, repr=False)
    host: HostKey | None = None
    no_ca: str = ""

    @classmethod
    def load(cls, path: Path) -> "Secrets | None":
        """Load the directory; None if it was not made yet. NoevictError if it is unsafe, incomplete or wrong."""
        # ca.crt is made last and therefore read first: if it is there, the others were.
        certificate, key, users, ids = (
            read_private(path, name) for name in ("ca.crt", "ca.key", "users.yml", IDS)
        )
        if certificate is None:
            return None
        if key is None or users is None:
            missing = "ca.key" if key is None else "users.yml"
            raise NoevictError(
                f"{path}: should have {missing} beside ca.crt: copy it from where you have the complete secrets"
            )
        with _naming(path):
            ca = authority.Authority.parse(certificate, key)
        return cls._of(path, ca, users, ids)

    @classmethod
    def _of(cls, path: Path, ca: authority.Authority, users: str, ids: str | None) -> "Secrets":
        found = passwords.read(path / "users.yml", users)
        recorded = host_passwords.read_ids(path / IDS, ids or "")
        return cls(path, ca, found.passwords, found.takeovers, found.written, recorded)

    @classmethod
    def draft(cls, path: Path) -> "Secrets":
        """Make what `create` would make, but only in memory.

        Passwords that are already there, such as a `takeover` put there before the first run, are kept.
        """
        users, key = read_private(path, "users.yml"), read_private(path, "ca.key")
        with _naming(path):
            ca = authority.make_ca(datetime.now(UTC), authority.parse_key(key) if key else None)
        no_ca = "there is no ca.crt in it" if path.exists() else "it does not exist"
        return replace(cls._of(path, ca, users or "", read_private(path, IDS)), no_ca=no_ca)

    @classmethod
    def create(cls, path: Path) -> "Secrets":
        """Make the secrets, and return them. If they are there already, or another process was first, return those."""
        return cls.draft(path).save()

    def save(self) -> "Secrets":
        """Write the parts that the directory lacks, and return its content then. Parts that are there stay."""
        make_directory(self.path)
        with locked(self.path):
            made = Secrets.load(
                self.path
            )  # refuses secrets that have lost a part, which must not be made again
            if not (self.path / ".gitignore").exists():
                write_private(self.path / ".gitignore", "# No secret belongs in a repository.\n*\n")
            file, text = self.path / "users.yml", read_private(self.path, "users.yml")
            users = passwords.add(file, text or "", self.passwords)
            users = passwords.with_generation(file, users, generation_of(passwords.read(file, users)))
            if users != text:
                write_private(file, users)
            if made is None:
                write_private(self.path / "ca.key", self.ca.key_pem)
                write_private(self.path / "ca.crt", self.ca.certificate_pem, mode=0o644)
            return Secrets.load(self.path) or self

    def draft_passwords(self, users: Iterable[str]) -> "Secrets":
        """Return the secrets with random passwords of 256 bits for the users that have none; only in memory.

        `default` gets the password of the Redis to take over, if there is one, so that its old clients can stay.
        """
        names = tuple(users)
        new = {user: secrets.token_urlsafe(32) for user in self.missing(names)}
        if "default" in new and TAKEOVER in self.passwords:
            new["default"] = self.passwords[TAKEOVER]
        if HOST_SECRET not in self.passwords and not set(names).isdisjoint(PER_HOST):
            new = {HOST_SECRET: secrets.token_urlsafe(32), **new}
        return replace(self, passwords={**self.passwords, **new}) if new else self

    def missing(self, users: Iterable[str]) -> tuple[str, ...]:
        """Return the users without a password, among those whose password is the same on all hosts."""
        names = (_a_user(user) for user in dict.fromkeys(users))
        return tuple(user for user in names if user not in PER_HOST and user not in self.passwords)

    @property
    def generation(self) -> Generation:
        """The generation of this content: the written one if it still fits, else the one that the next run writes."""
        return generation_of(Users(dict(self.passwords), dict(self.takeovers), self.written))

    def lift(self, above: int) -> "Secrets":
        """Give users.yml a generation above that number."""
        file = self.path / "users.yml"
        with locked(self.path):
            text = read_private(self.path, "users.yml") or ""
            found = passwords.read(file, text)
            number = max(above, generation_of(found).number) + 1
            digest = passwords.digest(found.passwords, found.takeovers)
            write_private(file, passwords.with_generation(file, text, Generation(number, digest)))
        return Secrets.load(self.path) or self

    def host_ids(self, hosts: Iterable[str]) -> HostIds:
        """Return the ids of ``hosts``, which are all hosts of hosts.yml."""
        return HostIds(self.passwords.get(HOST_SECRET, ""), self.ids, hosts)

    def of_host(self, key: HostKey) -> "Secrets":
        """Return the secrets as one host has them."""
        return replace(self, host=key)

    def known_host(self, name: str, hosts: Iterable[str] = ()) -> "Secrets":
        """Return the secrets as a host has them, by its name in hosts.yml and by ids.yml, without looking at it."""
        return self.of_host(self.host_ids({name, *hosts}).key(name))

    def record_id(self, host: str, host_id: str, hosts: Iterable[str]) -> None:
        """Record in ids.yml the id that a host was found with. Nothing is written if it is recorded already."""
        known = self.ids.get(host)
        # The first id follows from the name. Recording it only matters while users.yml still has the old passwords of
        # all hosts: then the record says that the host has its own ones.
        needless = known is None and host_id == self.host_ids({host, *hosts}).expected(host)
        if known == host_id or (needless and set(PER_HOST).isdisjoint(self.passwords)):
            return
        with locked(self.path):
            before = host_passwords.read_ids(self.path / IDS, read_private(self.path, IDS) or "")
            after = host_passwords.record(before, host, host_id, hosts)
            if after != before:
                write_private(self.path / IDS, host_passwords.render_ids(after))

    @property
    def takeover(self) -> Takeover | None:
        """The login at a Redis that noevict did not set up; this host's if it has one."""
        for_host = self.takeovers.get(self.host.name) if self.host is not None else None
        for_all = self.passwords.get(TAKEOVER)
        return for_host or (Takeover(None, for_all) if for_all is not None else None)

    def password(self, user: str) -> str:
        """Return a user's password. NoevictError for a user that has none."""
        found = self._host_password(_a_user(user), self.host.id if self.host else None) or self.passwords.get(
            user
        )
        if found is None:
            if user in PER_HOST and HOST_SECRET not in self.passwords:
                raise NoevictError(
                    f"{self.path / 'users.yml'}: should have {HOST_SECRET}, from which the password "
                    f"of {user} is derived, has none: the next deploy makes it"
                )
            raise NoevictError(f"{self.path / 'users.yml'}: should have a password for {user}, has none")
        return found

    def unseen(self, user: str) -> tuple[str, ...]:
        """Return the passwords that a host may accept for this user, without looking at it; its own first.

        The other one is the password that all hosts had, until a run with these secrets has found the host with its own
        one (``ids``). Raise NoevictError for a user that has none.
        """
        password, of_all = self.password(user), self.passwords.get(user)
        moved = self.host is None or self.host.name in self.ids
        if moved or user not in PER_HOST or of_all is None:
            return (password,)
        return tuple(dict.fromkeys((password, of_all)))

    def older(self, user: str) -> tuple[str, ...]:
        """Return older passwords that the host may still accept: by its older ids, and the one that all hosts had."""
        if self.host is None or HOST_SECRET not in self.passwords or user not in PER_HOST:
            return ()
        derived = (self._host_password(user, each) for each in self.host.older)
        return tuple(each for each in (*derived, self.passwords.get(user)) if each)

    def _host_password(self, user: str, host_id: str | None) -> str | None:
        """Return a password that only this host has: derived, or used by the old clients of a Redis taken over."""
        if self.host is None:
            return None
        if user in PER_HOST and host_id and HOST_SECRET in self.passwords:
            return derive_password(self.passwords[HOST_SECRET], user, host_id)
        foreign = self.takeovers.get(self.host.name)
        return foreign.password if user == "default" and foreign and foreign.user in (None, user) else None

    def digest(self, user: str) -> str:
        """Return the SHA-256 of the password, in hex, as an ACL file has it after ``#``."""
        return sha256(self.password(user))

    def older_digests(self, user: str) -> tuple[str, ...]:
        """Return the digests of ``older``."""
        return tuple(map(sha256, self.older(user)))

    def digests(self, users: Iterable[str]) -> dict[str, str]:
        return {user: self.digest(user) for user in users}

    def issue_client(self, name: str, now: datetime, days: int, renew: bool = False) -> tuple[Path, Path]:
        """Make a client's certificate and key, files in ``clients/``. Existing ones are only replaced to ``renew``."""
        if not _CLIENT_NAME.fullmatch(name):
            raise NoevictError(f"{name!r}: should be up to 60 letters, digits, dots, dashes and underscores")
        clients = self.path / "clients"
        certificate, key = clients / f"{name}.crt", clients / f"{name}.key"
        make_directory(clients)
        with locked(self.path):
            if not renew and (certificate.exists() or key.exists()):
                raise NoevictError(f"{certificate}: is there already: --renew replaces it")
            certificate_pem, key_pem = authority.make_client_certificate(self.ca, name, now, days)
            write_private(key, key_pem)
            write_private(certificate, certificate_pem)
        return certificate, key


def sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def generation_of(users: Users) -> Generation:
    """Return the written generation if it fits the content; else the next one."""
    digest = passwords.digest(users.passwords, users.takeovers)
    written = users.written or Generation()
    return written if written.digest == digest else Generation(written.number + 1, digest)


def _a_user(name: str) -> str:
    if name in RESERVED:
        raise NoevictError(f"{name}: should not be a user's name: in users.yml it is {RESERVED[name]}")
    return name


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except NoevictError as error:
        raise NoevictError(f"{path}/{error}") from None
