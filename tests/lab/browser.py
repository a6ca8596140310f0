"""Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.lab.machine import BROWSER, ensure_packages


@contextmanager
def chromium() -> Iterator[Browser]:
    """Installed if it is missing; a test that asks for it is skipped if that cannot be done, but with CI=true."""
    if shutil.which("chromium") is None:
        if os.geteuid() != 0 and not os.environ.get("CI"):
            pytest.skip("needs Debian's package chromium, or root to install it")
        ensure_packages(BROWSER)
    with sync_playwright() as playwright:
        # Tests run as root, for whom Chromium has no sandbox.
        running = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield running
        running.close()
