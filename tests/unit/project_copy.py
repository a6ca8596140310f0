"""A copy of what `pyinfra inventory ...` reads, and that command run in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def copy_project(to: Path, hosts: str, **group_data: str) -> Path:
    """``inventory`` and its company in ``to``, with these hosts and group_data files, and a deploy.py that would
    leave a file behind."""
    for name in ("inventory", "config.py"):
        shutil.copy(PROJECT / name, to)
    shutil.copytree(PROJECT / "group_data", to / "group_data")
    (to / "hosts.yml").write_text(hosts)
    for group, text in group_data.items():
        (to / "group_data" / f"{group}.py").write_text(text)
    (to / "deploy.py").write_text('open("deployed", "w").close()\n')
    return to


def environment() -> dict[str, str]:
    """Without anything that would lead to another project."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("NOEVICT_")}
    return ours | {"PYINFRA_PROGRESS": "off"}


def run_pyinfra(project: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """``answer``: to what it asks; then its input ends."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "pyinfra"), *arguments],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=answer,
    )
