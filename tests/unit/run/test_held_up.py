"""One host that takes long, in steps or in its turn to restart, holds up no other one."""

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from noevict.errors import NoevictError
from noevict.run import turns
from noevict.run.turns import RestartTurns
from noevict.ssh.lane import Lane

SHORT = 0.01


class Steps:
    """Steps of one host, and which of them ran, in order."""

    def __init__(self) -> None:
        self.lane, self.ran = Lane(), list[str]()

    def step(self, name: str, result: bool = True, until: Event | None = None) -> Callable[[], bool]:
        def work() -> bool:
            if until:
                until.wait()
            self.ran.append(name)
            return result

        return work


def test_a_step_that_ends_in_time_is_waited_for() -> None:
    steps = Steps()
    assert steps.lane.take(steps.step("one"), 60) is True
    assert steps.lane.take(steps.step("two", False), 60) is False
    assert steps.ran == ["one", "two"]


def test_a_step_that_takes_long_is_left_to_itself_and_those_behind_it_come_after_it() -> None:
    steps, loaded = Steps(), Event()
    assert steps.lane.take(steps.step("long", until=loaded), SHORT) is None
    assert steps.lane.behind
    with gevent.Timeout(10):  # nobody waits sixty seconds for each that comes behind
        assert steps.lane.take(steps.step("next"), 60) is None
        assert steps.lane.take(steps.step("last"), 60) is None
    assert steps.ran == []
    loaded.set()
    assert steps.lane.finish()
    assert steps.ran == ["long", "next", "last"]
    assert not steps.lane.behind


def test_nothing_is_done_after_a_step_that_failed() -> None:
    steps, loaded = Steps(), Event()
    steps.lane.take(steps.step("fails late", False, until=loaded), SHORT)
    steps.lane.take(steps.step("behind it"), 60)
    loaded.set()
    assert not steps.lane.finish()
    assert steps.lane.take(steps.step("later"), 60) is False
    assert steps.ran == ["fails late"]


def test_a_host_without_steps_has_finished_them() -> None:
    assert Lane().finish()


def test_a_step_without_a_limit_is_waited_for_though_another_is_before_it() -> None:
    steps, loaded = Steps(), Event()
    steps.lane.take(steps.step("long", until=loaded), SHORT)
    gevent.spawn_later(SHORT, loaded.set)
    assert steps.lane.take(steps.step("last"), None) is True
    assert steps.ran == ["long", "last"]


def hold(turns_: RestartTurns, host: str, until: Event) -> "gevent.Greenlet[..., None]":
    """That host, in its turn."""

    def restart() -> None:
        with turns_.turn(host):
            until.wait()

    held = gevent.spawn(restart)
    gevent.sleep(0)
    return held


def test_hosts_have_their_turns_one_after_the_other() -> None:
    mine, back = RestartTurns(1), Event()
    first = hold(mine, "cache-1", back)
    second = hold(mine, "cache-2", back)
    gevent.sleep(SHORT)
    assert not second.ready()
    back.set()
    gevent.joinall([first, second], timeout=10, raise_error=True)
    assert second.successful()


def test_a_turn_is_given_back_by_a_host_that_fails() -> None:
    mine = RestartTurns(1)
    with pytest.raises(RuntimeError), mine.turn("cache-1"):
        raise RuntimeError
    with gevent.Timeout(10), mine.turn("cache-2"):
        pass


def test_a_host_whose_restart_does_not_end_keeps_its_turn_and_the_others_get_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.05)
    mine, back = RestartTurns(1), Event()
    slow = hold(mine, "cache-1", back)
    for host in "cache-2", "cache-3":
        with (
            gevent.Timeout(10),
            pytest.raises(NoevictError, match="not restarted: cache-1 has not finished"),
            mine.turn(host),
        ):
            pytest.fail("two at once")
    assert not slow.ready()
    back.set()
    slow.get(timeout=10)
    with gevent.Timeout(10), mine.turn("cache-2"):
        pass


def test_of_several_turns_one_that_is_still_given_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 1.0)
    mine, never, back = RestartTurns(2), Event(), Event()
    hold(mine, "cache-1", never)
    gevent.sleep(0.6)
    hold(mine, "cache-2", back)
    gevent.spawn_later(0.6, back.set)  # later than cache-1 has had too long
    with gevent.Timeout(10), mine.turn("cache-3"):
        pass
    never.set()
