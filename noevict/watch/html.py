"""The page of the fleet: rendered here, whole for a request, and by the card for those who have it open."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from noevict.watch.answers import worst
from noevict.watch.card import Card, card, rank
from noevict.watch.fleet import Fleet
from noevict.watch.health import MEMORY_PERCENT, Status
from noevict.watch.watched import View

HERE = Path(__file__).parent / "page"
# What a browser may load: our own files, and nothing from anywhere else.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
ASSETS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Page:
    """The fleet as people see it. A host's card is made once for each of its answers, however many look."""

    def __init__(self, fleet: Fleet, version: str) -> None:
        self._fleet, self._version = fleet, version
        self._ids: dict[str, str] = {}
        self._cards: dict[str, tuple[object, Card, str]] = {}

    def document(self) -> str:
        """All of it."""
        views = self._fleet.views()
        return _render(
            "page.html.j2",
            cards=[text for _, text in self._ordered(views)],
            summary=summary(views),
            mood=mood(views),
            at=_now(views),
            version=self._version,
        )

    def news(self, sent: dict[str, str]) -> str:
        """What changed since ``sent``, which is kept up to date: JSON for page.js."""
        views = self._fleet.views()
        cards = self._ordered(views)
        changed = {id_: text for id_, text in cards if sent.get(id_) != text}
        sent.update(changed)
        told = {
            "summary": summary(views),
            "mood": mood(views),
            "at": f"{_now(views):%H:%M:%S} UTC",
            "order": [id_ for id_, _ in cards],
            "cards": changed,
        }
        return json.dumps(told)

    def _ordered(self, views: Sequence[View]) -> list[tuple[str, str]]:
        """The id and the text of each host's card, the worst first."""
        made = [self._card(view) for view in views]
        return [(self._ids[shown.name], text) for shown, text in sorted(made, key=lambda each: rank(each[0]))]

    def _card(self, view: View) -> tuple[Card, str]:
        of = (view.health.poll.at, view.record)
        if view.name not in self._cards or self._cards[view.name][0] != of:
            shown = card(view, datetime.now(UTC))
            id_ = self._ids.setdefault(view.name, f"host-{len(self._ids)}")
            self._cards[view.name] = (of, shown, render_card(shown, id_))
        return self._cards[view.name][1:]


def render_card(shown: Card, id_: str) -> str:
    """The list item that a host's card is."""
    return _render("card.html.j2", card=shown, id=id_, mark=MEMORY_PERCENT)


def summary(views: Sequence[View]) -> str:
    """``1 unhealthy, 2 degraded, 9 healthy, 1 may evict``, the worst first."""
    counts = [
        (str(status), sum(view.health.status is status for view in views)) for status in reversed(Status)
    ]
    counts.append(("may evict", sum(view.health.warning is not None for view in views)))
    return ", ".join(f"{count} {what}" for what, count in counts if count)


def mood(views: Sequence[View]) -> str:
    """The class of the summary: the worst status; of hosts that are all healthy, ``odd`` where one warns."""
    status = worst(views)
    odd = status is Status.HEALTHY and any(view.health.warning for view in views)
    return "odd" if odd else str(status)


def _now(views: Sequence[View]) -> datetime:
    return max(view.health.poll.at for view in views)


def _render(name: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(name).render(**values)
