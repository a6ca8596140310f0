"""What somebody sets on purpose over noevict's: it is reported and kept, and fails the host until it is removed."""

from dataclasses import dataclass

from tests.hosts.drifts import DROPIN, SYSCTL

DIRECTORY = "/etc/systemd/system/UNIT.d"
ZZ = f"{DIRECTORY}/zz.conf"
RUN = "/run/systemd/system/UNIT.d/zz.conf"
LATER = "/etc/sysctl.d/99-mine.conf"
RELOAD = "systemctl daemon-reload"


@dataclass(frozen=True)
class Override:
    """``manual_changes``, ``undo``: as ``apply_changes`` takes it. ``reported``: words of the line about it.

    ``only_repair``: nothing else is repaired beside it, for a change would end half way.
    ``at_once``: a first look knows.
    """

    id: str
    manual_changes: tuple[str, ...]
    reported: str
    undo: tuple[str, ...]
    only_repair: bool = False
    at_once: bool = True


def moved(path: str) -> Override:
    """A directory that is a link to elsewhere."""
    return Override(
        f"a link for {path}",
        (f"mv {path} /srv/mine", f"ln -s /srv/mine {path}"),
        f"{path}: should be a directory, is a symbolic link: move it away, then run again",
        (f"rm {path}", f"mv /srv/mine {path}"),
    )


def immutable(path: str, change: str = "") -> Override:
    """chattr +i, of what somebody changed first."""
    return Override(
        f"{path} immutable" + (", changed" if change else ""),
        (*filter(None, [change]), f"immutable: {path}"),
        f"{path}: cannot be changed, not even by root: take its immutable bit off (chattr -i)",
        (f"mutable: {path}",),
        only_repair=True,
    )


OVERRIDES = (
    Override(
        "a drop-in over ours",
        (f"printf '[Service]\\nLimitNOFILE=1000\\n' >{ZZ}", RELOAD),
        f"UNIT: LimitNOFILE should be 65535, is 1000: overridden by {ZZ}; remove that",
        (f"rm {ZZ}", RELOAD),
    ),
    Override(
        "another start",
        (
            f"printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/SERVER CONF --requirepass mine\\n' >{ZZ}",
            RELOAD,
        ),
        f"UNIT: ExecStart should be the package's, is overridden by {ZZ}; remove that",
        (f"rm {ZZ}", RELOAD),
    ),
    Override(
        "a drop-in over ours, not read yet",
        (f"printf '[Service]\\nRestartSec=100ms\\n' >{ZZ}",),
        f"UNIT: RestartUSec should be 3s, is 100ms: overridden by {ZZ}; remove that",
        (f"rm {ZZ}", RELOAD),
        at_once=False,
    ),
    Override(
        "a drop-in over ours until the next boot",
        (f"mkdir -p $(dirname {RUN})", f"printf '[Service]\\nTimeoutStartSec=9\\n' >{RUN}", RELOAD),
        f"UNIT: TimeoutStartUSec should be infinity, is 9s: overridden by {RUN}; remove that",
        (f"rm {RUN}", RELOAD),
    ),
    Override(
        "a directory for redis.conf",
        ("rm CONF", "mkdir CONF"),
        "CONF: should be a regular file, is a directory: move it away, then run again",
        ("rmdir CONF",),
    ),
    Override(
        "a directory for the drop-in",
        (f"rm {DROPIN}", f"mkdir {DROPIN}"),
        f"{DROPIN}: should be a regular file, is a directory: move it away, then run again",
        (f"rmdir {DROPIN}",),
    ),
    moved("ETC/tls"),
    moved(DIRECTORY),
    Override(
        "a kernel value over ours",
        (f"echo net.core.somaxconn=128 >{LATER}", f"sysctl -p {LATER}"),
        f"{SYSCTL}: net.core.somaxconn should be 4096, is 128 after a boot: overridden by {LATER}; remove that",
        (f"rm {LATER}",),
    ),
    Override(
        "a kernel value over ours, otherwise written",
        (f"printf '# mine\\n -vm/overcommit_memory =  2 \\n' >{LATER}",),
        f"{SYSCTL}: vm.overcommit_memory should be 1, is 2 after a boot: overridden by {LATER}; remove that",
        (f"rm {LATER}",),
    ),
    immutable("CONF", "echo '# mine' >>CONF"),
    immutable("ETC/users.acl", "echo >>ETC/users.acl"),
    immutable("ETC/tls/ca.crt"),
    immutable("ETC/tls/server.crt", "certificate: expired"),
    immutable("ETC/tls/server.key", "chmod 644 ETC/tls/server.key"),
    immutable(DROPIN, f"sed -i s/65535/1000/ {DROPIN}"),
    immutable(SYSCTL, f"echo >{SYSCTL}"),
    immutable("ETC"),
    immutable("DATA", "chown root DATA"),
)

# What somebody put there that is nobody's business but theirs.
AA = f"{DIRECTORY}/aa.conf"
REBUILT = """
  cd $(mktemp -d) && apt-get -q download SERVER ENGINE-tools && for deb in ./*.deb; do
    dpkg-deb -R "$deb" x && rm "$deb" || exit
    sed -i -E '/^Version: /s/$/+mine1/; /^Depends: /s/-tools \\(= ([^)]+)\\)/-tools (= \\1+mine1)/' x/DEBIAN/control
    dpkg-deb -b x "mine-${deb#./}" && rm -r x || exit
  done && dpkg --force-confold -i mine*.deb
"""
FINE = {
    "a drop-in that contradicts nothing": (f"printf '[Service]\\nNice=-1\\n' >{ZZ}", RELOAD),
    "a drop-in with a command before the start": (
        f"printf '[Service]\\nExecStartPre=/bin/true\\n' >{ZZ}",
        RELOAD,
    ),
    "a drop-in that ours overrides": (f"printf '[Service]\\nLimitNOFILE=1000\\n' >{AA}", RELOAD),
    "a copy of the unit": (
        "cp $(systemctl show UNIT -p FragmentPath --value) /etc/systemd/system/UNIT",
        RELOAD,
    ),
    "a package on hold": ("apt-mark hold SERVER",),
    "another version of the package": (
        REBUILT,
        "timeout 20 sh -c 'until systemctl is-active UNIT; do sleep 0.1; done'",
    ),
    "kernel values as good as ours": (
        f"printf 'net.core.somaxconn = 65535\\nvm.overcommit_memory = 1\\n' >{LATER}",
        "sysctl -w net.core.somaxconn=65535",
    ),
    "kernel values that ours override": ("echo net.core.somaxconn=128 >/etc/sysctl.d/10-mine.conf",),
    "a kernel value put right after all": (
        f"echo net.core.somaxconn=128 >{LATER}",
        "echo net.core.somaxconn=8192 >/etc/sysctl.d/99-nearly-last.conf",
    ),
    "a masked file of kernel values": (
        "echo net.core.somaxconn=128 >/usr/lib/sysctl.d/99-mine.conf",
        f"ln -s /dev/null {LATER}",
    ),
    "files of their own": ("touch ETC/mine ETC/tls/mine.crt DATA/mine", "mkdir -m 700 DATA/lost+found"),
    "a link to redis.conf": ("ln -s CONF /root/redis.conf",),
}
