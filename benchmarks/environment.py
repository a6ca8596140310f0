"""Programs that noevict is measured with, or against: from PyPI, in virtual environments outside the checkout."""

import sys
from pathlib import Path

from tests.lab.machine import CACHE, locked, run


def environment(name: str, *packages: str) -> Path:
    """The virtual environment of that name, made now if there is none with these packages (pip's words)."""
    path, wanted = CACHE / name, "\n".join(packages)
    stamp = path / "packages"
    with locked(CACHE / f".{name}.lock"):
        if not stamp.exists() or stamp.read_text() != wanted:
            run(sys.executable, "-m", "venv", "--clear", path, timeout=300)
            pip = (path / "bin" / "pip", "--disable-pip-version-check", "-q", "install")
            run(*pip, *packages, timeout=900)
            stamp.write_text(wanted)
    return path
