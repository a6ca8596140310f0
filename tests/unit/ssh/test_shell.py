"""Why work on a host failed: the host's own reason, an answer that cannot be parsed, or a bug of noevict's."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import redis
from pyinfra import logger

from noevict.errors import NoevictError
from noevict.run import host_operation
from noevict.run.instance import InstanceRun
from noevict.ssh.shell import Shell, explain

OF_THE_HOST = [
    (NoevictError("is not Debian", "and is old"), ("is not Debian", "and is old")),
    (OSError("the connection broke"), ("the connection broke",)),
    (redis.ConnectionError("hung up"), ("hung up",)),
    (ValueError("invalid literal: 'x'"), ("gave an answer that cannot be parsed: invalid literal: 'x'",)),
]
BUGS = [
    KeyError("bind"),
    IndexError("list index"),
    AttributeError("no"),
    TypeError("no"),
    AssertionError("no"),
]
OURS = "stopped at a bug in noevict: {!r}; run pyinfra with --debug to see its traceback"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What pyinfra prints with --debug."""
    before, propagates = logger.level, logger.propagate
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(before)
    logger.propagate = propagates


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("error", "lines"), OF_THE_HOST, ids=repr)
def test_a_failure_of_the_host_is_in_its_own_words(error: Exception, lines: tuple[str, ...]) -> None:
    assert explain(raised(error)) == lines


@pytest.mark.parametrize("error", BUGS, ids=repr)
def test_a_bug_is_called_one_and_its_traceback_is_logged(
    error: Exception, log: pytest.LogCaptureFixture
) -> None:
    assert explain(raised(error)) == (OURS.format(error),)
    [record] = log.records
    message = record.getMessage()  # all that pyinfra prints of it
    assert record.levelno == logging.DEBUG
    assert "test_shell.py" in message
    assert "in raised" in message


def test_text_of_a_host_in_a_traceback_is_safe_for_a_terminal(log: pytest.LogCaptureFixture) -> None:
    explain(raised(ValueError("\x1b[2Jcleared")))
    [record] = log.records
    assert "\x1b" not in record.getMessage()
    assert "cleared" in record.getMessage()


def test_a_bug_in_a_step_fails_only_the_host() -> None:
    printed: list[str] = []
    shell = SimpleNamespace(fail=printed.append, reasons=())
    assert not Shell.run_safely(shell, lambda: fail(BUGS[0]))  # type: ignore[arg-type]
    assert printed == [OURS.format(BUGS[0])]
    assert shell.reasons == tuple(printed)


def test_a_bug_in_a_takeover_gives_the_host_back_and_is_called_one() -> None:
    machine = SimpleNamespace(confirm_lock=lambda **_: None)
    run = SimpleNamespace(machine=machine, undo=lambda why: (*why, "given back"))
    with pytest.raises(NoevictError) as refused:
        host_operation._work(lambda _: fail(BUGS[0]), run)
    assert refused.value.lines == (OURS.format(BUGS[0]), "given back")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("it broke"), "could not be looked at: it broke"),
        (ValueError("no number"), "could not be looked at: no number"),
        *((error, OURS.format(error)) for error in BUGS),
    ],
    ids=repr,
)
def test_a_look_that_fails_says_whose_fault_it_is(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = InstanceRun.__new__(InstanceRun)
    monkeypatch.setattr(run, "look_again", lambda: fail(error))
    assert run.look().failure == (line,)
