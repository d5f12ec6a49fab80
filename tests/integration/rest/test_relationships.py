"""Everything that makes or ends a relationship, at the HTTP door: it holds at once, and ends at once."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from fhirserver.kernel.resource import Json
from fhirserver.store.relationships import epoch
from fhirserver.validation import validate
from tests.conftest import Database
from tests.integration.rest.relationships import (
    Clinic,
    call,
    listed,
    member,
    open_clinic,
    said,
    team,
    works_at,
)
from tests.patience import unhurried


@pytest.fixture
async def clinic(shared_database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(shared_database) as found:
        yield found


async def sees(client: httpx.AsyncClient, url: str) -> bool:
    answer = await client.get(url)
    assert answer.status_code in (200, 403, 404), answer.text
    return answer.status_code == 200


async def until_sees(client: httpx.AsyncClient, url: str) -> None:
    """Wait until `url` is open to `client`; a second is the promise."""
    async with unhurried(1.0):
        while not await sees(client, url):  # noqa: ASYNC110 - what a caller would do
            await asyncio.sleep(0.02)


async def until_not(client: httpx.AsyncClient, url: str) -> None:
    """Wait until `url` is closed to `client`; a second is the promise."""
    async with unhurried(1.0):
        while await sees(client, url):  # noqa: ASYNC110 - what a caller would do
            await asyncio.sleep(0.02)


# ------------------------------------------------------------------------------------ break-glass


async def test_an_emergency_opens_the_record_tells_everybody_and_is_reviewed(
    clinic: Clinic,
) -> None:
    omar = await clinic.nurse("omar")
    assert not await sees(omar, "Condition/ckd-ann")
    answer = said(await call(omar, "Patient/ann/$break-glass", reason="found on the street"))
    await until_sees(omar, "Condition/ckd-ann")
    assert not await sees(omar, "Condition/ckd-kim")
    again = said(await call(omar, "Patient/ann/$break-glass", reason="still here"))
    assert again == answer

    told = (await clinic.admin.get("Communication?subject=Patient/ann")).json()["entry"]
    (notice,) = [one["resource"] for one in told]
    assert {one["reference"] for one in notice["recipient"]} == {
        "Patient/ann",
        "Practitioner/olga",
        "Practitioner/nina",
        "RelatedPerson/bob",
    }
    await until_sees(await clinic.ann(), f"Communication/{notice['id']}")
    task = (await clinic.admin.get(answer["review"])).json()
    assert task["status"] == "requested"
    assert task["code"]["coding"][0]["code"] == "operator"
    assert task["reasonCode"]["coding"][0]["code"] == "access-review"
    (proof,) = (await clinic.admin.get("Provenance?target=Patient/ann")).json()["entry"]
    for resource in (notice, task, proof["resource"]):
        assert not [one for one in validate(resource) if one.severity in ("error", "fatal")]

    (access,) = listed(await clinic.admin.get("$emergency-accesses"))
    assert (access["practitioner"], access["patient"]) == ("Practitioner/omar", "Patient/ann")
    assert access["reason"] == "found on the street"
    done = await call(
        clinic.admin, "$review-emergency-access", id=answer["id"], verdict="justified", note="yes"
    )
    assert done.status_code == 204
    assert listed(await clinic.admin.get("$emergency-accesses")) == []
    (access,) = listed(await clinic.admin.get("$emergency-accesses?state=reviewed"))
    assert (access["verdict"], access["note"]) == ("justified", "yes")
    assert (await clinic.admin.get(answer["review"])).json()["status"] == "completed"
    twice = await call(
        clinic.admin, "$review-emergency-access", id=answer["id"], verdict="justified"
    )
    assert twice.status_code == 409

    assert (await call(omar, "Patient/ann/$end-break-glass")).status_code == 204
    await until_not(omar, "Condition/ckd-ann")


async def test_an_emergency_is_for_practitioners_with_a_reason(clinic: Clinic) -> None:
    omar, joe = await clinic.nurse("omar"), await clinic.who("patient", "Patient/joe")
    refused = await call(joe, "Patient/ann/$break-glass", reason="curious")
    assert refused.status_code == 403
    assert (await call(omar, "Patient/ann/$break-glass")).status_code == 400
    assert (await call(omar, "Patient/ann/$break-glass", reason="  ")).status_code == 400
    assert (await call(omar, "Patient/nobody/$break-glass", reason="help")).status_code == 404
    assert (await call(omar, "Patient/ann/$end-break-glass")).status_code == 404
    for url in ("$emergency-accesses", "$emergency-accesses?state=all"):
        assert (await omar.get(url)).status_code == 403
    assert not await sees(omar, "Condition/ckd-ann")


async def test_an_emergency_is_over_after_four_hours(clinic: Clinic) -> None:
    omar = await clinic.nurse("omar")
    said(await call(omar, "Patient/ann/$break-glass", reason="help"))
    await until_sees(omar, "Condition/ckd-ann")
    async with clinic.record.transaction(clinic.tenant) as tx:
        await tx.execute(
            "UPDATE emergency_access SET expires = started + interval '1 millisecond' WHERE tenant = %s",
            (clinic.tenant,),
        )
        # Its end was known from the beginning; an earlier one has to be told.
        await epoch.move(tx)
    await until_not(omar, "Condition/ckd-ann")


# ------------------------------------------------------------------------------------ invitations


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


# ------------------------------------------------------------------------------------------ peers


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


# ------------------------------------------------------------------------------- organizations


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


# ---------------------------------------------------------------------------------------- on call


def on_call(*members: str, **more: object) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": "on-call",
        "status": "active",
        "category": [
            {
                "coding": [
                    {
                        "system": "https://w3id.org/fhirserver/CodeSystem/care-team-category",
                        "code": "on-call",
                    }
                ]
            }
        ],
        "participant": [{"member": {"reference": one}} for one in members],
        **more,
    }


async def test_who_is_on_call_belongs_for_the_shift(clinic: Clinic) -> None:
    omar = await clinic.nurse("omar")
    await clinic.store(
        on_call("Practitioner/omar"),
        team("kim", member("Practitioner/nina"), member("CareTeam/on-call")),
    )
    await until_sees(omar, "Condition/ckd-kim")
    over = on_call("Practitioner/omar", period={"end": "2020-01-01"})
    await clinic.store(over)
    await until_not(omar, "Condition/ckd-kim")
    soon = on_call("Practitioner/omar", period={"start": "2999-01-01"})
    await clinic.store(soon)
    assert not await sees(omar, "Condition/ckd-kim")
    await clinic.store(on_call("Practitioner/omar"))
    await until_sees(omar, "Condition/ckd-kim")
    await clinic.store(team("kim", member("Practitioner/nina")))
    await until_not(omar, "Condition/ckd-kim")


async def test_a_rotation_says_whose_shift_it_is(clinic: Clinic) -> None:
    omar, stranger = await clinic.nurse("omar"), await clinic.nurse("stranger")
    rotation = {
        "url": "rotation",
        "extension": [
            {"url": "zone", "valueCode": "UTC"},
            {"url": "handover", "valueTime": "00:00:00"},
            {"url": "start", "valueDate": "2020-01-01"},
            {
                "url": "length",
                "valueDuration": {
                    "value": 26,
                    "unit": "weeks",
                    "system": "http://unitsofmeasure.org",
                    "code": "wk",
                },
            },
            {"url": "member", "valueReference": {"reference": "Practitioner/omar"}},
            {"url": "member", "valueReference": {"reference": "Practitioner/stranger"}},
        ],
    }
    roster = on_call()
    del roster["participant"]
    roster["extension"] = [
        {
            "url": "https://w3id.org/fhirserver/StructureDefinition/on-call-schedule",
            "extension": [rotation],
        }
    ]
    await clinic.store(roster, team("kim", member("Practitioner/nina"), member("CareTeam/on-call")))
    seen = [await sees(one, "Condition/ckd-kim") for one in (omar, stranger)]
    assert sorted(seen) == [False, True]


async def test_a_team_on_call_lists_another(clinic: Clinic) -> None:
    omar = await clinic.nurse("omar")
    await clinic.store(
        on_call("Practitioner/omar"),
        on_call("CareTeam/on-call") | {"id": "night"},
        team("kim", member("Practitioner/nina"), member("CareTeam/night")),
    )
    await until_sees(omar, "Condition/ckd-kim")
    await clinic.store(on_call("CareTeam/on-call", period={"end": "2020-01-01"}) | {"id": "night"})
    await until_not(omar, "Condition/ckd-kim")


# -------------------------------------------------------------------------------------- guardians


async def test_a_guardian_sees_the_whole_record_until_majority(clinic: Clinic) -> None:
    joe = await clinic.who("patient", "Patient/joe")
    clerk = await clinic.who("clinic-admin", "PractitionerRole/clerk")
    token = said(await call(clerk, "$invite", as_="guardian", patient="Patient/kim"))["token"]
    reference = said(await call(joe, "$accept-invitation", token=token))["reference"]
    guardian = await clinic.who("related-person", reference)
    await until_sees(guardian, "Condition/ckd-kim")
    (row,) = listed(await guardian.get("Patient/kim/$guardians"))
    assert row["until"] == "2033-05-05T00:00:00.000Z"
    # A guardian may invite family.
    assert said(await call(guardian, "$invite", as_="care-partner", patient="Patient/kim"))

    kim = await clinic.who("patient", "Patient/kim")
    assert (await call(kim, "Patient/kim/$keep-guardian", guardian=reference)).status_code == 403
    removal = await call(kim, "CareTeam/team-kim/$remove-member", member=reference)
    assert removal.status_code == 403
    grown = (await clinic.admin.get("Patient/kim")).json() | {"birthDate": "2000-01-01"}
    await clinic.store(grown)
    await until_not(guardian, "Condition/ckd-kim")
    # Alarms keep ringing: the place in the team stays.
    await until_sees(guardian, "Flag/flag-kim")
    kept = await call(kim, "Patient/kim/$keep-guardian", guardian=reference)
    assert kept.status_code == 204
    await until_sees(guardian, "Condition/ckd-kim")
    ended = await call(kim, "Patient/kim/$end-guardian", guardian=reference)
    assert ended.status_code == 204
    await until_not(guardian, "Condition/ckd-kim")


async def test_a_guardian_is_appointed_by_administrators_alone(clinic: Clinic) -> None:
    bob = "RelatedPerson/bob"
    url = "Patient/ann/$appoint-guardian"
    for client in (
        await clinic.ann(),
        await clinic.nurse("olga"),
        await clinic.who("related-person", bob),
    ):
        assert (await call(client, url, guardian=bob)).status_code == 403
    foreign = await clinic.who("clinic-admin", "PractitionerRole/foreign")
    assert (await call(foreign, url, guardian=bob)).status_code == 404
    wrong = await call(clinic.admin, "Patient/kim/$appoint-guardian", guardian=bob)
    assert wrong.status_code == 422
    assert (await call(clinic.admin, url, guardian=bob)).status_code == 204


# ----------------------------------------------------------------------------- care team writes


async def test_writing_a_care_team_grants_nothing_by_itself(clinic: Clinic) -> None:
    nina, omar = await clinic.nurse("nina"), await clinic.nurse("omar")
    current = (await nina.get("CareTeam/team-ann")).json()
    grown = current | {"participant": [*current["participant"], member("Practitioner/omar")]}
    assert (await nina.put("CareTeam/team-ann", json=grown)).status_code == 403
    patch = [{"op": "add", "path": "/participant/-", "value": member("Practitioner/omar")}]
    patched = await nina.patch(
        "CareTeam/team-ann", json=patch, headers={"content-type": "application/json-patch+json"}
    )
    assert patched.status_code == 403
    fresh = {name: value for name, value in grown.items() if name not in ("id", "meta")}
    assert (await nina.post("CareTeam", json=fresh)).status_code == 403
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": grown, "request": {"method": "PUT", "url": "CareTeam/team-ann"}}],
    }
    assert (await nina.post("", json=bundle)).status_code == 403
    assert not await sees(omar, "Condition/ckd-ann")
    renamed = current | {"name": "Home team"}
    assert (await nina.put("CareTeam/team-ann", json=renamed)).status_code == 200

    olga = await clinic.nurse("olga")
    assert (await olga.put("CareTeam/team-ann", json=grown | {"name": "x"})).status_code == 200
    await until_sees(omar, "Condition/ckd-ann")
    removed = await call(olga, "CareTeam/team-ann/$remove-member", member="Practitioner/omar")
    assert removed.status_code == 204
    await until_not(omar, "Condition/ckd-ann")


async def test_tiers_change_under_if_match_and_are_not_dropped_by_a_put(clinic: Clinic) -> None:
    olga = await clinic.nurse("olga")
    found = await olga.get("CareTeam/team-ann")
    current = found.json()
    raised = current | {
        "participant": [
            member("Practitioner/olga", owner=True),
            member("Practitioner/nina", tier=2),
            member("RelatedPerson/bob", tier=1),
        ]
    }
    blind = await olga.put("CareTeam/team-ann", json=raised)
    assert blind.status_code == 412
    seeing = await olga.put(
        "CareTeam/team-ann", json=raised, headers={"if-match": found.headers["etag"]}
    )
    assert seeing.status_code == 200
    flat = raised | {"participant": [{"member": one["member"]} for one in raised["participant"]]}
    for client in (olga, clinic.admin):
        dropped = await client.put(
            "CareTeam/team-ann", json=flat, headers={"if-match": seeing.headers["etag"]}
        )
        assert dropped.status_code == 422
        places = {one["expression"][0] for one in dropped.json()["issue"]}
        assert places == {f"CareTeam.participant[{index}].extension" for index in range(3)}


async def test_a_clinic_administrator_writes_teams_of_their_organization_alone(
    clinic: Clinic,
) -> None:
    clerk = await clinic.who("clinic-admin", "PractitionerRole/clerk")
    foreign = await clinic.who("clinic-admin", "PractitionerRole/foreign")
    current = (await clerk.get("CareTeam/team-kim")).json()
    grown = current | {"participant": [*current["participant"], member("Practitioner/omar")]}
    assert (await foreign.put("CareTeam/team-kim", json=grown)).status_code in (403, 404)
    stolen = grown | {"managingOrganization": [{"reference": "Organization/south"}]}
    assert (await clerk.put("CareTeam/team-kim", json=stolen)).status_code == 403
    assert (await clerk.put("CareTeam/team-kim", json=grown)).status_code == 200


# ----------------------------------------------------------------------------------------- Consent


async def test_a_consent_takes_away_and_its_withdrawal_gives_back_within_a_second(
    clinic: Clinic,
) -> None:
    bob = await clinic.who("related-person", "RelatedPerson/bob")
    await until_sees(bob, "Flag/flag-ann")
    consent: Json = {
        "resourceType": "Consent",
        "id": "no-bob",
        "status": "active",
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                }
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/ann"},
        "policyRule": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}
            ]
        },
        "provision": {
            "type": "deny",
            "actor": [
                {
                    "role": {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                                "code": "IRCP",
                            }
                        ]
                    },
                    "reference": {"reference": "RelatedPerson/bob"},
                }
            ],
        },
    }
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
