"""The controller's clock is wrong, hosts' and clients' clocks are right: nothing is signed for another time."""

import ssl

import pytest
from cryptography import x509

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, assert_clean, connect, managed_files, run_id
from tests.hosts.manual_changes import lines_about
from tests.lab.checkout import Checkout, Result
from tests.lab.disk import Spec
from tests.lab.host import Host
from tests.lab.machine import ensure_packages

YEAR = "365d"
# libfaketime moves only the wall clock: gevent's timers go by the monotonic one.
FAKED = {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture(scope="module", autouse=True)
def _faketime() -> None:
    ensure_packages(("faketime",))


def at(checkout: Checkout, offset: str) -> Result:
    """The users' command, with the controller's clock so far off."""
    return checkout.run("faketime", "-f", offset, *DEPLOY, env=FAKED)


def certificate(host: Host) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host.address, 6379)).encode())


def reported(done: Result, host: Host, words: str = "while the clocks differ") -> set[str]:
    return {line for line in lines_about(done, host) if words in line}


@pytest.fixture
def host(boot: Boot) -> Host:
    [host] = boot(Spec("trixie", name="one"))
    return host


def test_a_wrong_clock_signs_nothing_and_the_right_one_finds_all_as_it_was(
    checkout: Checkout, host: Host
) -> None:
    checkout.list_hosts([host])
    # Before there is a CA: one that begins in a year would be refused by all clients until then.
    for offset in "+365d", "-365d":
        done = at(checkout, offset)
        assert (done.returncode, len(reported(done, host))) == (1, 1), done
        assert not checkout.secrets.exists(), done
        assert "Traceback" not in done.output, done
        assert not host.run("command -v redis-server || true").stdout
    done = at(checkout, "-50m")
    assert done.returncode == 0, done
    assert_clean(checkout)
    before, server, served = managed_files(host), run_id(checkout, host), certificate(host)
    for offset in "+1h", "-1h", "+365d":
        # After a year 31 days of the certificate are left: it is not due.
        done = at(checkout, offset)
        assert (done.returncode, done.json["results"]["totals"]["success"]) == (0, 0), done
    for offset in "-365d", "+390d", "+500d":
        done = at(checkout, offset)
        # A CA that is not valid yet by this clock signs nothing either.
        words = "fleet's CA is valid from" if offset == "-365d" else "while the clocks differ"
        assert (done.returncode, len(reported(done, host, words))) == (1, 1), done
        assert "Traceback" not in done.output, done
    assert (run_id(checkout, host), certificate(host)) == (server, served)
    after = managed_files(host)
    assert {path for path in after if after[path] != before[path]} <= {"/etc/redis/redis.conf"}  # its mtime
    with connect(checkout, host) as client:
        assert client.ping()
    assert_clean(checkout)
