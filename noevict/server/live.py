"""What a running server reports to a client that logged in: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from noevict.acl.rules import Catalogue
from noevict.engines.engine import Server

NOT_UNDERSTOOD = "?"  # in exporter_passwords


class Reach(Enum):
    """How far a Redis client got."""

    NOT_RUNNING = "is not running"
    TLS = "answers over TLS"
    PLAINTEXT = "answers without TLS"
    REFUSED = "rejects the password"
    MUTE = "rejects noevict's commands"
    UNREACHED = "could not be looked at"


@dataclass(frozen=True)
class Live:
    """The running server, as a client that logged in sees it."""

    reach: Reach
    why: str = ""  # if reach is REFUSED, MUTE or UNREACHED: the reason, in a line
    user: str = ""  # the user that we are logged in as: "admin" on a managed server
    port: int = 0
    open: bool = False  # it answered PING before we sent a password
    untrusted: str = ""  # why a client with our CA does not accept its certificate; "" if it does
    certificate: bytes | None = field(default=None, repr=False)  # the one it serves, DER
    server: Server | None = None
    config: Mapping[str, str] = field(default_factory=dict, repr=False)  # CONFIG GET *, passwords blanked
    acl: tuple[str, ...] = field(default=(), repr=False)  # ACL LIST
    catalogue: Catalogue | None = field(default=None, compare=False, repr=False)
    info: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)  # INFO

    @property
    def reached(self) -> bool:
        return self.reach in (Reach.TLS, Reach.PLAINTEXT)

    @property
    def ours(self) -> bool:
        """Whether the server knows our admin: noevict set it up, whatever was changed since."""
        return self.reached and self.user == "admin"

    @property
    def run_id(self) -> str:
        return str(self.info.get("run_id", ""))

    def number(self, name: str) -> int:
        """Return a whole number from INFO; 0 if it is missing or not a number."""
        value = self.info.get(name)
        return int(value) if isinstance(value, int | float) else 0

    @property
    def loading(self) -> bool:
        """Whether it is still loading its data: what it reports about keys and memory is not complete yet."""
        return bool(self.number("loading"))

    @property
    def writing_aof(self) -> bool:
        """Whether append-only files are being rewritten, or are about to be."""
        return bool(self.number("aof_rewrite_in_progress") or self.number("aof_rewrite_scheduled"))

    @property
    def keys(self) -> int:
        return sum(
            entry.get("keys", 0)
            for name, entry in self.info.items()
            if name.startswith("db") and isinstance(entry, dict)
        )
