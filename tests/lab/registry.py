"""The labs on this machine: each has a number, and of it a bridge, a subnet and a directory.

A lab's directory is a tmpfs, so that its end is one unmount, and a restart of the machine leaves an empty
directory. A lab belongs to a process and is cleared away when a later lab finds that process gone; one that is
kept (``make lab``) belongs to a directory of a checkout instead and stays until it is taken down.
"""

import ipaddress
import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.lab import cgroups
from tests.lab.machine import LabError, children, end, locked, mounts_below, run, started

STATE = Path("/run/noevict-lab")


@dataclass(frozen=True)
class Claim:
    """One lab's number and what follows from it."""

    number: int

    @property
    def directory(self) -> Path:
        return STATE / str(self.number)

    @property
    def bridge(self) -> str:
        return f"br-noevict{self.number}"  # a name that noevict takes for a bridge of containers

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network((f"10.231.{self.number}.0", 24))

    @property
    def key(self) -> Path:
        """The private key that root and admin of every host accept."""
        return self.directory / "id_ed25519"

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text()

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @cached_property
    def record(self) -> dict[str, str | int | None]:
        """``owner`` (a process id), ``started`` (when that process was), ``kept`` (a directory or null).

        Empty for a lab that was never finished or that a restart of the machine took away.
        """
        try:
            found: dict[str, str | int | None] = json.loads((self.directory / "lab.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    @property
    def alive(self) -> bool:
        """Whether somebody still wants it."""
        if kept := self.record.get("kept"):
            return Path(str(kept)).is_dir()
        owner = self.record.get("owner")
        return isinstance(owner, int) and started(owner) == self.record["started"]


def claims() -> list[Claim]:
    """Every lab there is, dead ones included."""
    return [Claim(int(path.name)) for path in sorted(STATE.glob("[0-9]*"))]


def claim(kept: Path | None = None) -> Claim:
    """A new lab's number, with its bridge and directory; dead labs are cleared away first."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with locked(STATE / "lock"):
        for other in claims():
            if not other.alive:
                release(other)
        mine = free_number()
        mine.directory.mkdir()
        record = {"owner": os.getpid(), "started": started(os.getpid()), "kept": str(kept) if kept else None}
        # hosts' disks are in here: what a test writes costs memory, not the machine's disk
        run("mount", "-t", "tmpfs", "-o", "mode=0700,size=80%", mine.bridge, mine.directory)
        (mine.directory / "lab.json").write_text(json.dumps(record))
        run("ip", "link", "add", mine.bridge, "type", "bridge")
        run("ip", "address", "add", f"{mine.network[1]}/24", "dev", mine.bridge)
        run("ip", "link", "set", mine.bridge, "up")
    return mine


def free_number() -> Claim:
    """One whose subnet nothing on this machine has an address or a route in."""
    routes = json.loads(run("ip", "-4", "-json", "route", "show", "table", "all"))
    texts = [route["dst"] for route in routes if route["dst"] != "default"]
    taken = [ipaddress.IPv4Network(text) for text in texts if text[0].isdigit()]
    for mine in map(Claim, range(256)):
        if not mine.directory.exists() and not any(mine.network.overlaps(other) for other in taken):
            return mine
    raise LabError("all of 10.231.0.0/16 is in use: no subnet for a lab")


def release(claim: Claim) -> None:
    """Ends its hosts, unmounts their disks, removes its bridge. What is already gone is no error."""
    nspawns = host_pids(claim.directory).values()
    for nspawn in nspawns:
        cut_power(nspawn)
    for nspawn in nspawns:
        kill(nspawn)
    cgroups.remove(f"{claim.bridge}-*")
    for point in mounts_below(claim.directory):
        run("umount", "--lazy", point)
    with suppress(LabError):
        run("ip", "link", "delete", claim.bridge)
    with suppress(FileNotFoundError):
        claim.directory.rmdir()  # the mount point: empty, or it was not unmounted


def host_pids(below: Path) -> dict[Path, int]:
    """Each running host's disk, below that directory, and the id of the systemd-nspawn that runs it."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"systemd-nspawn"):
                disk = Path(words[words.index(b"-D") + 1].decode())
                if disk.is_relative_to(below):
                    found[disk] = int(process.name)
    return found


def cut_power(nspawn: int) -> None:
    """Ends a host's PID 1, and with it all its processes."""
    for leader in children(nspawn):
        with suppress(ProcessLookupError):
            os.kill(leader, signal.SIGKILL)


def kill(nspawn: int) -> None:
    """As a power cut ends a host. systemd-nspawn then removes the host's interface and ends by itself."""
    cut_power(nspawn)
    if not end(nspawn, signal.SIGTERM, 30) and not end(nspawn, signal.SIGKILL, 30):
        raise LabError(f"process {nspawn} of a lab's host does not end")
