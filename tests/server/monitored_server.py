"""A real server, Debian's exporter beside it, `noevict serve`, and Debian's Prometheus over both, with the rules."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noevict import queues
from noevict.companions.exporter.alerts import RULES, target_labels
from noevict.companions.exporter.wanted import STATES, USER
from noevict.fleet import records
from noevict.settings.model import Settings
from tests.lab import prometheus
from tests.lab.prometheus import Prometheus
from tests.lab.servers import Binary, Running, free_port, wait_for
from tests.server.served_fleet import Service, Site

HOST, QUEUE = "cache-1", "email"
LINES = ("appendonly yes", "save 3600 1", "maxmemory 100mb")


class Scraped(Prometheus):
    """One server under watch: ``server`` itself, where its exporter listens, and what Prometheus knows of it."""

    def __init__(self, server: Running, exporter: str, address: str) -> None:
        super().__init__(address)
        self.server, self.exporter = server, exporter


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
        records.write_exporter(state, {HOST: now + timedelta(days=300)})
        service = Service(directory, "--interval", "1")
        stack.callback(service.end)
        environment = _exporter_settings(site, server)
        stack.enter_context(prometheus.running(prometheus.exporter(suite), directory, environment))
        exporter = environment["REDIS_EXPORTER_WEB_LISTEN_ADDRESS"]
        labels = target_labels(HOST, Settings())
        jobs = {
            "hosts": {"static_configs": [{"targets": [exporter], "labels": labels}]},
            "noevict": {"static_configs": [{"targets": [service.url.removeprefix("http://")]}]},
        }
        monitor = stack.enter_context(prometheus.scraping(suite, directory, RULES, jobs, "1s"))
        under = Scraped(server, exporter, monitor.address)
        wait_for("both are scraped", lambda: under.query("noevict_up == 1 and on (host) redis_up == 1"), 60)
        yield under


def _exporter_settings(site: Site, server: Running) -> dict[str, str]:
    """The exporter's environment, as deploys/monitoring.py writes it, as far as its metrics go."""
    return {
        "REDIS_ADDR": f"rediss://localhost:{server.tls_port}",
        "REDIS_USER": USER,
        "REDIS_PASSWORD": site.password(USER, HOST),
        "REDIS_EXPORTER_TLS_CA_CERT_FILE": str(server.directory / "ca.crt"),
        "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{free_port()}",
        "REDIS_EXPORTER_INCL_SYSTEM_METRICS": "true",
        "REDIS_EXPORTER_CHECK_SINGLE_KEYS": ",".join(f"db0={queues.key(QUEUE, state)}" for state in STATES),
    }
