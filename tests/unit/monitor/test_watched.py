"""One host that is polled: what it refused in the last minute, and that nothing it reports makes another host fail."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from noevict.fleet.endpoint import Endpoint
from noevict.monitor.asking.watched import View, Watched, summary
from noevict.monitor.health.health import Poll, Status, judge
from noevict.monitor.web import html
from noevict.monitor.web.card import card

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
DAY = 86400
ENDPOINT = Endpoint("cache-1", "10.0.0.5", 6379)


def watched() -> Watched:
    return Watched(SimpleNamespace(endpoint=ENDPOINT))  # type: ignore[arg-type]


def poll(seconds: float, oom: int | None, run: str = "a", up: int = DAY, **more: str) -> Poll:
    counted = {} if oom is None else {"errorstat_OOM": str(oom)}
    info = {"run_id": run, "uptime_in_seconds": str(up), "used_memory": "1", **counted, **more}
    return Poll(NOW + timedelta(seconds=seconds), info)


FAILED = Poll(NOW, failure="no answer")


@pytest.mark.parametrize(
    ("polls", "reported"),
    [
        # What was counted before the first poll that was answered is not known to be of late.
        ([(0, poll(0, 9))], None),
        ([(0, FAILED), (5, poll(5, 50000))], None),
        ([(0, poll(0, None)), (5, poll(5, 50000))], None),
        ([(0, poll(0, 9)), (5, poll(5, 9))], "none refused in the last minute"),
        ([(0, poll(0, 9)), (5, poll(5, 12))], "3 commands got OOM in the last minute"),
        ([(0, poll(0, 9)), (5, poll(5, 12)), (64, poll(64, 12))], "3 commands got OOM in the last minute"),
        ([(0, poll(0, 9)), (5, poll(5, 12)), (65, poll(65, 12))], "none refused in the last minute"),
        # Away for longer than a minute, and since then another server that was started meanwhile.
        (
            [(0, poll(0, 9)), (200, poll(200, 9000, "b", 90))],
            "9000 commands got OOM since 2026-01-15 10:30:00 UTC",
        ),
        ([(0, poll(0, 9)), (200, poll(200, 9000, "b", DAY))], None),
        # Asked less often than each minute.
        ([(0, poll(0, 9)), (3600, poll(3600, 18))], "9 commands got OOM since 2026-01-15 10:30:00 UTC"),
        ([(0, poll(0, 9)), (300, poll(300, 9))], "none refused since 2026-01-15 10:30:00 UTC"),
        # RESETSTAT.
        ([(0, poll(0, 9)), (5, poll(5, 2))], "2 commands got OOM in the last minute"),
    ],
)
def test_what_was_refused_since_it_was_polled_counts_for_a_minute(
    polls: list[tuple[float, Poll]], reported: str | None
) -> None:
    host = watched()
    for now, each in polls:
        host._take(each, 1000 + now)
    check = host.health.checks["writes"]
    assert (reported or "refusals before this look are not known") in check.detail
    assert (check.status is Status.UNHEALTHY) == (reported is not None and "OOM" in reported)


@pytest.mark.parametrize("value", [str(10**15), str(2**63 - 1), "9" * 19, "9" * 5000, "-1", "x"])
@pytest.mark.parametrize(
    "field",
    ["uptime_in_seconds", "errorstat_OOM", "used_memory", "maxmemory", "rdb_last_save_time", "evicted_keys"],
)
def test_no_number_that_a_server_reports_is_more_than_its_own_failure(field: str, value: str) -> None:
    host = watched()
    host._take(poll(0, 1), 1000)
    host._take(
        poll(5, 2, "b", **{field: value}) if field != "errorstat_OOM" else poll(5, int("9" * 19)), 1005
    )
    card(View(host.endpoint, host.health), NOW)


def test_the_log_has_every_reason_in_the_words_of_the_page() -> None:
    assert summary(judge(FAILED)) == "unhealthy: no answer"
    info = {"used_memory": "95", "maxmemory": "100", "rdb_last_bgsave_status": "err"}
    reasons = "memory: 95.0 % of maxmemory used; save: the last RDB save failed"
    assert summary(judge(Poll(NOW, info))) == f"degraded: {reasons}"
    assert summary(judge(Poll(NOW, {"used_memory": "1"}))) == "healthy"


def test_a_host_that_cannot_be_shown_has_a_card_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_once(view: View, now: datetime) -> Any:
        if view.health.poll.info:
            raise OverflowError
        return card(view, now)

    monkeypatch.setattr(html, "card", fail_once)
    host = watched()
    host._take(poll(0, 1), 1000)
    displayed = html._card(View(host.endpoint, host.health))
    assert [reason.text for reason in displayed.reasons] == ["could not be shown: OverflowError"]
