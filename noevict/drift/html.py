"""Renders a page of HTML to attach to a ticket: one file, with no scripts, no other files, and no secret."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup

from noevict.drift.report import Report, in_words, urgent_first
from noevict.drift.side_by_side import Finding
from noevict.messages import one_line
from noevict.plan.change import How
from noevict.urgency import Urgency

HERE = Path(__file__).parent
REPAIRS = {
    How.PACKAGE: "the package is installed",
    How.LIVE: "changed in the running server",
    How.CERTIFICATE: "put in place and loaded",
    How.FILE: "the file is put right",
    How.KERNEL: "set in the kernel",
    How.UNIT: "the service is put right",
    How.RESTART: "the server is restarted",
    How.ENGINE: "the other server stops, this one continues with its data",
}


def as_html(reports: Sequence[Report], at: datetime) -> str:
    """Return the document. ``at``: when the hosts were looked at."""
    ordered = urgent_first(reports)
    return _ENVIRONMENT.get_template("drift.html.j2").render(
        css=Markup((HERE / "drift.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of this package
        at=at.astimezone(UTC),
        version=version("noevict"),
        summary=in_words(reports),
        reports=ordered,
        worst=ordered[0].urgency if ordered else Urgency.HEALTHY,
    )


def _badge(report: Report) -> str:
    return "as wanted" if report.urgency is Urgency.HEALTHY else report.urgency


def _repair(finding: Finding) -> str:
    return "; ".join(REPAIRS[how] for how in finding.how)


def _outcome(report: Report) -> str:
    """Return what a run would do to this host's server."""
    if report.blocked:
        return "Nothing can be repaired until the problems below are fixed by hand."
    if report.restarts:
        return (
            "The repair restarts the server, once. Clients are disconnected and come back; no data is lost. "
            "Hosts are restarted one after the other."
        )
    return "The repair restarts nothing." if report.findings else "There is nothing that a run could repair."


def _command(report: Report) -> str:
    return f"pyinfra inventory deploy.py --limit {shlex.quote(one_line(report.host))}"


def _without_control(value: object) -> object:
    """Remove control characters from the value of an expression of the template, before it is escaped."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    finalize=_without_control,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(badge=_badge, repair=_repair, outcome=_outcome, command=_command)
