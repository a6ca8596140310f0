"""What a server reported of itself, read: what is missing or none counts as nothing."""

from collections.abc import Mapping

import pytest

from noevict.acl.rules import Catalogue
from noevict.server.live import Live, Reach


def live(**info: object) -> Live:
    return Live(Reach.TLS, info=info)


@pytest.mark.parametrize("reach", Reach)
def test_a_server_is_ours_if_it_was_reached_and_knows_our_admin(reach: Reach) -> None:
    reached = reach in {Reach.TLS, Reach.PLAINTEXT}
    assert Live(reach).reached is reached
    assert Live(reach, user="admin").ours is reached
    assert not Live(reach, user="default").ours
    assert not Live(reach).ours


def test_how_far_a_client_got_has_words_that_end_a_sentence() -> None:
    assert [each.value for each in Reach] == [
        "is not running",
        "answers over TLS",
        "answers without TLS",
        "rejects the password",
        "rejects noevict's commands",
        "could not be looked at",
    ]


@pytest.mark.parametrize(("value", "number"), [(7, 7), (7.9, 7), (-1, -1), ("7", 0), (None, 0), ({}, 0)])
def test_a_number_of_info_is_whole_or_nothing(value: object, number: int) -> None:
    assert live(used_memory=value).number("used_memory") == number
    assert live().number("used_memory") == 0


def test_what_a_server_is_busy_with_is_read() -> None:
    assert live(loading=1).loading is True
    assert live(loading=0).loading is live().loading is False
    assert live(aof_rewrite_in_progress=1, aof_rewrite_scheduled=0).writing_aof is True
    assert live(aof_rewrite_in_progress=0, aof_rewrite_scheduled=1).writing_aof is True
    assert live(aof_rewrite_in_progress=0).writing_aof is live().writing_aof is False
    assert live(run_id="abc").run_id == "abc"
    assert live(run_id=7).run_id == "7"
    assert live().run_id == ""


@pytest.mark.parametrize(
    ("info", "keys"),
    [
        ({}, 0),
        ({"db0": {"keys": 5, "expires": 2}, "db15": {"keys": 3}}, 8),
        ({"db0": {"keys": 5}, "db1": {"expires": 2}, "db2": "no database"}, 5),
        ({"db0": {"keys": 5}, "sdb": {"keys": 7}, "loading": {"keys": 7}}, 5),
    ],
)
def test_keys_are_counted_over_all_databases(info: Mapping[str, object], keys: int) -> None:
    assert live(**info).keys == keys


def test_a_repr_shows_nothing_that_a_server_may_have_sent() -> None:
    secret = "hunter2"
    reported = Live(
        Reach.TLS, certificate=secret.encode(), config={"a": secret}, acl=(secret,), info={"a": secret},
        catalogue=Catalogue(frozenset({secret}), ()),
    )  # fmt: skip
    assert secret not in repr(reported)


def test_of_a_server_that_was_not_reached_nothing_is_known() -> None:
    nothing = Live(Reach.NOT_RUNNING)
    assert (nothing.why, nothing.user, nothing.port, nothing.open, nothing.untrusted) == (
        "",
        "",
        0,
        False,
        "",
    )
    assert (nothing.certificate, nothing.server, nothing.catalogue) == (None, None, None)
    assert (nothing.config, nothing.acl, nothing.info) == ({}, (), {})


def test_figures_that_change_by_themselves_make_no_other_server() -> None:
    assert live(used_memory=1) == live(used_memory=2)
    assert Live(Reach.TLS, catalogue=Catalogue(frozenset(), ())) == Live(Reach.TLS)
    for other in ({"config": {"hz": "10"}}, {"acl": ("user a on",)}, {"certificate": b"1"}, {"open": True}):
        assert Live(Reach.TLS, **other) != Live(Reach.TLS)
