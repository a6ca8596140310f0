"""The line above all hosts of the page, which hosts are shown, and where the links at warnings lead."""

import posixpath
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from noevict.fleet.records import Drift, Record
from noevict.monitor.health import runbooks
from noevict.monitor.health.facts import Severity
from noevict.monitor.health.health import Poll, judge
from noevict.monitor.web.card import Card, card
from noevict.monitor.web.html import render_card, render_runbook
from noevict.monitor.web.overview import Filter, figures
from tests.unit.monitor.test_health import FINE, NOW, WELL, view
from tests.unit.monitor.test_page import COUNTS

FULL = {**FINE, "used_memory": "199000000"}
KEPT = Record(Drift(NOW, "drift", 0), NOW)


def fleet() -> list[Card]:
    views = [
        view(WELL, "well", record=KEPT),
        view(replace(WELL, info=FULL), "full", record=KEPT),
        view(replace(WELL, queues={"email": COUNTS}), "busy", record=KEPT),
        view(replace(WELL, certificate_ends=NOW + timedelta(days=20)), "soon"),
        view(WELL, "drifted", record=Record(Drift(NOW, "drift", 3), NOW)),
        view(Poll(NOW, failure="gone"), "dead"),
    ]
    return [card(each, NOW) for each in views]


def test_the_line_counts_hosts_and_each_figure_shows_those_it_counts() -> None:
    made = fleet()
    reported = figures(made)
    assert [(each.text, each.show) for each in reported] == [
        ("6 hosts", "all"),
        ("2 not healthy", "unhealthy"),
        ("1 full", "full"),
        ("2 without backup", "no-backup"),
        ("next certificate: 20 days, soon", "certificate"),
        ("1 with drift", "drift"),
        ("14 jobs waiting", "jobs"),
    ]
    assert {each.show: [one.name for one in made if Filter(each.show).shows(one)] for each in reported} == {
        "all": [each.name for each in made],
        "unhealthy": ["full", "dead"],
        "full": ["full"],
        "no-backup": ["soon", "dead"],
        "certificate": ["soon"],
        "drift": ["drifted"],
        "jobs": ["busy"],
    }


def test_the_line_says_what_there_is_none_of_and_what_is_not_known() -> None:
    well = card(view(WELL, "a", record=KEPT), NOW)
    assert [(each.text, each.show) for each in figures([well])] == [
        ("1 host", "all"),
        ("none full", ""),
        ("none without backup", ""),
        ("next certificate: 90 days, a", ""),
        ("no queues watched", ""),
    ]
    silent = view(Poll(NOW, failure="gone"))
    silent = replace(silent, endpoint=replace(silent.endpoint, queues=("email",)))
    reported = [each.text for each in figures([card(silent, NOW)])]
    assert "no certificate seen" in reported
    assert reported[-1] == "0 jobs waiting, 1 host not known"
    ended = card(view(replace(WELL, certificate_ends=NOW - timedelta(hours=1)), "a"), NOW)
    assert ("next certificate: expired, a", Severity.BAD) in [
        (each.text, each.severity) for each in figures([ended])
    ]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [("", 6), ("FULL", 1), ("email", 1), ("redis 10.0.0.5", 5), ("nowhere", 0), ("dead unhealthy", 1)],
)
def test_hosts_are_found_by_what_names_them(text: str, hosts: int) -> None:
    assert sum(Filter(text=text).shows(each) for each in fleet()) == hosts
    assert bool(Filter(text=text)) == bool(text)


def anchors(name: str) -> list[str]:
    return re.findall(r'<h\d id="([^"]*)"', runbooks.render(name)[1])


@pytest.mark.parametrize("about", runbooks.SECTIONS)
def test_each_runbook_that_is_linked_to_has_that_section(about: str) -> None:
    page, _, section = runbooks.link(about, "docs/runbooks").partition("#")
    assert section in anchors(page.removeprefix("docs/"))
    base = "https://git.example.com/ops/-/blob/main/docs/runbooks"
    assert runbooks.link(about, f"{base}/") == f"{base}/{runbooks.SECTIONS[about]}"


def test_every_check_has_a_runbook_and_what_has_none_leads_to_the_first() -> None:
    assert set(judge(WELL).checks) <= set(runbooks.SECTIONS)
    assert runbooks.link("something new", "docs/runbooks") == "docs/runbooks/README"


def links(displayed: Card) -> set[str]:
    return set(re.findall(r'class="runbook" href="docs/runbooks/([^"]*)"', render_card(displayed, "host-0")))


def test_each_warning_links_to_its_runbook() -> None:
    failing = {"rdb_last_bgsave_status": "err", "aof_last_write_status": "err"}
    bad = replace(
        WELL,
        info={**FULL, **failing, "maxmemory_policy": "volatile-lru"},
        certificate_ends=NOW + timedelta(days=3),
        queues={"email": COUNTS},
        workers={"email": False},
        queues_failure="not all",
    )
    assert links(card(view(bad, evicted=1, record=Record(Drift(NOW, "drift", 2))), NOW)) == {
        "memory#redismemory90",
        "persistence#redissavefailed",
        "persistence#redisaofwritefailed",
        "eviction#rediskeysevicted",
        "eviction#redisevictionpolicy",
        "certificates#rediscertificateexpires",
        "backups#redisbackupmissing",
        "drift#redisdrift",
        "queues#redisqueuewithoutconsumers",
        "README",
    }
    assert links(card(view(WELL, record=KEPT), NOW)) == set()
    endless = replace(WELL, info={**FINE, "maxmemory": "0"})
    assert links(card(view(endless, record=KEPT), NOW)) == {"memory#redismaxmemoryunset"}
    failed = Record(Drift(NOW, "drift", None, "no route"), NOW)
    assert links(card(view(WELL, record=failed), NOW)) == {"drift#redislookfailed"}


def test_a_runbook_links_to_what_is_shown_beside_it_and_to_nothing_else() -> None:
    for name in runbooks.names():
        for href in re.findall(r'href="([^"]*)"', runbooks.render(name)[1]):
            path, _, section = href.partition("#")
            if "://" in href:
                continue
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            assert there in runbooks.names(), (name, href)
            assert not section or section in anchors(there), (name, href)
    page = render_runbook("runbooks/memory", "0.1.0")
    assert '<link rel="stylesheet" href="../../page.css">' in page
    assert "<title>Memory · noevict</title>" in page
