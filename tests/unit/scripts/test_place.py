"""What place.sh keeps of the configuration that is there, before another one is written."""

import getpass
import subprocess
from pathlib import Path

import pytest

from noevict.scripts import script

# dpkg has nothing to do here; what is synced and renamed is written down, in order.
AROUND = """
dpkg-divert() { echo LOCAL; }
dpkg-statoverride() { :; }
sync() { for path in "$@"; do echo "sync ${path##*/}" >&2; done; command sync "$@"; }
mv() { echo "mv ${*: -2}" >&2; command mv "$@"; }
"""


def place(here: Path, keep: str, *, users: bool = True) -> list[str]:
    """Run it in a directory; what was synced and renamed."""
    conf, acl, previous = here / "redis.conf", here / "users.acl" if users else "", here / "previous"
    names = {"etc": here, "conf": conf, "acl": acl, "previous": previous, "package": "redis-server"}
    text = script("descriptors", user=getpass.getuser()) + script(
        "place", **{name: str(value) for name, value in names.items()}, keep=keep
    )
    done = subprocess.run(["bash", "-s"], input=AROUND + text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.replace(f"{previous}/", "").splitlines()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "redis.conf").write_text("port 6379\n")
    (tmp_path / "users.acl").write_text("user default off\n")
    return tmp_path


def kept(here: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (here / "previous").glob("good/*")}


@pytest.mark.parametrize("keep", ["yes", "stopped"])
def test_a_copy_is_on_disk_before_it_has_its_name(here: Path, keep: str) -> None:
    done = place(here, keep)
    synced = {line for line in done[: done.index("mv new good")] if line.startswith("sync ")}
    assert synced >= {"sync conf", "sync acl", "sync new"}
    assert done[-1] == "sync previous"


def test_what_worked_is_kept_until_another_is_verified(here: Path) -> None:
    place(here, "yes")
    (here / "redis.conf").write_text("port 6380\n")
    for keep in ("yes", "stopped", "no"):
        place(here, keep)
        assert kept(here) == {"conf": "port 6379\n", "acl": "user default off\n"}


def test_what_was_kept_of_a_stopped_server_is_replaced(here: Path) -> None:
    place(here, "stopped")
    assert kept(here) == {"conf": "port 6379\n", "acl": "user default off\n", "stopped": ""}
    (here / "redis.conf").write_text("port 6380\n")
    place(here, "no")
    assert kept(here)["conf"] == "port 6379\n"
    place(here, "yes")
    assert kept(here) == {"conf": "port 6380\n", "acl": "user default off\n"}


def test_what_was_kept_of_a_stopped_server_is_not_put_back_for_one_that_cannot_be_kept(here: Path) -> None:
    place(here, "stopped")
    (here / "redis.conf").rename(here / "elsewhere")
    (here / "redis.conf").symlink_to("elsewhere")
    place(here, "stopped")
    assert kept(here) == {}


def test_users_are_kept_only_if_they_are_asked_for(here: Path) -> None:
    place(here, "yes", users=False)
    assert kept(here) == {"conf": "port 6379\n"}
