"""The kinds of value that settings have: what each takes, up to its bounds."""

from collections.abc import Callable

import pytest

from noevict.settings.validators import (
    Mistakes,
    address_of,
    addresses,
    certificate_names,
    check_bind,
    check_config,
    check_queues,
    check_users,
    endpoint,
    file_path,
    is_unicode,
    link,
    size,
    to_bytes,
)

LABEL = "a" * 63


def takes(check: Callable[[str], object], text: str) -> bool:
    try:
        return check(text) == text
    except ValueError:
        return False


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "ab",
        "cache-1.example.com",
        "A_b.C",
        "1.2.3.a",
        LABEL,
        f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}",
        "10.0.0.1",
        "127.0.0.1",
        "fd00::1",
        "::1",
    ],
)
def test_a_name_or_address_that_a_client_can_connect_to_is_taken(text: str) -> None:
    assert takes(endpoint, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        f"{LABEL}a",
        f"{LABEL}.{LABEL}.{LABEL}.{'a' * 62}",
        "a\n",
        "é",
        "\u212a",  # the Kelvin sign, a k in lower case
        "*.example.com",
        "10.0.0.256",
        "10.0.0",
        "7",
        "0.0.0.0",  # noqa: S104 - bound nowhere
        "::",
        "224.0.0.1",
        "ff02::1",
        "fe80::1%eth0",
        "[fd00::1]",
        "a:6379",
    ],
)
def test_what_no_client_can_connect_to_is_not_taken(text: str) -> None:
    assert not takes(endpoint, text)


@pytest.mark.parametrize("text", ["a", "a b", "/a/é.pem", " a"])
def test_a_path_is_text_on_one_line(text: str) -> None:
    assert takes(file_path, text)


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\tb", "a\0"])
def test_what_is_blank_or_cannot_be_seen_is_no_path(text: str) -> None:
    assert not takes(file_path, text)


def test_a_link_is_of_these_characters() -> None:
    taken = {char for char in map(chr, range(0x250)) if takes(link, f"a{char}b")}
    assert taken == set(map(chr, range(0x21, 0x7F))) - set('"<>?#\\^`{}')
    assert not takes(link, "")


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (1024**2 - 1, False),
        (1024**2, True),
        ("1mb", True),
        ("1023kb", False),
        (2**63 - 1, True),
        (2**63, False),
        ("8589934591gb", True),
        ("8589934592gb", False),
        ("1.5gb", False),
    ],
)
def test_a_size_is_1mb_or_more_and_fits_64_bits(value: int | str, taken: bool) -> None:
    if taken:
        assert size(value) == value
    else:
        with pytest.raises(ValueError, match=r"."):
            size(value)


def test_a_size_is_bytes_or_a_text_with_a_unit() -> None:
    assert to_bytes(5) == 5
    assert to_bytes("5kb") == 5120


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ("é\U0001f600", True),
        ("\ud7ff\ue000", True),
        ("\ud800", False),
        ("a" + chr(0xDFFF), False),
        ({"a": ["b", ("c", 5, None)]}, True),
        ({"\ud800": 1}, False),
        ({"a": "\ud800"}, False),
        (["a", "\ud800"], False),
        (("\ud800", "a"), False),
        ([{"a": ["\ud800"]}], False),
        (5, True),
    ],
)
def test_halves_of_characters_are_found_wherever_they_are(value: object, whole: bool) -> None:
    assert is_unicode(value) is whole


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a", True),
        ("*.example.com", True),
        ("*.com", False),
        ("*", False),
        ("a.*.com", False),
        ("*.*.example.com", False),
        ("10.0.0.1", True),
        ("a b", False),
        (7, False),
    ],
)
def test_a_certificate_has_names_and_addresses_and_wildcards_of_three_labels(
    name: object, taken: bool
) -> None:
    if taken:
        assert certificate_names([name]) == (name,)
    else:
        with pytest.raises(Mistakes) as refused:
            certificate_names(["good", name])
        assert refused.value.lines == (f": should be DNS names or addresses, got {name!r} in it",)


@pytest.mark.parametrize("check", [certificate_names, check_queues, check_users, check_config, check_bind])
def test_what_is_no_list_or_mapping_at_all_is_left_to_the_settings_description(
    check: Callable[[object], object],
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check(7)
    assert not isinstance(refused.value, Mistakes)


SIXTEEN = [f"10.0.0.{number}" for number in range(16)]


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("private", "private"),
        ("loopback", "loopback"),
        ("  10.0.0.1   -::1 ", "10.0.0.1 -::1"),
        (["10.0.0.1", "-::1"], ("10.0.0.1", "-::1")),
        (SIXTEEN, tuple(SIXTEEN)),
        (["*", "::*"], ("*", "::*")),
        ("0.0.0.0 ::", "0.0.0.0 ::"),
        ("10.0.0.1 fd00::1 127.0.0.1 ::1", "10.0.0.1 fd00::1 127.0.0.1 ::1"),
        ("::*  10.0.0.1", "::* 10.0.0.1"),
    ],
)
def test_bind_is_taken_in_its_own_form(value: object, bound: object) -> None:
    assert check_bind(value) == bound


IN_IT = ': should be "private", "loopback" or addresses, got {!r} in it'
ONCE = ": should be each address once (Redis would not start), got {!r} again"


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("", (": should be 1 to 16 addresses, got 0",)),
        ([], (": should be 1 to 16 addresses, got 0",)),
        ([*SIXTEEN, "10.0.1.1"], (": should be 1 to 16 addresses, got 17",)),
        ("a 10.0.0.1 b", (IN_IT.format("a"), IN_IT.format("b"))),
        ("::ffff:10.0.0.1", (IN_IT.format("::ffff:10.0.0.1"),)),
        ("--::1", (IN_IT.format("--::1"),)),
        ("10.0.0.1 10.0.0.2 10.0.0.1", (ONCE.format("10.0.0.1"),)),
        ("fd00::1 -fd00:0::1", (ONCE.format("-fd00:0::1"),)),
        ("10.0.0.1 *", (ONCE.format("*"),)),
        ("* 10.0.0.1", (ONCE.format("10.0.0.1"),)),
        ("* -0.0.0.0", (ONCE.format("-0.0.0.0"),)),
        ("fd00::1 ::*", (ONCE.format("::*"),)),
    ],
)
def test_a_bind_that_redis_would_not_start_with_is_reported_word_by_word(
    value: object, lines: tuple[str, ...]
) -> None:
    with pytest.raises(Mistakes) as refused:
        check_bind(value)
    assert refused.value.lines == lines


def test_words_of_bind_are_read_as_addresses() -> None:
    assert str(address_of("*")) == "0.0.0.0"  # noqa: S104 - bound nowhere
    assert str(address_of("-::*")) == "::"
    assert str(address_of("-10.0.0.1")) == "10.0.0.1"
    assert addresses(" a  b ") == addresses(["a", "b"]) == ("a", "b")


def test_names_of_queues_are_reported_one_by_one_and_twice_only_if_all_are_names() -> None:
    with pytest.raises(Mistakes) as refused:
        check_queues(["a", ":b", "a", 7])
    should = ": should be names of queues, on one line and without a colon at either end"
    assert refused.value.lines == (f"{should}, got ':b' in it", f"{should}, got 7 in it")
    with pytest.raises(Mistakes) as refused:
        check_queues(["a", "b", "bull:a"])
    assert refused.value.lines == (": should be each queue once, got 'bull:a' again",)
    assert check_queues(["a", "b"]) == ("a", "b")


LONG = "x" * 65


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (
            {"hz": "fast", "timeout": 7, "tcp-keepalive": -1},
            (
                ".hz: should be a whole number from 1 to 500, got 'fast'",
                ".tcp-keepalive: should be a whole number from 0 to 2147483647, got -1",
            ),
        ),
        ({5: 6}, (".5: should be named by text, got a number",)),
        ({"hz": 1, "HZ": 2}, (".HZ: should be left out beside hz, got both",)),
    ],
)
def test_each_directive_is_answered(value: object, lines: tuple[str, ...]) -> None:
    with pytest.raises(Mistakes) as refused:
        check_config(value)
    assert refused.value.lines == lines


@pytest.mark.parametrize("name", ["requirepass", "requirepas", "dir", "qqqqqqq"])
def test_no_value_of_a_secret_is_repeated_nor_of_what_may_be_one(name: str) -> None:
    with pytest.raises(Mistakes) as refused:
        check_config({name: "hunter2"})
    [line] = refused.value.lines
    assert line.startswith(f".{name}: should be ")
    assert line.endswith(", got text")


@pytest.mark.parametrize(
    ("name", "label"),
    [("a.b@c:d-e_f", ".a.b@c:d-e_f: "), ("a b", ".'a b': "), ("x" * 64, f".{'x' * 64}: "), (LONG, ".'xxx")],
)
def test_the_name_of_an_entry_is_quoted_if_it_is_no_plain_word(name: str, label: str) -> None:
    with pytest.raises(Mistakes) as refused:
        check_users({name: None})
    assert refused.value.lines[0].startswith(label)


def test_what_is_fine_comes_back_as_a_dict_of_its_own() -> None:
    users, config = {"shop": "app"}, {"hz": 50}
    assert check_users(users) == users
    assert check_config(config) == config
    assert check_users(users) is not users


def test_tuples_are_as_good_as_lists() -> None:
    assert certificate_names(("a", "b")) == check_queues(("a", "b")) == ("a", "b")
    assert check_bind(("10.0.0.1",)) == ("10.0.0.1",)
