"""Prints what ``noevict drift`` found as a table, JSON or JUnit XML, and writes a page of HTML to hand on.

Every text in a report may come from a host, so each format makes it safe for its readers: ``one_line`` leaves no
control character, for terminals and for XML, and Jinja escapes on top of that.
"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from noevict.drift.html import as_html
from noevict.drift.junit import as_junit
from noevict.drift.report import Report, as_data, urgent_first
from noevict.drift.table import print_table
from noevict.errors import NoevictError
from noevict.messages import one_line
from noevict.private_files import write_private


def print_reports(reports: Sequence[Report], form: str, at: datetime) -> None:
    """Print the reports in a form: table, json or junit. Urgent hosts come first.

    Failures, notices, and why a server refuses writes go to stderr: a line each.
    """
    reports = urgent_first(reports)
    if form == "json":
        click.echo(json.dumps(as_data(reports), indent=2))
    elif form == "junit":
        click.echo(as_junit(reports, at))
    else:
        print_table(reports, sys.stdout)
    for report in reports:
        for line in filter(None, (report.writes, *(report.failure or report.notices))):
            click.echo(one_line(f"{report.host}: {line}"), err=True)


def check_place(file: Path) -> None:
    """Check ``file`` before hosts are looked at, which takes a while. Raise NoevictError if it cannot be written."""
    if file.exists() and not (file.is_file() or file.is_symlink()):
        raise NoevictError(f"--html: {file}: should be a file, is not")
    if not file.absolute().parent.is_dir():
        raise NoevictError(f"--html: {file}: should be in a directory that is there")


def write_html(reports: Sequence[Report], file: Path, at: datetime) -> None:
    """Write the page, whole or not at all, readable only by its owner: it shows where a fleet is weak.

    In /tmp, say, there may be somebody else's symlink of this name: it is replaced, and its target stays as it is.
    Raise NoevictError.
    """
    write_private(file, as_html(reports, at), through_links=False)
