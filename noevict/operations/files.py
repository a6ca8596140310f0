"""Files: tests the configuration if a server is installed, then writes each file whole."""

from collections.abc import Iterable

from noevict.machine.files import WantedFile
from noevict.machine.sysctl import KERNEL
from noevict.operations.service import protect_configuration
from noevict.platforms.systemd import steps
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import packed, script, throwaway_server
from noevict.ssh.shell import SYNC_SECONDS


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
    layout = run.layout
    run.machine.shell(
        script("user", user=layout.user, data=layout.data)
        + script("descriptors", user=layout.user)
        + script("access", wanted="\n".join(steps.owners_and_modes(run.plan))),
        seconds=SYNC_SECONDS,
        what="setting owners and modes",
    )


@host_operation
def write_files(run: InstanceRun) -> None:
    """Write all files that are due, and set kernel values."""
    layout = run.layout
    lines = run.machine.shell(
        script("user", user=layout.user, data=layout.data)
        + script("descriptors", user=layout.user)
        + script(
            "place",
            etc=layout.etc,
            conf=layout.conf,
            acl=steps.kept_users(run.plan, run.found),
            package=layout.package,
            previous=layout.previous,
            keep=steps.keeps_configuration(run.plan, run.found),
        ),
        seconds=SYNC_SECONDS,
        what="placing files",
    )
    protect_configuration(run)  # not before: what an earlier run kept may be older than the present file
    run.machine.shell(
        file_script(layout.etc, steps.files_to_write(run.plan), reload=not steps.installs_server(run.plan)),
        seconds=SYNC_SECONDS,
        what="placing files",
    )
    if "asks" in lines:
        run.machine.warn(
            f"the next upgrade of {layout.package} may ask about {layout.conf}: any answer is fine; without a terminal "
            "it needs apt's --force-confold"
        )
    if steps.sets_kernel(run.plan):
        run.machine.shell(script("kernel", **KERNEL), what="setting kernel values")


def file_script(etc: str, files: Iterable[WantedFile], *, reload: bool) -> str:
    """Return the script that writes the files.

    ``etc``: a directory of theirs, which is synced afterwards. ``reload``: whether systemd knows the unit already.
    """
    wanted = "\n".join(map(_line, files))
    return script("files", etc=etc, wanted=wanted, reload="yes" if reload else "no")


def _line(file: WantedFile) -> str:
    kind = "d" if file.directory else "f"
    return f"{kind} {file.owner} {file.group} {file.mode} {file.path} {packed(file.content or '')}"
