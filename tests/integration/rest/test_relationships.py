"""Support between patients, rosters, roles and Consents at the HTTP door: each holds at once, and ends at once."""

from tests.conftest import Database
from tests.integration.rest.relationships import (
    Clinic,
    call,
    denial,
    listed,
    member,
    open_clinic,
    said,
    sees,
    team,
    until_not,
    until_sees,
    works_at,
)


async def test_two_patients_support_each_other_until_one_ends_it(clinic: Clinic) -> None:
    ann, joe = await clinic.ann(), await clinic.who("patient", "Patient/joe")
    token = said(await call(ann, "$invite", as_="peer"))["token"]
    own = await call(ann, "$accept-invitation", token=token)
    assert own.status_code == 403
    assert not await sees(joe, "Flag/flag-ann")
    said(await call(joe, "$accept-invitation", token=token))
    for client, of in ((joe, "ann"), (ann, "joe")):
        await until_sees(client, f"Flag/flag-{of}")
        await until_sees(client, f"CareTeam/team-{of}")
        assert not await sees(client, f"Condition/ckd-{of}")
        assert not await sees(client, f"Patient/{of}")
    assert (await call(joe, "Patient/ann/$end-support", peer="Patient/joe")).status_code == 204
    await until_not(joe, "Flag/flag-ann")
    await until_not(ann, "Flag/flag-joe")
    assert (await call(ann, "Patient/ann/$end-support", peer="Patient/joe")).status_code == 404


async def test_a_clinic_administrator_has_the_roster_of_their_organization(clinic: Clinic) -> None:
    clerk = await clinic.who("clinic-admin", "PractitionerRole/clerk")
    assert {one["reference"] for one in listed(await clerk.get("Organization/north/$roster"))} == {
        "Patient/ann",
        "Patient/kim",
    }
    assert (await clerk.get("Organization/south/$roster")).status_code == 404
    assert (await (await clinic.nurse()).get("Organization/north/$roster")).status_code == 404
    await until_sees(clerk, "Patient/ann")
    assert not await sees(clerk, "Patient/joe")
    assert not await sees(clerk, "Condition/ckd-ann")
    # The same role without the administration is nobody there.
    assert not await sees(await clinic.who("practitioner", "PractitionerRole/clerk"), "Patient/ann")

    await clinic.store(works_at("clerk", "clerk", "north", active=False))
    await until_not(clerk, "Patient/ann")


async def test_a_practitioner_belongs_by_their_role(clinic: Clinic) -> None:
    stranger = await clinic.nurse("stranger")
    assert not await sees(stranger, "Condition/ckd-kim")
    await clinic.store(team("kim", member("Practitioner/nina"), member("PractitionerRole/foreign")))
    await until_sees(stranger, "Condition/ckd-kim")
    await clinic.store(
        works_at("foreign", "stranger", "south", period={"end": "2020-01-01"}),
    )
    await until_not(stranger, "Condition/ckd-kim")


async def test_a_consent_takes_away_and_its_withdrawal_gives_back_within_a_second(
    clinic: Clinic,
) -> None:
    bob = await clinic.who("related-person", "RelatedPerson/bob")
    await until_sees(bob, "Flag/flag-ann")
    consent = denial("no-bob", "ann", "RelatedPerson/bob")
    await clinic.store(consent)
    await until_not(bob, "Flag/flag-ann")
    await until_sees(await clinic.nurse(), "Flag/flag-ann")
    await clinic.store(consent | {"status": "inactive"})
    await until_sees(bob, "Flag/flag-ann")


async def test_tenants_are_walls_for_relationships_too(
    clinic: Clinic, shared_database: Database
) -> None:
    token = said(await call(await clinic.ann(), "$invite", as_="peer"))["token"]
    async with open_clinic(shared_database) as other:
        joe = await other.who("patient", "Patient/joe")
        assert (await call(joe, "$accept-invitation", token=token)).status_code == 422
        omar = await other.nurse("omar")
        said(await call(omar, "Patient/ann/$break-glass", reason="help"))
        assert not await sees(await clinic.nurse("omar"), "Condition/ckd-ann")
