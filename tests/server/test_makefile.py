"""`make` without a network says so in one line."""

import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_pip_without_its_index_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "README.md"):
        shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "noevict", tmp_path / "noevict")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))
    }
    offline = {
        "PIP_INDEX_URL": "https://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = subprocess.run(
        ("make", ".venv/deploy"),
        cwd=tmp_path,
        env={**kept, **offline},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    printed = [line for line in done.stderr.splitlines() if not line.startswith(("+ ", "make: "))]
    assert (done.returncode, len(printed)) == (2, 1), done.stderr
    assert printed[0].startswith(
        "pip cannot reach its package index: connect this machine, or set HTTPS_PROXY or"
    )
