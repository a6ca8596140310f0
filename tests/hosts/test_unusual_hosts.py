"""Hosts after an admin's own taste: shells that print, another language, no sbin in PATH, no programs in /tmp."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hosts.conftest import Boot
from tests.hosts.deployment import Fleet, assert_clean, changes, deploy
from tests.hosts.manual_changes import lines_about
from tests.lab.checkout import Checkout
from tests.lab.disk import Spec
from tests.lab.host import Host

MONITORING = ("pyinfra", "-y", "--json", "inventory", "deploys/monitoring.py")
PASSWORD = "correct horse"
HOME = "/home/admin"
NO_SBIN = "/usr/local/bin:/usr/bin:/bin:/usr/games"
GERMAN = "LANG=de_DE.UTF-8\nLC_ALL=de_DE.UTF-8\nLANGUAGE=de\n"

PRINTS = "echo 'time to say hello'; echo 'last login: never' >&2; umask 077\n"
FISH = f"{PRINTS}set -x PATH {NO_SBIN.replace(':', ' ')}\n"
RC = {
    "bash": ("/root/.bashrc", f"{PRINTS}export PATH={NO_SBIN}\nset -o noclobber\nalias cat='cat -n'\n"),
    "zsh": ("/root/.zshenv", f"{PRINTS}export PATH={NO_SBIN}\nsetopt noclobber\n"),
    "fish": ("/root/.config/fish/config.fish", FISH),
    "sudo": (f"{HOME}/.config/fish/config.fish", FISH),
}
NO_FORWARDING = ["AllowTcpForwarding no"]
SPECS = [
    Spec("bookworm", name="bash", sshd=NO_FORWARDING),
    Spec("trixie", name="zsh"),
    Spec("bookworm", name="fish", sshd=NO_FORWARDING),
    Spec("trixie", name="sudo"),
]


def user_of(host: Host) -> str:
    return "admin" if host.name == "sudo" else "root"


def make_odd(host: Host) -> None:
    """All of it at once. The shell that is the host's name is root's; on ``sudo`` fish is admin's."""
    shell = host.name.replace("sudo", "fish")
    host.run(
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "
        f"locales {shell} && localedef -i de_DE -f UTF-8 de_DE.UTF-8 && "
        f"usermod -s $(command -v {shell}) {user_of(host)}",
        timeout=120,
    )
    host.write(*RC[host.name])
    host.write("/etc/default/locale", GERMAN)
    host.write("/etc/environment", f"PATH={NO_SBIN}\n{GERMAN}")
    host.run(
        "for d in /tmp /var/tmp /dev/shm; do mount --bind $d $d && mount -o remount,bind,noexec $d; done"
    )
    if host.name == "sudo":
        host.run("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin; chpasswd", input=f"admin:{PASSWORD}\n")


def list_hosts(fleet: Fleet, **sudo: str) -> None:
    fleet.list_hosts(each={"sudo": {"ssh_user": "admin", "_sudo": True, **sudo}})


@pytest.fixture(scope="module")
def odd(boot_for_module: Boot, checkout_for_module: Checkout) -> Fleet:
    """Hosts that are odd, and hold nothing yet."""
    hosts = boot_for_module(*SPECS)
    with ThreadPoolExecutor() as pool:
        list(pool.map(make_odd, hosts))
    return Fleet(checkout_for_module, hosts)


def test_they_are_odd(odd: Fleet) -> None:
    for host in odd.hosts:
        printed = host.ssh("umask; command -v sysctl; ls /nowhere", user=user_of(host), check=False)
        assert printed.stdout.splitlines() in (["time to say hello", "0077"], ["time to say hello", "077"]), (
            printed
        )
        assert printed.stderr.startswith("last login: never\n"), printed
        assert "Datei oder Verzeichnis nicht gefunden" in printed.stderr, printed


def test_what_sudo_wants_is_reported_in_one_line_whatever_its_language(odd: Fleet) -> None:
    reported = {
        "sudo wants a password: allow sudo without one (NOPASSWD)": {},
        "sudo rejects the password given as _sudo_password": {
            "_sudo_password": "wrong",
            "_temp_dir": HOME,
        },
        "sudo cannot run the program that pyinfra puts into /tmp for the password": {
            "_sudo_password": PASSWORD
        },
    }
    for line, settings in reported.items():
        list_hosts(odd, **settings)
        done = odd.checkout.run("noevict", "drift", "sudo")
        assert done.returncode == 1, done
        assert done.stderr.startswith(f"sudo: {line}"), done
        assert "\n" not in done.stderr.strip(), done


def test_they_are_provisioned_and_clean_and_monitored(odd: Fleet) -> None:
    list_hosts(odd, _sudo_password=PASSWORD, _temp_dir=HOME)
    done = deploy(odd.checkout)
    for host in odd.hosts:
        assert [line for line in lines_about(done, host) if line.startswith("verified: ")], done
    assert "hello" not in done.output, done
    assert_clean(odd.checkout)
    drift = odd.checkout.run("noevict", "drift")
    assert (drift.returncode, drift.stdout) == (0, "4 of 4 hosts as wanted\n"), drift
    for due in (True, False):
        done = odd.checkout.run(*MONITORING)
        assert (done.returncode, changes(done) > 0) == (0, due), done
        for host in odd.hosts:
            assert [line for line in lines_about(done, host) if "redis_up 1" in line], done
