"""A page of HTML to attach to a ticket: one file, which needs nothing else, runs nothing, and holds no secret."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup

from noevict.drift.findings import Finding
from noevict.drift.report import Report, in_words, urgent_first
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
    How.RESTART: "the server starts anew",
    How.ENGINE: "the other server stops, this one goes on with its data",
}


def as_html(reports: Sequence[Report], at: datetime) -> str:
    """The document. ``at``: when the hosts were looked at."""
    ordered = urgent_first(reports)
    return _ENVIRONMENT.get_template("drift.html.j2").render(
        css=Markup((HERE / "drift.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
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
    """What a run would do to this host's server."""
    if report.blocked:
        return "Nothing is repaired before what is told below is put right by hand."
    if report.restarts:
        return (
            "The repair restarts the server, once. Clients are disconnected and come back; no data is lost. "
            "Hosts are restarted one after the other."
        )
    return "The repair restarts nothing." if report.findings else "There is nothing that a run could repair."


def _command(report: Report) -> str:
    return f"pyinfra inventory deploy.py --limit {shlex.quote(one_line(report.host))}"


def _harmless(value: object) -> object:
    """Of every expression in the template, before it is escaped."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    finalize=_harmless,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(badge=_badge, repair=_repair, outcome=_outcome, command=_command)
