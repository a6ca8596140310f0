"""Base images: one directory tree a Debian release, built once a machine, never written to afterwards.

A host boots from an overlay over it. It is what a fresh server of a provider looks like: systemd, sshd, python3,
a user with sudo, apt with no lists yet. One thing differs: apt's only source is a directory in the image, so that
hosts need no route out.
"""

import hashlib
import inspect
import shutil
import tempfile
from pathlib import Path

from tests.lab.machine import CACHE, ensure_packages, locked, mounts_below, need_root, run

IMAGES = CACHE / "images"

INCLUDE = "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,sudo,procps,ca-certificates,openssl"
REDIS = (
    *("redis-server", "redis-tools", "redis-sentinel", "prometheus-redis-exporter"),
    *("unattended-upgrades", "needrestart"),
    *("zsh", "fish", "locales"),  # for hosts of an admin's own taste
)
VALKEY = ("valkey-server", "valkey-tools", "valkey-sentinel")
SUITES: dict[str, tuple[str, ...]] = {"bookworm": REDIS, "trixie": (*REDIS, *VALKEY)}
"""Release → the packages its hosts can install, besides what these depend on."""

# Runs on this machine when mmdebstrap has made the tree, with the tree as $1.
# MMDEBSTRAP_APT_CONFIG makes the machine's apt work on the tree, over the way out that the machine has.
CUSTOMIZE = r"""#!/bin/sh
set -eu
root=$1
apt() { APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qy -oAPT::Sandbox::User=root "$@"; }

# what hosts install: a directory as apt's one source. What is installed too: for a host that lost a package, and for
# one of an older release that upgrades to this one
mkdir -p "$root/opt/debs"
rm -f "$root"/var/cache/apt/archives/*.deb
apt --download-only install @DEBS@
mv "$root"/var/cache/apt/archives/*.deb "$root/opt/debs/"
installed=$(chroot "$root" dpkg-query -W -f '${Package} ')
(cd "$root/opt/debs" && apt download $installed && apt-ftparchive packages . > Packages)
rm -f "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap
echo 'deb [trusted=yes] file:/opt/debs ./' > "$root/etc/apt/sources.list"

# people
chroot "$root" useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL:ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/admin"
chmod 0440 "$root/etc/sudoers.d/admin"
install -d -m 0700 "$root/root/.ssh"
chroot "$root" install -d -m 0700 -o admin -g admin /home/admin/.ssh
rm -f "$root"/etc/ssh/ssh_host_*

# a quick boot: no consoles, no timers that install or clean, nothing that waits for a first boot
chroot "$root" systemctl -q enable systemd-networkd.service
chroot "$root" systemctl -q mask console-getty.service getty@.service getty.target container-getty@.service \
  systemd-firstboot.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer systemd-tmpfiles-clean.timer

# the memory a test gives to a host (Host.set_memory): nspawn cannot mount over /proc/meminfo, the host can
cat > "$root/etc/systemd/system/lab-memory.service" <<UNIT
[Unit]
Description=The RAM this host is said to have
DefaultDependencies=no
Before=sysinit.target
ConditionPathExists=/etc/lab-meminfo

[Service]
Type=oneshot
ExecStart=/bin/mount --bind /etc/lab-meminfo /proc/meminfo

[Install]
WantedBy=sysinit.target
UNIT
chroot "$root" systemctl -q enable lab-memory.service
touch "$root/etc/.updated" "$root/var/.updated"
"""


def recipe(suite: str) -> str:
    """Twelve hex digits that change when anything that makes the image does."""
    text = "\0".join((INCLUDE, " ".join(SUITES[suite]), CUSTOMIZE, inspect.getsource(build)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def image(suite: str) -> Path:
    """The image's directory, built now when there is none of this recipe (about a minute)."""
    path = IMAGES / f"{suite}-{recipe(suite)}"
    if not path.is_dir():
        need_root()
        ensure_packages()
        with locked(IMAGES / f".{suite}.lock"):
            if not path.is_dir():
                remove_old(suite)
                build(suite, path)
    return path


def build(suite: str, path: Path) -> None:
    """Into a directory beside it, then renamed: a builder that dies leaves no half image under the name."""
    work = Path(tempfile.mkdtemp(prefix=f".{suite}-", dir=IMAGES))
    hook, tree = work / "customize", work / "tree"
    hook.write_text(CUSTOMIZE.replace("@DEBS@", " ".join(SUITES[suite])))
    hook.chmod(0o755)
    try:
        run(
            # a mount namespace of its own: what mmdebstrap mounts in the tree ends with it, even when killed
            *("unshare", "--mount", "--propagation=private", "mmdebstrap", "--quiet", "--mode=root"),
            *("--variant=minbase", f"--include={INCLUDE}", f"--customize-hook={hook}"),
            *("--aptopt=Acquire::Check-Valid-Until false", suite, tree),
            timeout=1200,
        )
        tree.rename(path)
    finally:
        shutil.rmtree(work)


def remove_old(suite: str) -> None:
    """Half images and those of other recipes; not one that hosts are booted from."""
    used = Path("/proc/self/mountinfo").read_text()
    for path in (*IMAGES.glob(f".{suite}-*"), *IMAGES.glob(f"{suite}-*")):
        if f"lowerdir={path}," not in used and not mounts_below(path):
            shutil.rmtree(path)
