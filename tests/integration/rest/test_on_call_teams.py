"""Teams on call that patients' teams list: whoever is on duty belongs for the shift."""

from tests.integration.rest.relationships import (
    Clinic,
    member,
    on_call,
    sees,
    team,
    until_not,
    until_sees,
)


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
