"""apt.sh: what a package's script asks to start while noevict installs something."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from noevict.scripts import apt

# A package's script asks by name, in the PATH that dpkg has, or that apt gives to its dpkg.
ASK = ("unlocked env", "apt --")
# apt-get here only runs what it is given, in its own PATH or the one that the option has.
APT_GET = """#!/bin/sh
PATH=${0%/*}:/usr/bin:/bin
for each; do case $each in DPkg::Path=*) PATH=${each#*=} ;; esac; done
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Its programs, of which those that would start a service write down what they were asked."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("invoke-rc.d", "deb-systemd-invoke"):
        program(tmp_path / "bin" / name, f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    program(tmp_path / "bin/apt-get", APT_GET)
    program(tmp_path / "bin/apt-config", f"#!/bin/sh\nprintf %s {tmp_path}/bin:/usr/bin:/bin\n")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def started(host: Path, work: str, *, systemd: bool = False) -> subprocess.Popen[str]:
    """The script, begun, with files below ``host``."""
    text = (
        apt().replace("/var/lib/noevict", f"{host}/etc").replace("/run/systemd/system", str(host / "systemd"))
    )
    if systemd:
        (host / "systemd").mkdir()
    return subprocess.Popen(
        ["bash", "-c", f"{text}\n{work}"],
        env={"PATH": f"{host}/bin:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def asked(host: Path, work: str, *, systemd: bool = False) -> list[str]:
    """What the host's own programs were asked by a script that ran to its end. It leaves nothing behind."""
    process = started(host, work, systemd=systemd)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, list((host / "etc").iterdir())) == (0, []), output
    return (host / "asked").read_text().splitlines() if (host / "asked").exists() else []


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("server", ["redis-server", "valkey-server"])
def test_without_systemd_no_server_is_started_and_other_services_are(
    host: Path, ask: str, server: str
) -> None:
    work = (
        f"{ask} invoke-rc.d --skip-systemd-native {server} start\n"
        f"{ask} invoke-rc.d --skip-systemd-native {server} restart\n{ask} invoke-rc.d nginx start\n"
        f"{ask} invoke-rc.d {server} stop\n{ask} deb-systemd-invoke restart nginx.service {server}.service"
    )
    assert asked(host, work) == ["nginx start", f"{server} stop"]


@pytest.mark.parametrize("ask", ASK)
def test_with_systemd_they_are_started_unless_a_script_forbids_it(host: Path, ask: str) -> None:
    work = f"{ask} deb-systemd-invoke start redis-server.service"
    assert asked(
        host, f"{work}\nno_start\n{work}\n{ask} deb-systemd-invoke start nginx.service", systemd=True
    ) == [
        "start redis-server.service",
        "start nginx.service",
    ]


def test_a_script_that_is_ended_ends_after_its_apt(host: Path) -> None:
    """apt continues, and no server is started meanwhile."""
    os.mkfifo(host / "begun")
    process = started(host, f"apt -- sh -c 'echo >{host}/begun; sleep 1; invoke-rc.d redis-server start'")
    (host / "begun").read_text()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert not (host / "asked").exists()
    assert list((host / "etc").iterdir()) == []
