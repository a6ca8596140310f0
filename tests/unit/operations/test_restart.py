"""What is put back after a step that failed: nothing is left for the next boot that might not start."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from noevict.engines.package_layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.operations import engine
from noevict.operations.files import write_files
from noevict.operations.service import before_restart, keep_down, put_back, try_again
from noevict.plan.change import How
from noevict.scripts import script
from noevict.server.live import Live, Reach
from tests.unit.looks.managed import managed
from tests.unit.platforms.test_preflight import stopped

WHY = "would not start again"


def refused(*, undo: Any = None, gone: bool = False) -> list[str]:
    """What a run does whose server would not start again. ``gone``: the host is, after that."""
    done: list[str] = []

    def shell(_: str, what: str, **__: Any) -> list[str]:
        done.append(what)
        if gone and len(done) > 1:
            raise OSError("no route to host")
        if len(done) == 1:
            raise NoevictError(WHY)
        return []

    layout, found = LAYOUTS["redis"], SimpleNamespace(live=Live(Reach.MUTE))
    plan = SimpleNamespace(target=SimpleNamespace(layout=layout))
    machine = SimpleNamespace(shell=shell)
    run: Any = SimpleNamespace(layout=layout, found=found, plan=plan, machine=machine, undo=undo)
    with pytest.raises(NoevictError, match=f"^{WHY}$"):
        before_restart(run)
    return done[1:]


def test_the_files_of_before_are_put_back() -> None:
    assert refused() == ["putting the old configuration back"]


def test_the_refusal_is_reported_if_they_cannot_be_put_back() -> None:
    assert refused(gone=True) == ["putting the old configuration back"]


def test_a_take_over_gives_back_more_than_these() -> None:
    assert refused(undo=lambda why: why) == []


# --- a server that did not run -----------------------------------------------------------------------------------


class Stopped:
    """A run whose server does not run: what service.sh says of it, one word after the other, and what is done."""

    layout, undo, predecessor = LAYOUTS["redis"], None, None
    machine: Any

    def __init__(
        self, *states: str, failing: bool = False, kept: bool = True, conf: str = "", **live: Any
    ) -> None:
        target = SimpleNamespace(live={"appendonly": "yes"}, layout=self.layout)
        self.plan: Any = SimpleNamespace(target=target, due=lambda *_: ())
        self.failing, self.done, self._states, self._kept = failing, [], list(states), kept
        self.machine = SimpleNamespace(shell=self._shell, log=lambda _: None)
        unit = {"LoadState": "loaded"}
        machine = SimpleNamespace(systemd=True)
        self.found = SimpleNamespace(
            live=Live(**{"reach": Reach.NOT_RUNNING, **live}), unit=unit, pid=0, machine=machine, conf=conf
        )

    def _shell(self, text: str, what: str, **_: Any) -> list[str]:
        self.done.append(what.removeprefix("systemctl "))
        if what.startswith("systemctl "):
            return [f"state {self._states.pop(0)} pid 0 saved 0"]
        if what != BACK:
            return []
        self.script = text
        return [] if self._kept else ["none"]


BACK = "putting the old configuration back"
HELD = "Redis, which systemd tried to start, may be stopped now: fix the cause, then run again"


@pytest.mark.parametrize(
    ("run", "done", "lines"),
    [
        # systemd tries again every few seconds: it is stopped before its files are put back.
        (
            Stopped("stopped"),
            ["hold", BACK],
            ["the old configuration is back, and Redis is stopped, as before"],
        ),
        # One that systemd tried to start continues as it did.
        (
            Stopped("stopped", "starting", failing=True),
            ["hold", BACK, "start"],
            ["the old configuration is back", "systemd tries to start Redis, as before"],
        ),
        # It may have served clients with the new one.
        (Stopped("running"), ["hold"], []),
        # It came up after a look at its state.
        (Stopped("stopping", "running"), ["hold", "hold"], []),
        # One that does not end may come up with any configuration.
        (
            Stopped("retrying"),
            ["hold", "reading its log"],
            ["and the old configuration could not be put back: Redis did not stop: its log says nothing"],
        ),
        # One that systemd tried to start is stopped, and nobody would notice.
        (
            Stopped("retrying", failing=True),
            ["hold", "reading its log"],
            [
                "and the old configuration could not be put back: Redis did not stop: its log says nothing",
                HELD,
            ],
        ),
        # There is none: whatever was there did not start either.
        (Stopped("failed", kept=False), ["hold", BACK], []),
        (
            Stopped("stopped", "starting", kept=False, failing=True),
            ["hold", BACK, "start"],
            ["systemd tries to start Redis, as before"],
        ),
    ],
)
def test_the_configuration_of_a_server_that_did_not_run_is_put_back(
    run: Any, done: list[str], lines: list[str]
) -> None:
    assert put_back(run, (WHY,)) == (WHY, *lines)
    assert run.done == done


DATA_IN = """appendonly yes
dir /var/lib/redis
appenddirname appendonlydir
appendfilename appendonly.aof
dbfilename dump.rdb"""
ELSEWHERE = "appendonly no\ndbfilename jobs.rdb\n"


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({}, DATA_IN),
        ({"reach": Reach.TLS, "user": "admin"}, DATA_IN),
        # It runs with the values that were checked, whatever its file says by now.
        ({"reach": Reach.TLS, "user": "admin", "conf": ELSEWHERE}, DATA_IN),
        # Its keys are where this file says.
        ({"conf": ELSEWHERE}, ""),
        # What a server does that we could not ask is not known, and not ours to decide on one of somebody else's.
        ({"reach": Reach.REFUSED}, ""),
        ({"reach": Reach.TLS, "user": "default"}, ""),
    ],
)
def test_a_configuration_that_is_put_back_finds_the_data_where_it_is_now(
    found: dict[str, Any], lines: str
) -> None:
    run: Any = Stopped("stopped", **found)
    put_back(run, (WHY,))
    # Its users stay as they are.
    assert script("rollback", conf=run.layout.conf, acl="", previous=run.layout.previous,
                  lines=lines) == run.script  # fmt: skip


@pytest.mark.parametrize("state", ["retrying", "starting"])
def test_a_server_that_systemd_tries_to_start_is_stopped_and_started_again_after_a_failure(
    state: str,
) -> None:
    run: Any = Stopped(state, "stopped", "starting")
    keep_down(run)
    assert (run.done, run.failing) == (["state", "hold"], True)
    assert run.undo((WHY,)) == (WHY, "systemd tries to start Redis, as before")
    assert run.done == ["state", "hold", "start"]


# systemd has given up on one that failed: too many starts, or a stop that took too long.
@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_a_server_that_is_down_is_left_so(state: str) -> None:
    run: Any = Stopped(state)
    keep_down(run)
    assert (run.done, run.failing, run.undo) == (["state"], False, None)


def test_a_server_that_is_being_stopped_is_not_started_after_a_failure() -> None:
    run: Any = Stopped("stopping", "failed")
    keep_down(run)
    assert (run.done, run.failing, run.undo) == (["state", "hold"], False, None)


def test_a_server_that_would_be_replaced_is_started_again_after_a_failure() -> None:
    run: Any = Stopped("stopped")
    run.plan.due = lambda *hows: [How.ENGINE] if How.ENGINE in hows else ()
    run.predecessor = old = Stopped("retrying", "stopped", "starting")
    keep_down(run)
    assert (run.done, old.done) == (["state"], ["state", "hold"])
    assert run.undo((WHY,)) == (WHY, "systemd tries to start Redis, as before")
    assert (run.done, old.done) == (["state"], ["state", "hold", "start"])


def test_one_that_is_not_started_again_after_a_failure_is_reported() -> None:
    run: Any = Stopped("lost", failing=True)
    run.machine.shell = gone
    assert try_again(run, (WHY,)) == (WHY, "and Redis was not started again: no route to host", HELD)


def test_one_whose_package_is_installed_first_is_started_again_too() -> None:
    run: Any = Stopped("retrying", "stopped", "starting")
    run.plan.due = lambda *_: [SimpleNamespace(subject=run.layout.package)]
    keep_down(run)
    assert run.undo((WHY,)) == (WHY, "systemd tries to start Redis, as before")


def gone(*_: Any, **__: Any) -> list[str]:
    raise OSError("no route to host")


class Old(Stopped):
    """The other engine's server, which does not run and has no data."""

    def __init__(self, *states: str, enabled: bool = True, failing: bool = False) -> None:
        super().__init__(*states, failing=failing)
        self.found.enabled = enabled


@pytest.mark.parametrize(
    ("new", "old", "lines", "done"),
    [
        # Enabled, and tried again by systemd, as before.
        (
            ("stopped", "stopped"),
            Old("stopped", "starting", failing=True),
            ["systemd tries to start Redis, as before"],
            ["enable", "start"],
        ),
        (("failed", "stopped", "stopped"), Old("stopped"), ["Redis is stopped, as before"], ["enable"]),
        (("stopped", "stopped"), Old(enabled=False), ["Redis is stopped, as before"], []),
        # A new one that serves by now stays.
        (("running",), Old(failing=True), ["Redis is running: fix the cause, then run again"], []),
    ],
)
def test_an_old_server_without_data_is_as_before_if_the_new_one_does_not_start(
    new: tuple[str, ...], old: Any, lines: list[str], done: list[str]
) -> None:
    run: Any = Stopped(*new)
    assert engine._restore_old(run, old, WHY, None) == (WHY, *lines)
    assert (old.done, "giving the data back" in run.done) == (done, False)


@pytest.mark.parametrize(("failing", "held"), [(True, [HELD]), (False, [])])
@pytest.mark.parametrize("moved", [None, "2026"])
def test_an_old_server_that_cannot_be_put_back_is_reported(
    moved: str | None, failing: bool, held: list[str]
) -> None:
    run: Any = Stopped()
    run.machine.shell = gone
    lines = engine._restore_old(run, Old(failing=failing), WHY, moved)  # type: ignore[arg-type]
    assert lines == (WHY, "and Redis could not be put back: no route to host", *held)


def test_once_it_is_being_replaced_it_is_only_put_back_with_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new server may run by then, on its port."""
    undo: list[Any] = []
    monkeypatch.setattr(engine, "_replace", lambda run, _: undo.append(run.undo))
    monkeypatch.setattr(engine, "release_server", lambda _: None)
    run: Any = Stopped()
    run.undo, run.predecessor, run.name = try_again, Stopped(), "cache-1"
    run.context = SimpleNamespace(
        restarts=SimpleNamespace(turn=lambda _: nullcontext()), restart_failed_on=None
    )
    work: Any = engine.change_engine._inner
    work.__wrapped__(run)
    assert (undo, run.undo) == ([None], None)


def test_nothing_is_put_back_if_the_present_configuration_could_not_be_kept() -> None:
    """What an earlier run kept may be older than it."""
    host = managed("trixie")
    host = stopped(host, conf=f"{host.state.conf}\nhz 20\n")
    work: Any = write_files._inner
    done: list[str] = []

    def shell(text: str, **_: Any) -> list[str]:
        done.append(text)
        if len(done) == fails:
            raise NoevictError(WHY)
        return []

    for fails, undone in ((1, False), (2, True)):
        done.clear()
        machine = SimpleNamespace(shell=shell)
        run: Any = SimpleNamespace(
            layout=LAYOUTS["redis"], plan=host.plan, found=host.state, machine=machine, undo=None
        )
        with pytest.raises(NoevictError, match=f"^{WHY}$"):
            work.__wrapped__(run)
        assert (len(done), run.undo is not None) == (fails, undone)


@pytest.mark.parametrize(("states", "done"), [(("running",), 1), (("starting", "running"), 2)])
def test_a_server_that_came_up_meanwhile_is_left_alone(states: tuple[str, ...], done: int) -> None:
    run: Any = Stopped(*states)
    with pytest.raises(NoevictError, match="changed since it was looked at"):
        keep_down(run)
    assert (len(run.done), run.undo) == (done, None)
