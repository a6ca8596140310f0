"""``noevict drift``: every host looked at as ``pyinfra --dry`` does, from the same plan; nothing is changed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gevent.pool
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from noevict.changes import Change
from noevict.client import sentence
from noevict.fleet import Fleet
from noevict.hosts_file import LOCAL
from noevict.inventory import Fleet as Hosts
from noevict.run import HostRun
from noevict.transport import prepare_known_hosts, transport_factory, within
from noevict.wording import one_line

AT_ONCE = 500
CONNECT_SECONDS = 300  # bastions and retries included; each connection has less of its own


@dataclass(frozen=True)
class Report:
    """What ``noevict drift`` tells of a host. ``failure``: why it could not be looked at, or is left alone."""

    host: str
    failure: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    faults: tuple[str, ...] = ()
    notices: tuple[str, ...] = field(default=())

    @property
    def drifted(self) -> bool:
        return bool(self.changes or self.faults)


def look_for_drift(root: Path, hosts: Hosts, only: Sequence[str] = ()) -> list[Report]:
    """A Report for each host, in the order of hosts.yml. A host that fails is a Report of its own, no error.

    Raises NoevictError for mistakes in the settings or the secrets.
    """
    names = [name for name in hosts.hosts if not only or name in only]
    data = {name: hosts.data(name) for name in names}
    fleet = Fleet(root, {name: _settings(data[name]) for name in names})
    prepare_known_hosts()
    state = State(check_for_changes=False)
    state.cwd = str(root)
    hosts_data = [(name, _connection(name, data[name])) for name in names]
    state.init(Inventory((hosts_data, {})), Config())  # type: ignore[no-untyped-call]
    pool = gevent.pool.Pool(AT_ONCE)
    runs = list(
        pool.imap(lambda host: _look(state, host, fleet), [state.inventory.get_host(n) for n in names])
    )
    return [_report(run) for run in runs]


def _settings(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name.startswith("redis_")}


def _connection(name: str, data: dict[str, Any]) -> dict[str, Any]:
    if name == LOCAL:
        return data
    options = data.get("ssh_paramiko_connect_kwargs", {})
    return {**data, "ssh_paramiko_connect_kwargs": {"transport_factory": transport_factory, **options}}


def _look(state: State, host: Host, fleet: Fleet) -> HostRun:
    run = HostRun(state, host, fleet)
    try:
        with within(CONNECT_SECONDS):
            host.connect(raise_exceptions=True, show_errors=False)
    except Exception as error:  # whatever is wrong with the way to a host is that host's failure alone
        run.failure = (sentence(error),)
        return run
    with fleet.looks:
        run.look().close_client()
    return run


def _report(run: HostRun) -> Report:
    """Once all are looked at."""
    failure = run.twin or (() if run.looked else run.failure)
    if failure:
        return Report(run.name, failure)
    plan = run.plan
    return Report(run.name, plan.refusals, plan.changes, plan.faults, plan.notices)


def as_data(reports: Sequence[Report]) -> dict[str, Any]:
    """For ``--json``: {"drift": bool, "failed": bool, "hosts": {name: {...}}}."""
    return {
        "drift": any(report.drifted for report in reports),
        "failed": any(report.failure for report in reports),
        "hosts": {
            report.host: {
                "failure": list(report.failure),
                "drift": [asdict(change) for change in report.changes],
                "faults": list(report.faults),
                "notices": list(report.notices),
            }
            for report in reports
        },
    }


def as_table(reports: Sequence[Report]) -> list[str]:
    """A line for each thing that is not as wanted, in columns, and a count. Failures are for stderr."""
    rows: list[tuple[str, ...]] = [("HOST", "WHAT", "IS", "SHOULD BE", "HOW")]
    for report in reports:
        rows += [(report.host, c.what, c.found, c.wanted, str(c.how)) for c in report.changes]
        rows += [(report.host, fault, "", "", "by hand") for fault in report.faults]
    rows = [tuple(map(one_line, row)) for row in rows]
    fine = sum(not report.drifted and not report.failure for report in reports)
    failed = sum(bool(report.failure) for report in reports)
    end = f"{fine} of {len(reports)} hosts as wanted" + (f", {failed} failed" if failed else "")
    if len(rows) == 1:
        return [end]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return [*lines, "", end]
