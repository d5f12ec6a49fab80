"""Who may invite whom, and who may accept."""

import pytest

from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.relations.invitations import (
    MAY_ACCEPT,
    MAY_INVITE,
    OFFERS,
    Offer,
    Standing,
    may_accept,
    may_invite,
)

EXPECTED: dict[Standing, str] = {
    "administrator": "care-partner guardian practitioner technician team-owner",
    "clinic-admin": "care-partner guardian practitioner technician team-owner",
    "owner": "care-partner practitioner technician team-owner",
    "patient": "care-partner peer",
    "guardian": "care-partner",
}


@pytest.mark.parametrize("offer", OFFERS)
def test_the_matrix_of_who_invites_as_what(offer: Offer) -> None:
    for standing, allowed in EXPECTED.items():
        assert may_invite(standing, offer) == (offer in allowed.split())
    assert not may_invite(None, offer)
    assert MAY_INVITE.keys() == EXPECTED.keys()


@pytest.mark.parametrize(
    ("kind", "reference", "allowed"),
    [
        ("related-person", "RelatedPerson/bob", {"care-partner", "guardian"}),
        ("patient", "Patient/eve", {"care-partner", "guardian", "peer"}),
        (
            "practitioner",
            "Practitioner/n",
            {"care-partner", "guardian", "practitioner", "team-owner"},
        ),
        ("technician", "Practitioner/t", {"care-partner", "guardian", "technician"}),
        ("clinic-admin", "PractitionerRole/c", {"care-partner", "guardian"}),
        ("client", "robot", set()),
        ("device", "Device/d", set()),
        ("system", "", set()),
        ("admin", "", set()),
        ("patient", "Patient/ann", set()),
    ],
)
def test_the_matrix_of_who_accepts_what(
    kind: PrincipalKind, reference: str, allowed: set[str]
) -> None:
    who = Principal(1, kind, reference)
    assert {one for one in OFFERS if may_accept(who, one, "ann")} == allowed
    assert MAY_ACCEPT.keys() == set(OFFERS)


def test_somebody_without_a_role_becomes_family_only() -> None:
    assert {one for one in OFFERS if may_accept(None, one, "ann")} == {"care-partner", "guardian"}
