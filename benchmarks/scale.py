"""Clean runs over 100 to 2,000 hosts: whether time, CPU and memory grow in a straight line.

One lab host is provisioned and looked at; an SSH server in a process of its own (many_hosts) answers as so many hosts
with that look, and with that host's Redis behind. To the controller each is a host of its own: an address, a line of
known_hosts, a machine id, a certificate.
"""

import json
import statistics
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from benchmarks.clean_run import DEPLOY, SUITE, found_due, provision
from benchmarks.environment import environment
from benchmarks.measured import Case, Target, interleaved, table_of
from noevict.engines.package_layout import LAYOUTS
from noevict.pki.authority import sign_request
from noevict.scripts import look_script
from noevict.secrets.store import Secrets
from tests.lab.checkout import Checkout, Result
from tests.lab.command_cost import Cost
from tests.lab.host import Host
from tests.lab.lab import Lab

ASYNCSSH = "asyncssh>=2.24,<3"
ENGINE = LAYOUTS["redis"]
CERTIFICATE = f"{ENGINE.tls}/server.crt"
LARGEST, GIGABYTES, CPU_SECONDS = 2000, 1.5, 60


def measure(sizes: Sequence[int], rounds: int) -> list[str]:
    """The results as Markdown, a line each; of two sizes at least."""
    with Lab() as lab, Checkout.temporary() as checkout:
        [host] = lab.boot(SUITE)
        checkout.list_hosts([host])
        provision(checkout)
        addresses = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(max(sizes))]
        directory = checkout.home / "many"
        write_hosts(directory, checkout, host, addresses)
        with serving(directory) as port:
            write_known_hosts(directory, addresses, port)
            cases = [
                Case(
                    str(size),
                    checkout,
                    DEPLOY,
                    before=partial(
                        list_hosts, checkout, directory, addresses[:size], port, str(host.claim.key)
                    ),
                    fine=partial(verified, hosts=size),
                )
                for size in sizes
            ]
            costs = interleaved(cases, rounds)
    return report({int(name): cost for name, cost in costs.items()}, rounds)


def verified(done: Result, hosts: int) -> bool:
    return found_due(done, 0) and done.output.count("verified: ") == hosts


def name_of(address: str) -> str:
    return f"redis-{address.replace('.', '-')}"


def write_hosts(directory: Path, checkout: Checkout, host: Host, addresses: Sequence[str]) -> None:
    """What many_hosts needs of each: the real host's look with a machine id and a certificate of its own."""
    directory.mkdir()
    secrets = Secrets.load(checkout.secrets)
    assert secrets is not None  # noqa: S101 - a run made them
    look = host.run("bash -s", input=look_script((LAYOUTS["redis"],), (6379, 0))).stdout
    request = host.run(f"openssl req -new -key {ENGINE.tls}/server.key -subj /CN=redis").stdout
    now, looks = datetime.now(UTC), {}
    for address in addresses:
        names = [name_of(address), address, host.name, host.address, "localhost", "127.0.0.1", "::1"]
        certificate = sign_request(secrets.ca, request, names, now)
        (directory / f"{address}.crt").write_text(certificate)
        looks[address] = look_of(look, certificate)
    (directory / "server.key").write_text(host.read(f"{ENGINE.tls}/server.key"))
    (directory / "hosts.json").write_text(json.dumps({"looks": looks, "redis": [host.address, 6379]}))
    new_key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "host.key"))
    subprocess.run(new_key, check=True)


def look_of(look: str, certificate: str) -> str:
    """Of another host that is alike."""
    lines = []
    for line in look.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "time":
            lines.append("time TIME")
        elif kind == "machine":
            lines.append(f"machine {uuid.uuid4()} {rest.partition(' ')[2]}")
        elif kind == "sha256" and rest.endswith(CERTIFICATE):
            lines.append(f"sha256 {sha256(certificate.encode()).hexdigest()}  {CERTIFICATE}")
        elif kind == "certificate":
            if "BEGIN" in rest:
                lines += [f"certificate {each}" for each in certificate.splitlines()]
        else:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


@contextmanager
def serving(directory: Path) -> Iterator[int]:
    """many_hosts, at the port it reports, for the block."""
    program = (
        str(environment("asyncssh", ASYNCSSH) / "bin" / "python"),
        "benchmarks/many_hosts.py",
        str(directory),
    )
    with (directory / "errors").open("w") as errors:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8")
    try:
        assert process.stdout  # noqa: S101 - a PIPE
        word, _, port = process.stdout.readline().partition(" ")
        if word != "ready":
            raise SystemExit((directory / "errors").read_text())
        yield int(port)
    finally:
        process.kill()
        process.wait()


def write_known_hosts(directory: Path, addresses: Sequence[str], port: int) -> None:
    key = " ".join((directory / "host.key.pub").read_text().split()[:2])
    (directory / "known_hosts").write_text("".join(f"[{address}]:{port} {key}\n" for address in addresses))


def list_hosts(checkout: Checkout, directory: Path, addresses: Sequence[str], port: int, key: str) -> None:
    reach = {
        "ssh_port": port,
        "ssh_user": "root",
        "ssh_key": key,
        "ssh_known_hosts_file": str(directory / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
    }
    checkout.write("group_data/redis.py", "".join(f"{name} = {value!r}\n" for name, value in reach.items()))
    hosts = "".join(f"  {name_of(address)}:\n    ssh_hostname: {address}\n" for address in addresses)
    checkout.hosts_yml.write_text(f"redis:\n{hosts}")


MEASURES: dict[str, Callable[[Cost], float]] = {
    "seconds": lambda cost: cost.seconds,
    "CPU seconds": lambda cost: cost.cpu,
    "memory MB": lambda cost: cost.peak / 1e6,
}


def report(costs: dict[int, Cost], rounds: int) -> list[str]:
    return [
        "## Many hosts",
        "",
        f"Clean runs, medians of {rounds} round(s). The hosts are one server in a process of its own, which answers "
        "with a real host's look and passes its Redis on: the controller's CPU and memory are real, its seconds are "
        "those of a machine that does the hosts' part as well.",
        "",
        f"| hosts | {' | '.join(MEASURES)} | CPU ms a host |",
        f"|---|{'---|' * len(MEASURES)}---|",
        *(row(size, cost) for size, cost in costs.items()),
        "",
        "| straight line through them | at the start | for each host | R² | farthest off |",
        "|---|---|---|---|---|",
        *(fit(what, costs) for what in MEASURES),
        "",
        *table_of(targets(costs)),
    ]


def row(size: int, cost: Cost) -> str:
    cells = " | ".join(f"{of(cost):.1f}" for of in MEASURES.values())
    return f"| {size} | {cells} | {cost.cpu / size * 1000:.1f} |"


def fit(what: str, costs: dict[int, Cost]) -> str:
    """By least squares."""
    sizes, found = list(costs), [MEASURES[what](cost) for cost in costs.values()]
    slope, start = statistics.linear_regression(sizes, found)
    off = max(abs(start + slope * size - each) / each for size, each in zip(sizes, found, strict=True))
    square = statistics.correlation(sizes, found) ** 2
    return f"| {what} | {start:.2f} | {slope:.4f} | {square:.4f} | {off:.0%} |"


def targets(costs: dict[int, Cost]) -> list[Target]:
    if LARGEST not in costs:
        return []
    most = costs[LARGEST]
    return [
        Target(f"CPU at {LARGEST} hosts", most.cpu, CPU_SECONDS, "s"),
        Target(f"memory at {LARGEST} hosts", most.peak / 1e9, GIGABYTES, "GB"),
    ]
