"""Renders the page of the fleet: whole for a request, and single cards for browsers that have it open."""

import json
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from noevict.monitor.asking.fleet import Monitor
from noevict.monitor.asking.watched import View, log
from noevict.monitor.health import runbooks
from noevict.monitor.health.health import MEMORY_PERCENT, Poll, Status, judge
from noevict.monitor.web.answers import worst
from noevict.monitor.web.card import Card, card, rank
from noevict.monitor.web.overview import Figure, Filter, figures

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
MANY = 30  # hosts; more of them get a table too, with a row for each

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Made:
    """A host's rendered card and row. ``of``: what they were made from."""

    of: object
    card: Card
    id: str
    item: str
    row: str


class Page:
    """The page for people. A host's card is rendered once for each of its answers, however many readers there are."""

    def __init__(self, fleet: Monitor, version: str) -> None:
        self._fleet, self._version = fleet, version
        self._made: dict[str, Made] = {}
        self._figures: tuple[list[Figure], str] = ([], "")

    def document(self, wanted: Filter) -> str:
        """Return the whole page, with the hosts that the filter wants."""
        views = self._fleet.views()
        made = self._ordered(views)
        matching = [each for each in made if wanted.shows(each.card)]
        return _render(
            "page.html.j2",
            cards=[each.item for each in matching],
            rows=[each.row for each in matching],
            dense=_dense(views),
            overview=render_overview(figures([each.card for each in made]), wanted),
            wanted=wanted,
            hosts=len(made),
            summary=summary(views),
            mood=mood(views),
            at=_now(views),
            version=self._version,
        )

    def news(self, sent: dict[str, str]) -> str:
        """Return what changed since ``sent``, as JSON for page.js, and update ``sent``."""
        views = self._fleet.views()
        made = self._ordered(views)
        now = {each.id: each.item for each in made}
        if _dense(views):
            now |= {f"row-{each.id}": each.row for each in made}
        now["overview"] = self._overview(figures([each.card for each in made]))
        changed = {id_: text for id_, text in now.items() if sent.get(id_) != text}
        sent.update(changed)
        data = {
            "summary": summary(views),
            "mood": mood(views),
            "at": f"{_now(views):%H:%M:%S} UTC",
            "dense": _dense(views),
            "order": [each.id for each in made],
            "changed": changed,
        }
        return json.dumps(data)

    def _overview(self, now: list[Figure]) -> str:
        if now != self._figures[0]:
            self._figures = (now, render_overview(now, Filter()))
        return self._figures[1]

    def _ordered(self, views: Sequence[View]) -> list[Made]:
        """Return the hosts, the worst first."""
        return sorted((self._make(view) for view in views), key=lambda made: rank(made.card))

    def _make(self, view: View) -> Made:
        dense = _dense(self._fleet.hosts)
        of, before = (view.health.poll.at, view.record, dense), self._made.get(view.name)
        if before is None or before.of != of:
            shown = _card(view)
            id_ = before.id if before else f"host-{len(self._made)}"
            row = render_row(shown, id_) if dense else ""
            self._made[view.name] = Made(of, shown, id_, render_card(shown, id_), row)
        return self._made[view.name]


def _card(view: View) -> Card:
    """Return a host's card. If its server's answers cannot be shown, no other host's card fails with it."""
    try:
        return card(view, datetime.now(UTC))
    except Exception as error:
        log.exception("%s: showing it", view.name)
        failure = f"could not be shown: {type(error).__name__}"
        return card(View(view.endpoint, judge(Poll(view.health.poll.at, failure=failure))), datetime.now(UTC))


def render_card(shown: Card, id_: str) -> str:
    """Render a host's card, a list item."""
    return _render("card.html.j2", card=shown, id=id_, mark=MEMORY_PERCENT)


def render_row(shown: Card, id_: str) -> str:
    """Render a host's row of the table, which links to its card."""
    return _render("row.html.j2", card=shown, id=id_, facts={fact.name: fact for fact in shown.facts})


def render_overview(shown: Sequence[Figure], wanted: Filter) -> str:
    """Render the line of figures above all hosts."""
    return _render("overview.html.j2", figures=shown, wanted=wanted)


def render_runbook(name: str, version: str) -> str:
    """Render a page of docs/, for the links at warnings."""
    title, text = runbooks.render(name)
    return _render(
        "runbook.html.j2", title=title, text=text, up="../" * (name.count("/") + 1), version=version
    )


def summary(views: Sequence[View]) -> str:
    """Return ``1 unhealthy, 2 degraded, 9 healthy, 1 may evict``, the worst first."""
    counts = [
        (str(status), sum(view.health.status is status for view in views)) for status in reversed(Status)
    ]
    counts.append(("may evict", sum(view.health.warning is not None for view in views)))
    return ", ".join(f"{count} {what}" for what, count in counts if count)


def mood(views: Sequence[View]) -> str:
    """Return the CSS class of the summary: the worst status; if all are healthy, ``odd`` if one has a warning."""
    status = worst(views)
    odd = status is Status.HEALTHY and any(view.health.warning for view in views)
    return "odd" if odd else str(status)


def _dense(hosts: Sized) -> bool:
    return len(hosts) > MANY


def _now(views: Sequence[View]) -> datetime:
    return max(view.health.poll.at for view in views)


def _render(name: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(name).render(**values)
