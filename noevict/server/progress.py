"""How far a server is with loading or saving its data, by what it reports, and how long that may take. Pure."""

from collections.abc import Mapping
from typing import Any

Info = Mapping[str, Any]  # INFO persistence
# How long a run waits for a server:
STILL_SECONDS = 1800  # without progress: saving one key of 100 GB takes about as long
MOST_SECONDS = 86400  # even with progress: a terabyte takes hours; a server that lies takes for ever


def loading(info: Info) -> tuple[object, str]:
    """Return how far a server is with loading its data: what changes as it proceeds, and words."""
    loaded, total = info.get("loading_loaded_bytes", 0), info.get("loading_total_bytes")
    if not total:
        return loaded, ""
    return loaded, f", {loaded >> 20} of {total >> 20} MiB"


def saving(info: Info) -> tuple[object, str]:
    """Return how far a server is with an RDB or new append-only files, as ``loading``."""
    saved, total = info.get("current_save_keys_processed", 0), info.get("current_save_keys_total")
    mark = (saved, total, info.get("current_fork_perc"), info.get("aof_rewrite_in_progress"))
    return mark, f", {saved} of {total} keys" if total else ""


def is_saving(info: Info) -> bool:
    """Whether a child of the server writes, or will write, files that a stop would leave incomplete."""
    names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
    return any(info.get(name) for name in names)
