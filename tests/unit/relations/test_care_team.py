"""Who may change what of a CareTeam, and what a write may not lose."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhirserver.kernel.canonical import CARE_TEAM_ADMIN, ESCALATION_TIER
from fhirserver.kernel.errors import Forbidden, PreconditionFailed, Unprocessable
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import Write, Writer, owners, refusal

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def writer(kind: PrincipalKind, reference: str = "", *organizations: str) -> Writer:
    return Writer(Principal(1, kind, reference), frozenset(organizations))


ADMIN = writer("admin")
OWNER = writer("practitioner", "Practitioner/olga")
MEMBER = writer("practitioner", "Practitioner/mia")
CLERK = writer("clinic-admin", "PractitionerRole/clerk", "north")
STRANGE_CLERK = writer("clinic-admin", "PractitionerRole/other", "south")


def member(reference: str, *, tier: int | None = None, owner: bool = False, **more: Any) -> Json:
    extensions: list[Json] = []
    if tier is not None:
        extensions.append({"url": ESCALATION_TIER, "valuePositiveInt": tier})
    if owner:
        extensions.append({"url": CARE_TEAM_ADMIN, "valueBoolean": True})
    found: Json = {"member": {"reference": reference}, **more}
    return found | {"extension": extensions} if extensions else found


def team(*members: Json, **more: Any) -> Json:
    return {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": {"reference": "Patient/ann"},
        "managingOrganization": [{"reference": "Organization/north"}],
        "participant": list(members),
        **more,
    }


BEFORE = team(
    member("Practitioner/olga", owner=True),
    member("Practitioner/mia"),
    member("RelatedPerson/bob", tier=1),
)
GROWN = team(*BEFORE["participant"], member("Practitioner/spy"))


@pytest.mark.parametrize("by", [ADMIN, OWNER, CLERK])
def test_who_administers_a_team_adds_members(by: Writer) -> None:
    assert refusal(by, GROWN, BEFORE, Write(), NOW) is None


@pytest.mark.parametrize(
    "by",
    [
        MEMBER,
        STRANGE_CLERK,
        writer("patient", "Patient/ann"),
        writer("related-person", "RelatedPerson/bob"),
        writer("client", "robot"),
        writer("technician", "Practitioner/olga"),
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        GROWN,
        team(*BEFORE["participant"][:2]),
        team(*BEFORE["participant"], period={"end": "2020-01-01"}),
        team(*BEFORE["participant"], subject={"reference": "Patient/eve"}),
        team(*BEFORE["participant"], status="inactive"),
        team(*BEFORE["participant"], managingOrganization=[{"reference": "Organization/south"}]),
        None,
    ],
)
def test_nobody_else_changes_whom_it_lets_in(by: Writer, after: Json | None) -> None:
    assert isinstance(refusal(by, after, BEFORE, Write(expected=True), NOW), Forbidden)


def test_an_owner_does_not_make_it_another_patients_team() -> None:
    """Whoever owns Ann's team may be a mere member of Eve's: nobody would have asked those who administer that."""
    eves = {**BEFORE, "subject": {"reference": "Patient/eve"}}

    assert isinstance(refusal(OWNER, eves, BEFORE, Write(expected=True), NOW), Forbidden)
    assert refusal(ADMIN, eves, BEFORE, Write(), NOW) is None


def test_a_member_corrects_what_gives_no_rights() -> None:
    after = {**BEFORE, "name": "Home team", "note": [{"text": "calls at nine"}]}
    assert refusal(MEMBER, after, BEFORE, Write(), NOW) is None


def test_a_new_team_is_made_by_who_administers_it_already() -> None:
    assert refusal(ADMIN, BEFORE, None, Write(), NOW) is None
    assert refusal(CLERK, BEFORE, None, Write(), NOW) is None
    for by in (OWNER, MEMBER, STRANGE_CLERK):
        assert isinstance(refusal(by, BEFORE, None, Write(), NOW), Forbidden)


def test_a_proposed_team_gives_nothing_and_is_put_in_force_by_somebody_else() -> None:
    proposed = {**BEFORE, "status": "proposed"}
    assert refusal(MEMBER, proposed, None, Write(), NOW) is None
    assert isinstance(refusal(MEMBER, BEFORE, proposed, Write(), NOW), Forbidden)
    assert isinstance(refusal(OWNER, BEFORE, proposed, Write(), NOW), Forbidden)
    assert refusal(CLERK, BEFORE, proposed, Write(), NOW) is None


def test_a_clinic_hands_no_team_to_another() -> None:
    both = [{"reference": "Organization/north"}, {"reference": "Organization/south"}]
    after = team(*BEFORE["participant"], managingOrganization=both)
    assert isinstance(refusal(CLERK, after, BEFORE, Write(), NOW), Forbidden)
    assert (
        refusal(CLERK, {**both_managed(both), "name": "x"}, both_managed(both), Write(), NOW)
        is None
    )


def both_managed(organizations: list[Json]) -> Json:
    return team(*BEFORE["participant"], managingOrganization=organizations)


@pytest.mark.parametrize(
    "after",
    [
        team(
            member("Practitioner/olga", owner=True),
            member("Practitioner/mia", tier=2),
            member("RelatedPerson/bob", tier=1),
        ),
        team(
            member("Practitioner/olga", owner=True),
            member("Practitioner/mia", owner=True),
            member("RelatedPerson/bob", tier=1),
        ),
        team(
            member("Practitioner/olga", owner=True),
            member("Practitioner/mia"),
            member("RelatedPerson/bob", tier=2),
        ),
    ],
)
def test_tiers_and_owners_change_under_if_match(after: Json) -> None:
    assert isinstance(refusal(OWNER, after, BEFORE, Write(), NOW), PreconditionFailed)
    assert refusal(OWNER, after, BEFORE, Write(expected=True), NOW) is None


@pytest.mark.parametrize("by", [ADMIN, OWNER, CLERK])
@pytest.mark.parametrize(
    ("after", "where"),
    [
        (
            team(
                member("Practitioner/olga", owner=True),
                member("Practitioner/mia"),
                member("RelatedPerson/bob"),
            ),
            "CareTeam.participant[2].extension",
        ),
        (
            team(
                member("Practitioner/olga"),
                member("Practitioner/mia"),
                member("RelatedPerson/bob", tier=1),
            ),
            "CareTeam.participant[0].extension",
        ),
    ],
)
def test_a_put_that_drops_tier_or_ownership_is_refused_and_a_patch_is_not(
    by: Writer, after: Json, where: str
) -> None:
    found = refusal(by, after, BEFORE, Write(expected=True), NOW)
    assert isinstance(found, Unprocessable)
    assert [one.expression for one in found.problems] == [where]
    assert refusal(by, after, BEFORE, Write(expected=True, patched=True), NOW) is None


def test_an_owner_is_one_in_whichever_role_they_are_listed() -> None:
    listed = team(member("PractitionerRole/head", owner=True), member("Practitioner/mia"))
    head = Writer(
        Principal(1, "practitioner", "Practitioner/h"), roles=frozenset({"PractitionerRole/head"})
    )
    grown = team(*listed["participant"], member("Practitioner/new"))
    assert refusal(head, grown, listed, Write(), NOW) is None
    assert isinstance(refusal(MEMBER, grown, listed, Write(), NOW), Forbidden)


def test_owners_are_those_of_now() -> None:
    over = {"end": "2026-11-20"}
    later = team(
        member("Practitioner/olga", owner=True),
        member("Practitioner/past", owner=True, period=over),
    )
    assert owners(later, NOW) == {"Practitioner/olga"}
    assert owners({**later, "period": over}, NOW) == set()
    assert owners({**later, "status": "inactive"}, NOW) == set()
