"""Words the figures of a host, and how serious each is: the page and ``noevict status`` both show them.

They are made of the published answer (see web/answers.py). A figure of which nothing is known is left out, or UNKNOWN
if a reader would miss it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from noevict.monitor.health.figures import size, sizes, span
from noevict.monitor.health.health import Status, is_little
from noevict.server.writes import LONGEST_UP, NOEVICTION

Answer = Mapping[str, Any]  # of one host

ALMOST_FULL = 80  # percent of maxmemory
NOT_KNOWN = "not known"
SENTENCES = frozenset({"answer", "loading", "writes"})  # checks whose words need no name before them
WAITING = ("wait", "paused", "prioritized")  # the states of jobs that wait for a worker


class Severity(StrEnum):
    """Whether a figure is as it should be. The value of those that are not is its class on the page."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"

    @property
    def is_odd(self) -> bool:
        return self in {Severity.WARN, Severity.BAD}


class FactName(StrEnum):
    """Which figure it is."""

    MEMORY = "memory"
    POLICY = "policy"
    EVICTED = "evicted"
    PERSISTENCE = "persistence"
    CERTIFICATE = "certificate"
    CLIENTS = "clients"
    UP = "up"
    DISK = "disk"
    BACKUP = "backup"
    DRIFT = "drift"


@dataclass(frozen=True)
class Fact:
    """One figure. ``about``: its runbook, if it has one (see runbooks.SECTIONS); ``short``: if there is less room.

    ``at``: since when it is so; its age follows the words, after ``joint``.
    """

    name: FactName
    text: str
    severity: Severity = Severity.GOOD
    about: str = ""
    short: str = ""
    at: datetime | None = None
    joint: str = ", "

    @property
    def label(self) -> str:
        """The name, for people."""
        return self.name.capitalize()

    @property
    def brief(self) -> str:
        return self.short or self.text

    def dated(self, words: str, ago: Callable[[datetime], str]) -> str:
        """Return ``words`` with the age, as ``ago`` words it: ``none, 3 h ago``."""
        if self.at is None:
            return words
        return f"{words}{self.joint}{ago(self.at)}" if words else ago(self.at)


def facts(answer: Answer) -> Iterator[Fact]:
    """Return all figures but memory, in the order of the page."""
    if answer["persistence"] is not None:
        yield _policy(answer["evictionPolicy"])
        yield _evicted(answer)
        yield _persistence(answer)
    if (days := answer["certificateDaysLeft"]) is not None:
        yield Fact(FactName.CERTIFICATE, days_left(days), _severity(answer, "certificate"))
    if answer["persistence"] is not None:
        clients, up = answer["connectedClients"], answer["uptimeSeconds"]
        yield _known(FactName.CLIENTS, None if clients is None else f"{clients:,}")
        yield _known(FactName.UP, None if up is None or up >= LONGEST_UP else span(timedelta(seconds=up)))
    if answer["dataDisk"]:
        yield _disk(answer["dataDisk"])
    yield _backup(answer["lastBackup"])
    yield _drift(answer["drift"])


def memory(answer: Answer) -> Fact | None:
    """Return the use of memory; None if not known. A full cache is no more serious than an almost full one."""
    used, most, percent = answer["usedMemory"], answer["maxMemory"], answer["usedMemoryPercent"]
    if used is None:
        return None
    if not most:
        unlimited = most == 0
        text = f"{size(used)}, no maxmemory" if unlimited else size(used)
        return Fact(FactName.MEMORY, text, Severity.WARN if unlimited else Severity.UNKNOWN)
    almost = Severity.WARN if percent > ALMOST_FULL else Severity.GOOD
    return Fact(
        FactName.MEMORY, sizes(used, most), max(almost, _severity(answer, "memory"), key=_RANKS.index)
    )


def reason(check: str, detail: str) -> str:
    """Return why a host is not healthy: a check's words, after its name if they need one."""
    return detail if check in SENTENCES else f"{check}: {detail}"


def days_left(days: int) -> str:
    """Word the days that a certificate has left; below 0 it has ended."""
    return "expired" if days < 0 else "1 day" if days == 1 else f"{days} days"


def waiting(states: Mapping[str, int]) -> int:
    """Return how many jobs of a queue wait for a worker."""
    return sum(states[state] for state in WAITING)


_RANKS = (Severity.GOOD, Severity.WARN, Severity.BAD)


def _severity(answer: Answer, check: str) -> Severity:
    return Severity.BAD if _fails(answer, check) else Severity.GOOD


def _fails(answer: Answer, check: str) -> bool:
    found = answer["checks"].get(check)
    return found is not None and found["status"] != Status.HEALTHY


def _known(name: FactName, text: str | None) -> Fact:
    return Fact(name, text, Severity.GOOD) if text is not None else Fact(name, NOT_KNOWN, Severity.UNKNOWN)


def _policy(policy: str | None) -> Fact:
    if policy in {None, NOEVICTION}:
        return _known(FactName.POLICY, policy)
    return Fact(FactName.POLICY, str(policy), Severity.WARN)


def _evicted(answer: Answer) -> Fact:
    """Return the evictions. Only the last hour counts, and for a cache not even that: the check knows."""
    keys, lately = answer["evictedKeys"], answer["evictedKeysLastHour"]
    if keys is None:
        return _known(FactName.EVICTED, None)
    text, short = ("none lately", f"{keys:,}")
    if lately:
        text, short = f"{lately:,} in the last hour", f"{keys:,}, {lately:,} lately"
    return Fact(FactName.EVICTED, text, _severity(answer, "evictions"), short=short)


def _persistence(answer: Answer) -> Fact:
    found = answer["persistence"]
    enabled, saved = found["aofEnabled"], found["rdbLastSave"]
    if enabled is None and saved is None and not _fails(answer, "save"):
        return _known(FactName.PERSISTENCE, None)
    aof = "AOF failed" if _fails(answer, "aof") else "AOF" if enabled else ""
    failed = _fails(answer, "save")
    rdb = "RDB failed" if failed else "RDB" if saved else ""
    severity = max(_severity(answer, "aof"), _severity(answer, "save"), key=_RANKS.index)
    # The age is of the last save that went well: beside "failed" it would be read as the failure's.
    at = _time(saved) if saved and not failed else None
    return Fact(
        FactName.PERSISTENCE, ", ".join(filter(None, (aof, rdb))) or "none", severity, at=at, joint=" "
    )


def _disk(found: Mapping[str, Any]) -> Fact:
    if found["readOnly"]:
        return Fact(FactName.DISK, "read-only", Severity.BAD, "disk", at=_time(found["at"]))
    severity = Severity.WARN if is_little(found["free"], found["size"]) else Severity.GOOD
    return Fact(FactName.DISK, f"{size(found['free'])} free", severity, "disk", at=_time(found["at"]))


def _backup(at: str | None) -> Fact:
    if at is None:
        return Fact(FactName.BACKUP, "none", Severity.WARN, "backup")
    return Fact(FactName.BACKUP, "", at=_time(at))


def _drift(look: Mapping[str, Any] | None) -> Fact:
    if look is None:
        return Fact(FactName.DRIFT, "not looked for yet", Severity.UNKNOWN, short="never")
    at, count = _time(look["at"]), look["differences"]
    if look["failure"] is not None:
        return Fact(FactName.DRIFT, "the look failed", Severity.WARN, "look", "failed", at)
    if not count:
        return Fact(FactName.DRIFT, "none", at=at)
    text = "1 thing differs" if count == 1 else f"{count:,} things differ"
    return Fact(FactName.DRIFT, text, Severity.WARN, "drift", f"{count:,}", at)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
