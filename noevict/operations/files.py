"""Files: tests the configuration if a server is installed, then writes each file whole."""

from collections.abc import Iterable

from noevict.engines.package_layout import Layout
from noevict.machine.files import WantedFile
from noevict.machine.sysctl import KERNEL
from noevict.operations.service import protect_configuration
from noevict.plan.change import Change, Part
from noevict.platforms.systemd import steps
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import packed, script, throwaway_server
from noevict.ssh.shell import SYNC_SECONDS

LOGS_MODE = "2750"


@host_operation
def test_configuration(run: InstanceRun) -> None:
    """Start a throwaway server with the new configuration, before anything uses it."""
    layout, target = run.layout, run.plan.target
    run.machine.shell(
        throwaway_server(layout)
        + script(
            "test_config", conf=packed(target.text(layout.conf)), acl=packed(target.text(layout.aclfile))
        ),
        what=f"{layout.package} would not start with this configuration, and nothing was changed: its trial start",
    )


@host_operation
def fix_permissions(run: InstanceRun) -> None:
    """Set owners and modes of directories, certificates and data: the next operations have to read them."""
    layout, due = run.layout, {change.path for change in steps.access_due(run.plan)}
    lines = (
        f"{file.owner} {file.group} {file.mode} {file.path}"
        for file in run.plan.target.files
        if file.path in due
    )
    user, made = layout.user, script("user", user=layout.user, data=layout.data)
    owned = (layout.rdb, layout.append_only, layout.single_aof)
    data = (f"{user} {user} - {path}" for path in owned if path in due)
    logs = (
        f"{user} adm {mode} {path}"
        for path, mode in ((layout.logs, LOGS_MODE), (layout.logfile, "640"))
        if path in due
    )
    run.machine.shell(
        made + script("descriptors", user=user) + script("access", wanted="\n".join((*lines, *data, *logs))),
        seconds=SYNC_SECONDS,
        what="setting owners and modes",
    )


@host_operation
def write_files(run: InstanceRun) -> None:
    """Write all files that are due, and set kernel values."""
    layout, target = run.layout, run.plan.target
    lines = run.machine.shell(
        script("user", user=layout.user, data=layout.data)
        + script("descriptors", user=layout.user)
        + script(
            "place",
            etc=layout.etc,
            conf=layout.conf,
            acl=layout.aclfile,
            package=layout.package,
            previous=layout.previous,
            keep=steps.keeps_configuration(run.plan, run.found),
        ),
        seconds=SYNC_SECONDS,
        what="placing files",
    )
    protect_configuration(run)  # not before: what an earlier run kept may be older than the present file
    due = [file for file in (*target.files, _logs(layout)) if is_due(file, run.plan.changes)]
    run.machine.shell(
        file_script(layout.etc, due, reload=not steps.installs_server(run.plan)),
        seconds=SYNC_SECONDS,
        what="placing files",
    )
    if "asks" in lines:
        run.machine.warn(
            f"the next upgrade of {layout.package} may ask about {layout.conf}: any answer is fine; without a terminal "
            "it needs apt's --force-confold"
        )
    if any(change.part is Part.KERNEL for change in run.plan.changes):
        run.machine.shell(script("kernel", **KERNEL), what="setting kernel values")


def _logs(layout: Layout) -> WantedFile:
    """Return the directory of logs as the package makes it."""
    return WantedFile(layout.logs, layout.user, "adm", LOGS_MODE, directory=True)


def file_script(etc: str, files: Iterable[WantedFile], *, reload: bool) -> str:
    """Return the script that writes the files.

    ``etc``: a directory of theirs, which is synced afterwards. ``reload``: whether systemd knows the unit already.
    """
    wanted = "\n".join(map(_line, files))
    return script("files", etc=etc, wanted=wanted, reload="yes" if reload else "no")


def is_due(file: WantedFile, due: Iterable[Change]) -> bool:
    """Return whether a change is due to a file that is written whole, or to a directory that is missing."""
    about = [change for change in due if change.path == file.path]
    return (
        any(change.part is Part.FILE for change in about) if file.directory else file.placed and bool(about)
    )


def _line(file: WantedFile) -> str:
    kind = "d" if file.directory else "f"
    return f"{kind} {file.owner} {file.group} {file.mode} {file.path} {packed(file.content or '')}"
