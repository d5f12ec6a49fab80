"""decide: who has a relationship with whom, at a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from fhirserver.auth.decide import decide, own_patient
from fhirserver.kernel.principal import Membership, Principal, PrincipalKind

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOB = "RelatedPerson/bob"


def membership(
    patient: str = "ann",
    member: str = BOB,
    starts: datetime | None = None,
    ends: datetime | None = None,
) -> Membership:
    return Membership(patient, member, None, starts, ends)


@pytest.mark.parametrize("kind", ["admin", "system"])
def test_administrators_and_the_system_reach_the_whole_tenant(kind: PrincipalKind) -> None:
    access = decide(Principal(1, kind, ""), (), NOW)

    assert access.everything
    assert access.patients == frozenset()


@pytest.mark.parametrize(
    ("kind", "reference"),
    [("practitioner", "Practitioner/nina"), ("related-person", BOB)],
)
def test_members_reach_the_patients_of_their_teams(kind: PrincipalKind, reference: str) -> None:
    teams = [membership("ann", reference), membership("joe", reference)]

    access = decide(Principal(1, kind, reference), teams, NOW)

    assert not access.everything
    assert access.patients == {"ann", "joe"}


def test_without_membership_nobody_is_reached() -> None:
    assert (
        decide(Principal(1, "practitioner", "Practitioner/nina"), (), NOW).patients == frozenset()
    )


def test_memberships_of_somebody_else_do_not_count() -> None:
    teams = [membership("ann", "RelatedPerson/eve")]

    assert decide(Principal(1, "related-person", BOB), teams, NOW).patients == frozenset()


@pytest.mark.parametrize(
    ("starts", "ends", "is_member"),
    [
        (None, None, True),
        (NOW - HOUR, NOW + HOUR, True),
        (NOW, NOW, True),
        (NOW + timedelta(milliseconds=1), None, False),
        (None, NOW - timedelta(milliseconds=1), False),
        (NOW - HOUR, None, True),
    ],
)
def test_a_membership_counts_inside_its_period_only(
    starts: datetime | None, ends: datetime | None, is_member: bool
) -> None:
    teams = [membership(starts=starts, ends=ends)]

    access = decide(Principal(1, "related-person", BOB), teams, NOW)

    assert ("ann" in access.patients) is is_member


def test_an_ended_membership_does_not_hide_a_current_one() -> None:
    teams = [membership(ends=NOW - HOUR), membership(starts=NOW - HOUR)]

    assert decide(Principal(1, "related-person", BOB), teams, NOW).patients == {"ann"}


def test_a_patient_reaches_themselves_and_the_peers_they_support() -> None:
    teams = [membership("joe", "Patient/ann")]

    assert decide(Principal(1, "patient", "Patient/ann"), teams, NOW).patients == {"ann", "joe"}


def test_a_device_reaches_nothing_even_as_a_member() -> None:
    teams = [membership("ann", "Device/cuff")]

    access = decide(Principal(1, "device", "Device/cuff"), teams, NOW)

    assert not access.everything
    assert access.patients == frozenset()


@pytest.mark.parametrize(
    ("kind", "reference", "own"),
    [
        ("patient", "Patient/ann", "ann"),
        ("patient", "Patient/", None),
        ("patient", "RelatedPerson/ann", None),
        ("practitioner", "Patient/ann", None),
    ],
)
def test_only_a_patient_is_a_patient(kind: PrincipalKind, reference: str, own: str | None) -> None:
    assert own_patient(Principal(1, kind, reference)) == own
