"""Room for a copy of all data, on disk and in memory: what is unknown counts as none."""

import pytest

from noevict.server.space import SLACK, Room, lacking, mib

MIB = 1 << 20
DATA = "/var/lib/redis"
INFO = {"used_memory": 100 * MIB, "used_memory_rss": 110 * MIB}


def room(disk: int | None = 200 * MIB, memory: int | None = 100 * MIB) -> Room:
    return Room({} if disk is None else {DATA: disk}, memory)


def test_the_lines_of_the_script_are_read() -> None:
    lines = ["disk 5 /var/lib/redis", "disk 7 /a path", "memory 9"]
    assert Room.parse(lines) == Room({"/var/lib/redis": 5, "/a path": 7}, 9)
    assert Room.parse(lines[:1]).memory is None


@pytest.mark.parametrize(
    ("there", "size", "fits"),
    [
        (room(100 * MIB + SLACK), None, True),
        (room(100 * MIB + SLACK - 1), None, False),
        (room(30 * MIB + SLACK), 30 * MIB, True),
        (room(30 * MIB + SLACK - 1), 30 * MIB, False),
        (room(None), None, False),
        # A tenth of what is in use, and the tables of its pages.
        (room(memory=10 * MIB + 100 * MIB // 512), None, True),
        (room(memory=10 * MIB + 100 * MIB // 512 - 1), None, False),
        (room(memory=None), None, False),
    ],
)
def test_a_copy_needs_room_for_all_that_is_in_memory(there: Room, size: int | None, fits: bool) -> None:
    assert (lacking(there, DATA, INFO, 4096 * MIB, size) == "") is fits


@pytest.mark.parametrize("name", ["rdb_last_cow_size", "aof_last_cow_size", "current_cow_peak"])
def test_what_the_last_fork_copied_is_what_the_next_may_copy(name: str) -> None:
    assert lacking(room(), DATA, {**INFO, name: 99 * MIB}, 4096 * MIB) == ""
    why = lacking(room(), DATA, {**INFO, name: 101 * MIB}, 4096 * MIB)
    assert why.startswith("100 MiB of memory are free, a fork that writes all data may copy 102 MiB: ")


def test_the_limit_of_the_server_counts_as_well_as_the_host() -> None:
    assert lacking(room(memory=1000 * MIB), DATA, INFO, 121 * MIB) == ""
    why = lacking(room(memory=1000 * MIB), DATA, INFO, 119 * MIB)
    assert why.startswith("9 MiB of memory are free, ")
    assert lacking(room(memory=1000 * MIB), DATA, INFO, 50 * MIB).startswith("0 MiB of memory are free, ")


def test_the_disk_is_named_with_what_is_free_and_what_is_wanted() -> None:
    why = lacking(room(3 * MIB), DATA, INFO, 4096 * MIB)
    assert why == f"the disk of {DATA} has 3 MiB free, writing all data takes up to 116 MiB: free space"


def test_what_info_reports_as_text_or_not_at_all_counts_as_well() -> None:
    reported = {name: str(size) for name, size in INFO.items()} | {"rdb_last_cow_size": str(99 * MIB)}
    assert lacking(room(), DATA, reported, 4096 * MIB) == ""
    assert lacking(room(), DATA, {**reported, "rdb_last_cow_size": str(101 * MIB)}, 4096 * MIB) != ""
    assert lacking(room(SLACK, 0), DATA, {}, 0) == ""
    assert lacking(room(SLACK - 1, 0), DATA, {}, 0) != ""


def test_what_is_unknown_is_reported_as_such() -> None:
    disk = lacking(room(None), DATA, INFO, 4096 * MIB)
    assert disk.startswith(
        f"the disk of {DATA} has an unknown size free, writing all data takes up to 116 MiB: "
    )
    memory = lacking(room(memory=None), DATA, INFO, 4096 * MIB)
    assert memory.startswith(
        "an unknown size of memory are free, a fork that writes all data may copy 11 MiB: "
    )


def test_a_start_has_16_mib_to_write_its_own_files() -> None:
    assert SLACK == 16 * MIB


@pytest.mark.parametrize(("size", "reported"), [(0, 0), (1, 1), (MIB, 1), (MIB + 1, 2)])
def test_mebibytes_are_rounded_up(size: int, reported: int) -> None:
    assert mib(size) == reported
