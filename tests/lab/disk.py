"""A host's disk: an overlay over its release's image, and the files that make it a host of its own."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.images import image
from tests.lab.machine import LabError, run

MEMINFO = "/etc/lab-meminfo"  # lab-memory.service of the image mounts it over /proc/meminfo

# What a host without systemd runs: its address, its memory, sshd. systemd-nspawn's own stub is PID 1.
WITHOUT_SYSTEMD = "/etc/lab-start"
START = """set -eu
ip link set host0 up
{addresses}
[ ! -e {meminfo} ] || mount --bind {meminfo} /proc/meminfo
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -E /var/log/sshd
"""

NETWORK = """[Match]
Name=host0

[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
{addresses}
"""


@dataclass(frozen=True)
class Spec:
    """What a host shall be. ``sshd``: lines of sshd_config; ``files``: path → text, there before the boot;
    ``memory``: the MiB its /proc/meminfo shows; ``addresses``: more of them, with prefix; ``binds``: directories
    of this machine that it sees, read-only; ``systemd``: False is a host on which nothing but sshd runs; ``disk``: the
    MiB that may be written to it; ``mounts``: path → a directory of this machine that is written to there."""

    suite: str
    name: str = ""
    sshd: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    addresses: Sequence[str] = ()
    binds: Sequence[Path] = ()
    systemd: bool = True
    disk: int | None = None
    mounts: Mapping[str, Path] = field(default_factory=dict)


def mount(directory: Path, suite: str, size: int | None = None) -> Path:
    """Mounts a new disk of that release in the directory; what is written, ``size`` MiB at most, stays in there."""
    if size is not None:
        directory.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "-o", f"mode=0755,size={size}m", f"noevict-{directory.name}", directory)
    upper, work, root = (directory / name for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        path.mkdir(parents=True)
        path.chmod(0o755)  # upper's mode is the mode of the host's /
    options = f"lowerdir={image(suite)},upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "-o", options, f"noevict-{directory.name}", root)
    return root


def inside(root: Path, path: str) -> Path:
    """Where a host's file lies seen from this machine. Raises LabError when a link leads out of the disk."""
    target = root / path.lstrip("/")
    if not target.resolve().is_relative_to(root):
        raise LabError(f"{path} leads out of the host's disk: write it when the host runs")
    return target


def write(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """A file of root's, before the host runs."""
    target = inside(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(mode)


def prepare(root: Path, spec: Spec, name: str, address: str, key: str) -> str:
    """Name, addresses (with prefix), who may come in, and sshd's settings. Returns the host's public key."""
    write(root, "/etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
    write(root, "/etc/hostname", f"{name}\n")
    write(root, "/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n")
    addresses = (address, *spec.addresses)
    lines = "\n".join(f"Address={address}" for address in addresses)
    write(root, "/etc/systemd/network/10-host0.network", NETWORK.format(addresses=lines))
    commands = "\n".join(f"ip address add {address} dev host0" for address in addresses)
    write(root, WITHOUT_SYSTEMD, START.format(addresses=commands, meminfo=MEMINFO))
    write(root, "/etc/ssh/sshd_config.d/lab.conf", "".join(f"{line}\n" for line in spec.sshd))
    write(root, "/root/.ssh/authorized_keys", key)
    write(root, "/home/admin/.ssh/authorized_keys", key)
    host_key = inside(root, "/etc/ssh/ssh_host_ed25519_key")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", host_key)
    for path, text in spec.files.items():
        write(root, path, text)
    if spec.memory is not None:
        write(root, MEMINFO, meminfo(spec.memory))
    return host_key.with_suffix(".pub").read_text()


def meminfo(mib: int) -> str:
    """This machine's /proc/meminfo, with that many MiB as the total and nine tenths of them available."""
    reported = {"MemTotal": mib * 1024, "MemFree": mib * 1024 * 9 // 10, "MemAvailable": mib * 1024 * 9 // 10}
    lines = []
    for line in Path("/proc/meminfo").read_text().splitlines():
        name = line.partition(":")[0]
        lines.append(f"{name + ':':<16}{reported[name]:>8} kB" if name in reported else line)
    return "\n".join(lines) + "\n"
