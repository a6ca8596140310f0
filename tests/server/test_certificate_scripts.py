"""request.sh and install_certificate.sh, killed before each of their commands: a server always finds one pair.

As root, in a directory of the test's own; ``daemon`` stands for the server's user.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from noevict.scripts import packed, script

USER = "daemon"
# Ends bash before the command of that number, as a power cut would.
KILLED = "n=0; set -o functrace; trap '((++n < {number})) || kill -KILL $$' DEBUG\n"
BEFORE = ("nothing", "a directory", "a link")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root: files are root's and another user's")
    return tmp_path / "etc"


def bash(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-s"], input=f"{{\n{text}\n}}\n", capture_output=True, text=True, check=False
    )


def openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout


def request(etc: Path) -> str:
    return script("request", user=USER, etc=str(etc), makes_key="yes")


def certify(etc: Path, new: str) -> str:
    """For the key that is in ``new``, signed by itself."""
    subject = ("-subj", "/CN=test", "-days", "2")
    certificate = openssl("req", "-x509", "-key", f"{new}/server.key", *subject)
    return script(
        "install_certificate",
        user=USER,
        etc=str(etc),
        tls=str(etc / "tls"),
        new=new,
        certificate=packed(certificate),
        ca=packed(certificate),
        key="",
    )


def renew(etc: Path) -> None:
    """Both scripts, to their ends."""
    done = bash(request(etc))
    assert done.returncode == 0, done
    done = bash(certify(etc, done.stdout.splitlines()[0]))
    assert done.returncode == 0, done


def prepare(etc: Path, before: str) -> None:
    if before != "nothing":
        renew(etc)
    if before == "a directory":  # as it was before there were links
        inside = etc / "tls"
        shutil.copytree(inside, etc / "plain")
        shutil.rmtree(inside.resolve())
        inside.unlink()
        (etc / "plain/.noevict").unlink()
        (etc / "plain").rename(inside)
        (inside / ".server.key.new").write_text("of a run that was killed")
    if before != "nothing":
        (etc / "tls/mine.crt").write_text("somebody's own")


def target(etc: Path) -> str:
    """What the link leads to."""
    return str((etc / "tls").readlink())


def pair(etc: Path) -> str | None:
    """The public key of what a server would start with; None if there is nothing. Fails if it is no pair."""
    tls = etc / "tls"
    if not tls.exists():
        return None
    certificate = openssl("x509", "-in", tls / "server.crt", "-noout", "-pubkey")
    assert certificate == openssl("pkey", "-in", tls / "server.key", "-pubout")
    assert (tls / "ca.crt").read_text() == (tls / "server.crt").read_text()
    return certificate


def assert_whole(etc: Path, before: str) -> None:
    """One directory, root's, and a link of root's to it; what was somebody's is still there."""
    assert (etc / "tls").is_symlink()
    assert [path.name for path in etc.glob("tls-*")] == [target(etc)]
    assert sorted(path.name for path in etc.iterdir()) == sorted(["tls", target(etc)])
    left = {".noevict", "ca.crt", "server.crt", "server.key"} | (
        {"mine.crt"} if before != "nothing" else set()
    )
    assert {path.name for path in (etc / "tls").iterdir()} == left
    status = (etc / "tls").stat()
    assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o750)
    modes = {
        name: (etc / "tls" / name).stat().st_mode & 0o7777 for name in ("ca.crt", "server.crt", "server.key")
    }
    assert modes == {"ca.crt": 0o644, "server.crt": 0o644, "server.key": 0o640}
    assert etc.stat().st_mode & 0o7777 == 0o3770


@pytest.mark.parametrize("before", BEFORE)
def test_a_renewal_that_is_killed_anywhere_leaves_a_pair_and_the_next_one_is_whole(
    etc: Path, before: str
) -> None:
    template = etc.with_name("template")
    prepare(etc, before)
    old = pair(etc)
    made = bash(request(etc)).stdout.splitlines()[0]
    certifying = certify(etc, made)
    etc.rename(template)
    for number in range(1, 400):
        subprocess.run(["cp", "-a", template, etc], check=True)
        done = bash(KILLED.format(number=number) + certifying)
        killed = done.returncode == -9
        found = pair(etc)
        assert killed or done.returncode == 0, done
        assert (found is None) == (before == "nothing" and found == old)
        if not killed:
            assert found != old  # a new key each time
            assert_whole(etc, before)
            assert number > 20
            return
        if number % 5 == 0:
            renew(etc)
            assert pair(etc) not in (old, found)
            assert_whole(etc, before)
        shutil.rmtree(etc)
    raise AssertionError("never came to its end")


def test_a_request_that_is_killed_anywhere_leaves_the_pair_and_the_next_one_is_whole(etc: Path) -> None:
    for number in range(1, 100):
        prepare(etc, "a link")
        old = pair(etc)
        killed = bash(KILLED.format(number=number) + request(etc)).returncode == -9
        assert pair(etc) == old
        renew(etc)
        assert pair(etc) != old
        for path in etc.glob("tls-*"):
            # One that was made and not marked yet is not known to be ours: it is empty.
            assert path.name == target(etc) or not list(path.iterdir())
        shutil.rmtree(etc)
        if not killed:
            return
    raise AssertionError("never came to its end")


@pytest.mark.parametrize("kind", ["a link of theirs", "a directory of theirs", "a link of theirs to nothing"])
def test_what_is_not_roots_is_never_used_as_tls(etc: Path, tmp_path: Path, kind: str) -> None:
    renew(etc)
    (etc / "tls").unlink()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "server.key").write_text("theirs")
    place = etc / "tls"
    if kind == "a directory of theirs":
        theirs.rename(place)
        theirs = place
    else:
        place.symlink_to(theirs if kind == "a link of theirs" else tmp_path / "nowhere")
    for path in {place, theirs}:
        os.chown(path, 1, 1, follow_symlinks=False)
    done = bash(request(etc))
    done = bash(certify(etc, done.stdout.splitlines()[0]))
    assert done.returncode == 1
    assert f"{place}: should be root's own" in done.stdout
    assert (theirs / "server.key").read_text() == "theirs"
    assert (theirs / "server.key").stat().st_uid == 0
    assert sorted(path.name for path in theirs.iterdir()) == ["server.key"]
