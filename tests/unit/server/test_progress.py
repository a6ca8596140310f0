"""How far a server is, by INFO persistence."""

import pytest

from noevict.server.progress import is_saving, loading, saving


def test_how_far_the_loading_is() -> None:
    info = {"loading": 1, "loading_loaded_bytes": 300 << 20, "loading_total_bytes": 2048 << 20}
    assert loading(info) == (300 << 20, ", 300 of 2048 MiB")
    assert loading({"loading": 0}) == (0, "")
    assert loading({"loading_loaded_bytes": 7}) == (7, "")
    assert loading({"loading_total_bytes": 1 << 20}) == (0, ", 0 of 1 MiB")


def test_how_far_a_save_is() -> None:
    one, other = ({"current_save_keys_processed": n, "current_save_keys_total": 9} for n in (3, 4))
    assert (saving(one)[1], saving({})[1]) == (", 3 of 9 keys", "")
    assert saving({"current_save_keys_total": 9})[1] == ", 0 of 9 keys"
    assert saving(one)[0] != saving(other)[0]
    for moved in ("current_save_keys_total", "current_fork_perc", "aof_rewrite_in_progress"):
        assert saving({**one, moved: 1})[0] != saving(one)[0]


@pytest.mark.parametrize(
    "name", ["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]
)
def test_each_kind_of_save_counts(name: str) -> None:
    assert is_saving({name: 1})
    assert not is_saving({name: 0})
