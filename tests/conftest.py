"""For all tests: what a skip means in CI, how long hypothesis may take, and what Ctrl-C does."""

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

# Two cores are shared with servers and hosts: how long one example takes says nothing.
settings.register_profile("noevict", deadline=None)
settings.load_profile("noevict")

# A shell's background job ignores Ctrl-C, and so would every command that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SKIPS_FAIL = os.environ.get("CI") == "true"


def no_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI whatever was left out is a failure, with the reason that was given for leaving it out."""
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"no skips under CI=true: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    no_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    no_skip(report)
    return report
