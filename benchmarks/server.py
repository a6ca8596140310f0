"""The server that noevict sets up against the distribution's own, on one host: redis-benchmark and BullMQ.

Rounds are interleaved and begin with another server each time; one server at a time is under load. Its data lie on
this machine's disk, while the disks of other lab hosts lie in memory: an fsync costs what it costs there.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants import NOEVICT, STOCK, STOCK_TLS_AOF, Contestant, Ring
from benchmarks.loads import GET, LPUSH, RPOP, SET, SET_16, Felt, Load, bullmq, commands
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.lab import Lab
from tests.lab.servers import CACHE

SUITE = "trixie"
CONTESTANTS = (STOCK, STOCK_TLS_AOF, NOEVICT)
LOADS = (commands(SET, GET), commands(LPUSH, RPOP), commands(SET_16), bullmq)
Results = dict[str, dict[str, list[Felt]]]
"""Load → contestant's title → one of each round."""


@contextmanager
def ring() -> Iterator[Ring]:
    """A host that noevict provisioned."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as data,
        tempfile.TemporaryDirectory() as directory,
        Lab() as lab,
    ):
        [host] = lab.boot(Spec(SUITE, mounts={"/var/lib/redis": Path(data)}))
        yield Ring.on(Checkout(Path(directory)), host)


def measure(rounds: int) -> list[str]:
    """The results as Markdown, a line each."""
    with ring() as at:
        for contestant in CONTESTANTS:
            if contestant.name:
                at.start(contestant)
        return report(rounds, compare(at, CONTESTANTS, rounds, LOADS))


def compare(at: Ring, contestants: Sequence[Contestant], rounds: int, loads: Sequence[Load]) -> Results:
    """Every load on every contestant in every round."""
    results: Results = {}
    for number in range(rounds):
        first = number % len(contestants)
        for load in loads:
            for contestant in (*contestants[first:], *contestants[:first]):
                for name, felt in load(at, contestant).items():
                    results.setdefault(name, {}).setdefault(contestant.title, []).append(felt)
    return results


def report(rounds: int, results: Results) -> list[str]:
    titles = [each.title for each in CONTESTANTS]
    others = titles[:-1]
    heads = [*titles, *(f"of {other}" for other in others)]
    lines = [
        "## The server itself",
        "",
        f"One {SUITE} host, one server at a time under load, by clients on the same cores; medians of {rounds} "
        "interleaved rounds. stock is the distribution's Redis as it is installed: no TLS, no AOF, no password. "
        "stock + TLS + AOF has noevict's certificate and `appendfsync everysec`. noevict's is used as `app`. "
        "redis-benchmark: 50 clients on the host, values of 100 bytes; BullMQ: 50 adds, then 50 jobs at a time.",
    ]
    kinds: tuple[tuple[str, Callable[[Felt], float | None], str], ...] = (
        ("a second", lambda felt: felt.rate, ",.0f"),
        ("p99, ms", lambda felt: felt.p99, ".2f"),
        ("CPU of the server, µs each", lambda felt: felt.cpu, ".1f"),
    )
    for kind, value, form in kinds:
        lines += ["", f"| {kind} | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
        for load, felt in results.items():
            medians = {title: median(felt[title], value) for title in titles}
            if None not in medians.values():
                lines.append(row(load, medians, others, form))
    return lines


def median(felt: Sequence[Felt], value: Callable[[Felt], float | None]) -> float | None:
    values = [found for each in felt if (found := value(each)) is not None]
    return statistics.median(values) if values else None


def row(load: str, medians: dict[str, float | None], others: Sequence[str], form: str) -> str:
    values = {title: value or 0.0 for title, value in medians.items()}
    own = values[NOEVICT.title]
    cells = [
        *(f"{value:{form}}" for value in values.values()),
        *(f"{own / values[other]:.2f}" for other in others),
    ]
    return f"| {load} | {' | '.join(cells)} |"
