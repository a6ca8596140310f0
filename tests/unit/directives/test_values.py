"""Values: canonical form, comparison by meaning, the form in the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.directives import values
from noevict.directives.table import table
from noevict.engines.engine import Server
from tests.server import directive_values

REDIS = Server("redis", (7, 0, 15))
VALKEY = Server("valkey", (8, 1, 1))


@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("maxmemory", "1600mb", "1677721600"),
        ("maxmemory", "1G", "1000000000"),
        ("maxmemory", 0, "0"),
        ("maxmemory-clients", "10%", "10%"),
        ("maxmemory-clients", "0%", "0"),
        ("save", "3600 1  300 100", "3600 1 300 100"),
        ("save", "", ""),
        ("appendonly", True, "yes"),
        ("appendonly", "YES", "yes"),
        ("hz", "010", "10"),
        ("maxmemory-policy", "NoEviction", "noeviction"),
        ("tls-protocols", "TLSv1.3 TLSv1.2", "TLSv1.2 TLSv1.3"),
        ("shutdown-on-sigterm", "force nosave", "nosave force"),
        ("notify-keyspace-events", "xEKg$lshzetd", "AKE"),
        ("notify-keyspace-events", "Exg", "gxE"),
        ("unixsocketperm", "0770", "770"),
        ("latency-tracking-info-percentiles", "50.0 99.90", "50 99.9"),
        ("latency-tracking-info-percentiles", "0.000001 0.0 100.00", "0.000001 0 100"),
        ("oom-score-adj", "Relative", "yes"),
        ("bind", "127.0.0.1   -::1", "127.0.0.1 -::1"),
        (
            "client-output-buffer-limit",
            "replica 1gb 0 0",
            "normal 0 0 0 slave 1073741824 0 0 pubsub 33554432 8388608 60",
        ),
        ("a-module.option", "x  y", "x  y"),
    ],
)
def test_the_canonical_form_is_what_config_get_returns(name: str, value: object, canonical: str) -> None:
    assert values.canonical(name, value) == canonical


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory", "80%"),
        ("maxmemory", "1tb"),
        ("maxmemory", "-1"),
        ("maxmemory", "\uff11gb"),
        ("save", "3600"),
        ("save", "0 1"),
        ("save", "3600 x"),
        ("bind", "not-an-address"),
        ("bind", ""),
        ("appendonly", "maybe"),
        ("client-output-buffer-limit", "replica 1gb"),
        ("client-output-buffer-limit", "everyone 1 1 1"),
        ("tls-protocols", ""),
        ("hz", ["10"]),
    ],
)
def test_what_is_no_value_of_a_directive_has_no_canonical_form(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        values.canonical(name, value)


def test_values_are_compared_by_meaning() -> None:
    assert values.same("maxmemory", "1gb", "1073741824")
    assert values.same("appendonly", True, "yes")
    assert values.same("client-output-buffer-limit", "replica 256mb 64mb 60", "slave 268435456 67108864 60")
    assert not values.same("maxmemory", "1gb", "1000000000")
    assert not values.same("logfile", "/a", "/A")
    assert not values.same("tls-protocols", "TLSv1.2 TLSv1.3", "")
    assert values.same("tls-protocols", "", "")


@pytest.mark.parametrize(
    ("name", "canonical", "redis", "valkey"),
    [
        ("maxmemory", "1677721600", ("1600mb",), ("1600mb",)),
        ("maxmemory", "0", ("0",), ("0",)),
        ("maxmemory", "1000000000", ("1000000000",), ("1000000000",)),
        ("save", "3600 1 300 100", ("3600 1", "300 100"), ("3600 1 300 100",)),
        ("save", "", ('""',), ('""',)),
        ("logfile", "", (), ()),
        ("logfile", "/a b", ('"/a b"',), ('"/a b"',)),
        ("bind", "* -::*", (), ()),
        ("bind", "127.0.0.1", ("127.0.0.1",), ("127.0.0.1",)),
        ("latency-tracking-info-percentiles", "", ('""',), ('""',)),
        ("latency-tracking-info-percentiles", "0.000001 100", ("0.000001 100",), ("0.000001 100",)),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 slave 1073741824 0 0 pubsub 1 2 3",
            ("normal 0 0 0", "replica 1gb 0 0", "pubsub 1 2 3"),
            ("normal 0 0 0", "replica 1gb 0 0", "pubsub 1 2 3"),
        ),
    ],
)
def test_the_written_form_is_what_config_rewrite_writes(
    name: str, canonical: str, redis: tuple[str, ...], valkey: tuple[str, ...]
) -> None:
    assert values.written(name, canonical, REDIS) == redis
    assert values.written(name, canonical, VALKEY) == valkey


_PLAIN = [name for name, row in table().items() if row.use == "plain" and row.on(REDIS)]


@given(data=st.data(), name=st.sampled_from(_PLAIN))
def test_canonical_is_a_fixed_point_and_means_the_same_as_what_was_given(
    data: st.DataObject, name: str
) -> None:
    measured = table()[name].on(REDIS)
    assert measured is not None
    value = data.draw(directive_values.strategy(name, measured.kind))
    canonical = values.canonical(name, value)
    assert values.canonical(name, canonical) == canonical
    assert values.same(name, value, canonical)


@given(st.integers(0, 2**63 - 1))
def test_a_size_as_written_is_the_same_number_of_bytes(size: int) -> None:
    (written,) = values.written("maxmemory", str(size), REDIS)
    assert values.canonical("maxmemory", written) == str(size)


@pytest.mark.parametrize(
    ("name", "texts", "displayed"),
    [
        ("maxmemory", ["1gb", "1677721600"], ["1024mb", "1600mb"]),
        ("maxmemory", ["0", "2gb"], ["0", "2gb"]),
        ("maxmemory", ["1gb", "1073741825"], ["1073741824", "1073741825"]),
        ("maxmemory-clients", ["10%", "1gb", "512mb"], ["10%", "1024mb", "512mb"]),
        ("maxmemory", ["not there", "1gb"], ["not there", "1gb"]),
        ("maxmemory", ["0", "0"], ["0", "0"]),
        ("hz", ["10", "1024"], ["10", "1024"]),
        ("nobody-knows-it", ["1gb", "1073741824"], ["1gb", "1073741824"]),
    ],
)
def test_values_that_are_compared_have_one_unit(name: str, texts: list[str], displayed: list[str]) -> None:
    assert values.side_by_side(name, texts) == displayed
