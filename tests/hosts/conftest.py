"""Real hosts for the tests, and checkouts to run the users' commands in.

A test that changes its hosts boots its own (``boot``: under a second); tests that only look can share a module's
(``boot_for_module``). One xdist worker has one lab; a module's tests stay on one worker (``--dist loadfile``).
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.lab import Lab

# Test modules that take longest, the longest first: one that starts last would keep a single worker busy at the end.
LONGEST = (
    *("attacker", "earlier_release", "engine_change", "host_passwords", "restart", "drift", "writes"),
    *(
        "failing_connections",
        "takeover",
        "release_upgrade",
        "monitoring_guarantees",
        "big_data",
        "foreign_servers",
    ),
    *("certificates", "failing_disks", "many_hosts", "leased_addresses", "lost_keys", "alerting"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by module, the longest modules first."""
    modules = [f"test_{name}" for name in LONGEST]
    items.sort(key=lambda item: modules.index(item.path.stem) if item.path.stem in modules else len(modules))


class Boot(Protocol):
    """``boot("bookworm", "trixie")``, ``boot(Spec("trixie", memory=2000))``, ``boot("trixie", memory=2000)``."""

    def __call__(self, *hosts: str | Spec, **options: object) -> list[Host]:
        """The hosts, in the order asked, users can log in to."""


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root: hosts are booted with systemd-nspawn")
    with Lab() as lab:
        yield lab


def booting(lab: Lab) -> Iterator[Boot]:
    """A factory whose hosts end when the fixture does."""
    mine: list[Host] = []

    def boot(*hosts: str | Spec, **options: object) -> list[Host]:
        booted = lab.boot(*hosts, **options)
        mine.extend(booted)
        return booted

    yield boot
    lab.remove(mine)


@pytest.fixture
def boot(lab: Lab) -> Iterator[Boot]:
    """Boots hosts that end with the test."""
    yield from booting(lab)


@pytest.fixture(scope="module")
def boot_for_module(lab: Lab) -> Iterator[Boot]:
    """Boots hosts that end with the module."""
    yield from booting(lab)


@pytest.fixture
def new_checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Checkout]:
    """Makes checkouts, for a test that needs more than one."""
    return lambda: Checkout(tmp_path_factory.mktemp("user"))


@pytest.fixture
def checkout(new_checkout: Callable[[], Checkout]) -> Checkout:
    """A checkout of the test's own, without secrets."""
    return new_checkout()


@pytest.fixture(scope="module")
def checkout_for_module(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One checkout for all tests of a module."""
    return Checkout(Path(tmp_path_factory.mktemp("user")))
