"""What programs get about hosts: the JSON of ``/health/redis`` and of ``noevict status --json``.

For one host ``status``, ``timestamp`` and ``evictionPolicy`` are always there, in the form that users' dashboards
read, and ``warning`` if the policy is not noeviction; then ``writesRefused``, and ``error`` if the host is
unhealthy. Everything else is null if it is not known. ``stopped``: nothing listens there.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from noevict.fleet.records import Record
from noevict.monitor.asking.watched import View
from noevict.monitor.health.health import Health, Status

# For several hosts the worst decides.
HTTP_STATUS = {Status.HEALTHY: 200, Status.DEGRADED: 200, Status.UNHEALTHY: 503}


def host_answer(view: View) -> dict[str, Any]:
    """Return the answer for one host."""
    health = view.health
    return {
        **_first(health.status, health.poll.at, health.policy, health.warning),
        "writesRefused": health.writes_refused,
        "stopped": health.stopped,
        **({"error": health.error} if health.error else {}),
        **_figures(health),
        "queues": _queues(health),
        **_recorded(view.record),
        "checks": {
            name: {"status": str(check.status), "detail": check.detail}
            for name, check in health.checks.items()
        },
    }


def fleet_answer(views: Sequence[View]) -> dict[str, Any]:
    """Return the answer for several: the worst status, a policy other than noeviction if any has one, and each host."""
    health = [view.health for view in views]
    # The host whose policy and warning are reported for all.
    reported = next((each for each in health if each.warning), None) or next(
        (each for each in health if each.policy), health[0]
    )
    refused = {each.writes_refused for each in health}
    errors = [f"{view.name}: {view.health.error}" for view in views if view.health.error]
    return {
        **_first(worst(views), max(each.poll.at for each in health), reported.policy, reported.warning),
        "writesRefused": True if True in refused else None if None in refused else False,
        **({"error": "; ".join(errors)} if errors else {}),
        "hosts": {view.name: host_answer(view) for view in views},
    }


def worst(views: Sequence[View]) -> Status:
    return max((view.health.status for view in views), key=lambda status: status.rank)


def time_text(time: datetime) -> str:
    """Format a time as JavaScript does: ``2026-01-15T10:30:00.000Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _first(status: Status, at: datetime, policy: str | None, warning: str | None) -> dict[str, Any]:
    return {
        "status": str(status),
        "timestamp": time_text(at),
        "evictionPolicy": policy,
        **({"warning": warning} if warning else {}),
    }


def _figures(health: Health) -> dict[str, Any]:
    number, text = health.number, health.text
    percent, seconds = health.memory_percent, health.poll.seconds
    known = bool(health.poll.info)
    return {
        "usedMemory": number("used_memory"),
        "maxMemory": number("maxmemory"),
        "usedMemoryPercent": None if percent is None else round(percent, 1),
        "evictedKeys": number("evicted_keys"),
        "evictedKeysLastHour": health.evicted_lately if known else None,
        "persistence": _persistence(health) if known else None,
        "role": text("role"),
        "latencyMs": None if seconds is None else round(seconds * 1000, 1),
        "certificateDaysLeft": health.certificate_days,
        "version": text("valkey_version") or text("redis_version"),
        "uptimeSeconds": number("uptime_in_seconds"),
        "connectedClients": number("connected_clients"),
        "blockedClients": number("blocked_clients"),
        "operationsPerSecond": number("instantaneous_ops_per_sec"),
        "rejectedConnections": number("rejected_connections"),
    }


def _persistence(health: Health) -> dict[str, Any]:
    saved = health.number("rdb_last_save_time")
    aof = health.number("aof_enabled")
    return {
        "rdbLastSave": time_text(datetime.fromtimestamp(saved, UTC)) if saved and saved < 1 << 36 else None,
        "rdbLastSaveStatus": health.text("rdb_last_bgsave_status"),
        "rdbChangesSinceLastSave": health.number("rdb_changes_since_last_save"),
        "aofEnabled": None if aof is None else bool(aof),
        "aofLastWriteStatus": health.text("aof_last_write_status"),
        "aofLastRewriteStatus": health.text("aof_last_bgrewrite_status"),
    }


def _queues(health: Health) -> Mapping[str, Any] | None:
    if health.poll.queues_failure is not None:
        return {"error": health.poll.queues_failure}
    return health.poll.queues


def _recorded(record: Record) -> dict[str, Any]:
    drift, disk = record.drift, record.disk
    return {
        "drift": drift
        and {
            "at": time_text(drift.at),
            "by": drift.by,
            "differences": drift.differences,
            "failure": drift.failure,
        },
        "lastBackup": record.backup and time_text(record.backup),
        "dataDisk": disk
        and disk.at
        and {"at": time_text(disk.at), "free": disk.free, "size": disk.size, "readOnly": disk.read_only},
    }
