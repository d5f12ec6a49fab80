"""When one signing key follows another."""

from datetime import UTC, datetime, timedelta

import pytest

from fhirserver.smart import signing_key
from fhirserver.smart.signing_key import SigningKey

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEM = signing_key.generate()


def key(age: timedelta) -> SigningKey:
    return signing_key.read(PEM, NOW - age)


def test_the_only_key_signs_at_once() -> None:
    only = key(timedelta())
    assert signing_key.signing([only], NOW) is only
    assert signing_key.signing([], NOW) is None


def test_a_new_key_signs_after_everybody_could_know_it() -> None:
    old, new = key(89 * DAY), key(30 * timedelta(minutes=1))
    assert signing_key.signing([new, old], NOW) is old
    assert signing_key.signing([new, old], NOW + HOUR) is new


@pytest.mark.parametrize(("age", "due"), [(0 * DAY, False), (89 * DAY, False), (90 * DAY, True)])
def test_a_key_signs_for_ninety_days(age: timedelta, due: bool) -> None:
    assert signing_key.is_due([NOW - age, NOW - 100 * DAY], NOW) is due
    assert signing_key.is_due([], NOW)


def test_a_key_is_forgotten_a_day_after_the_next_one_signs() -> None:
    old = NOW - 90 * DAY
    assert not signing_key.is_over(old, [old, NOW - DAY], NOW)
    assert signing_key.is_over(old, [old, NOW - DAY - HOUR], NOW)
    assert not signing_key.is_over(old, [old], NOW + 300 * DAY)


def test_what_is_published_is_the_public_half_with_its_name() -> None:
    public = key(DAY).public()
    assert public["kid"] == key(DAY).kid
    assert (public["kty"], public["use"], public["alg"]) == ("RSA", "sig", "RS256")
    assert not {"d", "p", "q"} & set(public)
    assert "PRIVATE" not in repr(key(DAY))
