"""Prints the table of ``noevict drift``: a row for each thing that is not as wanted, and a count."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.table import Table
from rich.text import Text

from noevict.drift.report import Report, in_words
from noevict.messages import one_line
from noevict.plan.change import RESTARTING, Change
from noevict.terminal import PILL, console_for, print_lines
from noevict.urgency import Urgency, most_urgent

COLUMNS = ("HOST", "WHAT", "IS", "SHOULD BE", "HOW")


def print_table(reports: Sequence[Report], out: TextIO) -> None:
    """Print the table. Failures, and why writes are refused, go to stderr instead."""
    console = console_for(out)
    rows = [row for report in reports for row in _rows(report, host_once=out.isatty())]
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in COLUMNS:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*row)
        print_lines(console, table)
        console.print()
    print_lines(console, Text(in_words(reports), _mood(reports)))


def _rows(report: Report, *, host_once: bool) -> Iterator[tuple[Text, ...]]:
    host = report.host
    if report.writes and not report.failure:
        yield _row((host, "bold"), "writes", ("refused", PILL), ("accepted", "green"), ("now", "bold red"))
        host = "" if host_once else host
    for change in report.changes:
        yield _row(
            (host, "bold"),
            change.what,
            (change.found, _found_style(change)),
            (change.wanted, "green"),
            _how(change),
        )
        host = "" if host_once else host
    for fault in report.faults:
        yield _row((host, "bold"), (fault, "red"), "", "", ("by hand", "magenta"))
        host = "" if host_once else host


def _found_style(change: Change) -> str:
    return PILL if change.urgency.needs_somebody_now else "red"


def _how(change: Change) -> tuple[str, str]:
    return str(change.how), "bold yellow" if change.how in RESTARTING else "cyan"


def _row(*cells: str | tuple[str, str]) -> tuple[Text, ...]:
    pairs = ((cell, "") if isinstance(cell, str) else cell for cell in cells)
    return tuple(Text.assemble((one_line(text), style)) for text, style in pairs)


def _mood(reports: Sequence[Report]) -> str:
    worst = most_urgent(*(report.urgency for report in reports))
    return {Urgency.DRIFT: "bold yellow", Urgency.HEALTHY: "bold green"}.get(worst, "bold red")
