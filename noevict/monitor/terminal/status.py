"""``noevict status``: formats the answer that programs get (see ``answers``) for people at a terminal.

It prints a table if one fits, else a few lines for each host. The worst come first, and the reasons follow. Any figure
may be missing: a host that gives no answer has none.
"""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from noevict.messages import one_line
from noevict.monitor.health.facts import Answer, FactName, Severity, facts, memory, reason
from noevict.monitor.health.figures import size
from noevict.monitor.health.health import MEMORY_PERCENT, Status
from noevict.terminal import ENDLESS, PILL
from noevict.urgency import Urgency, urgency

GOOD, WARN, BAD, SOFT = "green", "yellow", "bold red", "dim"
STATUS_STYLES = {"healthy": GOOD, "degraded": WARN, "unhealthy": BAD}
STYLES = {Severity.GOOD: "", Severity.WARN: WARN, Severity.BAD: BAD}
FIGURES = (
    *(FactName.POLICY, FactName.PERSISTENCE, FactName.EVICTED, FactName.CERTIFICATE),
    *(FactName.DISK, FactName.BACKUP, FactName.DRIFT),
)
NOT_KNOWN = Text("-", SOFT)
# Cells of a bar, and whether the queues are in the table, as the width allows.
LAYOUTS = ((20, True), (10, True), (10, False))
WIDE = 60  # columns that the longer bar takes if there is no table


class Screen:
    """Renders the answer for several hosts. ``now``: the time that ages count to."""

    def __init__(self, answer: Answer, now: datetime) -> None:
        self.hosts: list[tuple[str, Answer]] = sorted(answer["hosts"].items(), key=_badness)
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        endless = options.update(width=ENDLESS)
        for bar, queues in LAYOUTS:
            table = self._table(bar, options, queues=queues)
            if Measurement.get(console, endless, table).maximum <= options.max_width:
                yield table
                yield from () if queues else self._all_queues()
                break
        else:
            yield from self._cards(options)
            return
        yield ""
        for name, answer in self.hosts:
            for line in _reasons(answer):
                yield Text.assemble((one_line(name), "bold"), ": ", line)
        yield self.summary()

    def summary(self) -> Text:
        """Return ``2 of 3 hosts healthy, 1 degraded, 1 may evict``."""
        every = [answer["status"] for _, answer in self.hosts]
        others = [status for status in (Status.DEGRADED, Status.UNHEALTHY) if status in every]
        odd = sum("warning" in answer for _, answer in self.hosts)
        text = f"{every.count(Status.HEALTHY)} of {len(every)} hosts healthy"
        counts = [
            *(f", {every.count(status)} {status}" for status in others),
            f", {odd} may evict" * bool(odd),
        ]
        style = STATUS_STYLES[others[-1]] if others else WARN if odd else GOOD
        return Text("".join((text, *counts)), style)

    def _table(self, bar: int, options: ConsoleOptions, *, queues: bool) -> Table:
        """Make the table, without empty columns; an empty column of backups stays, as a warning."""
        figures = [_figures(answer, self._now) for _, answer in self.hosts]
        columns: dict[str, list[Text]] = {
            "host": [Text(one_line(name), "bold") for name, _ in self.hosts],
            "status": [_status(answer) for _, answer in self.hosts],
            "memory": [_memory(answer, bar, ascii_only=options.ascii_only) for _, answer in self.hosts],
            **{name: [row[name] for row in figures] for name in FIGURES},
        }
        if queues:
            between = Text("; " if options.max_width == ENDLESS else "\n")  # a pipe's host stays one line
            columns["queues"] = [between.join(_queues(answer)) or NOT_KNOWN for _, answer in self.hosts]
        filled = {
            name: cells
            for name, cells in columns.items()
            if name == FactName.BACKUP or any(cell != NOT_KNOWN for cell in cells)
        }
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in filled:
            table.add_column(name.upper(), no_wrap=True)
        for row in zip(*filled.values(), strict=True):
            table.add_row(*row)
        return table

    def _all_queues(self) -> Iterator[Text]:
        for name, answer in self.hosts:
            for queue in _queues(answer):
                yield Text.assemble((one_line(name), "bold"), "  ", queue)

    def _cards(self, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Render each host without a table, on as many lines as it takes."""
        bar, _ = LAYOUTS[0 if options.max_width >= WIDE else 1]
        for name, answer in self.hosts:
            yield Text.assemble((one_line(name), "bold"), "  ", _status(answer))
            memory = _memory(answer, bar, ascii_only=options.ascii_only)
            named = _figures(answer, self._now).items()
            figures = [Text.assemble((f"{each} ", SOFT), text) for each, text in named if text != NOT_KNOWN]
            lines = [
                *_reasons(answer),
                *([memory] if memory != NOT_KNOWN else []),
                *([Text(", ").join(figures)] if figures else []),
                *_queues(answer),
            ]
            yield Padding(Text("\n").join(lines), (0, 0, 0, 2))
        yield self.summary()


def _badness(host: tuple[str, Answer]) -> tuple[int, bool, float]:
    """Return a key that sorts the worst first: by urgency, then by eviction policy, then by memory."""
    _, answer = host
    return _urgency(answer).rank, "warning" not in answer, -(answer["usedMemoryPercent"] or 0)


def _urgency(answer: Answer) -> Urgency:
    return urgency(
        answer["status"], stopped=answer["stopped"] is True, refuses_writes=answer["writesRefused"] is True
    )


def _reasons(answer: Answer) -> Iterator[Text]:
    """Return why a host is not healthy, or what else is wrong with it, a line each.

    A host that does not answer has one line: what else failed for that reason is not repeated.
    """
    for name, check in answer["checks"].items():
        if check["status"] != Status.HEALTHY:
            yield Text(one_line(reason(name, check["detail"])), STATUS_STYLES[check["status"]])
    if "warning" in answer:
        yield Text(one_line(answer["warning"]), WARN)
    if not _answers(answer):
        return
    if "error" in (answer["queues"] or {}):
        yield Text(one_line(f"queues: {answer['queues']['error']}"), WARN)
    if answer["drift"] and answer["drift"]["failure"] is not None:
        yield Text(one_line(f"the last look for drift failed: {answer['drift']['failure']}"), WARN)


def _answers(answer: Answer) -> bool:
    return bool(answer["checks"]["answer"]["status"] == Status.HEALTHY)


def _status(answer: Answer) -> Text:
    found = _urgency(answer)
    return Text.assemble(
        (found, STATUS_STYLES.get(found, PILL))
    )  # so that the blanks behind it have no style


def _memory(answer: Answer, cells: int, *, ascii_only: bool) -> Text:
    """Return a bar with a mark at which a host is degraded, and the figures."""
    fact, percent = memory(answer), answer["usedMemoryPercent"]
    if fact is None:
        return NOT_KNOWN
    if percent is None:
        return Text(fact.text, STYLES.get(fact.severity, ""))
    style = STYLES[fact.severity] or GOOD
    full, empty, mark = ("#", ".", "|") if ascii_only else ("█", "░", "│")
    filled = min(cells, round(percent * cells / 100))
    at = MEMORY_PERCENT * cells // 100
    bar = Text(full * filled, style).append(empty * (cells - filled), SOFT)
    marked = Text.assemble(bar[:at], (mark, BAD if fact.severity is Severity.BAD else ""), bar[at:])
    return Text.assemble(marked, " ", (f"{percent:5.1f} %", style), f" of {size(answer['maxMemory'])}")


def _figures(answer: Answer, now: datetime) -> dict[FactName, Text]:
    """Return the figures that are known, by column."""
    texts = {
        fact.name: Text(one_line(fact.dated(fact.brief, lambda at: _age(at, now))), STYLES[fact.severity])
        for fact in facts(answer)
        if fact.severity is not Severity.UNKNOWN
    }
    return {name: texts.get(name, NOT_KNOWN) for name in FIGURES}


def _queues(answer: Answer) -> list[Text]:
    """Return a line for each queue: the states that have jobs."""
    queues = answer["queues"]
    if not queues or "error" in queues:
        return [Text("not read", WARN)] if queues and _answers(answer) else []
    lines = []
    for name, states in queues.items():
        jobs = [
            Text(f"{count} {state}", BAD if state == "failed" else "")
            for state, count in states.items()
            if count
        ]
        lines.append(Text.assemble(one_line(name), ": ", Text(", ").join(jobs) if jobs else ("empty", SOFT)))
    return lines


def _age(at: datetime, now: datetime) -> str:
    """Return ``3m ago``: columns are scarce on a terminal."""
    seconds = int((now - at).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit} ago"
    return "now"
