"""What ``noevict drift`` reports about one host, and its form for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from noevict.drift.side_by_side import Finding
from noevict.plan.change import Change
from noevict.urgency import Urgency, most_urgent


@dataclass(frozen=True)
class Report:
    """The report about one host. ``failure``: why it could not be looked at, or is left alone.

    ``findings`` are ``changes`` grouped by what they are about. ``blocked``: nothing can be repaired while the faults
    are there. ``server``: the server that runs, or would run ("Redis 8.0.2"); "" if not known. ``seconds``: how long
    the look took, including the wait for its turn.
    """

    host: str
    failure: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    faults: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    blocked: bool = False
    server: str = ""
    seconds: float = 0.0
    writes: str = ""  # why its server refuses writes, and what to do; "" if it takes them
    seen: Mapping[str, Any] = field(default_factory=dict)  # fields of its Record, for monitoring

    @property
    def fine(self) -> bool:
        """Whether there is nothing to do about the host."""
        return not (self.failure or self.drifted or self.writes)

    @property
    def drifted(self) -> bool:
        return bool(self.changes or self.faults)

    @property
    def urgency(self) -> Urgency:
        found = [each.urgency for each in self.changes] + [Urgency.DRIFT for _ in self.faults]
        refuses = [Urgency.REFUSES_WRITES] * bool(self.writes)
        return most_urgent(*refuses, *([Urgency.FAILED] if self.failure else found))

    @property
    def restarts(self) -> bool:
        """Whether a run that repairs this host restarts a server."""
        return any(finding.restarts for finding in self.findings) and not self.blocked


def urgent_first(reports: Sequence[Report]) -> list[Report]:
    """Sort by urgency; hosts that are equally urgent stay in the order of hosts.yml."""
    return sorted(reports, key=lambda report: report.urgency.rank)


def as_data(reports: Sequence[Report]) -> dict[str, Any]:
    """Return ``--json``: {"drift": bool, "failed": bool, "writesRefused": bool, "hosts": {name: {...}}}."""
    return {
        "drift": any(report.drifted for report in reports),
        "failed": any(report.failure for report in reports),
        "writesRefused": any(report.writes for report in reports),
        "hosts": {
            report.host: {
                "urgency": report.urgency,
                "writesRefused": bool(report.writes),
                **({"error": report.writes} if report.writes else {}),
                "failure": list(report.failure),
                "drift": [_entry(change) for change in report.changes],
                "restarts": report.restarts,
                "faults": list(report.faults),
                "notices": list(report.notices),
            }
            for report in reports
        },
    }


def _entry(change: Change) -> dict[str, str]:
    return {**asdict(change), "what": change.what, "directive": change.directive}


def in_words(reports: Sequence[Report]) -> str:
    """Return ``2 of 4 hosts as wanted, 1 failed, 1 stopped``."""
    fine = sum(report.fine for report in reports)
    urgent = Counter(report.urgency for report in urgent_first(reports) if report.urgency.needs_somebody_now)
    return ", ".join(
        (f"{fine} of {len(reports)} hosts as wanted", *(f"{count} {each}" for each, count in urgent.items()))
    )
