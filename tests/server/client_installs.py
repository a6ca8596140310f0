"""The real clients that tests run, installed once per machine beside the servers.

``where`` is a directory of the tests' with a package.json and package-lock.json, or a requirements.txt, or both.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fcntl import LOCK_EX, flock
from pathlib import Path

from tests.lab.servers import CACHE


@functools.cache
def node_modules(where: Path) -> Path:
    """The directory of the npm packages that package-lock.json names."""
    return _once(where, "npm", _npm, "package.json", "package-lock.json") / "node_modules"


@functools.cache
def python(where: Path, requirements: str = "requirements.txt") -> Path:
    """The Python of an environment that has what that file names."""
    return _once(where, "python", functools.partial(_pip, requirements), requirements) / "bin/python"


def _once(where: Path, kind: str, install: Callable[[Path], None], *names: str) -> Path:
    """A directory that ``install`` filled; the first caller of the machine does it, others wait."""
    recipe = hashlib.sha256(b"\0".join((where / name).read_bytes() for name in names)).hexdigest()[:16]
    target = CACHE / where.name / f"{kind}-{recipe}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{kind}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not (target / ".done").exists():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            for name in names:
                shutil.copy(where / name, target)
            install(target)
            (target / ".done").touch()
    return target


def _npm(target: Path) -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update", "-q"], check=True)
        subprocess.run(
            [*sudo, "apt-get", "install", "-qy", "--no-install-recommends", "nodejs", "npm"], check=True
        )
    # Not ``ci``: it wants the optional native packages of every platform in the lock file. These do without any.
    command = [
        "npm",
        "install",
        "--omit=optional",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    subprocess.run(command, cwd=target, check=True)


def _pip(requirements: str, target: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    pip = [str(target / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(target / requirements)], check=True)
