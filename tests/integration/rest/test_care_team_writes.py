"""Writing CareTeams: only those who administer a team say who belongs to it."""

from tests.integration.rest.relationships import (
    Clinic,
    call,
    member,
    sees,
    until_not,
    until_sees,
)


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
