"""Guardians of minors: what they see, until when, and who appoints them."""

from tests.integration.rest.relationships import (
    Clinic,
    call,
    listed,
    said,
    until_not,
    until_sees,
)


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
