"""The space for what a server writes, on disk and in memory: how much there is, and how much it needs. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20  # bytes
SLACK = 16 << 20  # bytes: a start writes a manifest before it serves, and clients continue to write
# Fields of INFO, in bytes: what the last fork of each kind copied, and what one under way has copied so far.
COPIED = ("rdb_last_cow_size", "aof_last_cow_size", "current_cow_peak")
UNKNOWN_COPIES = 10  # for a server that never forked we assume a tenth of its memory
PAGE_TABLES = 512  # a fork copies 8 bytes for each page of 4096


@dataclass(frozen=True)
class Room:
    """The space there is. ``disk``: path -> bytes that may be written there. ``memory``: bytes that programs may still
    take, or None.
    """

    disk: Mapping[str, int]
    memory: int | None

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Room":
        """Parse the lines that free_space.sh prints: "disk BYTES PATH" and "memory BYTES"."""
        disk, memory = {}, None
        for line in lines:
            word, size, *path = line.split(" ", 2)
            if word == "disk":
                disk[path[0]] = int(size)
            elif word == "memory":
                memory = int(size)
        return cls(disk, memory)


def lacking(room: Room, data: str, info: Mapping[str, Any], limit: int, size: int | None = None) -> str:
    """Return why a copy of all data should not be written below ``data`` now; "" if there is room for it.

    ``info``: INFO memory and persistence. ``limit``: the memory that the server may use, in bytes. ``size``: the size
    of the copy, if known; else it may be as large as the data in memory.
    """
    used = int(info.get("used_memory", 0))
    wanted = (used if size is None else size) + SLACK
    free = room.disk.get(data)
    if free is None or free < wanted:
        there = "an unknown size" if free is None else f"{free >> 20} MiB"
        return (
            f"the disk of {data} has {there} free, writing all data takes up to {mib(wanted)} MiB: free space"
        )
    copied = max(int(info.get(name, 0)) for name in COPIED) or used // UNKNOWN_COPIES
    takes = copied + used // PAGE_TABLES
    left = limit - max(used, int(info.get("used_memory_rss", 0)))
    spare = None if room.memory is None else min(room.memory, left)
    if spare is None or spare < takes:
        there = "an unknown size" if spare is None else f"{max(spare, 0) >> 20} MiB"
        return (
            f"{there} of memory are free, a fork that writes all data may copy {mib(takes)} MiB: give this host more, "
            "or stop other programs"
        )
    return ""


def mib(size: int) -> int:
    """Return whole MiB, rounded up."""
    return -(-size // MIB)
