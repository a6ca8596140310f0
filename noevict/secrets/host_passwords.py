"""The passwords that differ from host to host: for admin, health and exporter. Pure.

They are the HMAC-SHA256 of the fleet's host secret, the user's name and the host's id. No host ever gets the secret, so
a password that one host learns at a login opens no other host. The id is text that nobody can guess: 32 hexadecimal
digits, in a file on the host that only root can read. At first it is derived from the host's name in hosts.yml, so that
users.yml is enough to know the passwords without a look. It stays when the host is renamed: ``ids.yml`` beside
users.yml records under which name noevict found which id. A host with the id of another one (a copied disk) gets a new
id.
"""

import base64
import hashlib
import hmac
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from noevict.errors import NoevictError

PER_HOST = ("admin", "health", "exporter")
_ID = re.compile(r"[0-9a-f]{32}")


def derive_password(secret: str, user: str, host_id: str) -> str:
    """Return 256 bits, as text that needs no quoting in URLs and shells."""
    return base64.urlsafe_b64encode(_derive(secret, "password", user, host_id)).rstrip(b"=").decode()


def derive_id(secret: str, host: str, number: int = 0) -> str:
    """Return a host's first id, by its name; with another ``number``, another id, if the first one is in use."""
    return _derive(secret, "id", host, str(number)).hex()[:32]


def is_id(text: str) -> bool:
    return bool(_ID.fullmatch(text))


def _derive(secret: str, *words: str) -> bytes:
    return hmac.digest(secret.encode(), "\n".join(("noevict", *words)).encode(), hashlib.sha256)


@dataclass(frozen=True)
class HostKey:
    """What a host's passwords are derived from. ``older``: ids that it may have had, or claims and should not have.

    ``has_id``: it has an id file, which it gets after noevict logged in with the host's own password: the fleet's old
    password is never sent to it again.
    """

    name: str
    id: str
    older: tuple[str, ...] = ()
    has_id: bool = False


class HostIds:
    """The ids of the hosts of one hosts.yml. ``recorded``: host → id, from ids.yml."""

    def __init__(self, secret: str, recorded: Mapping[str, str], hosts: Iterable[str]) -> None:
        self._secret, self._recorded, self._listed = secret, recorded, frozenset(hosts)
        self._names: dict[str, list[str]] = {}  # id → the names that it is recorded for
        for name, host_id in recorded.items():
            self._names.setdefault(host_id, []).append(name)
        self._holders = {self.expected(host): host for host in self._listed}

    def expected(self, host: str) -> str:
        """Return the id that a host should have, as far as the controller knows."""
        recorded = self._recorded.get(host)
        if recorded is not None and not self._is_taken(recorded, host, only_listed=True):
            return recorded
        ids = (derive_id(self._secret, host, number) for number in itertools.count())
        # An id that a renamed host took along is not used again under its old name.
        return next(each for each in ids if not self._is_taken(each, host, only_listed=False))

    def key(self, host: str, claimed: str = "") -> HostKey:
        """Return a host's key. ``claimed``: the text of its id file; "" if there is none, or nobody looked."""
        expected = self.expected(host)
        claimed = claimed if is_id(claimed) else ""
        copied = self._holders.get(claimed, host) != host
        chosen = claimed if claimed and not copied else expected
        before = (claimed, expected, self._recorded.get(host, ""), derive_id(self._secret, host))
        older = dict.fromkeys(each for each in before if each and each != chosen)
        return HostKey(host, chosen, tuple(older), bool(claimed))

    def _is_taken(self, host_id: str, host: str, *, only_listed: bool) -> bool:
        names = (name for name in self._names.get(host_id, ()) if name != host)
        return any(not only_listed or name in self._listed for name in names)


def record(recorded: Mapping[str, str], host: str, host_id: str, hosts: Iterable[str]) -> dict[str, str]:
    """Return ``recorded`` with the id that a host was found with; no other host of ``hosts`` keeps that id."""
    listed = set(hosts)
    kept = {name: each for name, each in recorded.items() if not (each == host_id and name in listed)}
    return {**kept, host: host_id}


def read_ids(file: Path, text: str) -> dict[str, str]:
    """Parse ids.yml. Raise NoevictError for a file that noevict did not write."""
    try:
        found = yaml.safe_load(text) if text.strip() else {}
    except (yaml.YAMLError, RecursionError):
        found = None
    pairs = found if isinstance(found, dict) else {"": None}
    if not all(
        isinstance(name, str) and isinstance(each, str) and is_id(each) for name, each in pairs.items()
    ):
        raise NoevictError(
            f"{file}: should be lines of HOST: ID, is not: remove it, and the next run makes it again"
        )
    return dict(pairs)


def render_ids(recorded: Mapping[str, str]) -> str:
    # safe_dump quotes an id that has only digits, which YAML would read as a number.
    return "".join(yaml.safe_dump({name: recorded[name]}) for name in sorted(recorded))
