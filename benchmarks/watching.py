"""What `noevict serve` takes of the machine it runs on, by how many hosts it watches."""

import os
import re
import tempfile
import time
from pathlib import Path

from tests.lab.servers import BINARIES
from tests.server.served_fleet import Service, Site

QUEUES = ["email", "invoices"]
TICKS = os.sysconf("SC_CLK_TCK")


def measure(hosts: int, seconds: int) -> list[str]:
    """Lines of the report: watching so many hosts, polled every 5 s, with and without queues."""
    return [
        "## Watching",
        "",
        f"`noevict serve` over {hosts} hosts (their Redis on this machine, over TLS, {hosts // len(BINARIES)} hosts a "
        f"server), each polled every 5 s, for {seconds} s: its own CPU time, in % of one core, and the most memory it "
        "had.",
        "",
        "| | CPU, % | MB |",
        "|---|---|---|",
        _row("only health", hosts, seconds, []),
        _row("with the lengths of two queues", hosts, seconds, QUEUES),
    ]


def _row(what: str, hosts: int, seconds: int, queues: list[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        try:
            ports = [
                site.start(f"h{n}", binary, redis_queues=queues).tls_port for n, binary in enumerate(BINARIES)
            ]
            for number in range(len(BINARIES), hosts):
                site.add(f"h{number}", ports[number % len(ports)], redis_queues=queues)
            service = Service(site.directory)
            before, began = _cpu(service), time.monotonic()
            time.sleep(seconds)
            share = 100 * (_cpu(service) - before) / (time.monotonic() - began)
            status = Path(f"/proc/{service.process.pid}/status").read_text()
            memory = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1000
            service.end()
        finally:
            site.stop()
    return f"| {what} | {share:.1f} | {memory:.0f} |"


def _cpu(service: Service) -> float:
    """Seconds of CPU so far."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
