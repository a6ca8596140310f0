"""The table of ``noevict drift``: a row for each thing that is not as wanted, and a count.

On a terminal it has colours and folds into its width; elsewhere a row stays one line, for grep. rich decides about
colours: none where NO_COLOR is set, and in a pipe only where FORCE_COLOR is.
"""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from noevict.changes import RESTARTING, Change
from noevict.reports.report import Report, in_words
from noevict.wording import one_line

COLUMNS = ("HOST", "WHAT", "IS", "SHOULD BE", "HOW")
ENDLESS = 1 << 20  # columns: no row is folded


def print_table(reports: Sequence[Report], out: TextIO) -> None:
    """Failures are not in it: they are for stderr."""
    console, terminal = Console(file=out, highlight=False, markup=False, emoji=False), out.isatty()
    rows = [row for report in reports for row in _rows(report, host_once=terminal)]
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in COLUMNS:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*row)
        options = console.options if terminal else console.options.update(width=ENDLESS)
        for segments in console.render_lines(table, options, pad=False):
            line = Text.assemble(*((each.text, each.style or "") for each in segments))
            line.rstrip()
            console.print(line, soft_wrap=True)
        console.print()
    console.print(Text(in_words(reports), _mood(reports)), soft_wrap=True)


def _rows(report: Report, *, host_once: bool) -> Iterator[tuple[Text, ...]]:
    host = report.host
    for change in report.changes:
        yield _row((host, "bold"), change.what, (change.found, "red"), (change.wanted, "green"), _how(change))
        host = "" if host_once else host
    for fault in report.faults:
        yield _row((host, "bold"), (fault, "red"), "", "", ("by hand", "magenta"))
        host = "" if host_once else host


def _how(change: Change) -> tuple[str, str]:
    return str(change.how), "bold yellow" if change.how in RESTARTING else "cyan"


def _row(*cells: str | tuple[str, str]) -> tuple[Text, ...]:
    pairs = ((cell, "") if isinstance(cell, str) else cell for cell in cells)
    return tuple(Text(one_line(text), style) for text, style in pairs)


def _mood(reports: Sequence[Report]) -> str:
    if any(report.failure for report in reports):
        return "bold red"
    return "bold yellow" if any(report.drifted for report in reports) else "bold green"
