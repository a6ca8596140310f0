"""A next release of packages that a host has, in an apt source of the host's that looks like Debian's for security."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.lab.host import Host
from tests.lab.machine import run

PLACE = "opt/newer"
SOURCE = f"deb [trusted=yes] file:/{PLACE} ./\n"
# What unattended-upgrades takes by default (its /etc/apt/apt.conf.d/50unattended-upgrades).
RELEASE = (
    *("-oAPT::FTPArchive::Release::Origin=Debian", "-oAPT::FTPArchive::Release::Label=Debian-Security"),
    *("-oAPT::FTPArchive::Release::Suite=stable-security",),
)


def release_newer(
    host: Host,
    *packages: str,
    version: str = "+newer1",
    appended: Mapping[str, str] | None = None,
    first: Mapping[str, str] | None = None,
) -> None:
    """Publishes these packages again, as ``host`` would get them from its source, with a higher version.

    ``appended``: path -> text put at the end of that file, in whichever of the packages has it. ``first``: maintainer
    script (``postinst``) -> lines of shell that it begins with, in the first package only. Nothing is installed.
    Raises LabError.
    """
    place = host.root / PLACE
    place.mkdir(exist_ok=True)
    for name in packages:
        tree = host.directory / "newer"
        [deb] = (host.root / "opt/debs").glob(f"{name}_*.deb")
        run("dpkg-deb", "-R", deb, tree)
        _edit(tree, version, appended or {}, first or {} if name == packages[0] else {})
        run("dpkg-deb", "-Znone", "-b", tree, place / f"{name}{version}.deb")
        shutil.rmtree(tree)
    (place / "Packages").write_text(run("sh", "-c", 'cd "$1" && apt-ftparchive packages .', "sh", place))
    codename = f"-oAPT::FTPArchive::Release::Codename={host.suite}-security"
    (place / "Release").write_text(run("apt-ftparchive", *RELEASE, codename, "release", place))
    host.write("/etc/apt/sources.list.d/newer.list", SOURCE)
    host.run("apt-get update -q")


def _edit(tree: Path, version: str, appended: Mapping[str, str], first: Mapping[str, str]) -> None:
    control = tree / "DEBIAN/control"
    text = control.read_text()
    old = re.search(r"(?m)^Version: (.+)$", text)[1]  # type: ignore[index]
    control.write_text(text.replace(old, f"{old}{version}"))
    for path, more in appended.items():
        if (file := tree / path.lstrip("/")).exists():
            with file.open("a") as end:
                end.write(more)
    for name, lines in first.items():
        script = tree / "DEBIAN" / name
        shebang, _, rest = (script.read_text() if script.exists() else "#!/bin/sh\n").partition("\n")
        script.write_text(f"{shebang}\n{lines}\n{rest}")
        script.chmod(0o755)
