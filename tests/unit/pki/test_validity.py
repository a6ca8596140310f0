"""When a certificate has to be renewed, and why."""

from dataclasses import replace
from datetime import timedelta

import pytest

from noevict.pki.authority import make_ca
from noevict.pki.validity import outlives, problems
from tests.unit.pki.certificates import CA, CACHE, DAY, NOW, host

SECOND = timedelta(seconds=1)

NAMES = ("cache-1.example.com", "10.0.0.12")


def test_a_good_certificate_has_no_problem_whatever_more_names_it_has() -> None:
    assert problems(CACHE.certificate, CACHE.digest, CA.certificate, NAMES, NOW) == ()
    assert (
        problems(CACHE.certificate, CACHE.digest, CA.certificate, ("CACHE-1.example.com.", "FD00:0::12"), NOW)
        == ()
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"certificate": None}, "cannot be read"),
        ({"key_digest": ""}, "has no key"),
        ({"key_digest": "0" * 64}, "does not match its key"),
        ({"ca": make_ca(NOW).certificate}, "is signed by another CA"),
        ({"names": ("cache-1.example.com", "new.example.com")}, "does not cover new.example.com"),
        ({"now": NOW + 368 * DAY}, "expires in 29 days"),
        ({"now": NOW + 396 * DAY}, "expires in 1 day"),
        ({"now": NOW + 397 * DAY}, "has expired"),
        ({"now": NOW - DAY}, f"is not valid before {NOW - timedelta(hours=1):%Y-%m-%d %H:%M} UTC"),
    ],
    # No time in them: two processes that begin in different minutes collect the same tests.
    ids=[
        "none",
        "no key",
        "another key",
        "another CA",
        "a name",
        "29 days",
        "1 day",
        "expired",
        "not yet valid",
    ],
)
def test_a_reason_for_renewal_is_given_in_words(changed: dict, expected: str) -> None:
    good = {
        "certificate": CACHE.certificate,
        "key_digest": CACHE.digest,
        "ca": CA.certificate,
        "names": NAMES,
        "now": NOW,
    }
    assert problems(**{**good, **changed}) == (expected,)


def test_a_certificate_is_valid_from_its_first_second_to_its_last() -> None:
    starts, ends = CACHE.certificate.not_before, CACHE.certificate.not_after
    assert problems(CACHE.certificate, CACHE.digest, CA.certificate, NAMES, starts) == ()
    assert problems(CACHE.certificate, CACHE.digest, CA.certificate, NAMES, starts - SECOND) != ()
    assert problems(CACHE.certificate, CACHE.digest, CA.certificate, NAMES, ends) == ("has expired",)
    assert problems(CACHE.certificate, CACHE.digest, CA.certificate, NAMES, ends - SECOND) == (
        "expires in 0 days",
    )


def test_every_reason_is_reported_once_in_this_order() -> None:
    reported = problems(
        CACHE.certificate,
        "",
        make_ca(NOW).certificate,
        ["b", "a", "b", *NAMES],
        NOW - DAY,
        owner={"localhost": "h"}.get,
    )
    assert reported == (
        "does not cover b",
        "does not cover a",
        "covers localhost, which is h's",
        f"is not valid before {NOW - timedelta(hours=1):%Y-%m-%d %H:%M} UTC",
        "is signed by another CA",
        "has no key",
    )


def test_thirty_days_are_enough() -> None:
    assert problems(CACHE.certificate, CACHE.digest, CA.certificate, NAMES, NOW + 367 * DAY) == ()


def test_a_certificate_that_ends_with_the_ca_is_not_renewed_over_and_over() -> None:
    late = NOW + 3640 * DAY
    last = host("a", now=late)
    assert problems(last.certificate, last.digest, CA.certificate, ["a"], late) == ()
    assert problems(last.certificate, last.digest, CA.certificate, ["a"], NOW + 3652.5 * DAY) == ()
    assert problems(last.certificate, last.digest, CA.certificate, ["a"], NOW + 3653 * DAY) == (
        "has expired",
    )


def test_what_lasts_longer_than_certificates_do_now_is_known() -> None:
    assert not outlives(CACHE.certificate)
    assert not outlives(host("a", days=397).certificate, 397)
    assert outlives(host("a", days=398).certificate)
    assert outlives(CACHE.certificate, 396)
    most = NOW + 397 * DAY + 2 * timedelta(hours=1)  # for clocks that are an hour behind or ahead
    assert not outlives(replace(CACHE.certificate, not_before=NOW, not_after=most))
    assert outlives(replace(CACHE.certificate, not_before=NOW, not_after=most + SECOND))
