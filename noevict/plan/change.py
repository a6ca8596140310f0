"""The words of a plan: what is to change, and how."""

from dataclasses import dataclass
from enum import StrEnum

from noevict.urgency import Urgency


class How(StrEnum):
    """How a change is made; also which part of a run makes it."""

    PACKAGE = "package"
    LIVE = "live"  # CONFIG SET, ACL SETUSER: at once, no connection is lost
    CERTIFICATE = "certificate"  # a new one, loaded without a restart
    FILE = "file"
    KERNEL = "kernel"
    UNIT = "unit"  # enable, unmask, daemon-reload, start
    RESTART = "restart"
    ENGINE = "engine"  # the other engine's server stops, and this one goes on with its data


RESTARTING = (How.RESTART, How.ENGINE)


@dataclass(frozen=True)
class Change:
    """One thing that is not as wanted. ``found`` and ``wanted`` are short, and never a secret.

    ``directive``: of redis.conf, where it is one. ``file``: the path of the file that says it for the next start, or
    the next boot; "" where none does. ``urgency``: how soon somebody has to see to it.
    """

    how: How
    what: str
    found: str
    wanted: str
    why: str = ""
    directive: str = ""
    file: str = ""
    urgency: Urgency = Urgency.DRIFT

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        return f"{self.what}: {self.found} → {self.wanted} [{self.how}]{why}"
