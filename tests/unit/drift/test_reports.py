"""What ``noevict drift`` prints: the table, JSON, JUnit XML and the page of HTML."""

import io
import json
import re
import stat
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from noevict.drift.html import as_html
from noevict.drift.junit import as_junit
from noevict.drift.report import Report, as_data, in_words, urgent_first
from noevict.drift.reports import check_place, print_reports, write_html
from noevict.drift.table import print_table
from noevict.errors import NoevictError
from noevict.messages import one_line
from noevict.plan.change import Change, How, Part
from noevict.server.live import Reach
from noevict.urgency import Urgency, most_urgent, urgency
from tests.unit.looks.deviations import CONF, OTHER
from tests.unit.looks.managed import Managed, managed
from tests.unit.reports import NOW, page_of, read_xml, report_of, report_with

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # half characters too
NONE = "\N{EN DASH}"
FINE = Report("cache-9", seconds=0.25)
GONE = Report("cache-3", ("cannot be reached: no route to host", "and more"), seconds=10)
FAULTY = Report("cache-4", faults=("/etc/redis: cannot be changed",), notices=("12 keys were evicted",))


REFUSING = Report("cache-7", writes="writes are refused: memory is full. Raise it")


def drifted() -> Managed:
    """Live, in the file, in both, in neither."""
    host = managed("trixie").but_config(maxmemory_policy="volatile-lru", databases="32")
    text = str(host.state.conf).replace("databases 16", "databases 64")
    return host.but(conf=text).but_file(CONF, sha256=OTHER, mode="777")


def all_kinds() -> list[Report]:
    return [FINE, report_of(drifted()), GONE, FAULTY]


# The table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def table(out: io.StringIO, *reports: Report) -> str:
    print_table(reports, out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No word of the one who runs the tests about colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def test_in_a_pipe_a_row_is_one_line_however_long_it_is_and_has_no_colour() -> None:
    long = Report("cache-1", changes=(Change(Part.DIRECTIVE, "x" * 200, How.RESTART, "y" * 200, "z" * 200),))
    reported = table(io.StringIO(), long, FAULTY, FINE)
    head, row, fault, empty, end = reported.splitlines()
    assert re.split(" {2,}", head) == ["HOST", "WHAT", "IS", "SHOULD BE", "HOW"]
    assert re.split(" {2,}", row) == ["cache-1", "x" * 200, "y" * 200, "z" * 200, "restart"]
    assert re.split(" {2,}", fault) == ["cache-4", "/etc/redis: cannot be changed", "by hand"]
    assert (empty, end) == ("", "1 of 3 hosts as wanted")
    assert reported.isascii()
    assert "\x1b" not in reported
    assert all(line == line.rstrip() for line in reported.splitlines())


def test_if_nothing_differs_the_table_is_a_line() -> None:
    assert table(io.StringIO(), FINE) == "1 of 1 hosts as wanted\n"
    assert table(io.StringIO(), FINE, GONE) == "1 of 2 hosts as wanted, 1 failed\n"


def test_a_terminal_gets_colours_and_rows_that_fit() -> None:
    reported = table(Terminal(), report_of(drifted(), "cache-1.eu-central.example.com"), FAULTY)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", reported)
    assert bare != reported
    assert max(map(len, bare.splitlines())) <= 80
    assert "volatile-lru" in bare
    assert bare.isprintable() or set(filter(lambda c: not c.isprintable(), bare)) == {"\n"}


COLOURS = {
    "a terminal": (Terminal, {}, True),
    "a terminal, NO_COLOR": (Terminal, {"NO_COLOR": "1"}, False),
    "a dumb terminal": (Terminal, {"TERM": "dumb"}, False),
    "a pipe": (io.StringIO, {}, False),
    "a pipe, FORCE_COLOR": (io.StringIO, {"FORCE_COLOR": "1"}, True),
    "a pipe, both": (io.StringIO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
}


@pytest.mark.parametrize("case", COLOURS)
def test_colours_are_where_they_are_wanted(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out, variables, coloured = COLOURS[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    reported = table(out(), report_of(drifted()))
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", reported)) == coloured
    assert "\x1b[2J" not in reported


@PATIENT
@given(ANY_TEXT, st.booleans())
def test_a_terminal_obeys_nothing_of_a_report(text: str, terminal: bool) -> None:
    reported = table(Terminal() if terminal else io.StringIO(), report_with(text))
    for line in re.sub(r"\x1b\[[0-9;]*m", "", reported).split("\n"):
        assert line.isprintable(), ascii(line)


def test_a_host_that_refuses_writes_is_first_and_red_in_every_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports = urgent_first([FINE, report_of(drifted()), GONE, REFUSING])
    reported = table(io.StringIO(), *reports).splitlines()
    assert re.split(" {2,}", reported[1]) == ["cache-7", "writes", "refused", "accepted", "now"]
    assert REFUSING.writes not in "".join(reported)
    assert reported[-1] == "1 of 4 hosts as wanted, 1 refuses writes, 1 failed"
    data = as_data(reports)
    assert (data["writesRefused"], data["drift"]) == (True, True)
    assert data["hosts"]["cache-7"]["writesRefused"] is True
    assert data["hosts"]["cache-7"]["error"] == REFUSING.writes
    assert data["hosts"]["cache-7"]["drift"] == []
    assert data["hosts"]["cache-7"]["urgency"] == "refuses writes"
    assert (as_data([REFUSING])["drift"], as_data([REFUSING])["writesRefused"]) == (False, True)
    [failure] = junit(REFUSING).findall("testcase/failure")
    assert failure.attrib == {"message": REFUSING.writes, "type": "refuses writes"}
    assert failure.text == REFUSING.writes
    html = as_html(reports, NOW)
    assert '<span class="badge refuses-writes">refuses writes</span>' in html
    assert "Writes are refused: memory is full. Raise it</p>" in html
    first = [html.index(f">{name}<") for name in ("cache-7", "cache-3", "cache-1", "cache-9")]
    assert first == sorted(first)
    failed = Report("cache-8", ("is a replica",), writes=REFUSING.writes)
    noticed = replace(REFUSING, notices=("12 keys were evicted",))
    for form in ("table", "json", "junit"):
        print_reports([noticed, failed], form, NOW)
        assert capsys.readouterr().err.splitlines() == [
            f"cache-7: {REFUSING.writes}",
            "cache-7: 12 keys were evicted",
            f"cache-8: {REFUSING.writes}",
            "cache-8: is a replica",
        ]


def test_a_terminal_has_room_for_the_drift_of_a_host_that_refuses_writes() -> None:
    sentence = f"writes are refused: memory is full. {'Raise its redis_maxmemory. ' * 10}"
    reported = table(Terminal(), report_of(drifted(), writes=sentence))
    rows = re.sub(r"\x1b\[[0-9;]*m", "", reported).splitlines()
    assert re.split(" {2,}", rows[1].strip()) == ["cache-1", "writes", "refused", "accepted", "now"]
    assert re.split(" {2,}", rows[2].strip())[0] == "maxmemory-policy"


# JUnit XML: what the schemas of Ant (Windy Road's JUnit.xsd) and Jenkins (junit-10.xsd) have in common

CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"properties (testcase )*system-out system-err ",
    "testcase": r"(skipped |error |failure )?",
}
ATTRIBUTES = {
    "testsuites": set(),
    "testsuite": {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
    "testcase": {"name", "classname", "time"},
    "error": {"message", "type"},
    "failure": {"message", "type"},
}


def junit(*reports: Report) -> ElementTree.Element:
    """The suite, once the document is one that both schemas take."""
    root = read_xml(as_junit(reports, NOW))
    for element in root.iter():
        children = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(CHILDREN.get(element.tag, ""), children), element.tag
        assert set(element.attrib) == ATTRIBUTES.get(element.tag, set())
    [suite] = root
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    for each in (suite, *cases):
        assert re.fullmatch(r"\d+\.\d{3}", each.attrib["time"])
        assert each.attrib["name"]
    return suite


def test_a_host_is_a_test_that_passes_fails_or_could_not_be_run() -> None:
    suite = junit(*all_kinds())
    cases = {case.attrib["name"]: case for case in suite.findall("testcase")}
    assert list(cases) == ["cache-9", "cache-1", "cache-3", "cache-4"]
    assert list(cases["cache-9"]) == []
    [failure] = cases["cache-1"]
    assert (failure.tag, failure.attrib) == (
        "failure",
        {"message": "4 things are not as wanted", "type": "drift"},
    )
    assert failure.text == "\n".join(map(str, report_of(drifted()).changes))
    [error] = cases["cache-3"]
    assert (error.tag, error.attrib["message"]) == ("error", "cannot be reached: no route to host")
    assert error.text == "cannot be reached: no route to host\nand more"
    [fault] = cases["cache-4"]
    assert fault.attrib["message"] == "/etc/redis: cannot be changed [by hand]"
    assert suite.findtext("system-out") == "cache-4: 12 keys were evicted"
    assert suite.attrib["timestamp"] == "2026-01-15T10:30:00"
    assert (suite.attrib["time"], cases["cache-9"].attrib["time"]) == ("10.000", "0.250")


@PATIENT
@given(ANY_TEXT.filter(bool))
def test_any_text_is_one_that_xml_can_hold(text: str) -> None:
    report = report_with(text)
    suite = junit(report, Report("cache-1", (), report.changes, report.faults))
    [broken, failed] = suite.findall("testcase")
    assert broken.attrib["name"] == one_line(text) or broken.attrib["name"].split() == one_line(text).split()
    assert suite.findtext("testcase/error") == one_line(text)
    assert one_line(text) in str(failed.findtext("failure"))


# HTML

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "table"),
    *("thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "p", "ul", "li", "span", "small", "strong"),
    *("em", "b", "code", "time", "a"),
}


def test_the_page_needs_and_runs_nothing() -> None:
    page = page_of(*all_kinds())
    starts = [tag for tag in page.tags if not tag[0].startswith("/")]
    assert {tag for tag, *_ in starts} <= TAGS
    named = {name for _, *attributes in starts for name, _ in attributes}
    assert not [name for name in named if name.startswith("on") or name in ("src", "style", "action")]
    links = [value for _, *attributes in starts for name, value in attributes if name == "href"]
    ids = [value for _, *attributes in starts for name, value in attributes if name == "id"]
    assert links
    assert {link.removeprefix("#") for link in links} <= {*ids}
    assert len(ids) == len({*ids})
    assert not re.search(r"url\(|@import|expression|://", page.css)
    policy = ("content", "default-src 'none'; style-src 'unsafe-inline'")
    assert ("meta", ("http-equiv", "Content-Security-Policy"), policy) in starts


def test_the_page_shows_what_is_wanted_in_the_file_live_and_how_it_is_repaired() -> None:
    page = page_of(report_of(drifted()))
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["What"] == ["Wanted", "In the file", "Live", "Repair"]
    live = "changed in the running server no restart"
    assert rows["maxmemory-policy"] == ["noeviction", "noeviction", "volatile-lru", live]
    restart = "the file is put right; the server is restarted (read at start only) restart"
    assert rows["databases"] == ["16", "64", "32", restart]
    assert rows[f"{CONF} mode"] == ["640", "777", NONE, "the file is put right no restart"]
    assert rows["cache-1"] == ["Redis 8.0.2", "drift", "3", "yes"]
    assert "pyinfra inventory deploy.py --limit cache-1" in page.text
    assert "2026-01-15 10:30:00 UTC" in page.text


def test_the_worst_hosts_come_first_and_each_says_whether_it_restarts() -> None:
    live = report_of(managed("trixie").but_config(hz="77"), "cache-2")
    page = page_of(*all_kinds(), live)
    assert [row for row in page.rows if len(row) == 5 and row[2] in ("failed", "drift", "as wanted")] == [
        ["cache-3", NONE, "failed", NONE, NONE],
        ["cache-1", "Redis 8.0.2", "drift", "3", "yes"],
        ["cache-4", NONE, "drift", "1", NONE],
        ["cache-2", "Redis 8.0.2", "drift", "1", "no"],
        ["cache-9", NONE, "as wanted", "0", NONE],
    ]
    for printed in (
        "and more",
        "/etc/redis: cannot be changed",
        "12 keys were evicted",
        "The repair restarts nothing.",
        "The repair restarts the server, once.",
        "There is nothing that a run could repair.",
    ):
        assert printed in page.text


def test_a_host_on_which_nothing_is_repaired_says_so() -> None:
    blocked = report_of(drifted().but(unwritable=(CONF,)))
    assert blocked.blocked
    assert not blocked.restarts
    page = page_of(blocked)
    assert "Nothing can be repaired until" in page.text
    assert "pyinfra inventory" not in page.text


@PATIENT
@given(ANY_TEXT.filter(bool))
@example(" ")
def test_any_text_is_shown_and_nothing_else_comes_of_it(text: str) -> None:
    evil, plain = page_of(report_with(text)), page_of(report_with("harmless"))
    assert evil.tags == plain.tags
    assert evil.css == plain.css
    displayed = {cell for row in evil.rows for cell in row}
    assert one_line(text) in displayed
    assert as_html([report_with(text)], NOW).encode()


def test_the_page_is_written_whole_and_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "drift.html"
    file.write_text("of another day")
    file.chmod(0o644)
    write_html(all_kinds(), file, NOW)
    assert file.read_text() == as_html(all_kinds(), NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["drift.html"]


def test_a_link_that_waits_for_the_page_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("of another's")
    file = tmp_path / "drift.html"
    file.symlink_to("victim")
    check_place(file)
    write_html(all_kinds(), file, NOW)
    assert not file.is_symlink()
    assert file.read_text() == as_html(all_kinds(), NOW)
    assert (tmp_path / "victim").read_text() == "of another's"


def test_a_page_that_cannot_be_written_is_a_mistake_before_hosts_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for place, should in {
        "a": "should be a file",
        "b/c.html": "should be in a directory that is there",
    }.items():
        with pytest.raises(NoevictError, match=re.escape(f"--html: {tmp_path / place}: {should}")):
            check_place(tmp_path / place)
    check_place(tmp_path / "new.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


# All of them


def stopped(name: str) -> Report:
    """With a wrong value in the file as well."""
    return report_of(drifted().but({"reach": Reach.NOT_RUNNING}), name)


def test_a_stopped_server_comes_before_a_wrong_value_in_every_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports = [FINE, report_of(drifted(), "wrong"), stopped("down"), GONE]
    assert [report.urgency for report in urgent_first(reports)] == [
        Urgency.STOPPED,
        Urgency.FAILED,
        Urgency.DRIFT,
        Urgency.HEALTHY,
    ]
    print_reports(reports, "table", NOW)
    _, first, second, *rest = capsys.readouterr().out.splitlines()
    assert re.split(" {2,}", first) == ["down", "redis-server.service", "not running", "running", "unit"]
    assert second.startswith("down ")
    assert rest[-1] == "1 of 4 hosts as wanted, 1 stopped, 1 failed"
    print_reports(reports, "json", NOW)
    hosts = json.loads(capsys.readouterr().out)["hosts"]
    assert [(name, host["urgency"]) for name, host in hosts.items()] == [
        ("down", "stopped"),
        ("cache-3", "failed"),
        ("wrong", "drift"),
        ("cache-9", "healthy"),
    ]
    assert [change["urgency"] for change in hosts["down"]["drift"]][:2] == ["stopped", "drift"]
    print_reports(reports, "junit", NOW)
    first_case, *_ = read_xml(capsys.readouterr().out).iter("testcase")
    assert first_case.attrib["name"] == "down"
    assert first_case[0].attrib["type"] == "stopped"
    assert first_case[0].attrib["message"].startswith("the server is stopped: ")
    page = page_of(*reports)
    assert [row[2] for row in page.rows[1:5]] == ["stopped", "failed", "drift", "as wanted"]
    assert [row[0] for row in page.hosts["down"]][1] == "redis-server.service"
    assert ("span", ("class", "badge stopped")) in page.tags


def test_a_terminal_shows_a_stopped_server_unlike_any_wrong_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    reported = table(io.StringIO(), stopped("down"))
    assert "\x1b[1;37;41mnot running\x1b[0m" in reported
    assert reported.count("\x1b[1;37;41m") == 1


def test_there_is_one_order_and_none_is_as_urgent_as_a_server_that_serves_nobody() -> None:
    assert min(Urgency, key=lambda each: each.rank) is Urgency.STOPPED
    assert [each for each in Urgency if not each.needs_somebody_now] == ["degraded", "drift", "healthy"]
    assert most_urgent() is Urgency.HEALTHY
    assert most_urgent(Urgency.DRIFT, Urgency.STOPPED, Urgency.HEALTHY) is Urgency.STOPPED
    assert urgency("unhealthy", stopped=True, refuses_writes=True) is Urgency.STOPPED
    assert urgency("unhealthy", stopped=False, refuses_writes=True) is Urgency.REFUSES_WRITES
    assert [
        urgency(each, stopped=False, refuses_writes=False) for each in ("unhealthy", "degraded", "healthy")
    ] == [
        Urgency.UNHEALTHY,
        Urgency.DEGRADED,
        Urgency.HEALTHY,
    ]


def test_failures_and_notices_go_to_stderr_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("table", "json", "junit"):
        print_reports(all_kinds(), form, NOW)
        reported = capsys.readouterr()
        assert reported.err.splitlines() == [
            "cache-3: cannot be reached: no route to host",
            "cache-3: and more",
            "cache-4: 12 keys were evicted",
        ]
        assert reported.out.endswith("\n")


def test_json_has_the_plan_and_whether_a_repair_restarts() -> None:
    data = as_data(all_kinds())
    assert (data["drift"], data["failed"]) == (True, True)
    host = data["hosts"]["cache-1"]
    assert host["restarts"] is True
    assert host["drift"][0] == {
        "part": "directive",
        "subject": "maxmemory-policy",
        "aspect": "",
        "how": How.LIVE,
        "what": "maxmemory-policy",
        "found": "volatile-lru",
        "wanted": "noeviction",
        "why": "",
        "directive": "maxmemory-policy",
        "file": CONF,
        "urgency": "drift",
    }
    assert data["hosts"]["cache-9"] == {
        "urgency": "healthy",
        "writesRefused": False,
        "failure": [],
        "drift": [],
        "restarts": False,
        "faults": [],
        "notices": [],
    }
    assert in_words(all_kinds()) == "1 of 4 hosts as wanted, 1 failed"
