"""A control group for each host.

systemd-nspawn --keep-unit makes ``payload`` below the group it is started in. Started from one group, all hosts
get the same one, and each host's systemd then tidies away the groups of the others' services: under load one
service in some thousands fails with "Failed to attach to cgroup".
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.lab.machine import wait_until


def hierarchies() -> list[Path]:
    """Where those that systemd keeps its services in are mounted: v2, and v1's ``name=systemd``."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, (kind, _, options) = (part.split() for part in line.partition(" - "))
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(fields[4]))
    return found


def create(name: str) -> list[Path]:
    """The groups of that name, new if there are none."""
    groups = [hierarchy / name for hierarchy in hierarchies()]
    for group in groups:
        group.mkdir(exist_ok=True)
    return groups


def remove(pattern: str) -> None:
    """The groups of names that match, once the processes in them are gone. None is no error."""
    groups = [group for hierarchy in hierarchies() for group in hierarchy.glob(pattern)]
    for group in groups:
        wait_until(partial(removed, group), f"{group}: still has processes")


def removed(group: Path) -> bool:
    """Tries; whether it is gone. The kernel removes only a group without processes and without groups in it."""
    with suppress(OSError):
        for path in sorted(group.rglob("*/"), reverse=True):
            path.rmdir()
        group.rmdir()
    return not group.exists()
