"""What is put back after a step that failed: nothing is left for the next boot that might not start."""

from types import SimpleNamespace
from typing import Any

import pytest

from noevict.engines.package_layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.operations.service import before_restart, keep_down, put_back
from noevict.server.live import Live, Reach

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

    found = SimpleNamespace(live=Live(Reach.MUTE))
    run: Any = SimpleNamespace(
        layout=LAYOUTS["redis"], found=found, machine=SimpleNamespace(shell=shell), undo=undo
    )
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
    plan: Any = SimpleNamespace(
        target=SimpleNamespace(live={"appendonly": "yes"}, layout=LAYOUTS["redis"]), due=lambda *_: ()
    )

    def __init__(self, *states: str, failing: bool = False, kept: bool = True, **live: Any) -> None:
        self.failing, self.done, self._states, self._kept = failing, [], list(states), kept
        self.machine = SimpleNamespace(shell=self._shell, log=lambda _: None)
        unit = {"LoadState": "loaded"}
        machine = SimpleNamespace(systemd=True)
        self.found = SimpleNamespace(
            live=Live(**{"reach": Reach.NOT_RUNNING, **live}), unit=unit, pid=0, machine=machine
        )

    def _shell(self, script: str, what: str, **_: Any) -> list[str]:
        self.done.append(what.removeprefix("systemctl "))
        if what.startswith("systemctl "):
            return [f"state {self._states.pop(0)} pid 0 saved 0"]
        self.appendonly = next(line for line in script.splitlines() if line.startswith("appendonly="))
        return [] if self._kept else ["none"]


BACK = "putting the old configuration back"


@pytest.mark.parametrize(
    ("run", "done", "lines"),
    [
        # One that somebody stopped is stopped again, and that last.
        (
            Stopped("failed", "failed"),
            ["state", BACK, "hold"],
            ["the old configuration is back, and Redis is stopped as it was"],
        ),
        # One that systemd tried to start continues as it did.
        (
            Stopped("failed", "failed", failing=True),
            ["state", BACK, "start"],
            ["the old configuration is back", "systemd tries to start Redis, as before"],
        ),
        # It may have served clients with the new one.
        (Stopped("running"), ["state"], []),
        # There is none: whatever was there did not start either.
        (Stopped("failed", kept=False), ["state", BACK], []),
        (
            Stopped("stopped", "failed", kept=False, failing=True),
            ["state", BACK, "start"],
            ["systemd tries to start Redis, as before"],
        ),
    ],
)
def test_the_configuration_of_a_server_that_did_not_run_is_put_back(
    run: Any, done: list[str], lines: list[str]
) -> None:
    assert put_back(run, (WHY,)) == (WHY, *lines)
    assert run.done == done


def test_a_configuration_that_is_put_back_finds_the_data_where_it_is_now() -> None:
    def appendonly(**live: Any) -> str:
        run: Any = Stopped("failed", "failed", **live)
        put_back(run, (WHY,))
        return str(run.appendonly)

    assert appendonly() == "appendonly=yes"
    assert appendonly(reach=Reach.TLS, user="admin") == "appendonly=yes"
    # What a server does that we could not ask is not known, and not ours to decide on one of somebody else's.
    assert appendonly(reach=Reach.REFUSED) == appendonly(reach=Reach.TLS, user="default") == "appendonly=''"


def test_a_server_that_systemd_tries_to_start_is_stopped_and_remembered() -> None:
    run: Any = Stopped("failed", "stopped")
    keep_down(run)
    assert (run.done, run.failing) == (["state", "hold"], True)
    assert run.undo is not None


def test_a_server_that_is_stopped_is_left_so() -> None:
    run: Any = Stopped("stopped")
    keep_down(run)
    assert (run.done, run.failing, run.undo) == (["state"], False, None)


@pytest.mark.parametrize(("states", "done"), [(("running",), 1), (("starting", "running"), 2)])
def test_a_server_that_came_up_meanwhile_is_left_alone(states: tuple[str, ...], done: int) -> None:
    run: Any = Stopped(*states)
    with pytest.raises(NoevictError, match="changed since it was looked at"):
        keep_down(run)
    assert (len(run.done), run.undo) == (done, None)
