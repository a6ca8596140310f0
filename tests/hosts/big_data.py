"""Makes big data quickly (values that differ and do not compress), and hosts on which loading it is slow."""

import contextlib
import hashlib
import re
from collections.abc import Iterator

import redis

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from tests.hosts.deployment import DEPLOY
from tests.hosts.manual_changes import with_names
from tests.lab.checkout import Checkout, Result
from tests.lab.host import Host

SIZE = 16 << 10  # bytes of a value
BATCH = 256  # values in one command
NOISE = hashlib.shake_128(b"noise").digest(1 << 20)


def count(mib: int) -> int:
    """How many keys hold so much."""
    return (mib << 20) // SIZE


def value(number: int) -> bytes:
    """Another one for each of the first million."""
    at = number * 7919 % (len(NOISE) - SIZE)
    return NOISE[at : at + SIZE]


def fill_big(client: "redis.Redis", mib: int) -> None:
    """So many MiB of strings. ``client`` decodes no responses."""
    pipe = client.pipeline(transaction=False)
    for start in range(0, count(mib), BATCH):
        pipe.mset({f"big:{n}": value(n) for n in range(start, min(start + BATCH, count(mib)))})
        if len(pipe) == 4:
            pipe.execute()
    pipe.execute()


def assert_big(client: "redis.Redis", mib: int) -> None:
    """All that ``fill_big`` put there is there, value by value, and nothing else."""
    assert client.dbsize() == count(mib)
    for start in range(0, count(mib), BATCH):
        numbers = range(start, min(start + BATCH, count(mib)))
        assert client.mget([f"big:{n}" for n in numbers]) == [value(n) for n in numbers], f"from {start} on"


# Loading is all that a server does while systemd waits for it to be started.
SLOWLY = """
starting() {
  read -r state pid <<<"$(systemctl show UNIT -p ActiveState,MainPID --value | sort -r | tr '\\n' ' ')"
  [[ $state == activating && $pid != 0 ]]
}
while :; do
  until starting; do sleep 0.01; done
  while kill -STOP "$pid" && starting; do
    sleep STOPPED; kill -CONT "$pid"; sleep 0.005
  done
  kill -CONT "$pid"
done
"""


@contextlib.contextmanager
def slow_loading(host: Host, engine: EngineName = "redis", stopped: float = 0.4) -> Iterator[None]:
    """In the block a server that is being started is stopped for so many seconds after each few thousandths of one.

    After a reboot too. With 0.4 seconds loading takes some 50 times as long; less if the machine has much to do.
    """
    wants = f"/etc/systemd/system/{LAYOUTS[engine].unit}.wants"
    host.write("/etc/slow-loading", with_names(SLOWLY, engine).replace("STOPPED", str(stopped)))
    host.write(
        "/etc/systemd/system/slow-loading.service", "[Service]\nExecStart=/bin/bash /etc/slow-loading\n"
    )
    host.run(f"mkdir -p {wants} && ln -s ../slow-loading.service {wants}/")
    host.run("systemctl daemon-reload && systemctl start slow-loading")
    try:
        yield
    finally:
        host.run(f"rm -r {wants} && systemctl daemon-reload && systemctl stop slow-loading")
        host.run(with_names("systemctl kill --signal=CONT UNIT", engine), check=False)


class Deploy:
    """The users' command, under way."""

    def __init__(self, checkout: Checkout) -> None:
        self.process = checkout.start(*DEPLOY)
        self.so_far: list[str] = []

    def until(self, pattern: str) -> "Deploy":
        """Until a line of it matches. Raise AssertionError if it ends without one."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.so_far.append(line)
            if re.search(pattern, line):
                return self
        raise AssertionError(f"it never printed {pattern!r}: {''.join(self.so_far)}")

    def finish(self) -> Result:
        """Of its end, which must be a good one."""
        stdout, stderr = self.process.communicate(timeout=600)
        done = Result(DEPLOY, self.process.returncode, stdout, "".join(self.so_far) + stderr)
        assert done.returncode == 0, done
        return done
