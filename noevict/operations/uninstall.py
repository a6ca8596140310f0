"""Stops managing a host, and leaves its Redis running as it is."""

from noevict.companions.exporter.wanted import DROPIN, ETC, PACKAGE
from noevict.engines.package_layout import STATE_DIRECTORY
from noevict.machine.sysctl import SYSCTL
from noevict.operations.lock import take_lock
from noevict.run.host_operation import last_host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import script


@last_host_operation
def stop_managing(run: InstanceRun) -> None:
    """Remove only what is noevict's; server, configuration and data stay, and are reported."""
    take_lock(run)
    for each in filter(None, (run.predecessor, run)):
        left = release_server(each)
        run.machine.log(
            f"is no longer managed; {each.layout.title} continues as it is, with {', '.join(left)}"
        )
    run.machine.shell(f"rm -rf {SYSCTL} {STATE_DIRECTORY}", what="removing what is noevict's")
    if "there" in run.machine.shell(f"[[ ! -e {DROPIN} ]] || echo there", what="looking for its exporter"):
        run.machine.log(
            f"{PACKAGE} continues too, with {DROPIN}, {ETC}: apt purge {PACKAGE}, and rm -r of both, remove it"
        )


def release_server(run: InstanceRun) -> list[str]:
    """Stop managing this engine's server on the host. Return the paths of what stays."""
    layout = run.layout
    return run.machine.shell(
        script("descriptors", user=layout.user)
        + script(
            "uninstall",
            etc=layout.etc,
            conf=layout.conf,
            dropin=layout.dropin,
            tls=layout.tls,
            data=layout.data,
        ),
        what=f"releasing {layout.title}",
    )
