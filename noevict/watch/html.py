"""The page of the fleet: rendered here, whole for a request, and by the card for those who have it open."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from noevict.watch.answers import worst
from noevict.watch.card import Card, card, rank
from noevict.watch.fleet import Fleet, View
from noevict.watch.health import MEMORY_PERCENT, Status

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
        self._ids = {name: f"host-{number}" for number, name in enumerate(fleet.hosts)}
        self._cards: dict[str, tuple[object, str]] = {}

    def document(self) -> str:
        """All of it."""
        views = self._ordered()
        return _render(
            "page.html.j2",
            cards=[self._card(view) for view in views],
            summary=summary(views),
            worst=str(worst(views)),
            at=_now(views),
            version=self._version,
        )

    def news(self, sent: dict[str, str]) -> str:
        """What changed since ``sent``, which is kept up to date: JSON for page.js."""
        views = self._ordered()
        changed = {}
        for view in views:
            text = self._card(view)
            if sent.get(view.name) != text:
                sent[view.name] = text
                changed[self._ids[view.name]] = text
        told = {
            "summary": summary(views),
            "worst": str(worst(views)),
            "at": f"{_now(views):%H:%M:%S} UTC",
            "order": [self._ids[view.name] for view in views],
            "cards": changed,
        }
        return json.dumps(told)

    def _ordered(self) -> list[View]:
        return sorted(self._fleet.views(), key=rank)

    def _card(self, view: View) -> str:
        known, text = self._cards.get(view.name, (None, ""))
        if known != (view.health.poll.at, view.record):
            text = render_card(card(view, datetime.now(UTC)), self._ids[view.name])
            self._cards[view.name] = ((view.health.poll.at, view.record), text)
        return text


def render_card(shown: Card, id_: str) -> str:
    """The list item that a host's card is."""
    return _render("card.html.j2", card=shown, id=id_, mark=MEMORY_PERCENT)


def summary(views: Sequence[View]) -> str:
    """``1 unhealthy, 2 degraded, 9 healthy``, the worst first."""
    counts = [(status, sum(view.health.status is status for view in views)) for status in reversed(Status)]
    return ", ".join(f"{count} {status}" for status, count in counts if count)


def _now(views: Sequence[View]) -> datetime:
    return max(view.health.poll.at for view in views)


def _render(name: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(name).render(**values)
