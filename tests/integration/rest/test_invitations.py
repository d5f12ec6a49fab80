"""Invitations at the HTTP door: who may invite whom, and what accepting one makes."""

from fhirserver.validation import validate
from tests.integration.rest.relationships import (
    Clinic,
    call,
    listed,
    member,
    said,
    sees,
    team,
    until_not,
    until_sees,
)


async def test_a_patient_invites_a_care_partner_who_belongs_to_the_team_then(
    clinic: Clinic,
) -> None:
    ann, joe = await clinic.ann(), await clinic.who("patient", "Patient/joe")
    token = said(await call(ann, "$invite", as_="care-partner"))["token"]
    assert not await sees(joe, "Flag/flag-ann")
    accepted = said(await call(joe, "$accept-invitation", token=token, name="Joe Doe"))
    assert accepted["patient"] == "Patient/ann"
    reference = accepted["reference"]
    related = (await clinic.admin.get(reference)).json()
    assert related["patient"]["reference"] == "Patient/ann"
    assert related["name"] == [{"text": "Joe Doe"}]
    joined = (await clinic.admin.get("CareTeam/team-ann")).json()
    for resource in (related, joined):
        assert not [one for one in validate(resource) if one.severity in ("error", "fatal")]

    partner = await clinic.who("related-person", reference)
    await until_sees(partner, "Flag/flag-ann")
    assert not await sees(partner, "Condition/ckd-ann")
    # Joe the patient is still a stranger to Ann's record.
    assert not await sees(joe, "Flag/flag-ann")
    person = (await clinic.admin.get(f"Person?link={reference}")).json()["entry"][0]["resource"]
    assert {one["target"]["reference"] for one in person["link"]} == {"Patient/joe", reference}
    assert not [one for one in validate(person) if one.severity in ("error", "fatal")]

    again = await call(joe, "$accept-invitation", token=token)
    assert again.status_code == 422

    left = await call(partner, "CareTeam/team-ann/$remove-member", member=reference)
    assert left.status_code == 204
    await until_not(partner, "Flag/flag-ann")


async def test_an_invitation_is_void_in_one_way_whatever_is_wrong_with_it(clinic: Clinic) -> None:
    ann, joe = await clinic.ann(), await clinic.who("patient", "Patient/joe")
    made = [said(await call(ann, "$invite", as_="care-partner")) for _ in range(3)]
    withdrawn = await call(ann, "$withdraw-invitation", id=made[0]["id"])
    assert withdrawn.status_code == 204
    async with clinic.record.transaction(clinic.tenant) as tx:
        await tx.execute(
            "UPDATE invitation SET expires = created WHERE tenant = %s AND id = %s",
            (clinic.tenant, made[1]["id"]),
        )
    answers = [
        await call(joe, "$accept-invitation", token=token)
        for token in (made[0]["token"], made[1]["token"], "guessed", "x" * 5000)
    ]
    assert {one.status_code for one in answers} == {422}
    assert len({one.text for one in answers}) == 1
    assert said(await call(joe, "$accept-invitation", token=made[2]["token"]))
    states = {one["id"]: one for one in listed(await ann.get("$invitations"))}
    assert "withdrawn" in states[made[0]["id"]]
    assert "accepted" in states[made[2]["id"]]
    assert not any("token" in one for one in states.values())
    assert listed(await joe.get("$invitations")) == []
    gone = await call(joe, "$withdraw-invitation", id=made[1]["id"])
    assert gone.status_code == 404


async def test_who_may_invite_whom(clinic: Clinic) -> None:
    callers = {
        "owner": await clinic.nurse("olga"),
        "member": await clinic.nurse("nina"),
        "partner": await clinic.who("related-person", "RelatedPerson/bob"),
        "clerk": await clinic.who("clinic-admin", "PractitionerRole/clerk"),
        "foreign": await clinic.who("clinic-admin", "PractitionerRole/foreign"),
        "patient": await clinic.ann(),
        "admin": clinic.admin,
    }
    allowed = {
        "owner": {"care-partner", "practitioner", "technician", "team-owner"},
        "clerk": {"care-partner", "guardian", "practitioner", "technician", "team-owner"},
        "patient": {"care-partner", "peer"},
        "admin": {"care-partner", "guardian", "practitioner", "technician", "team-owner"},
    }
    for name, client in callers.items():
        for offer in (
            "care-partner",
            "guardian",
            "peer",
            "practitioner",
            "technician",
            "team-owner",
        ):
            answer = await call(client, "$invite", as_=offer, patient="Patient/ann")
            expected = answer.status_code == 200
            assert expected == (offer in allowed.get(name, ())), (name, offer, answer.text)


async def test_an_invitation_dies_with_its_inviters_right(clinic: Clinic) -> None:
    olga, omar = await clinic.nurse("olga"), await clinic.nurse("omar")
    token = said(await call(olga, "$invite", as_="practitioner", patient="Patient/ann"))["token"]
    await clinic.store(
        team(
            "ann",
            member("Practitioner/olga2", owner=True),
            member("Practitioner/nina"),
            member("RelatedPerson/bob", tier=1),
        )
    )
    assert (await call(omar, "$accept-invitation", token=token)).status_code == 422
    assert not await sees(omar, "Condition/ckd-ann")


async def test_an_owner_makes_another(clinic: Clinic) -> None:
    olga, nina = await clinic.nurse("olga"), await clinic.nurse()
    token = said(await call(olga, "$invite", as_="team-owner", patient="Patient/ann"))["token"]
    joe = await clinic.who("patient", "Patient/joe")
    assert (await call(joe, "$accept-invitation", token=token)).status_code == 403
    said(await call(nina, "$accept-invitation", token=token))
    said(await call(nina, "$invite", as_="technician", patient="Patient/ann"))
