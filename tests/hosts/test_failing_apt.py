"""apt cannot do what is asked of it: only its host fails and says why, and the next run finishes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.hosts.conftest import Boot
from tests.hosts.deployment import DEPLOY, assert_clean, deploy
from tests.hosts.manual_changes import lines_about
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

# Holds what it is given, until somebody who needs it comes, and four seconds longer. apt and dpkg lock with fcntl.
HOLDER = """
import fcntl, pathlib, sys, time
held = [open(path, "w") for path in sys.argv[1:]]
for each in held:
    fcntl.lockf(each, fcntl.LOCK_EX)
pathlib.Path("/run/held").touch()
def comes():
    for process in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if process.read_text().strip() in ("apt-get", "dpkg"):
                return True
        except OSError:
            pass
while not comes():
    time.sleep(0.02)
time.sleep(4)
pathlib.Path("/run/waited").touch()
"""


def hold(path: str, *commands: str) -> Callable[[Host], None]:
    """After the commands, a lock that another process has for a while."""

    def begin(host: Host) -> None:
        run(*commands)(host)
        host.write("/root/holder.py", HOLDER)
        host.run(f"systemd-run --collect python3 /root/holder.py {path}")
        host.run("for i in $(seq 100); do [ -e /run/held ] && exit; sleep 0.1; done; exit 1")

    return begin


def rebuild(script: str) -> Callable[[Host], None]:
    """The server's package in the host's source, with a maintainer script that fails."""

    def begin(host: Host) -> None:
        host.run(
            "cp -a /opt/debs /root/debs && dpkg-deb -R /opt/debs/redis-server_*.deb /root/deb && "
            f"printf '#!/bin/sh\\necho the disk is on fire >&2\\nexit 1\\n' >/root/deb/DEBIAN/{script} && "
            f"chmod 755 /root/deb/DEBIAN/{script} && dpkg-deb -Znone -b /root/deb /opt/debs/redis-server_*.deb"
        )
        index(host)

    return begin


def index(host: Host) -> None:
    """Write the index of its package source again."""
    host.run(
        "cd /opt/debs && for deb in *.deb; do dpkg-deb -f $deb && "
        'echo "Filename: ./$deb" && echo "Size: $(stat -c %s $deb)" && '
        'echo "SHA256: $(sha256sum <$deb | cut -d" " -f1)" && echo; done >Packages'
    )


def run(*commands: str) -> Callable[[Host], None]:
    def begin(host: Host) -> None:
        for command in commands:
            host.run(command)

    return begin


UNPACKED = "dpkg --unpack /opt/debs/redis-server_*.deb /opt/debs/redis-tools_*.deb"
NEEDED = "dpkg -i $(ls /opt/debs/lib*.deb | grep -E '/lib(jemalloc|lzf|atomic|hiredis|lua)')"
OLD_DEBS = "rm -r /opt/debs && mv /root/debs /opt/debs && apt-get update -q"
FIX = "+fix1"
FRONTEND, LISTS = "/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"


@dataclass(frozen=True)
class Case:
    """``reported``: what its line has in it; "" for what is no failure. ``mend``: what its admin does about it."""

    begin: Callable[[Host], None]
    reported: str = ""
    mend: Sequence[str] = ()


CASES = {
    "nosource": Case(
        run("echo 'deb [trusted=yes] file:/opt/gone ./' >/etc/apt/sources.list"),
        "/opt/gone",
        ("echo 'deb [trusted=yes] file:/opt/debs ./' >/etc/apt/sources.list",),
    ),
    "hash": Case(
        run(
            "cp -a /opt/debs /root/debs && "
            "printf X | dd of=$(echo /opt/debs/redis-server_*.deb) bs=1 seek=2000 conv=notrunc"
        ),
        "Hash Sum mismatch",
        (OLD_DEBS,),
    ),
    "preinst": Case(rebuild("preinst"), "the disk is on fire", (OLD_DEBS,)),
    "postinst": Case(
        rebuild("postinst"),
        "the disk is on fire",
        (OLD_DEBS, "rm /var/lib/dpkg/info/redis-server.postinst"),
    ),
    "stale": Case(
        run(
            "apt-get update -q && touch -d '25 hours ago' /var/lib/apt/lists",
            "echo 'deb [trusted=yes] http://127.0.0.1:9/ ./' >>/etc/apt/sources.list",
        ),
        "the package lists, missing or older than a day, could not be refreshed: Failed to fetch http://127.0.0.1:9/",
        ("sed -i /127.0.0.1/d /etc/apt/sources.list",),
    ),
    "onhold": Case(
        run("apt-get update -q && apt-mark hold redis-server"),
        "Held packages were changed",
        ("apt-mark unhold redis-server",),
    ),
    "dpkg-lock": Case(hold(FRONTEND)),
    "lists-lock": Case(hold(LISTS)),
    "interrupted": Case(run(NEEDED, UNPACKED)),
    "torn": Case(
        run(UNPACKED),
        "an upgrade was interrupted here and does not continue by itself",
        ("dpkg --purge redis-server redis-tools",),
    ),
    "busy": Case(hold(FRONTEND, NEEDED, UNPACKED)),
}


def test_each_failure_of_apt_is_reported_only_by_its_host_and_once_mended_the_next_run_finishes(
    boot: Boot, checkout: Checkout
) -> None:
    names = [*CASES, "good"]
    hosts = dict(zip(names, boot(*(Spec("trixie", name=name) for name in names)), strict=True))
    for name, case in CASES.items():
        case.begin(hosts[name])
    checkout.list_hosts(hosts.values())
    done = checkout.run(*DEPLOY)
    failing = [name for name, case in CASES.items() if case.reported]
    assert sorted(done.json["results"]["failed_hosts"]) == sorted(failing), done
    assert (done.returncode, "Traceback" in done.output) == (1, False), done
    for name in failing:
        lines = lines_about(done, hosts[name])
        assert len([line for line in lines if CASES[name].reported in line]) == 1, (name, lines)
        assert serving(hosts[name]) == "", done
    for name in names:
        if name not in failing:
            assert [line for line in lines_about(done, hosts[name]) if line.startswith("verified: ")], done
    for name in "dpkg-lock", "lists-lock", "busy":
        hosts[name].run("test -e /run/waited")
    for name, case in CASES.items():
        hosts[name].run("test ! -L /usr/sbin/policy-rc.d")
        for command in case.mend:
            hosts[name].run(command)
    deploy(checkout)
    assert_clean(checkout)


def release_fix(host: Host, *packages: str) -> None:
    """The next version of these in the host's source, which its lists do not know yet."""
    for package in packages:
        # Of packages that depend on this very version of each other too.
        host.run(
            f"rm -rf /root/deb && dpkg-deb -R /opt/debs/{package}_*.deb /root/deb && "
            "version=$(dpkg-deb -f /opt/debs/redis-server_*.deb Version) && "
            f'sed -i "s/^Version: .*/&{FIX}/; s/(= $version)/(= $version{FIX})/" /root/deb/DEBIAN/control && '
            f"dpkg-deb -Znone -b /root/deb /opt/debs/fixed-{package}.deb"
        )
    index(host)


def installed(host: Host, package: str) -> str:
    return host.run(f"dpkg-query -W -f '${{Version}}' {package}").stdout


def age(host: Host, hours: int) -> None:
    host.run(f"touch -d '{hours} hours ago' /var/lib/apt/lists")


def test_a_first_installation_is_from_lists_no_older_than_a_day(boot: Boot, checkout: Checkout) -> None:
    old, young = hosts = boot(Spec("bookworm", name="old"), Spec("bookworm", name="young"))
    for host, hours in ((old, 25), (young, 23)):
        # Lists of "file:" are links to the source itself.
        host.run("echo 'deb [trusted=yes] copy:/opt/debs ./' >/etc/apt/sources.list && apt-get update -q")
        release_fix(host, "redis-server", "redis-tools")
        age(host, hours)
    checkout.list_hosts(hosts)
    deploy(checkout)
    assert installed(old, "redis-server").endswith(FIX)
    assert not installed(young, "redis-server").endswith(FIX)

    exporter = "prometheus-redis-exporter"
    release_fix(old, exporter)
    age(old, 25)
    before = old.run("stat -c %Y /var/lib/apt/lists").stdout
    assert_clean(checkout)
    assert old.run("stat -c %Y /var/lib/apt/lists").stdout == before
    done = checkout.run("pyinfra", "-y", "inventory", "deploys/monitoring.py", "--limit", "old")
    assert done.returncode == 0, done
    assert installed(old, exporter).endswith(FIX)


def serving(host: Host) -> str:
    """What answers on the host for Redis."""
    return host.run("ss -Hltnp | grep -i redis || true").stdout
