"""``/metrics``: what prometheus-redis-exporter does not export. ``host`` is the name in hosts.yml."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from noevict.monitor.asking.watched import View
from noevict.queues import prefix

# Name -> help text. A host whose value is not known has no sample.
GAUGES = {
    "noevict_up": "1 if the host's Redis answered the last poll, 0 if not.",
    "noevict_certificate_not_after_timestamp_seconds": "When the certificate that the host serves ends.",
    "noevict_exporter_certificate_not_after_timestamp_seconds": (
        "When the client certificate of the host's exporter ends, as the last run saw it; no exporter: no sample."
    ),
    "noevict_data_disk_free_bytes": "Free on the disk of the host's data, as the last run saw it.",
    "noevict_data_disk_size_bytes": "How large that disk is.",
    "noevict_last_backup_timestamp_seconds": "When the host's data was last backed up; none on record: no sample.",
    "noevict_drift": "How many things differed from the settings at the last look; no sample if that failed.",
    "noevict_last_look_timestamp_seconds": "When the host was last looked at for drift.",
    "noevict_last_look_failed": "1 if the last look for drift failed, or the host is left alone; 0 if not.",
}
# Not redis_key_size of the exporter: its release 1.69 leaves out all keys behind the first that is not there
# (https://github.com/oliver006/redis_exporter/issues/1008). ``queue`` is what its keys begin with.
JOBS = ("noevict_queue_jobs", "Jobs of a BullMQ queue by state.")
WORKERS = (
    "noevict_queue_workers_seen",
    "1 if there is the mark that a queue's workers leave while they run.",
)


def values(view: View) -> dict[str, float | None]:
    """Return the value of each of GAUGES, None if not known."""
    poll, drift, backup = view.health.poll, view.record.drift, view.record.backup
    ends, exporter_ends = poll.certificate_ends, view.record.exporter_ends
    disk = view.record.disk
    looked = drift and {
        "noevict_drift": drift.differences,
        "noevict_last_look_timestamp_seconds": drift.at.timestamp(),
        "noevict_last_look_failed": float(drift.failure is not None),
    }
    return {
        "noevict_up": float(poll.failure is None),
        "noevict_certificate_not_after_timestamp_seconds": ends.timestamp() if ends else None,
        "noevict_exporter_certificate_not_after_timestamp_seconds": (
            exporter_ends.timestamp() if exporter_ends else None
        ),
        "noevict_data_disk_free_bytes": disk.free if disk else None,
        "noevict_data_disk_size_bytes": disk.size if disk else None,
        "noevict_last_backup_timestamp_seconds": backup.timestamp() if backup else None,
        **(looked or {}),
    }


class Hosts(Collector):
    """Collects the metrics of all hosts, which ``views`` returns at each scrape."""

    def __init__(self, views: Callable[[], Sequence[View]], version: str) -> None:
        self._views, self._version = views, version

    def collect(self) -> Iterator[GaugeMetricFamily]:
        views = self._views()
        by_host = {view.name: values(view) for view in views}
        for name, about in GAUGES.items():
            family = GaugeMetricFamily(name, about, labels=["host"])
            for host, known in by_host.items():
                value = known.get(name)
                if value is not None:
                    family.add_metric([host], value)
            yield family
        yield from _queues(views)
        build = GaugeMetricFamily("noevict_build_info", "The release of noevict.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build


def _queues(views: Iterable[View]) -> Iterator[GaugeMetricFamily]:
    jobs = GaugeMetricFamily(*JOBS, labels=["host", "queue", "state"])
    workers = GaugeMetricFamily(*WORKERS, labels=["host", "queue"])
    for view in views:
        for queue, counts in (view.health.poll.queues or {}).items():
            for state, count in counts.items():
                jobs.add_metric([view.name, prefix(queue), state], count)
        for queue, seen in (view.health.poll.workers or {}).items():
            workers.add_metric([view.name, prefix(queue)], float(seen))
    yield jobs
    yield workers


def registry(views: Callable[[], Sequence[View]], version: str) -> CollectorRegistry:
    """Return the registry for ``prometheus_client.generate_latest``."""
    found = CollectorRegistry()
    found.register(Hosts(views, version))
    return found
