"""Codes of apps (RFC 6238), and codes that are good once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.accounts import one_time_code, totp

# The secret and codes of RFC 6238, appendix B, cut to six digits.
SECRET = b"12345678901234567890"
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
}


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert totp.accepted_step(SECRET, code, now, 0) == seconds // 30
    assert totp.accepted_step(SECRET, f"{code[:3]} {code[3:]}", now, 0) == seconds // 30


def test_a_code_works_once_and_not_after_a_later_one() -> None:
    now = datetime.fromtimestamp(1111111109, UTC)
    step = totp.accepted_step(SECRET, "081804", now, 0)
    assert step is not None
    assert totp.accepted_step(SECRET, "081804", now, step) is None
    assert totp.accepted_step(SECRET, "081804", now, step + 1) is None


@pytest.mark.parametrize(
    ("late", "accepted"), [(-61, False), (-29, True), (0, True), (30, True), (61, False)]
)
def test_clocks_may_differ_by_one_step(late: int, accepted: bool) -> None:
    now = datetime.fromtimestamp(1111111110, UTC) + timedelta(seconds=late)
    assert (
        totp.accepted_step(SECRET, totp.code_of(SECRET, 1111111110 // 30), now, 0) is not None
    ) is accepted


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٠٨١٨٠٤", "08180\x00"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert totp.accepted_step(SECRET, code, datetime.fromtimestamp(1111111109, UTC), 0) is None


def test_apps_read_key_and_name() -> None:
    assert totp.written(SECRET).replace(" ", "") == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.address(SECRET, "nina", "clinic").startswith("otpauth://totp/clinic:nina?")


@given(st.binary(min_size=10, max_size=16))
def test_a_code_is_the_same_however_it_is_typed(random: bytes) -> None:
    code = one_time_code.written(random)
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert one_time_code.digest(typed) == one_time_code.digest(code)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_different_codes_are_different(one: bytes, other: bytes) -> None:
    same = one_time_code.digest(one_time_code.written(one)) == one_time_code.digest(
        one_time_code.written(other)
    )
    assert same is (one == other)


def test_lengths_of_codes() -> None:
    assert len(one_time_code.written(bytes(one_time_code.START_BYTES)).replace("-", "")) == 26
    assert one_time_code.written(b"\xff" * 10) == "ZZZZZ-ZZZZZ-ZZZZZ-Z"
