"""The line of figures above all hosts. Its figures are filters too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from noevict.monitor.health.facts import Severity, days_left
from noevict.monitor.health.health import CERTIFICATE_DAYS
from noevict.monitor.web.card import Card

ALL = "all"


@dataclass(frozen=True)
class Figure:
    """A figure of the line. ``show``: the tag of the hosts it counts, if there are any."""

    text: str
    show: str = ""
    severity: Severity = Severity.GOOD


@dataclass(frozen=True)
class Filter:
    """Which hosts a reader wants to see: those with a tag (see ``Card.tags``) and a text in their names."""

    show: str = ALL
    text: str = ""

    def __bool__(self) -> bool:
        return self.show != ALL or bool(self.text)

    def shows(self, card: Card) -> bool:
        """Whether the filter shows a host. page.js does the same while the page is open."""
        words = self.text.lower().split()
        return (self.show == ALL or self.show in card.tags) and all(word in card.names for word in words)


def figures(cards: Sequence[Card]) -> list[Figure]:
    """Return the figures: hosts, unhealthy, full, without a backup, the next certificate, drift, waiting jobs."""
    return [
        Figure(_hosts(len(cards)), ALL),
        *_tagged(cards, "unhealthy", "not healthy", Severity.BAD, least=1),
        *_tagged(cards, "full", "full", Severity.BAD),
        *_tagged(cards, "no-backup", "without backup", Severity.WARN),
        _certificate(cards),
        *_tagged(cards, "drift", "with drift", Severity.WARN, least=1),
        _jobs(cards),
    ]


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count:,} hosts"


def _tagged(cards: Iterable[Card], tag: str, words: str, severity: Severity, least: int = 0) -> list[Figure]:
    count = sum(tag in card.tags for card in cards)
    if count < least:
        return []
    return [Figure(f"{count:,} {words}", tag, severity) if count else Figure(f"none {words}")]


def _certificate(cards: Iterable[Card]) -> Figure:
    ends = [(card.certificate_days, card.name) for card in cards if card.certificate_days is not None]
    if not ends:
        return Figure("no certificate seen")
    days, name = min(ends)
    show = "certificate" if any("certificate" in card.tags for card in cards) else ""
    return Figure(
        f"next certificate: {days_left(days)}, {name}",
        show,
        Severity.BAD if days < CERTIFICATE_DAYS else Severity.GOOD,
    )


def _jobs(cards: Sequence[Card]) -> Figure:
    """Count the waiting jobs. A host that does not report the lengths of its queues counts as not known, not as 0."""
    known = [card.waiting for card in cards if card.waiting is not None]
    unknown = sum(card.watches_queues and card.waiting is None for card in cards)
    if not known and not unknown:
        return Figure("no queues watched")
    jobs = sum(known)
    text = f"{jobs:,} {'job' if jobs == 1 else 'jobs'} waiting"
    return Figure(text + (f", {_hosts(unknown)} not known" if unknown else ""), "jobs" if jobs else "")
