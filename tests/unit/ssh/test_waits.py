"""Long waits: bounded by standing still, not by how much data there is, and reported now and then."""

import itertools
from collections.abc import Iterator

import gevent
import pytest

from noevict.errors import NoevictError
from noevict.server.progress import STILL_SECONDS
from noevict.ssh import waits
from noevict.ssh.waits import ProgressDeadline, reported_meanwhile

HOUR = 3600


class Clock:
    """Time that passes when somebody sleeps, ``step`` seconds each time."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 1000.0, step
        self.slept: set[float] = set()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.add(seconds)
        self.now += self.step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock(step=1)
    monkeypatch.setattr(waits, "time", clock)
    return clock


def test_what_moves_is_waited_for_however_long_it_takes(clock: Clock) -> None:
    clock.step = STILL_SECONDS / 2
    waiting = ProgressDeadline("it is loading", lambda _: None)
    for loaded in range(90):
        waiting.wait(loaded)
    assert clock.now > 20 * HOUR


def test_what_moves_for_ever_is_given_up_after_a_day(clock: Clock) -> None:
    waiting, moves = ProgressDeadline("it is loading", lambda _: None), itertools.count()
    with pytest.raises(NoevictError, match=r"^it is loading: not done after 86400 s$"):
        wait_for_days(waiting, moves)
    assert clock.now < 1000 + 24 * HOUR + 10


def test_the_bounds_are_half_an_hour_without_a_move_and_a_day_in_all(clock: Clock) -> None:
    clock.step = 1800
    standing = ProgressDeadline("it is loading", lambda _: None)
    standing.wait(5)
    standing.wait(5)  # 1800 s later
    with pytest.raises(NoevictError, match="nothing has moved for 1800 s"):
        standing.wait(5)
    moving = ProgressDeadline("it is loading", lambda _: None)
    for mark in range(49):
        moving.wait(mark)  # the last of them a day after the first
    with pytest.raises(NoevictError, match="not done after 86400 s"):
        moving.wait(49)
    assert clock.slept == {0.1}


def test_a_block_that_cannot_say_how_far_it_is_is_reported_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported, slept = list[str](), list[float]()
    others_run = gevent.sleep

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        others_run(0)

    monkeypatch.setattr(gevent, "sleep", sleep)
    with reported_meanwhile("saving", reported.append):
        while len(reported) < 6:
            others_run(0)
    first = [f"saving: {seconds} s" for seconds in (5, 10, 20, 40, 80, 140)]
    assert reported[:6] == first
    assert slept[:6] == [5, 5, 10, 20, 40, 60]
    ended = len(reported)
    for _ in range(9):
        others_run(0)
    assert len(reported) <= ended + 1  # one was on its way


def wait_for_days(waiting: ProgressDeadline, marks: Iterator[int]) -> None:
    for mark in itertools.islice(marks, 48 * HOUR):
        waiting.wait(mark)


@pytest.mark.parametrize("mark", [None, 5], ids=["nothing known", "the same"])
def test_what_does_not_move_is_given_up(clock: Clock, mark: object) -> None:
    waiting, began = ProgressDeadline("it is loading", lambda _: None), clock.now
    waiting.wait(mark)
    with pytest.raises(NoevictError, match=f"^it is loading: nothing has moved for {STILL_SECONDS} s$"):
        wait_for_hours(waiting, mark)
    assert clock.now < began + STILL_SECONDS + 10


def test_nothing_known_in_between_is_no_move(clock: Clock) -> None:
    waiting, began = ProgressDeadline("it is loading", lambda _: None), clock.now
    with pytest.raises(NoevictError):
        wait_for_hours(waiting, 5, None)
    assert clock.now < began + STILL_SECONDS + 10


def wait_for_hours(waiting: ProgressDeadline, *marks: object) -> None:
    """These marks in turn, a second for each."""
    for mark in itertools.islice(itertools.cycle(marks), 10 * HOUR):
        waiting.wait(mark)


def test_it_is_reported_soon_and_then_less_often(clock: Clock) -> None:
    reported: list[str] = []
    waiting, began = ProgressDeadline("it is loading", reported.append), clock.now
    while clock.now < began + 210:
        waiting.wait(clock.now, ", a part of it")
    assert reported == [
        f"it is loading: {seconds} s, a part of it" for seconds in (5, 10, 20, 40, 80, 140, 200)
    ]


def test_moments_that_a_slow_look_missed_are_reported_once(clock: Clock) -> None:
    clock.step, reported = 50, list[str]()
    waiting = ProgressDeadline("it is loading", reported.append)
    for _ in range(3):
        waiting.wait()
    assert reported == ["it is loading: 50 s", "it is loading: 100 s"]
