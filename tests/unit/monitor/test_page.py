"""What the page shows of a host: the words and figures, and any text at all if a text can come from outside."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.fleet.endpoint import Endpoint
from noevict.fleet.records import Drift, Record
from noevict.monitor.asking.watched import View
from noevict.monitor.health.figures import LEAST_POINTS, path, size, sizes, span
from noevict.monitor.health.health import Poll, judge
from noevict.monitor.health.history import POINTS
from noevict.monitor.web.card import Reason, card, rank
from noevict.monitor.web.html import mood, render_card, render_overview, render_row, summary
from noevict.monitor.web.overview import Filter, figures
from noevict.server.writes import Disk
from tests.unit.monitor.test_health import FINE, NOW, WELL, view

HOUR = timedelta(hours=1)
COUNTS = {"wait": 3, "paused": 1, "prioritized": 10, "active": 2, "delayed": 0, "failed": 5}


def values(of: View) -> dict[str, str]:
    """The figures of its card."""
    displayed = card(of, NOW)
    return {fact.label: displayed.value(fact) for fact in displayed.facts}


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1600 << 20, "1.6 GiB"), (200 << 20, "200 MiB"),
     (1 << 60, "1048576 TiB")],
)  # fmt: skip
def test_sizes_are_short(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (3 * 86400, "3 d"),
    ],
)
def test_times_are_whole(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_a_line_has_gaps_where_nothing_was_seen() -> None:
    flat = [0.0] * LEAST_POINTS
    assert path([None, 50, 100, None, *flat], 100).startswith("M0.8 10.5h.8L1.7 1.0M3.3 20.0h.8L4.2 20.0L")
    assert path([None, None], 100) == ""
    assert path(flat, 0).startswith("M0.0 20.0h.8L0.8 20.0L")


def test_there_is_no_line_before_there_is_a_past_to_speak_of() -> None:
    few: list[float | None] = [None] * (POINTS - LEAST_POINTS)
    assert path([*few, None, *[50.0] * (LEAST_POINTS - 1)], 100) == ""
    assert path([*few, *[50.0] * LEAST_POINTS], 100).count("M") == 1
    displayed = card(replace(view(WELL), lines={"memory": [*few, 50.0]}), NOW)
    assert 'class="line"' not in render_card(displayed, "host-0")


@pytest.mark.parametrize(
    ("used", "most", "text"),
    [
        (320 << 20, 1600 << 20, "0.31 of 1.56 GiB"),
        (616 << 20, 24 << 30, "0.60 of 24 GiB"),
        (100_000_000, 200_000_000, "95.4 of 191 MiB"),
        (1 << 20, 24 << 30, "1 of 24,576 MiB"),
        (0, 1 << 30, "0 of 1 GiB"),
        (2 << 30, 1 << 30, "2 of 1 GiB"),
        (900, 1000, "900 of 1,000 B"),
    ],
)
def test_memory_in_use_has_the_unit_of_what_it_is_a_part_of(used: int, most: int, text: str) -> None:
    assert sizes(used, most) == text


def test_a_card_has_the_figures_with_their_ages() -> None:
    record = Record(Drift(NOW - 3 * HOUR, "drift", 0), NOW - 2 * HOUR, disk=Disk(5 << 30, 10 << 30, at=NOW))
    assert values(view(WELL, record=record)) == {
        "Policy": "noeviction",
        "Evicted": "none lately",
        "Persistence": "AOF, RDB 50 min ago",
        "Certificate": "90 days",
        "Clients": "not known",
        "Up": "24 h",
        "Disk": "5.0 GiB free, 0 s ago",
        "Backup": "2 h ago",
        "Drift": "none, 3 h ago",
    }
    bare = view(WELL)
    assert values(bare)["Backup"] == "none"
    assert not card(bare, NOW).odd  # it may be so everywhere


def test_a_host_that_refuses_writes_is_first_and_says_why() -> None:
    full = view(replace(WELL, info={**FINE, "used_memory": FINE["maxmemory"]}), "full")
    gone = view(Poll(NOW, failure="no answer in 2 s"), "gone")
    displayed = sorted((card(each, NOW) for each in (gone, view(WELL), full)), key=rank)
    assert [each.name for each in displayed] == ["full", "gone", "cache-1"]
    assert displayed[0].status == "unhealthy"
    assert displayed[0].urgency == "refuses writes"
    assert displayed[0].reasons[0].about == "writes"
    assert displayed[0].reasons[0].text.startswith("writes are refused: memory is full, 191 of 191 MiB with ")
    assert "pyinfra inventory deploy.py --limit full " in displayed[0].reasons[0].text
    made = render_card(displayed[0], "host-0")
    assert '<p class="reason">Writes are refused: ' in made
    assert 'class="host unhealthy refuses-writes"' in made
    assert '<strong class="badge">refuses writes</strong>' in made


def test_what_refuses_writes_leads_to_its_own_runbook() -> None:
    for name, section in (("aof_last_write_status", "aof"), ("rdb_last_bgsave_status", "save")):
        failed = view(replace(WELL, info={**FINE, name: "err"}, misconf=True))
        assert card(failed, NOW).reasons[0].about == section


def test_a_cache_that_evicts_is_not_counted_as_full() -> None:
    info = {**FINE, "used_memory": FINE["maxmemory"], "maxmemory_policy": "allkeys-lru"}
    endpoint = Endpoint("cache-1", "10.0.0.5", 6379, cache=True)
    cache = View(endpoint, judge(replace(WELL, info=info), 7, cache=True))
    assert "full" not in card(cache, NOW).tags
    assert "full" in card(view(replace(WELL, info=info)), NOW).tags


def test_what_is_not_as_it_should_be_has_its_class_and_its_runbook() -> None:
    bad = replace(WELL, info={**FINE, "maxmemory_policy": "volatile-lru", "used_memory": "170000000"})
    displayed = card(view(bad, evicted=7, record=Record(Drift(NOW - HOUR, "drift", 2), NOW)), NOW)
    made = render_card(displayed, "host-0")
    for line in (
        '<div class="warn"><dt>Policy</dt><dd>volatile-lru</dd></div>',
        '<div class="bad"><dt>Evicted</dt><dd>7 in the last hour</dd></div>',
        "<div><dt>Backup</dt><dd>0 s ago</dd></div>",
        '<div class="warn"><dt>Drift</dt><dd>2 things differ, 60 min ago '
        '<a class="runbook" href="docs/runbooks/drift#redisdrift">runbook</a></dd></div>',
        '<div class="memory over">',
    ):
        assert line in made
    row = render_row(displayed, "host-0")
    for cell in ('class="policy warn"', 'class="evicted bad"', 'class="backup"', 'class="percent warn"'):
        assert cell in row
    assert '<div class="memory">' in render_card(card(view(WELL), NOW), "host-0")


def test_a_host_that_does_not_answer_shows_why_and_what_is_on_record() -> None:
    displayed = card(view(Poll(NOW, failure="no answer in 2 s")), NOW)
    assert displayed.reasons == (Reason("no answer in 2 s", "answer"),)
    assert (displayed.memory, displayed.trends, displayed.queues) == (None, (), ())
    assert [fact.label for fact in displayed.facts] == ["Backup", "Drift"]


def test_a_dead_host_says_so_once() -> None:
    why = "no answer in 2 s"
    displayed = card(view(Poll(NOW, failure=why, queues_failure=why)), NOW)
    assert render_card(displayed, "host-0").lower().count(why) == 1
    only_queues = card(view(replace(WELL, queues_failure="user exporter may not")), NOW)
    assert "Queues: user exporter may not" in render_card(only_queues, "host-0")


def test_a_stopped_server_is_called_that_and_comes_before_any_other() -> None:
    stopped = card(view(Poll(NOW, failure="refuses connections", stopped=True), "down"), NOW)
    dead = card(view(Poll(NOW, failure="no answer"), "a-dead"), NOW)
    assert [each.name for each in sorted((dead, stopped), key=rank)] == ["down", "a-dead"]
    assert (stopped.status, stopped.urgency, dead.urgency) == ("unhealthy", "stopped", "unhealthy")
    assert '<strong class="badge">stopped</strong>' in render_card(stopped, "host-0")
    assert "docs/runbooks/availability#redisdown" in render_card(stopped, "host-0")
    assert "docs/runbooks/availability#redisunreachable" in render_card(dead, "host-0")


def test_a_row_has_the_figures_of_the_card_and_leads_to_it() -> None:
    record = Record(Drift(NOW - HOUR, "drift", 2))
    row = render_row(card(view(replace(WELL, queues={"email": COUNTS}), record=record), NOW), "host-7")
    cells = [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"(?s)<t[hd].*?</t[hd]>", row)]
    assert cells == [
        *("cache-1", "healthy", "50 %", "noeviction", "AOF, RDB", "0", "90 days", "none", "2", "14"),
    ]
    assert '<a href="#host-7">' in row
    dead = render_row(card(view(Poll(NOW, failure="no answer in 2 s")), NOW), "host-0")
    assert dead.count("No answer in 2 s") == 1
    assert dead.count("<td") == row.count("<td")


def test_all_jobs_that_wait_for_a_worker_are_counted_as_waiting() -> None:
    [queue] = card(view(replace(WELL, queues={"email": COUNTS})), NOW).queues
    assert queue.counts == (("wait", 14), ("active", 2), ("delayed", 0), ("failed", 5))


def test_jobs_that_no_worker_takes_are_reported_and_so_is_memory_without_a_limit() -> None:
    waiting = {"email": COUNTS, "done": dict.fromkeys(COUNTS, 0), "busy": COUNTS}
    seen = {"email": False, "done": False, "busy": True}
    displayed = card(view(replace(WELL, queues=waiting, workers=seen)), NOW)
    assert [(queue.name, queue.abandoned) for queue in displayed.queues] == [
        ("email", True),
        ("done", False),
        ("busy", False),
    ]
    assert displayed.odd
    assert render_card(displayed, "host-0").count("no worker") == 1
    endless = card(view(replace(WELL, info={**FINE, "maxmemory": "0"})), NOW)
    assert (endless.unlimited, endless.odd, endless.percent) == (True, True, None)
    assert endless.memory is not None
    assert endless.memory.value == "95.4 MiB, no maxmemory"


def test_the_worst_host_comes_first() -> None:
    dead, full = Poll(NOW, failure="hangs up"), replace(WELL, info={**FINE, "used_memory": "199000000"})
    odd = replace(WELL, info={**FINE, "maxmemory_policy": "volatile-lru"})
    fuller = replace(WELL, info={**FINE, "used_memory": "170000000"})
    views = [
        view(WELL, "well"),
        view(fuller, "fuller"),
        view(replace(WELL, queues={"email": COUNTS}, workers={"email": False}), "no worker"),
        view(WELL, "drifted", record=Record(Drift(NOW, "drift", 1))),
        view(odd, "policy"),
        view(full, "full"),
        view(dead, "dead"),
    ]
    cards = [card(each, NOW) for each in views]
    assert [displayed.name for displayed in sorted(cards, key=rank)] == [
        "dead",
        "full",
        "policy",
        "no worker",
        "drifted",
        "fuller",
        "well",
    ]
    assert summary(views) == "1 unhealthy, 1 degraded, 5 healthy, 1 may evict"
    well, policy = views[0], views[4]
    assert (summary([well, policy]), mood([well, policy])) == ("2 healthy, 1 may evict", "odd")
    assert (mood([well]), mood(views)) == ("healthy", "unhealthy")


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))


@given(
    st.text(min_size=1).filter(str.strip)
    | st.sampled_from(["<script>alert(1)</script>", '" onload="x', "{{ 7*7 }}"])
)
def test_any_text_from_outside_is_text_on_the_page(text: str) -> None:
    def displayed(word: str) -> str:
        named = f"~{word}"  # where some words mean something to the page: noeviction, all, drift
        info = {**FINE, "maxmemory_policy": named, "redis_version": word}
        poll = replace(WELL, info=info, queues={word: COUNTS}, queues_failure=word, failure=word)
        made = View(Endpoint(word, word, 1), judge(poll), Record(Drift(NOW, "drift", None, word)))
        each = card(made, NOW)
        line = render_overview(figures([each]), Filter(named, word))
        return render_card(each, "host-0") + render_row(each, "host-0") + line

    assert Tags(displayed(text)).tags == Tags(displayed("harmless")).tags
