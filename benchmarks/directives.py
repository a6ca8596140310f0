"""``python -m benchmarks.directives``: one directive changed at a time, against what noevict renders; directives.md.

As benchmarks.server: interleaved rounds, one server at a time under load. Medians, as shares of the server that noevict
renders. ARGS: ``--rounds N`` (5), names of variants.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from benchmarks.contestants import Contestant, Ring, idle
from benchmarks.loads import GET, SET, SET_16, Felt, commands
from benchmarks.server import SUITE, compare, ring
from tests.hosts.deployment import wait_for

RESULTS = Path(__file__).with_name("directives.md")
PORT = 6390
BIG = 200_000


@dataclass(frozen=True)
class Variant:
    """What is changed of that which noevict renders, and over what the data go."""

    title: str
    lines: dict[str, str]
    tls: bool = True


AS_RENDERED = Variant("as rendered", {})
VARIANTS = (
    AS_RENDERED,
    Variant("no TLS", {}, tls=False),
    Variant("appendonly no", {"appendonly": "no"}),
    Variant("appendfsync always", {"appendfsync": "always"}),
    Variant("appendfsync no", {"appendfsync": "no"}),
    Variant("auto-aof-rewrite-percentage 0", {"auto-aof-rewrite-percentage": "0"}),
    Variant("auto-aof-rewrite-min-size 1gb", {"auto-aof-rewrite-min-size": "1gb"}),
    Variant("io-threads 2", {"io-threads": "2"}),
    Variant("hz 100", {"hz": "100"}),
    Variant("maxmemory-clients 0", {"maxmemory-clients": "0"}),
    Variant("latency-tracking no", {"latency-tracking": "no"}),
    Variant("latency-monitor-threshold 0", {"latency-monitor-threshold": "0"}),
    Variant("lazyfree-* no", dict.fromkeys(("lazyfree-lazy-server-del", "lazyfree-lazy-user-del",
            "lazyfree-lazy-expire", "lazyfree-lazy-user-flush"), "no")),
    Variant("tls-ciphersuites AES-128", {"tls-ciphersuites": "TLS_AES_128_GCM_SHA256"}),
)  # fmt: skip


def contestant(variant: Variant, number: int) -> Contestant:
    return Contestant(variant.title, f"v{number}", PORT + number, variant.tls, lines=variant.lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.directives", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("variants", nargs="*", default=[each.title for each in VARIANTS])
    asked = parser.parse_args()
    chosen = [each for each in VARIANTS if each.title in {AS_RENDERED.title, *asked.variants}]
    with ring() as at:
        contestants = [contestant(each, number) for number, each in enumerate(chosen)]
        for each in contestants:
            at.start(each)
        results = compare(at, contestants, asked.rounds, [commands(SET, GET), commands(SET_16)])
        Act(at, contestants[0]).fill()
        moments = [line for each in MOMENTS for line in moment(at, contestants[0], each, asked.rounds)]
    lines = [
        "# What each choice costs and buys",
        "",
        f"One {SUITE} host on {os.cpu_count()} cores, which clients share; one directive changed of what noevict "
        f"renders, one server at a time under load; medians of {asked.rounds} interleaved rounds, the first row's "
        "absolute, the others' as shares of it. `python -m benchmarks.directives` makes this file. CPU is the "
        "server's, for each; it is what a busy machine disturbs least.",
        "",
        *table(results),
        "",
        "What a server does at times, and what a client feels that writes meanwhile; medians.",
        "",
        "| what | with | seconds | a write: p99, ms | longest, ms |",
        "|---|---|---|---|---|",
        *moments,
    ]
    text = "".join(f"{line}\n" for line in lines)
    RESULTS.write_text(text)
    print(text, end="")


def table(results: dict[str, dict[str, list[Felt]]]) -> list[str]:
    """A row for each variant: rate and CPU of every load."""
    columns: list[tuple[str, str, Callable[[Felt], float]]] = [
        *((f"{load}, a second", load, lambda felt: felt.rate) for load in results),
        *((f"{load}, CPU µs", load, lambda felt: felt.cpu) for load in results),
    ]
    heads = [head for head, _, _ in columns]
    lines = [f"| what is changed | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
    for title in next(iter(results.values())):
        cells = []
        for _, load, value in columns:
            own, rendered = (
                statistics.median(map(value, results[load][name])) for name in (title, AS_RENDERED.title)
            )
            cell = f"{own:,.{0 if own > 100 else 1}f}"
            cells.append(cell if title == AS_RENDERED.title else f"{own / rendered:.2f}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


@dataclass(frozen=True)
class Moment:
    """Something a server does at times, that a client beside it feels. ``act`` is done with each value in turn."""

    title: str
    directive: str
    values: tuple[str, str]
    prepare: Callable[["Act"], None]
    act: Callable[["Act"], None]


@dataclass(frozen=True)
class Act:
    ring: Ring
    contestant: Contestant

    def fill(self) -> None:
        """160 MiB."""
        with self.ring.client(self.contestant) as client:
            value = os.urandom(700).hex()[:800]
            for begin in range(0, BIG, 10_000):
                client.mset({f"job:{n}": f"{n}{value}" for n in range(begin, begin + 10_000)})

    def members(self) -> None:
        with self.ring.client(self.contestant) as client:
            client.delete("set")
            for begin in range(0, BIG, 50_000):
                client.sadd("set", *(f"member:{n}" for n in range(begin, begin + 50_000)))

    def nothing(self) -> None:
        pass

    def delete(self) -> None:
        with self.ring.client(self.contestant) as client:
            client.delete("set")

    def rewrite(self) -> None:
        with self.ring.client(self.contestant) as client:
            client.bgrewriteaof()
            wait_for("the AOF is rewritten", lambda: idle(client), seconds=120)

    def save(self) -> None:
        with self.ring.client(self.contestant) as client:
            client.bgsave()
            wait_for("it is saved", lambda: idle(client), seconds=120)

    @contextmanager
    def felt(self) -> Iterator[list[float]]:
        """The waits of a client that writes meanwhile, in ms."""
        over, begun, waits = Event(), Event(), [0.0]

        def write() -> None:
            with self.ring.client(self.contestant) as client:
                client.ping()
                begun.set()
                while not over.is_set():
                    began = time.monotonic()
                    client.set("beside", "x" * 100)
                    waits.append((time.monotonic() - began) * 1000)

        writer = Thread(target=write)
        writer.start()
        begun.wait(60)
        try:
            yield waits
        finally:
            over.set()
            writer.join()


MOMENTS = (
    Moment(f"a set of {BIG:,} members is deleted", "lazyfree-lazy-user-del", ("yes", "no"), Act.members, Act.delete),
    Moment(f"AOF is rewritten, {BIG:,} keys", "aof-use-rdb-preamble", ("yes", "no"), Act.nothing, Act.rewrite),
    Moment(f"AOF is rewritten, {BIG:,} keys", "no-appendfsync-on-rewrite", ("no", "yes"), Act.nothing, Act.rewrite),
    Moment(f"a snapshot of {BIG:,} keys", "rdbcompression", ("yes", "no"), Act.nothing, Act.save),
)  # fmt: skip


def moment(at: Ring, contestant: Contestant, each: Moment, rounds: int) -> list[str]:
    """A row for each value: how long it takes, and the waits of a client that writes meanwhile."""
    act = Act(at, contestant)
    took: dict[str, list[tuple[float, float, float]]] = {value: [] for value in each.values}
    with at.client(contestant) as client:
        for number in range(rounds):
            for value in each.values[:: 1 if number % 2 else -1]:
                client.config_set(each.directive, value)
                each.prepare(act)
                with act.felt() as waits:
                    began = time.monotonic()
                    each.act(act)
                    seconds = time.monotonic() - began
                waits.sort()
                took[value].append((seconds, waits[len(waits) * 99 // 100], waits[-1]))
        client.config_set(each.directive, each.values[0])
    return [
        f"| {each.title} | {each.directive} {value} | {row[0]:.2f} | {row[1]:.2f} | {row[2]:.0f} |"
        for value, felt in took.items()
        for row in [[statistics.median(column) for column in zip(*felt, strict=True)]]
    ]


if __name__ == "__main__":
    main()
