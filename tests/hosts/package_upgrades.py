"""Upgrades of a managed host's packages: what somebody does, and what the next run has to report and to do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from noevict.engines.engine import EngineName
from noevict.engines.package_layout import LAYOUTS
from tests.hosts.manual_changes import apply_changes
from tests.lab.checkout import Checkout
from tests.lab.host import Host
from tests.lab.images import image
from tests.lab.newer_packages import release_newer
from tests.lab.terminal import at_terminal

ASKS = "[default=N] ?"  # how dpkg's question about a conffile ends
CONFOLD = 'Dpkg::Options { "--force-confold"; };\n'
KILLED = (
    "[ ! -e /root/kill ] || { rm /root/kill; kill -9 $PPID; exit 1; }"  # dpkg, by the script that it runs
)
NEWER, NEWEST = "+newer1", "+newer2"


@dataclass(frozen=True)
class Managed:
    """A host that noevict set up, and the checkout that did."""

    checkout: Checkout
    host: Host
    engine: EngineName

    @property
    def packages(self) -> tuple[str, str]:
        return LAYOUTS[self.engine].package, LAYOUTS[self.engine].tools

    def apply_changes(self, *commands: str) -> None:
        """Change the host by hand: see ``apply_changes``."""
        apply_changes(self.checkout, self.host, commands, self.engine)

    def release(
        self, version: str = NEWER, conffile: str = "# newer\n", killed: str = "", postinst: str = ""
    ) -> None:
        """A next release of the server's packages: another conffile and unit. ``killed``: the script that ends dpkg."""
        names = LAYOUTS[self.engine]
        first = {killed: KILLED} if killed else {"postinst": postinst} if postinst else {}
        appended = {names.conf: conffile, f"usr/lib/systemd/system/{names.unit}": "# newer\n"}
        appended |= {f"lib/systemd/system/{names.unit}": "# newer\n"}
        release_newer(self.host, *self.packages, version=version, appended=appended, first=first)

    def apt(self, *words: str, check: bool = True) -> str:
        """apt-get, with nobody there to answer."""
        command = " ".join(("DEBIAN_FRONTEND=noninteractive apt-get -qq -y", *words, "</dev/null 2>&1"))
        return self.host.ssh(command, timeout=900, check=check).stdout

    def use_release(self, suite: str) -> None:
        """Its apt source is now that release's. The host must have it bound (Spec.binds)."""
        source = f"deb [trusted=yes] file:{image(suite)}/opt/debs ./\n"
        self.host.write("/etc/apt/sources.list", source)
        self.apt("update")

    def version(self, package: str = "") -> str:
        printed = self.host.run(f"dpkg-query -W -f '${{Version}}' {package or self.packages[0]}")
        return printed.stdout


@dataclass(frozen=True)
class Upgrade:
    """``reported``: the drift that there is then, and nothing else.
    ``installed``: how the package's version ends after it.

    ``restarts``: whether the run that follows starts the server again (the package's own restart came before it).
    ``again``: whether its own release's next package comes after it.
    """

    id: str
    happens: Callable[[Managed], object]
    reported: tuple[str, ...] = ()
    installed: str = NEWER
    restarts: bool = False
    suite: str = "bookworm"
    engine: EngineName = "redis"
    systemd: bool = True
    again: bool = True


# --- what happens ------------------------------------------------------------------------------------------


def upgraded(on: Managed) -> None:
    """apt upgrade, with nobody there to answer; the package's scripts changed too."""
    on.release(postinst="touch /root/postinst-of-the-newer")
    on.apt("upgrade")
    on.host.read("/root/postinst-of-the-newer")


def upgraded_at_a_terminal(on: Managed) -> None:
    on.release()
    assert ASKS not in at_terminal(on.host, "apt-get upgrade", {"[Y/n]": "y"})


def without_diversion(on: Managed) -> None:
    on.release()
    on.apply_changes("dpkg-divert --remove --no-rename CONF")


def answered(on: Managed, answer: str) -> None:
    """Somebody removed the diversion: dpkg asks."""
    without_diversion(on)
    assert ASKS in at_terminal(on.host, "apt-get upgrade", {"[Y/n]": "y", ASKS: answer})


def forced(on: Managed, how: str) -> None:
    """The same, the answer given in advance."""
    without_diversion(on)
    on.apt(f"-o Dpkg::Options::=--force-{how} upgrade")


def asked_for_nobody(on: Managed) -> None:
    """The same, and nobody is there: the package stays half configured."""
    without_diversion(on)
    assert "end of file on stdin at conffile prompt" in on.apt("upgrade", check=False)


def killed(on: Managed, script: str) -> None:
    """dpkg is killed in the middle of a script of the server's package."""
    on.release(killed=script)
    on.apply_changes("touch /root/kill")
    on.apt("upgrade", check=False)
    assert on.host.run("dpkg --audit").stdout


def only(on: Managed, how: str) -> None:
    """dpkg ended after that much of the newer release."""
    on.release()
    on.apply_changes(f"dpkg --force-depends {how}")


def unattended(on: Managed, conffile: str = "# newer\n", conf: str = "") -> None:
    on.apt("update")
    on.apt("install --no-install-recommends unattended-upgrades")
    on.host.write("/etc/apt/apt.conf.d/99conffiles", conf)
    on.release(conffile=conffile)
    on.host.run("unattended-upgrade -v", timeout=300)


def library_upgraded(on: Managed) -> None:
    """needrestart restarts what runs with the old library."""
    on.apt("update")
    on.apt("install --no-install-recommends needrestart")
    library = "libssl3" if on.host.suite == "bookworm" else "libssl3t64"
    release_newer(
        on.host, library, appended={"usr/lib/x86_64-linux-gnu/libssl.so.3": "# another file of another inode"}
    )
    on.host.run("NEEDRESTART_SUSPEND=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y upgrade", timeout=120)
    unit = LAYOUTS[on.engine].unit
    assert f"NEEDRESTART-SVC: {unit}\n" in on.host.run("needrestart -b").stdout
    assert unit in on.host.run("needrestart -r a", timeout=120).stdout
    assert unit not in on.host.run("needrestart -b").stdout


def back_again(on: Managed) -> None:
    """To the newer one, and by hand to the one before."""
    upgraded(on)
    on.apply_changes(" ".join(("dpkg -i", *(f"/opt/debs/{name}_*.deb" for name in on.packages))))


def release_upgraded(on: Managed) -> None:
    """All of Debian 13."""
    on.use_release("trixie")
    on.apt("full-upgrade")
    assert on.host.read("/etc/debian_version").startswith("13.")


def release_upgraded_but_held(on: Managed) -> None:
    on.apply_changes("apt-mark hold redis-server redis-tools")
    release_upgraded(on)


def release_upgraded_without_a_restart(on: Managed) -> None:
    """As if a policy forbids it."""
    policy = "#!/bin/sh\ncase $1 in redis-server*) exit 101; esac\n"
    on.host.write("/usr/sbin/policy-rc.d", policy, 0o755)
    release_upgraded(on)


# --- the cases ---------------------------------------------------------------------------------------------

HALF = ("package SERVER",)
ANOTHER = ("CONF", "diversion of CONF", "the running TITLE")

UPGRADES = (
    Upgrade("a newer package", upgraded),
    Upgrade("a newer package, trixie", upgraded, suite="trixie"),
    Upgrade("a newer package, Valkey", upgraded, suite="trixie", engine="valkey"),
    Upgrade("a newer package, without systemd", upgraded, systemd=False),
    Upgrade("a newer package, at a terminal", upgraded_at_a_terminal, suite="trixie"),
    Upgrade("the package before it", back_again, suite="trixie", installed="deb13u3"),
    # the diversion is gone
    Upgrade("theirs taken", partial(answered, answer="y"), ANOTHER, restarts=True),
    Upgrade("theirs taken, Valkey", partial(answered, answer="y"), ANOTHER, restarts=True, suite="trixie",
            engine="valkey"),
    Upgrade("ours kept", partial(answered, answer="n"), ("diversion of CONF",), suite="trixie"),
    Upgrade("--force-confnew", partial(forced, how="confnew"), ANOTHER, restarts=True, suite="trixie"),
    Upgrade("--force-confold", partial(forced, how="confold"), ("diversion of CONF",)),
    Upgrade("nobody to answer", asked_for_nobody, (*HALF, "diversion of CONF"), restarts=True),
    # half done
    Upgrade("killed as it configures", partial(killed, script="postinst"), HALF, restarts=True, suite="trixie"),
    Upgrade("killed as it configures, bookworm", partial(killed, script="postinst"), HALF, restarts=True),
    Upgrade("killed as it unpacks", partial(killed, script="preinst"), HALF, restarts=True),
    Upgrade("unpacked alone", partial(only, how="--unpack /opt/newer/*.deb"), HALF, restarts=True),
    Upgrade("the programs unpacked alone", partial(only, how="--unpack /opt/newer/ENGINE-tools*.deb"), HALF,
            restarts=True),
    Upgrade("the programs upgraded alone", partial(only, how="-i /opt/newer/ENGINE-tools*.deb"), HALF,
            restarts=True, suite="trixie", engine="valkey"),
    # unattended
    Upgrade("unattended, held back", unattended, installed="deb12u10"),
    Upgrade("unattended, held back, trixie", unattended, installed="deb13u3", suite="trixie"),
    Upgrade("unattended, ours kept", partial(unattended, conf=CONFOLD), suite="trixie"),
    Upgrade("unattended, ours kept, bookworm", partial(unattended, conf=CONFOLD)),
    Upgrade("unattended, the same conffile", partial(unattended, conffile="")),
    Upgrade("needrestart", library_upgraded, installed="deb13u3", suite="trixie"),
    Upgrade("needrestart, bookworm", library_upgraded, installed="deb12u10"),
    Upgrade("needrestart, Valkey", library_upgraded, installed="deb13u3", suite="trixie", engine="valkey"),
    # a release
    Upgrade("Debian 13 with Redis held", release_upgraded_but_held, installed="deb12u10", again=False),
    Upgrade("Debian 13 and no restart", release_upgraded_without_a_restart, installed="deb13u3", again=False),
)  # fmt: skip
