"""A real server, Debian's exporter beside it, `noevict serve`, and Debian's Prometheus over both, with the rules."""

import json
import os
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from noevict import queues
from noevict.alerts import RULES, target_labels
from noevict.exporter.target import STATES, USER
from noevict.settings import Settings
from noevict.watch import records
from tests.lab import prometheus
from tests.lab.servers import Binary, Running, free_port, wait_for
from tests.server.watched import Service, Site

HOST, QUEUE = "cache-1", "email"
LINES = ("appendonly yes", "save 3600 1", "maxmemory 100mb")


class Prometheus:
    """What a Prometheus at that address knows."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **values: str) -> Any:
        """The data that its API answers with."""
        answer = get(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(values)}")
        assert answer is not None, f"{path} {values}"
        return json.loads(answer)["data"]

    def query(self, expr: str) -> list[dict[str, Any]] | None:
        """The series an expression has now; None where it has none."""
        return self.ask("query", query=expr)["result"] or None

    def names(self) -> set[str]:
        """Every metric that was ever scraped or recorded."""
        return set(self.ask("label/__name__/values"))

    def firing(self, host: str) -> dict[str, dict[str, str]]:
        """Alert -> its annotations, filled in, of those that fire about a host."""
        alerts = self.ask("alerts")["alerts"]
        about = [each for each in alerts if each["labels"].get("host") == host and each["state"] == "firing"]
        return {each["labels"]["alertname"]: each["annotations"] for each in about}


class Scraped(Prometheus):
    """One server under watch: ``server`` itself, and what Prometheus knows of it."""

    def __init__(self, server: Running, address: str) -> None:
        super().__init__(address)
        self.server = server


@contextmanager
def scraped_server(binary: Binary, suite: str) -> Iterator[Scraped]:
    """``binary`` as noevict sets it up, with the exporter and the Prometheus of a Debian release."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noevict-")))
        site = Site(directory)
        stack.callback(site.stop)
        server = site.start(HOST, binary, *LINES, redis_queues=[QUEUE])
        state, now = records.locate(directory), datetime.now(UTC)
        records.write_drift(state, {HOST: records.Drift(now, "drift", 1)})
        records.write_backup(state, [HOST], now)
        service = Service(directory, "--interval", "1")
        stack.callback(service.end)
        told = _told_to_the_exporter(site, server)
        stack.enter_context(running(prometheus.exporter(suite), directory, told))
        exporter = told["REDIS_EXPORTER_WEB_LISTEN_ADDRESS"]
        labels = target_labels(HOST, Settings())
        jobs = {
            "hosts": {"static_configs": [{"targets": [exporter], "labels": labels}]},
            "noevict": {"static_configs": [{"targets": [service.url.removeprefix("http://")]}]},
        }
        told_by = stack.enter_context(scraping(suite, directory, RULES, jobs, "1s"))
        under = Scraped(server, told_by.address)
        wait_for("both are scraped", lambda: under.query("noevict_up == 1 and on (host) redis_up == 1"), 60)
        yield under


@contextmanager
def scraping(
    suite: str, directory: Path, rules: Path, jobs: Mapping[str, Mapping[str, Any]], every: str
) -> Iterator[Prometheus]:
    """A Debian release's Prometheus. ``jobs``: name -> the rest of a scrape_config. ``every``: how often it looks."""
    config = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": name, **job} for name, job in jobs.items()],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--web.listen-address={address}", f"--storage.tsdb.path={directory / 'tsdb'}")
    command = prometheus.prometheus(suite, f"--config.file={directory / 'prometheus.yml'}", *flags)
    with running(command, directory):
        wait_for("Prometheus answers", lambda: get(address, "/-/ready"), 60)
        yield Prometheus(address)


def _told_to_the_exporter(site: Site, server: Running) -> dict[str, str]:
    """What deploys/monitoring.py tells it, as far as its metrics go."""
    return {
        "REDIS_ADDR": f"rediss://localhost:{server.tls_port}",
        "REDIS_USER": USER,
        "REDIS_PASSWORD": site.secrets.password(USER),
        "REDIS_EXPORTER_TLS_CA_CERT_FILE": str(server.directory / "ca.crt"),
        "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{free_port()}",
        "REDIS_EXPORTER_INCL_SYSTEM_METRICS": "true",
        "REDIS_EXPORTER_CHECK_SINGLE_KEYS": ",".join(f"db0={queues.key(QUEUE, state)}" for state in STATES),
    }


@contextmanager
def running(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[None]:
    """The program, until the block ends; it must not end before. What it says is a file in the directory."""
    said = directory / f"{re.sub('[^a-z]', '', Path(command[3]).name)}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None, said.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(20)


def get(address: str, path: str) -> str | None:
    """What a GET is answered with; None as long as nobody does."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
