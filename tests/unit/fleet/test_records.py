"""What runs leave behind for monitoring: read as it was written, and whatever else is in its place does no harm."""

import json
import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.errors import NoevictError
from noevict.fleet import records
from noevict.fleet.records import Drift, Record
from noevict.server.writes import Disk, Keys, Refusals

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def test_what_is_written_is_read_again_and_each_part_leaves_the_other(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert records.read(state) == {}
    look = Drift(NOW, "drift", 3)
    records.write_drift(state, {"cache-1": look, "@ssh/10.0.0.5": Drift(NOW, "deploy", None, "is a replica")})
    records.write_backup(state, ["cache-1"], NOW - timedelta(hours=2))
    assert records.read(state) == {
        "cache-1": Record(look, NOW - timedelta(hours=2)),
        "@ssh/10.0.0.5": Record(Drift(NOW, "deploy", None, "is a replica")),
    }
    records.write_drift(state, {"cache-1": Drift(NOW, "deploy", 0)})
    assert records.read(state)["cache-1"] == Record(Drift(NOW, "deploy", 0), NOW - timedelta(hours=2))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_the_file_is_what_its_manual_says(tmp_path: Path) -> None:
    records.write_drift(tmp_path, {"cache-1": Drift(NOW, "drift", 3)})
    records.write_backup(tmp_path, ["cache-1"], NOW)
    assert json.loads((tmp_path / "cache-1.json").read_text()) == {
        "drift": {"at": "2026-01-15T10:30:00+00:00", "by": "drift", "differences": 3, "failure": None},
        "backup": {"at": "2026-01-15T10:30:00+00:00"},
    }


def test_when_an_exporters_certificate_ends_is_kept_until_it_is_gone(tmp_path: Path) -> None:
    ends = NOW + timedelta(days=29)
    records.write_exporter(tmp_path, {"cache-1": ends})
    assert records.read(tmp_path)["cache-1"] == Record(exporter_ends=ends)
    # What is not known leaves it, what was looked at and is not there removes it.
    records.write_drift(tmp_path, {"cache-1": Drift(NOW, "deploy", None, "is gone")})
    assert records.read(tmp_path)["cache-1"].exporter_ends == ends
    records.write_drift(
        tmp_path,
        {"cache-1": Drift(NOW, "drift", 0)},
        {"cache-1": {"exporter_ends": ends + timedelta(days=1)}},
    )
    assert records.read(tmp_path)["cache-1"] == Record(
        Drift(NOW, "drift", 0), exporter_ends=ends + timedelta(days=1)
    )
    records.write_drift(tmp_path, {"cache-1": Drift(NOW, "drift", 0)}, {"cache-1": {"exporter_ends": None}})
    assert records.read(tmp_path)["cache-1"] == Record(Drift(NOW, "drift", 0))


def test_refusals_and_the_disk_are_kept_until_a_look_knows_better(tmp_path: Path) -> None:
    refusals, disk = Refusals(NOW, "a" * 40, {"OOM": 5, "MISCONF": 0}), Disk(1 << 40, 1 << 41, True, NOW)
    records.write_drift(tmp_path, {"a": Drift(NOW, "drift", 0)}, {"a": {"refusals": refusals, "disk": disk}})
    assert records.read(tmp_path)["a"] == Record(Drift(NOW, "drift", 0), refusals=refusals, disk=disk)
    records.write_drift(tmp_path, {"a": Drift(NOW, "drift", 1)})
    assert records.read_one(tmp_path, "a") == Record(Drift(NOW, "drift", 1), refusals=refusals, disk=disk)
    assert records.read_one(tmp_path, "b") == Record()
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["refusals"] == {
        "at": "2026-01-15T10:30:00+00:00",
        "run": "a" * 40,
        "counts": {"OOM": 5, "MISCONF": 0},
    }
    assert found["disk"] == {
        "at": "2026-01-15T10:30:00+00:00",
        "free": 1 << 40,
        "size": 1 << 41,
        "read_only": True,
    }


def test_the_last_keys_are_kept_until_there_are_others(tmp_path: Path) -> None:
    looks = [{"cache-1": Drift(NOW + timedelta(days=day), "deploy", 0)} for day in range(3)]
    records.write_drift(tmp_path, looks[0], {"cache-1": {"keys": Keys(NOW, 31_081)}})
    assert json.loads((tmp_path / "cache-1.json").read_text())["keys"] == {
        "at": "2026-01-15T10:30:00+00:00",
        "count": 31_081,
        "missing_since": None,
    }
    records.write_drift(tmp_path, looks[1], {"cache-1": {}})
    assert records.read_one(tmp_path, "cache-1").keys == Keys(NOW, 31_081)
    missing = Keys(NOW, 31_081, NOW + timedelta(days=1))
    records.write_drift(tmp_path, looks[1], {"cache-1": {"keys": missing}})
    assert records.read_one(tmp_path, "cache-1").keys == missing
    records.write_drift(tmp_path, looks[2], {"cache-1": {"keys": Keys(NOW, 5)}})
    assert records.read_one(tmp_path, "cache-1").keys == Keys(NOW, 5)


def test_keys_as_a_release_before_recorded_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "cache-1.json").write_text('{"keys": {"at": "2026-01-15T10:30:00+00:00", "count": 5}}')
    assert records.read_one(tmp_path, "cache-1").keys == Keys(NOW, 5)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), unique=True, max_size=5
    )
)
def test_a_host_may_have_any_name(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    state = tmp_path_factory.mktemp("state")
    records.write_backup(state, names, NOW)
    assert records.read(state) == {name: Record(backup=NOW) for name in names}
    assert all(path.parent == state for path in state.rglob("*"))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "null",
            "5",
            "{",
            '{"drift": 5}',
            '{"backup": {"at": "soon"}}',
            "\0",
            "\ud800",
        ),
        '{"drift": {"at": "2026-01-15", "by": "me", "differences": 1, "failure": null}}',
        '{"drift": {"at": "2026-01-15", "by": "drift", "differences": "1", "failure": null}}',
        '{"drift": {"at": "2026-01-15", "by": "drift", "differences": true, "failure": null}}',
        '{"refusals": {"at": "2026-01-15", "run": "a", "counts": {"OOM": -1}}}',
        '{"refusals": {"at": "2026-01-15", "run": "a", "counts": 5}}',
        '{"disk": {"at": "2026-01-15", "free": "1", "size": 1, "read_only": false}}',
        '{"disk": {"at": "2026-01-15", "free": true, "size": 1, "read_only": false}}',
        "[" * 100_000,
    ],
)
def test_a_file_that_makes_no_sense_is_nothing_known_and_is_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert records.read(tmp_path) == {}
    records.write_backup(tmp_path, ["a"], NOW)
    assert records.read(tmp_path) == {"a": Record(backup=NOW)}


def test_a_time_without_an_offset_is_utc_and_a_failure_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"backup": {"at": "2026-01-15T10:30:00"}}')
    (tmp_path / "b.json").write_text('{"backup": {"at": "2026-01-15T11:30:00+01:00"}}')
    records.write_drift(tmp_path, {"c": Drift(NOW, "drift", None, "a\nb\x1b[2J")})
    found = records.read(tmp_path)
    assert (found["a"].backup, found["b"].backup) == (NOW, NOW)
    assert found["c"].drift == Drift(NOW, "drift", None, "a\\nb\\x1b[2J")


def test_if_it_cannot_be_written_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(NoevictError, match="state: cannot be made: File exists"):
        records.write_backup(tmp_path / "state", ["a"], NOW)


def test_a_link_that_waits_for_a_record_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    victim, state = tmp_path / "victim", tmp_path / "state"
    victim.write_text("of another's")
    state.mkdir(mode=0o755)
    for name in ("a.json", ".a.json.new"):
        (state / name).symlink_to(victim)
    records.write_backup(state, ["a"], NOW)
    assert victim.read_text() == "of another's"
    assert [(path.name, path.is_symlink()) for path in state.glob("*.json*")] == [("a.json", False)]
    assert records.read(state) == {"a": Record(backup=NOW)}
    assert (
        stat.S_IMODE((state / "a.json").stat().st_mode) == 0o644
    )  # whoever runs `serve` may be another user


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_state_directory_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    state = tmp_path / "a state"
    state.mkdir()
    state.chmod(mode)
    line = f"{state}: should be writable only for its owner, has mode {mode:04o}: chmod go-w '{state}'"
    with pytest.raises(NoevictError, match=f"^{re.escape(line)}$"):
        records.write_backup(state, ["a"], NOW)
    assert list(state.iterdir()) == []
    state.chmod(0o755)
    records.write_backup(state, ["a"], NOW)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", ["directory", "link", "directory behind a link of ours"])
def test_a_state_directory_of_another_user_is_refused(tmp_path: Path, what: str) -> None:
    state, home = tmp_path / "hosts.state", tmp_path / "home"
    home.mkdir()
    if what == "directory":
        state.mkdir()
    else:
        state.symlink_to(home)
    others = home if what.endswith("ours") else state
    os.chown(others, 65534, 65534, follow_symlinks=False)
    line = f"{state}: should be owned by 0, is by 65534 (user ids)"
    with pytest.raises(NoevictError, match=f"^{re.escape(line)}"):
        records.write_backup(state, ["a"], NOW)
    assert [*home.iterdir(), *state.iterdir()] == []
    os.chown(others, 0, 0, follow_symlinks=False)
    records.write_backup(state, ["a"], NOW)


def test_readers_meet_whole_files_while_others_write(tmp_path: Path) -> None:
    records.write_backup(tmp_path, ["a"], NOW)
    child = os.fork()
    if child == 0:  # no test framework in here
        for number in range(300):
            records.write_drift(tmp_path, {"a": Drift(NOW, "drift", number)})
        os._exit(0)
    ended = False
    while not ended:
        ended = os.waitpid(child, os.WNOHANG)[0] == child
        assert records.read(tmp_path)["a"].backup == NOW
    last = records.read(tmp_path)["a"].drift
    assert last is not None
    assert last.differences == 299


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NOEVICT_HOSTS", "NOEVICT_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.yml").write_text("redis:\n  cache-1:\n")
    (tmp_path / "fleets").mkdir()
    (tmp_path / "fleets/hosts.yml").write_text("redis:\n  cache-1:\n  cache-2:\n")
    return tmp_path


@pytest.mark.parametrize(
    ("hosts", "state", "where"),
    [
        (None, None, "state"),
        ("hosts.yml", None, "state"),
        ("link.yml", None, "state"),
        ("fleets/hosts.yml", None, "fleets/hosts.state"),
        ("fleets/staging.yml", None, "fleets/staging.state"),  # not there, and a mistake of its own
        ("fleets/staging.yaml", None, "fleets/staging.yaml.state"),
        ("fleets/staging", None, "fleets/staging.hosts.state"),
        ("fleets/hosts.yml", "elsewhere", "elsewhere"),
        (None, "elsewhere", "elsewhere"),
    ],
)
def test_each_hosts_file_has_a_state_directory_of_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch, hosts: str | None, state: str | None, where: str
) -> None:
    (root / "link.yml").symlink_to("hosts.yml")
    for name, value in (("NOEVICT_HOSTS", hosts), ("NOEVICT_STATE", state)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert records.locate(root) == root / where
    assert records.place(root) == root / where


def test_what_an_earlier_release_recorded_of_other_hosts_files_is_asked_about_until_there_is_an_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write_backup(records.place(root), ["cache-2", "cache-7"], NOW)
    assert records.unclaimed(root) is None  # of hosts.yml
    monkeypatch.setenv("NOEVICT_HOSTS", "fleets/hosts.yml")
    there, old = root / "fleets/hosts.state", root / "state"
    question = (
        f"{there}: should hold what is recorded of cache-2, which earlier releases kept in {old}: "
        f"`cp -a {old} {there}` keeps that, `mkdir -m 700 {there}` starts without them"
    )
    assert records.unclaimed(root) == question
    with pytest.raises(NoevictError) as caught:
        records.place(root)
    assert caught.value.lines == (question,)
    there.mkdir()
    assert (records.unclaimed(root), records.place(root)) == (None, there)


def test_hosts_of_which_nothing_was_recorded_are_not_asked_about(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write_backup(records.place(root), ["cache-7"], NOW)
    monkeypatch.setenv("NOEVICT_HOSTS", "fleets/hosts.yml")
    assert records.unclaimed(root) is None
