"""Renders JUnit XML, for CI systems: one suite, and a test case for each host.

A host that drifted, or that refuses writes, is a failure. A host that could not be looked at, or is left alone, is an
error. A case keeps its name from run to run, so that CI can show since when it fails. The schemas of Apache Ant (Windy
Road's JUnit.xsd) and of Jenkins (xunit-plugin's junit-10.xsd) both accept the form.
"""

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from noevict.drift.report import Report
from noevict.messages import one_line
from noevict.urgency import Urgency

SUITE = "noevict.drift"


def as_junit(reports: Sequence[Report], at: datetime) -> str:
    """Return the document. ``at``: when the hosts were looked at."""
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        id="0",
        name=SUITE,
        package=SUITE,
        timestamp=f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",  # the schema has no time zone
        hostname=one_line(platform.node()) or "localhost",
        tests=str(len(reports)),
        failures=str(sum(not report.fine and not report.failure for report in reports)),
        errors=str(sum(bool(report.failure) for report in reports)),
        time=_seconds(
            max((report.seconds for report in reports), default=0)
        ),  # hosts are looked at all at once
    )
    ElementTree.SubElement(suite, "properties")
    for report in reports:
        _add_case(suite, report)
    ElementTree.SubElement(suite, "system-out").text = _lines(
        f"{report.host}: {notice}" for report in reports for notice in report.notices
    )
    ElementTree.SubElement(suite, "system-err")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _add_case(suite: ElementTree.Element, report: Report) -> None:
    name = one_line(report.host)
    case = ElementTree.SubElement(
        suite, "testcase", classname=SUITE, name=name, time=_seconds(report.seconds)
    )
    if report.failure:
        lines = [*filter(None, (report.writes, *report.failure))]
        attributes = {"message": one_line(lines[0]), "type": "failed"}
        ElementTree.SubElement(case, "error", attributes).text = _lines(lines)
    elif not report.fine:
        differences = [*map(str, report.changes), *(f"{fault} [by hand]" for fault in report.faults)]
        stopped = "the server is stopped: " if report.urgency is Urgency.STOPPED else ""
        message = (
            differences[0]
            if len(differences) == 1
            else f"{stopped}{len(differences)} things are not as wanted"
        )
        attributes = {"message": one_line(report.writes or message), "type": report.urgency}
        lines = [*filter(None, (report.writes, *differences))]
        ElementTree.SubElement(case, "failure", attributes).text = _lines(lines)


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(map(one_line, texts))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
