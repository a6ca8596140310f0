"""``noevict drift``: looks at every host as ``pyinfra --dry`` does, with the same plan. Nothing is changed."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent.pool
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from noevict.client.failures import sentence
from noevict.drift.report import Report
from noevict.drift.side_by_side import findings
from noevict.fleet import records
from noevict.inventory.hosts_file import LOCAL
from noevict.inventory.reader import Inventory as Hosts
from noevict.inventory.ssh_options import reworded, shorten_log
from noevict.pki.host_names import Owners, given_names
from noevict.run.context import RunContext
from noevict.run.instance import InstanceRun
from noevict.run.kept import seen, writes_refused
from noevict.run.machine import MachineRun
from noevict.ssh.transport import prepare_known_hosts, transport_factory, within

AT_ONCE = 500
CONNECT_SECONDS = 300  # including bastions and retries; a single connection has a shorter limit


def look_for_drift(root: Path, hosts: Hosts, only: Sequence[str] = ()) -> list[Report]:
    """Return a Report for each host, in the order of hosts.yml. A host that fails has a Report too, and raises nothing.

    Raise NoevictError for mistakes in the settings or the secrets.
    """
    return [_report(run, seconds) for run, seconds in look_at_hosts(root, hosts, only)]


def look_at_hosts(root: Path, hosts: Hosts, only: Sequence[str] = ()) -> list[tuple[InstanceRun, float]]:
    """Look at hosts, and return each host's run and the seconds that it took. Raise as ``look_for_drift``."""
    names = [name for name in hosts.hosts if not only or name in only]
    data = {name: hosts.data(name) for name in names}
    owners = Owners({name: given_names(name, hosts.data(name)) for name in hosts.hosts})
    context = RunContext(root, {name: _settings(data[name]) for name in names}, owners)
    prepare_known_hosts()
    shorten_log()
    state = State(check_for_changes=False)
    state.cwd = str(root)
    hosts_data = [(name, _connection(name, data[name])) for name in names]
    state.init(Inventory((hosts_data, {})), Config())  # type: ignore[no-untyped-call]
    pool = gevent.pool.Pool(AT_ONCE)
    return list(
        pool.imap(lambda host: _look(state, host, context), [state.inventory.get_host(n) for n in names])
    )


def record(root: Path, reports: Sequence[Report], now: datetime) -> None:
    """Record what was found, for monitoring. Raise NoevictError if that cannot be written."""
    looks = {}
    for report in reports:
        differences = None if report.failure else len(report.changes) + len(report.faults)
        failure = report.failure[0] if report.failure else None
        looks[report.host] = records.Drift(now, "drift", differences, failure)
    records.write_drift(records.place(root), looks, {report.host: report.seen for report in reports})


def _settings(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name.startswith("redis_")}


def _connection(name: str, data: dict[str, Any]) -> dict[str, Any]:
    if name == LOCAL:
        return data
    options = data.get("ssh_paramiko_connect_kwargs", {})
    return {**data, "ssh_paramiko_connect_kwargs": {"transport_factory": transport_factory, **options}}


def _look(state: State, host: Host, context: RunContext) -> tuple[InstanceRun, float]:
    """Look at a host, and return its run and the seconds that it took."""
    began = time.monotonic()
    run = InstanceRun(MachineRun(state, host, context))
    try:
        with within(CONNECT_SECONDS):
            host.connect(raise_exceptions=True, show_errors=False)
    except Exception as error:  # an error on the way to one host must not fail the others
        run.failure = (reworded(sentence(error)),)
    else:
        run.look().close_client()
    return run, time.monotonic() - began


def _report(run: InstanceRun, seconds: float) -> Report:
    """Return a host's report. Call it once all hosts were looked at."""
    failure = run.machine.duplicate_of or (() if run.looked else run.failure)
    if failure:
        return Report(run.name, failure, seconds=seconds)
    plan, server = run.plan, run.found.live.server or run.found.release(run.layout)
    return Report(
        run.name,
        plan.refusals,
        plan.changes,
        plan.faults,
        plan.notices,
        findings(plan, run.found),
        plan.blocked,
        str(server or ""),
        seconds,
        writes_refused(run),
        seen(run),
    )
