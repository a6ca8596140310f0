"""What a clean run costs over a long way: SSH channels, as sshd logs them, and round trips, as a proxy before it
counts them. Seconds are the benchmarks' business."""

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import assert_clean, deploy
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.proxy import Proxy
from tests.sampling import sample

CHANNELS = 2  # the look; Redis
# More than an `echo` on the host: the look's script behind its command, the channel to Redis, TLS, login and look, the
# commands this release has (of one host a run), CONFIG REWRITE.
ROUND_TRIPS = 6
FAR = 0.2  # seconds: what belongs together arrives together


@pytest.mark.parametrize("suite", sample(["bookworm", "trixie"], "trixie"))
def test_a_clean_run_opens_two_channels_and_takes_six_round_trips_more_than_an_echo(
    checkout: Checkout, boot: Boot, suite: str
) -> None:
    [host] = boot(Spec(suite, sshd=["LogLevel DEBUG1"]))
    with Proxy((host.address, 22)) as proxy:
        reach = {"ssh_port": proxy.port, "ssh_strict_host_key_checking": "accept-new"}
        checkout.list_hosts([host], ssh_hostname="127.0.0.1", **reach)
        deploy(checkout)
        proxy.seconds, before = FAR, proxy.round_trips
        assert checkout.run("pyinfra", "-y", "inventory", "exec", "--", "echo").returncode == 0
        echo, channels = proxy.round_trips - before, host.channels()
        assert_clean(checkout)
        opened, more = host.channels() - channels, proxy.round_trips - before - 2 * echo
    assert channels > CHANNELS  # they are counted
    assert opened == CHANNELS
    assert more <= ROUND_TRIPS < echo
