"""Which key shows that whoever has it is the server."""

import pytest

from noevict.platforms.systemd.certificate import proving_key
from tests.unit.looks.captured import MANAGED
from tests.unit.looks.managed import Managed, fresh, managed


def key_of(host: Managed) -> str | None:
    return proving_key(host.state, host.layout)


@pytest.mark.parametrize("name", MANAGED)
def test_the_key_of_a_host_that_is_as_wanted_does(name: str) -> None:
    host = managed(name)
    assert host.state.key_digest
    assert key_of(host) == host.state.key_digest


def test_a_key_that_anybody_else_may_have_does_not() -> None:
    host, path = managed("trixie"), "/etc/redis/tls/server.key"
    assert key_of(host.but(tls="")) is None  # a directory that the server's user may have put there
    for fields in (
        {"mode": "644"},
        {"group": "users"},
        {"owner": "deploy"},
        {"kind": "symbolic link"},
        {"gone": True},
    ):
        assert key_of(host.but_file(path, **fields)) is None, fields
    assert key_of(fresh()) is None
