"""``noevict status`` on a terminal and in a pipe: what is shown of hosts, whatever they reported."""

import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noevict.fleet.endpoint import Endpoint
from noevict.fleet.records import NOTHING, Drift, Record
from noevict.monitor.asking.watched import View
from noevict.monitor.health.health import Poll, judge
from noevict.monitor.terminal.status import Screen
from noevict.monitor.web.answers import fleet_answer
from noevict.server.writes import Disk
from noevict.terminal import console_for, print_lines

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
GIB = 1 << 30
INFO = {
    "redis_version": "8.0.2",
    "maxmemory_policy": "noeviction",
    "used_memory": str(GIB // 4),
    "maxmemory": str(GIB),
    "evicted_keys": "0",
    "rdb_last_bgsave_status": "ok",
    "rdb_last_save_time": str(int((NOW - timedelta(minutes=5)).timestamp())),
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
}
QUEUES = {
    "email": {"wait": 12, "paused": 0, "prioritized": 0, "active": 3, "delayed": 0, "failed": 1},
    "shop:invoices": {"wait": 0, "paused": 0, "prioritized": 0, "active": 0, "delayed": 0, "failed": 0},
}


def view(name: str = "cache-1", info: Mapping[str, str] | None = None, **more: Any) -> View:
    """A host that answered INFO, with these fields in place of others."""
    record, evicted = more.pop("record", NOTHING), more.pop("evicted", 0)
    standing = {"seconds": 0.001, "certificate_ends": NOW + timedelta(days=89, hours=1)}
    poll = Poll(NOW, {**INFO, **(info or {})}, **{**standing, **more})
    return View(Endpoint(name, "127.0.0.1", 6379), judge(poll, evicted, host=name), record)


def gone(name: str = "gone", why: str = "no answer in 2 s") -> View:
    return View(Endpoint(name, "127.0.0.1", 6379), judge(Poll(NOW, failure=why)))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def displayed(*views: View, columns: int = 0) -> str:
    """In a pipe, or on a terminal of so many columns; colours are left out."""
    out = Terminal() if columns else io.StringIO()
    console = console_for(out)
    if columns:
        console.width = columns
    print_lines(console, Screen(fleet_answer(views), NOW))
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def table(*views: View) -> dict[str, dict[str, str]]:
    """Host -> column -> cell, in a pipe."""
    head, *rows = displayed(*views).split("\n\n", maxsplit=1)[0].splitlines()
    columns = {found[0]: found.start() for found in re.finditer(r"\S+", head)}
    ends = dict(zip(columns, [*[*columns.values()][1:], None], strict=True))
    cells = [{name: row[at : ends[name]].strip() for name, at in columns.items()} for row in rows]
    return {row["HOST"]: row for row in cells}


def test_a_pipe_gets_a_line_for_each_host_with_all_its_figures() -> None:
    record = Record(Drift(NOW - timedelta(hours=3), "drift", 0), NOW - timedelta(days=2))
    assert table(view(queues=QUEUES, record=record)) == {
        "cache-1": {
            "HOST": "cache-1",
            "STATUS": "healthy",
            "MEMORY": f"{'█' * 5}{'░' * 13}│{'░' * 2}  25.0 % of 1.0 GiB",
            "POLICY": "noeviction",
            "PERSISTENCE": "AOF, RDB 5m ago",
            "EVICTED": "0",
            "CERTIFICATE": "89 days",
            "BACKUP": "2d ago",
            "DRIFT": "none, 3h ago",
            "QUEUES": "email: 12 wait, 3 active, 1 failed; shop:invoices: empty",
        }
    }


CELLS: dict[str, tuple[View, str, str]] = {
    "no maxmemory": (view(info={"maxmemory": "0"}), "MEMORY", "256 MiB, no maxmemory"),
    "another policy": (view(info={"maxmemory_policy": "allkeys-lru"}), "POLICY", "allkeys-lru"),
    "AOF off": (view(info={"aof_enabled": "0"}), "PERSISTENCE", "RDB 5m ago"),
    "AOF fails": (view(info={"aof_last_write_status": "err"}), "PERSISTENCE", "AOF failed, RDB 5m ago"),
    "a rewrite failed": (
        view(info={"aof_last_bgrewrite_status": "err"}),
        "PERSISTENCE",
        "AOF failed, RDB 5m ago",
    ),
    "RDB fails": (view(info={"rdb_last_bgsave_status": "err"}), "PERSISTENCE", "AOF, RDB failed"),
    "evicted long ago": (view(info={"evicted_keys": "7"}), "EVICTED", "7"),
    "evicted lately": (view(info={"evicted_keys": "7"}, evicted=2), "EVICTED", "7, 2 lately"),
    "certificate ends": (view(certificate_ends=NOW + timedelta(days=3, hours=1)), "CERTIFICATE", "3 days"),
    "certificate ended": (view(certificate_ends=NOW - timedelta(hours=1)), "CERTIFICATE", "expired"),
    "disk": (view(record=Record(disk=Disk(3 * GIB, 9 * GIB, at=NOW))), "DISK", "3.0 GiB free, now"),
    "disk cannot be written": (
        view(record=Record(disk=Disk(3 * GIB, 9 * GIB, True, NOW - timedelta(hours=2)))),
        "DISK",
        "read-only, 2h ago",
    ),
    "drifted": (view(record=Record(Drift(NOW, "deploy", 2))), "DRIFT", "2, now"),
    "not looked at": (view(record=Record(Drift(NOW, "drift", None, "no route"))), "DRIFT", "failed, now"),
    "queues not read": (view(queues_failure="NOPERM"), "QUEUES", "not read"),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_figure_is_shown_in_a_few_words(case: str) -> None:
    host, column, cell = CELLS[case]
    assert table(host)["cache-1"][column] == cell


BARS = {
    0.0: "░" * 18 + "│░░",
    25.0: "█" * 5 + "░" * 13 + "│░░",
    90.0: "█" * 18 + "│░░",
    100.0: "█" * 18 + "│██",
}


@pytest.mark.parametrize("percent", BARS)
def test_the_bar_has_a_mark_at_90_percent(percent: float) -> None:
    used = str(int(GIB * percent / 100))
    assert table(view(info={"used_memory": used}))["cache-1"]["MEMORY"].startswith(f"{BARS[percent]} ")
    above = table(view(info={"used_memory": str(GIB * 2)}))["cache-1"]["MEMORY"]
    assert above.startswith(f"{BARS[100.0]} ")


def test_the_worst_come_first_and_below_it_is_why() -> None:
    hosts = (
        view("fine"),
        view("full", {"used_memory": str(int(GIB * 0.93))}),
        view("evicts", {"maxmemory_policy": "volatile-lru"}),
        gone(),
        view("fuller", {"used_memory": str(int(GIB * 0.99))}),
        view("last-look", record=Record(Drift(NOW, "drift", None, "no route to host"))),
        view("queues", queues_failure="user exporter may not"),
    )
    assert list(table(*hosts)) == ["gone", "fuller", "full", "evicts", "fine", "last-look", "queues"]
    *_, printed = displayed(*hosts).split("\n\n")
    assert printed.splitlines() == [
        "gone: no answer in 2 s",
        "fuller: memory: 99.0 % of maxmemory used",
        "full: memory: 93.0 % of maxmemory used",
        "evicts: Redis eviction policy is 'volatile-lru'. For microservices with job queues, consider using "
        "'noeviction' to prevent data loss.",
        "last-look: the last look for drift failed: no route to host",
        "queues: queues: user exporter may not",
        "4 of 7 hosts healthy, 2 degraded, 1 unhealthy, 1 may evict",
    ]


def test_a_host_that_refuses_writes_is_first_with_the_reason_and_the_command_to_type() -> None:
    reported = displayed(view("a"), gone(), view("full", {"used_memory": str(GIB)})).splitlines()
    assert reported[1].startswith("full  ")
    assert re.split(" {2,}", reported[1])[1] == "refuses writes"
    reason = reported[reported.index("") + 1]
    assert reason.startswith("full: writes are refused: memory is full, 1024 of 1024 MiB with noeviction. ")
    assert "pyinfra inventory deploy.py --limit full " in reason


def test_columns_that_nobody_has_anything_in_are_left_out() -> None:
    assert table(gone())["gone"] == {"HOST": "gone", "STATUS": "unhealthy", "BACKUP": "none"}
    assert "QUEUES" not in table(view())["cache-1"]


def test_that_a_host_has_no_backup_is_always_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = view("kept", record=Record(backup=NOW - timedelta(hours=3)))
    assert [row["BACKUP"] for row in table(kept, view("bare")).values()] == ["3h ago", "none"]
    assert "backup none" in displayed(view("bare"), columns=40)
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    print_lines(console_for(out), Screen(fleet_answer([view("bare")]), NOW))
    assert "\x1b[33mnone" in out.getvalue()  # amber


def test_a_dead_host_says_so_once() -> None:
    look = Record(Drift(NOW - timedelta(hours=3), "drift", None, "cannot be reached: no route to host"))
    why = "no answer in 2 s"
    dead = View(Endpoint("gone", "127.0.0.1", 6379), judge(Poll(NOW, failure=why, queues_failure=why)), look)
    reported = displayed(dead)
    assert reported.count("gone") == 2  # in the table, and why
    assert reported.count(why) == 1
    assert "look for drift" not in reported
    assert table(dead)["gone"]["DRIFT"] == "failed, 3h ago"
    assert "QUEUES" not in table(dead)["gone"]
    narrow = displayed(dead, columns=40)
    assert (narrow.count(why), narrow.count("not read")) == (1, 0)


def test_a_stopped_server_comes_first_and_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = View(
        Endpoint("down", "127.0.0.1", 6379), judge(Poll(NOW, failure="refuses connections", stopped=True))
    )
    views = (gone("a-dead"), view("evicts", {"maxmemory_policy": "volatile-lru"}), stopped)
    assert [(name, row["STATUS"]) for name, row in table(*views).items()] == [
        ("down", "stopped"),
        ("a-dead", "unhealthy"),
        ("evicts", "healthy"),
    ]
    assert [host["stopped"] for host in fleet_answer(views)["hosts"].values()] == [None, False, True]
    assert displayed(*views).endswith("1 of 3 hosts healthy, 2 unhealthy, 1 may evict\n")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    print_lines(console_for(out), Screen(fleet_answer(views), NOW))
    assert out.getvalue().count("\x1b[1;37;41mstopped\x1b[0m") == 1


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 120, 160, 240])
def test_everything_is_seen_on_a_terminal_of_any_width(columns: int) -> None:
    record = Record(Drift(NOW - timedelta(hours=3), "drift", 4), NOW - timedelta(days=2))
    hosts = (view(queues=QUEUES, record=record), view("full", {"used_memory": str(GIB - 1)}), gone())
    reported = displayed(*hosts, columns=columns)
    assert max(map(len, reported.splitlines())) <= columns
    words = " ".join(reported.split())
    for each in (
        *("cache-1", "healthy", "degraded", "unhealthy", "25.0 %", "noeviction", "89 days", "2d ago"),
        *("12 wait, 3 active, 1 failed", "empty", "no answer in 2 s", "1 of 3 hosts healthy"),
        *("4, 3h ago", "100.0 %", "RDB 5m ago"),
    ):
        assert each in words, reported


def test_a_terminal_without_unicode_gets_a_bar_all_the_same() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    print_lines(console_for(out), Screen(fleet_answer([view(), gone()]), NOW))
    out.flush()
    assert f"{'#' * 5}{'.' * 13}|..  25.0 %" in raw.getvalue().decode("ascii")


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)


@PATIENT
@given(st.dictionaries(st.sampled_from([*INFO]), ANY_TEXT), ANY_TEXT, ANY_TEXT, st.sampled_from([0, 30, 300]))
def test_a_terminal_obeys_nothing_that_a_host_says(
    info: dict[str, str], name: str, why: str, columns: int
) -> None:
    looked = Record(Drift(NOW, "drift", None, why))
    reported = displayed(
        view(name, info, queues={name: QUEUES["email"]}, record=looked), gone(why, why), columns=columns
    )
    for line in reported.split("\n"):
        assert line.isprintable(), ascii(line)
