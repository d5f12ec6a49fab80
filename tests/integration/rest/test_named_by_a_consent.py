"""Whom a Consent names, at the HTTP door: one human in several roles, a team but for one of its members."""

from collections.abc import AsyncIterator

import pytest

from fhirserver.kernel.resource import Json
from tests.conftest import Database
from tests.integration.rest.relationships import (
    Clinic,
    member,
    open_clinic,
    privacy_consent,
    sees,
    team,
    until_not,
    until_sees,
    works_at,
)

CKD = "Condition/ckd-ann"


@pytest.fixture
async def clinic(shared_database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(shared_database) as found:
        await found.store(
            works_at("icu", "nina", "north"),
            team("ann", member("PractitionerRole/icu"), member("Practitioner/olga", owner=True)),
        )
        yield found


def consent(provision: Json) -> Json:
    return privacy_consent("ann", "ann", provision) | {"policyRule": {"text": "as agreed"}}


def against(reference: str) -> Json:
    role = {"coding": [{"code": "IRCP"}]}
    return {"type": "deny", "actor": [{"role": role, "reference": {"reference": reference}}]}


@pytest.mark.parametrize(
    "named", ["Practitioner/nina", "PractitionerRole/icu", "Organization/north"]
)
async def test_who_is_named_in_one_role_is_meant_in_the_others(clinic: Clinic, named: str) -> None:
    in_role = await clinic.who("practitioner", "PractitionerRole/icu")
    herself = await clinic.nurse("nina")
    for who in (in_role, herself):
        await until_sees(who, CKD)

    await clinic.store(consent(against(named)))

    for who in (in_role, herself):
        await until_not(who, CKD)
    assert await sees(await clinic.nurse("olga"), CKD)


async def test_a_team_may_but_for_one_of_its_members(clinic: Clinic) -> None:
    nina, olga = await clinic.nurse("nina"), await clinic.nurse("olga")
    await until_sees(nina, CKD)
    whole = {**against("CareTeam/team-ann"), "type": "permit"}

    await clinic.store(consent({**whole, "provision": [against("Practitioner/nina")]}))

    await until_not(nina, CKD)
    assert await sees(olga, CKD)


async def test_the_owner_of_one_team_gives_nobody_the_record_of_another_patient(
    clinic: Clinic,
) -> None:
    """Olga owns Ann's team and is a mere member of Joe's."""
    await clinic.store(team("joe", member("Practitioner/olga"), member("Practitioner/omar")))
    olga, stranger = await clinic.nurse("olga"), await clinic.nurse("stranger")
    await until_sees(olga, "Condition/ckd-joe")
    moved = team(
        "ann",
        member("Practitioner/olga", owner=True),
        member("Practitioner/stranger"),
        subject={"reference": "Patient/joe"},
    )
    current = await olga.get("CareTeam/team-ann")

    answer = await olga.put(
        "CareTeam/team-ann", json=moved, headers={"if-match": current.headers["etag"]}
    )

    assert answer.status_code == 403, answer.text
    assert not await sees(stranger, "Condition/ckd-joe")
