"""Reports of drift as tests make them, and the page of HTML read back."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

from noevict.drift.html import as_html
from noevict.drift.report import Report
from noevict.drift.side_by_side import Finding, FoundValue, findings
from noevict.plan.change import Change, How, Part
from tests.unit.looks.managed import Managed

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
EMPTY = {"meta"}  # elements that have no end


def report_of(host: Managed, name: str = "cache-1", **more: Any) -> Report:
    """Of a captured host, as ``noevict drift`` makes one."""
    plan = host.plan
    made = findings(plan, host.state)
    printed = (plan.refusals, plan.changes, plan.faults, plan.notices, made, plan.blocked, str(host.server))
    return Report(name, *printed, **more)


def report_with(text: str) -> Report:
    """One that has this text wherever a text can be."""
    finding = Finding(
        text, text, FoundValue(text, False), FoundValue(text, None), (How.LIVE,), text, restarts=True
    )
    change = Change(Part.USER, text, How.LIVE, text, text, text, text)
    return Report(text, (text,), (change,), (text,), (text,), (finding,), False, text, 1.5)


def read_xml(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document.encode())  # noqa: S314 - it is noevict's own


@dataclass
class Page(HTMLParser):
    """``tags``: each element's start, with its attributes, and end. ``rows``: the texts of each table row's cells;
    ``hosts``: the rows of each host's own table, by host. ``text``: all that is to be read."""

    tags: list[tuple[Any, ...]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    hosts: dict[str, list[list[str]]] = field(default_factory=dict)
    text: str = ""
    css: str = ""
    open: list[str] = field(default_factory=list)
    section: list[list[str]] = field(default_factory=list)  # the rows of the one that is open

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *attrs))
        if tag == "tr":
            self.rows.append([])
            if "section" in self.open:
                self.section.append(self.rows[-1])
        if tag == "section":
            self.section = []
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.tags.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.css += data
            return
        self.text += data
        if self.open[-1:] == ["h2"] and data.strip():
            self.hosts[data.strip()] = self.section
        if {"td", "th"} & {*self.open}:
            self.rows[-1][-1] += data


def read_page(document: str) -> Page:
    page = Page()
    page.feed(document)
    page.close()
    assert page.open == []
    return page


def page_of(*reports: Report) -> Page:
    return read_page(as_html(reports, NOW))
