"""The kinds of values: what each takes up to its very bounds, and in which form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noevict.directives.kinds import (
    Bool,
    Int,
    Kind,
    Memory,
    Octal,
    Text,
    Words,
    in_one_unit,
    is_safe,
    memory,
)
from noevict.directives.lists import Bind, BufferLimits, KeyspaceEvents, OomScores, Percentiles, Save

MOST = 2**63 - 1
SOME, MANY = Words(("Save", "nosave", "now")), Words(("Save", "nosave", "now"), many=True)
ALIKE = Words(("no", "yes", "relative"), alike=(("relative", "yes"),))
LIMITS = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
SIXTEEN = " ".join(f"10.0.0.{number}" for number in range(16))

# Kind, text, its canonical form; None if it is no value of this kind.
VALUES: list[tuple[Kind, str, str | None]] = [
    (Bool(), "Yes", "yes"),
    (Bool(), "no", "no"),
    (Bool(), "true", None),
    (Bool(), "", None),
    (Int(1, 500), "1", "1"),
    (Int(1, 500), "500", "500"),
    (Int(1, 500), "0", None),
    (Int(1, 500), "501", None),
    (Int(1, 500), "0007", "7"),
    (Int(-5, 5), "-5", "-5"),
    (Int(-5, 5), "-6", None),
    (Int(), str(MOST), str(MOST)),
    (Int(), str(MOST + 1), None),
    (Int(), str(-MOST), str(-MOST)),
    (Int(), str(-MOST - 1), None),
    (Int(), "0" * 20, "0"),
    (Int(), "0" * 21, None),  # no number of a server's is as long
    (Int(), "", None),
    (Int(), "-", None),
    (Int(), "+1", None),
    (Int(), "1 ", None),
    (Int(), "1.0", None),
    (Int(), "\uff11", None),  # a digit, and none of ASCII's
    (Memory(), "0", "0"),
    (Memory(), str(MOST), str(MOST)),
    (Memory(), str(MOST + 1), None),
    (Memory(1024, 2048), "1023", None),
    (Memory(1024, 2048), "1kb", "1024"),
    (Memory(1024, 2048), "2kb", "2048"),
    (Memory(1024, 2048), "2049", None),
    (Memory(), "10%", None),
    (Memory(percent=True), "10%", "10%"),
    (Memory(percent=True), "010%", "10%"),
    (Memory(percent=True), "100%", "100%"),
    (Memory(percent=True), "101%", None),
    (Memory(percent=True), "0100%", None),
    (Memory(percent=True), "00%", "0"),
    (Memory(percent=True), "%", None),
    (Memory(percent=True), "\uff11%", None),
    (Memory(percent=True), "10", "10"),
    (Octal(), "7", "7"),
    (Octal(), "0770", "770"),
    (Octal(), "007", "7"),
    (Octal(), "1770", None),
    (Octal(), "78", None),
    (Octal(), "", None),
    (SOME, "SAVE", "Save"),
    (SOME, "nosave now", None),
    (SOME, "", None),
    (MANY, "now  save", "Save now"),
    (MANY, "now now", "now"),
    (MANY, "now later", None),
    (MANY, "", None),
    (ALIKE, "relative", "yes"),
    (ALIKE, "no", "no"),
    (Text(), "", ""),
    (Text(), "a b", "a b"),
    (Text(), "x" * 4096, "x" * 4096),
    (Text(), "x" * 4097, None),
    (Text(), 'a"b', None),
    (Text(needed=True), "", None),
    (Text(needed=True), "x", "x"),
    (Save(), "", ""),
    (Save(), "1 0", "1 0"),
    (Save(), "0 1", None),
    (Save(), "60 1 0 1", None),
    (Save(), "060 01", "60 1"),
    (Save(), "999999999 999999999", "999999999 999999999"),
    (Save(), "1000000000 1", None),
    (Save(), "60 1 5", None),
    (Save(), "60 -1", None),
    (Save(), "\uff16 1", None),
    (BufferLimits(), "normal 0 0 0", LIMITS),
    (BufferLimits(), "Replica 256MB 64mb 060", LIMITS),
    (BufferLimits(), "pubsub 1kb 2 3 normal 4 5 6", "normal 4 5 6 slave 268435456 67108864 60 pubsub 1024 2 3"),
    (BufferLimits(), "normal 0 0 999999999", LIMITS.replace("0 0 0", "0 0 999999999", 1)),
    (BufferLimits(), "normal 0 0 1000000000", None),
    (BufferLimits(), "normal 0 0 x", None),
    (BufferLimits(), "normal 0 0 \uff16", None),
    (BufferLimits(), "normal 0 x 0", None),
    (BufferLimits(), "normal x 0 0", None),
    (BufferLimits(), "normal 0 0 0 pubsub", None),
    (BufferLimits(), "master 0 0 0", None),
    (BufferLimits(), "", None),
    (Bind(), "127.0.0.1  -::1", "127.0.0.1 -::1"),
    (Bind(), "* -::*", "* -::*"),
    (Bind(), "-* ::*", "-* ::*"),
    (Bind(), "fe80::1%eth0", "fe80::1%eth0"),
    (Bind(), SIXTEEN, SIXTEEN),
    (Bind(), f"{SIXTEEN} 10.0.0.16", None),
    (Bind(), "--::1", None),
    (Bind(), "localhost", None),
    (Bind(), "10.0.0.1 x", None),
    (Bind(), "", None),
    (OomScores(), "0 200 0800", "0 200 800"),
    (OomScores(), "-2000 2000 0", "-2000 2000 0"),
    (OomScores(), "-2001 0 0", None),
    (OomScores(), "0 0 2001", None),
    (OomScores(), "0 0", None),
    (OomScores(), "0 0 0 0", None),
    (OomScores(), "0 0 00000", None),
    (OomScores(), "0 0 x", None),
    (OomScores(), "0 0 \uff11", None),
    (KeyspaceEvents(), "", ""),
    (KeyspaceEvents(), "A", "A"),
    (KeyspaceEvents(), "mEKA", "AKEm"),
    (KeyspaceEvents(), "nmEKdtexzhsl$g", None),
    (KeyspaceEvents(), "mEKdtexzhsl$g", "AKEm"),
    (KeyspaceEvents(), "mEKntexzhsl$g", "g$lshzxetnKEm"),
    (KeyspaceEvents(), "An", None),
    (KeyspaceEvents(), "n", "n"),
    (KeyspaceEvents(), "q", None),
    (Percentiles(), "", ""),
    (Percentiles(), "0 100 100.000000", "0 100 100"),
    (Percentiles(), "099.900 10", "99.9 10"),
    (Percentiles(), "0.000001", "0.000001"),
    (Percentiles(), "0.0000001", None),
    (Percentiles(), "100.000001", None),
    (Percentiles(), "0050", None),
    (Percentiles(), "5.", None),
    (Percentiles(), ".5", None),
    (Percentiles(), "50 x", None),
    (Percentiles(), "\uff15", None),
]  # fmt: skip


def read(kind: Kind, text: str) -> str | None:
    try:
        return kind.canonical(text)
    except ValueError:
        return None


@pytest.mark.parametrize(("kind", "text", "canonical"), VALUES)
def test_a_value_is_taken_or_not_up_to_the_very_bound(kind: Kind, text: str, canonical: str | None) -> None:
    assert read(kind, text) == canonical


@pytest.mark.parametrize(
    ("kind", "canonical", "lines"),
    [
        (Bool(), "yes", ("yes",)),
        (Int(), "7", ("7",)),
        (Octal(), "770", ("770",)),
        (Memory(), "1536", ("1536",)),
        (Memory(), "2048", ("2kb",)),
        (Memory(percent=True), "10%", ("10%",)),
        (SOME, "now", ("now",)),
        (Words(("a", "b"), many=True, quoted=True), "a b", ('"a b"',)),
        (Text(), "a b", ('"a b"',)),
        (Text(), "", ()),
        (Save(), "60 1 5 2", ("60 1", "5 2")),
        (Save(one_line=True), "60 1 5 2", ("60 1 5 2",)),
        (Save(one_line=True), "", ('""',)),
        (BufferLimits(), LIMITS, ("normal 0 0 0", "replica 256mb 64mb 60", "pubsub 32mb 8mb 60")),
        (Bind(), "* -::*", ()),
        (Bind(), "::1", ("::1",)),
        (OomScores(), "0 200 800", ("0 200 800",)),
        (KeyspaceEvents(), "", ('""',)),
        (KeyspaceEvents(), "AKE", ('"AKE"',)),
        (Percentiles(), "", ('""',)),
        (Percentiles(), "50 99.9", ("50 99.9",)),
    ],
)
def test_a_value_is_written_as_config_rewrite_writes_it(
    kind: Kind, canonical: str, lines: tuple[str, ...]
) -> None:
    assert kind.written(canonical) == lines


@pytest.mark.parametrize(
    ("kind", "should_be"),
    [
        (Int(0), "a whole number, 0 or more"),
        (Int(0, MOST - 1), f"a whole number from 0 to {MOST - 1}"),
        (Memory(), 'a size such as "64mb"'),
        (Memory(1), 'a size such as "64mb" of at least 1'),
        (
            Memory(1024**2, percent=True),
            'a size such as "64mb" of at least 1mb, or a percentage such as "10%"',
        ),
        (SOME, "one of: Save, nosave, now"),
        (MANY, "some of: Save, nosave, now"),
        (
            Text(),
            "text in ASCII without quotes, backslashes and line breaks, of at most 4096 characters",
        ),
        (
            Text(needed=True),
            "text in ASCII without quotes, backslashes and line breaks, not empty, of at most 4096 characters",
        ),
    ],
)
def test_what_a_value_should_be_names_its_bounds(kind: Kind, should_be: str) -> None:
    assert kind.should_be == should_be


def test_safe_are_the_characters_of_ascii_that_can_be_seen_but_for_quotes_and_backslashes() -> None:
    safe = {char for char in map(chr, range(0x250)) if is_safe(char)}
    assert safe == set(map(chr, range(0x20, 0x7F))) - {'"', "\\"}
    assert is_safe("")
    assert not is_safe("a\n")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7", 7),
        ("7b", 7),
        ("7k", 7000),
        ("7Kb", 7 * 1024),
        ("7m", 7_000_000),
        ("7mb", 7 * 1024**2),
        ("7G", 7_000_000_000),
        ("7GB", 7 * 1024**3),
        ("0" * 18 + "1", 1),
        ("0" * 19 + "1", None),
        ("", None),
        ("gb", None),
        ("1 gb", None),
        ("1tb", None),
        ("-1", None),
        ("1gb ", None),
        ("\uff11", None),
        ("1\u212ab", None),  # the Kelvin sign, a k in lower case
    ],
)
def test_sizes_have_the_same_units_as_in_the_servers(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="not a value of this kind"):
            memory(text)
    else:
        assert memory(text) == size


@pytest.mark.parametrize(
    ("sizes", "texts"),
    [
        ([1024**3], ["1gb"]),
        ([1024**3, 3 * 1024**2], ["1024mb", "3mb"]),
        ([1024**2, 1024], ["1024kb", "1kb"]),
        ([1024, 1], ["1024", "1"]),
        ([2000], ["2000"]),
        ([0, 1024**3], ["0", "1gb"]),
        ([0, 0], ["0", "0"]),
    ],
)
def test_sizes_have_the_largest_unit_that_divides_all(sizes: list[int], texts: list[str]) -> None:
    assert in_one_unit(sizes) == texts


@given(st.lists(st.integers(0, MOST), min_size=1, max_size=4))
def test_no_byte_is_lost_in_one_unit(sizes: list[int]) -> None:
    assert [memory(text) for text in in_one_unit(sizes)] == sizes
