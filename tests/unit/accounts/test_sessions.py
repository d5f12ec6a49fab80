"""What is missing until somebody is signed in, and when a session ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fhirserver.accounts.session import (
    Limits,
    Session,
    is_fresh,
    is_idle,
    is_over,
    missing,
    needs_second_factor,
    role_of,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
LIMITS = Limits(timedelta(minutes=15), timedelta(hours=12))
NINA = ("practitioner", "Practitioner/nina")
BOB = ("related-person", "RelatedPerson/bob")
SESSION = Session("s", "a", None, ("pwd",), NOON, NOON, "", "")


@pytest.mark.parametrize(
    ("methods", "factors", "required", "expected"),
    [
        (("pwd",), (), False, "done"),
        (("pwd",), (), True, "enrol"),
        (("pwd",), ("totp", "recovery"), False, "second-factor"),
        (("pwd",), ("passkey",), True, "second-factor"),
        (("pwd",), ("recovery",), True, "enrol"),
        (("pwd", "otp"), ("totp",), True, "done"),
        (("pwd", "kba"), ("totp",), True, "done"),
        (("hwk",), ("passkey",), True, "done"),
        ((), (), True, "enrol"),
    ],
)
def test_what_is_missing(
    methods: tuple[str, ...],
    factors: tuple[str, ...],
    required: bool,
    expected: str,
) -> None:
    session = replace(SESSION, methods=methods)
    assert missing(session, factors, [NINA], required=required) == expected


def test_who_has_several_roles_says_which() -> None:
    assert missing(SESSION, (), [NINA, BOB], required=False) == "role"
    assert missing(SESSION, (), [], required=False) == "done"
    chosen = replace(SESSION, role=BOB)
    assert missing(chosen, (), [NINA, BOB], required=False) == "done"
    assert role_of(chosen, [NINA, BOB]) == BOB
    assert role_of(chosen, [NINA]) == NINA, "a role that was taken away is none"
    assert role_of(SESSION, [NINA, BOB]) is None


@pytest.mark.parametrize(
    ("kinds", "policy", "expected"),
    [
        (("patient",), "professionals", False),
        (("patient", "related-person"), "professionals", False),
        (("patient", "practitioner"), "professionals", True),
        (("admin",), "professionals", True),
        (("technician",), "professionals", True),
        (("clinic-admin",), "professionals", True),
        (("patient",), "everybody", True),
        ((), "everybody", True),
        (("admin",), "nobody", False),
    ],
)
def test_who_needs_a_second_factor(kinds: tuple[str, ...], policy: str, expected: bool) -> None:
    assert needs_second_factor(kinds, policy) is expected


def test_limits() -> None:
    used = replace(SESSION, seen=NOON + timedelta(minutes=10))
    assert not is_idle(used, LIMITS, NOON + timedelta(minutes=24, seconds=59))
    assert is_idle(used, LIMITS, NOON + timedelta(minutes=25))
    assert not is_over(used, LIMITS, NOON + timedelta(hours=11, minutes=59))
    assert is_over(used, LIMITS, NOON + timedelta(hours=12))
    assert is_fresh(SESSION, NOON + timedelta(minutes=14))
    assert not is_fresh(SESSION, NOON + timedelta(minutes=15))
