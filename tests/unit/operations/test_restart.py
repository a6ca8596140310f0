"""A restart that is refused before the server is stopped leaves nothing for the next boot that might not start."""

from types import SimpleNamespace
from typing import Any

import pytest

from noevict.engines.layout import LAYOUTS
from noevict.errors import NoevictError
from noevict.operations.service import before_restart

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

    found = SimpleNamespace(live=SimpleNamespace(reached=False))
    run: Any = SimpleNamespace(
        layout=LAYOUTS["redis"], found=found, machine=SimpleNamespace(shell=shell), undo=undo
    )
    with pytest.raises(NoevictError, match=f"^{WHY}$"):
        before_restart(run)
    return done[1:]


def test_the_files_of_before_are_put_back() -> None:
    assert refused() == ["putting the old configuration back"]


def test_the_refusal_is_told_if_they_cannot_be_put_back() -> None:
    assert refused(gone=True) == ["putting the old configuration back"]


def test_a_take_over_gives_back_more_than_these() -> None:
    assert refused(undo=lambda why: why) == []
