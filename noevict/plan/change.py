"""A change: one thing that is not as wanted, in typed fields. Its words are for people; no code parses them."""

from dataclasses import dataclass
from enum import StrEnum

from noevict.acl.diff import EXTRA, MISSING
from noevict.urgency import Urgency


class How(StrEnum):
    """How a change is made, and which part of a run makes it."""

    PACKAGE = "package"
    LIVE = "live"  # CONFIG SET, ACL SETUSER: at once, no connection is lost
    CERTIFICATE = "certificate"  # a new one, loaded without a restart
    FILE = "file"
    KERNEL = "kernel"
    UNIT = "unit"  # enable, unmask, daemon-reload, start
    RESTART = "restart"
    ENGINE = "engine"  # the other engine's server stops, and this one continues with its data


RESTARTING = (How.RESTART, How.ENGINE)


class Part(StrEnum):
    """What a change is about. The comments say what its ``subject`` is."""

    DIRECTIVE = "directive"  # of redis.conf: its name
    USER = "user"  # an ACL user: the name
    FILE = "file"  # a file or directory: the path
    ACCESS = "access"  # owner (``aspect`` OWNER) or mode (MODE) of a file: its path
    CERTIFICATE = "certificate"  # key, certificate or CA: the path
    SERVED = "served"  # the certificate that the server loaded: its path
    KERNEL = "kernel"  # a sysctl: its name
    UNIT = "unit"  # of systemd: its name
    PACKAGE = "package"  # of Debian: its name
    DPKG = "dpkg"  # what dpkg keeps (``aspect``: statoverride, diversion): the path
    SERVER = "server"  # the running server: its title
    DIRECTORY = "directory"  # the directory that the server started with: the path
    ENGINE = "engine"  # the one that hands over: its unit; "" for its server and data
    ENVIRONMENT = "environment"  # a variable of a process: its name
    ARGUMENTS = "arguments"  # of a process: the package it is from
    CREDENTIAL = "credential"  # a file that a process read at its start: the path


# Aspects of a change.
OWNER, MODE = "owner", "mode"
LISTENING = "listening"  # of bind: addresses that the server does not listen on yet


@dataclass(frozen=True)
class Change:
    """One thing that is not as wanted. ``found`` and ``wanted`` are short, and never a secret.

    ``aspect``: the aspect of the subject that differs; "" for the subject as a whole, or its only aspect. ``file``: the
    path of the file that has the value for the next start, or the next boot; "" if there is none. ``urgency``: how soon
    somebody has to act.
    """

    part: Part
    subject: str
    how: How
    found: str
    wanted: str
    why: str = ""
    aspect: str = ""
    file: str = ""
    urgency: Urgency = Urgency.DRIFT

    @property
    def path(self) -> str:
        """The path of the file whose content, owner or mode is not as wanted; "" if it is about something else."""
        if self.part is Part.DIRECTIVE:
            return self.file if self.how is How.FILE else ""
        return self.subject if self.part in (Part.FILE, Part.ACCESS, Part.CERTIFICATE) else ""

    @property
    def directive(self) -> str:
        """The name of the directive; "" if the change is not about one."""
        return self.subject if self.part is Part.DIRECTIVE else ""

    @property
    def what(self) -> str:
        """The subject in words, for people."""
        if self.part is Part.DIRECTIVE and self.how is How.FILE:
            return f"{self.file}: {self.subject}"
        if self.part is Part.USER and self.aspect in (MISSING, EXTRA):
            return f"user {self.subject}"
        if self.part is Part.ENGINE and not self.subject:
            return "the engine"
        return _WORDS.get(self.part, "{0.subject}").format(self)

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        return f"{self.what}: {self.found} → {self.wanted} [{self.how}]{why}"


# For the parts whose subject is not enough.
_WORDS = {
    Part.USER: "user {0.subject} {0.aspect}",
    Part.ACCESS: "{0.subject} {0.aspect}",
    Part.SERVED: "the certificate served",
    Part.PACKAGE: "package {0.subject}",
    Part.DPKG: "{0.aspect} of {0.subject}",
    Part.SERVER: "the running {0.subject}",
    Part.DIRECTORY: "the directory {0.subject}",
    Part.ARGUMENTS: "arguments of {0.subject}",
}
