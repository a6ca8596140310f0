"""rollback.sh: what is put back reads the data where it is now, and belongs to root until it is complete."""

import subprocess
from pathlib import Path

import pytest

from noevict.scripts import script

LINES = "appendonly yes\ndir /var/lib/redis\ndbfilename dump.rdb\nappenddirname appendonlydir"
OURS = 'port 6379\nappendonly yes\ndir "/var/lib/redis"\ndbfilename dump.rdb\nhz 10'


KEPT, PRESENT = "user default off\nuser leaver on\n", "user default off\n"  # users


def put_back(root: Path, kept: str, lines: str, *, users: bool = False) -> str:
    """Run it with files below ``root``, with the users or without. Return redis.conf."""
    good, conf, acl = root / "previous/good", root / "redis.conf", root / "users.acl"
    good.mkdir(parents=True)
    (good / "conf").write_text(kept)
    (good / "conf").chmod(0o640)
    (good / "acl").write_text(KEPT)
    acl.write_text(PRESENT)
    conf.write_text("what did not start\n")
    names = {"conf": str(conf), "acl": str(acl) if users else "", "previous": str(root / "previous")}
    text = script("rollback", **names, lines=lines)
    text = text.replace("/etc/", f"{root}/")
    # Each edit, and the file that it is of, is behind a directory that only root enters.
    check = 'sed() { [[ $(stat -c %a "$scratch") == 700 ]] && command sed "$@"; }\n'
    done = subprocess.run(["bash", "-s"], input=check + text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done
    assert acl.read_text() == (KEPT if users else PRESENT)
    assert conf.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in root.iterdir()) == ["previous", "redis.conf", "users.acl"]
    return conf.read_text()


@pytest.mark.parametrize(
    ("kept", "lines"), [(OURS, LINES), ("appendonly no\ndbfilename jobs.rdb", ""), ("", "")]
)
def test_one_that_has_these_lines_is_put_back_as_it_was(tmp_path: Path, kept: str, lines: str) -> None:
    assert put_back(tmp_path, kept, lines) == kept


@pytest.mark.parametrize(
    "line",
    [
        "appendonly no",
        "dbfilename jobs.rdb",
        '"DIR" "/srv/redis"',
        "  dir /srv/../var/lib/redis",
        "dbfilename dump.RDB",
    ],
)
def test_one_that_would_read_other_data_reads_what_there_is(tmp_path: Path, line: str) -> None:
    name, value = next(each.split() for each in LINES.splitlines() if each.split()[0] in line.lower())
    left = "\n".join(each for each in OURS.splitlines() if not each.startswith(name))
    assert put_back(tmp_path, f"{OURS}\n{line}", LINES) == f"{left}\n\n{name} {value}\n"


def test_lines_that_are_missing_are_added_unless_their_values_are_defaults(tmp_path: Path) -> None:
    assert put_back(tmp_path, "# dir /srv", LINES) == "# dir /srv\nappendonly yes\n\ndir /var/lib/redis\n"


def test_users_are_put_back_only_if_they_are_asked_for(tmp_path: Path) -> None:
    put_back(tmp_path, OURS, LINES, users=True)
