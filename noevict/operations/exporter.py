"""The exporter beside Redis: it is configured before it is installed, so that its first start uses that."""

import functools
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation

from noevict.companions.exporter.discovery import write_for_prometheus
from noevict.companions.exporter.look import Exporter
from noevict.companions.exporter.scrape import verify
from noevict.companions.exporter.wanted import BINARY, CERTIFICATE, ETC, KEY, PACKAGE, UNIT
from noevict.errors import NoevictError
from noevict.inventory.reader import read_fleet
from noevict.machine.files import is_due
from noevict.operations.check import failing
from noevict.operations.files import file_script
from noevict.operations.lock import changed_fields, different, take_lock
from noevict.operations.packages import APT_SECONDS
from noevict.operations.passwords import finish_passwords
from noevict.pki import authority
from noevict.plan.change import How, Part
from noevict.run.host_operation import host_operation
from noevict.scripts import apt, script
from noevict.ssh.shell import SYNC_SECONDS


@host_operation
def lock_exporter(exporter: Exporter) -> None:
    """Take the host's lock, and check that nothing changed since the look."""
    run = exporter.run
    take_lock(run)
    redis, before = run.found, exporter.found
    run.look_again()
    exporter.gather_facts()
    changed = (*changed_fields(redis, run.found), *different(before, exporter.found))
    if changed:
        raise NoevictError(f"changed since it was looked at ({', '.join(changed)}): run again")


@host_operation
def configure_exporter(exporter: Exporter) -> None:
    """Write the exporter's files and its certificate with a new key, and set owners and modes."""
    run, target, made = exporter.run, exporter.plan.target, ""
    due = exporter.plan.due(How.FILE)
    files = [file for file in target.files if is_due(file, due)]
    if exporter.plan.due(How.CERTIFICATE) or any(
        change.path == KEY for change in due if change.part is Part.FILE
    ):
        lines = run.machine.shell(script("exporter_request", etc=ETC), what="openssl")
        request = "\n".join(lines[lines.index("-----BEGIN CERTIFICATE REQUEST-----") :]) + "\n"
        pem = authority.sign_client_request(run.context.secrets.ca, request, "exporter", run.context.now)
        made = script("exporter_key", etc=ETC)
        files.append(replace(target.file(CERTIFICATE), content=pem))
    access = (
        f"{file.owner} {file.group} {file.mode} {file.path}"
        for file in target.files
        if not file.placed and any(change.path == file.path for change in due if change.part is Part.ACCESS)
    )
    run.machine.shell(
        file_script(ETC, files, reload=exporter.found.installed)
        + made
        + script("descriptors", user="root")
        + script("access", wanted="\n".join(access)),
        seconds=SYNC_SECONDS,
        what=f"placing files of {PACKAGE}",
    )


@host_operation
def install_exporter(exporter: Exporter) -> None:
    """Install the distribution's package if it is missing; never upgrade it."""
    # pid=1: apt may start it, since its first start uses our files.
    prepare = script("packages", package=PACKAGE, tools="", fetch="no", pid=1)
    install = script("install", package=PACKAGE, binary=BINARY)
    exporter.run.machine.shell(apt() + prepare + install, seconds=APT_SECONDS, what="apt")
    _service(exporter, "enable")
    _service(exporter, "start")


@host_operation
def start_exporter(exporter: Exporter) -> None:
    """Unmask and enable the unit, have systemd read its files, and start it."""
    _service(exporter, "enable")
    _service(exporter, "start")


@host_operation
def restart_exporter(exporter: Exporter) -> None:
    """Restart the exporter if what it reads at its start has changed. Redis' clients do not notice."""
    _service(exporter, "restart")


@operation()
def verify_exporter(exporter: Exporter) -> Generator[FunctionCommand, None, None]:
    """Verify the exporter and write what Prometheus reads. Every run ends with this; it counts as no change."""
    run = exporter.run
    if not run.machine.pyinfra.is_executing:
        return
    # An operation that failed has reported why.
    if not (run.machine.lane.finish() and run.machine.run_safely(partial(_verify, exporter))):
        yield failing()
    run.machine.release_lock()
    run.close_client()


def _verify(exporter: Exporter) -> None:
    run = exporter.run
    run.machine.log(verify(exporter, finish_passwords))
    if unwritten := run.context.record(run.name, None, {"exporter_ends": run.found.exporter_ends}):
        run.machine.warn(f"for monitoring: {unwritten}")
    write_for_prometheus(run, exporter.plan.target, _groups(run.context.root))
    for notice in exporter.plan.notices:
        run.machine.warn(notice)


@functools.cache
def _groups(root: Path) -> dict[str, tuple[str, ...]]:
    """Return host -> its groups, for every host of hosts.yml. The file is read once a run."""
    return {name: host.groups for name, host in read_fleet(root).hosts.items()}


def _service(exporter: Exporter, verb: str) -> None:
    run, old = exporter.run, exporter.found.pid if verb == "restart" else 0
    done = script("main_pid", unit=UNIT, user="", pidfile="") + script(
        "service",
        package=PACKAGE,
        unit=UNIT,
        user="",
        data="/",
        binary="",
        conf="",
        pidfile="",
        verb=verb,
        again="no",
        old=old,
    )
    run.machine.shell(done, what=f"systemctl {verb} {UNIT}")
