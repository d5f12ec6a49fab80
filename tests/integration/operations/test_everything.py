"""$everything: all of a patient and nothing of anybody else, in pages, for whoever may read it."""

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House, entries, store
from tests.integration.rest.conftest import care_team, observation, patient

ANN = {"reference": "Patient/ann"}


def condition(id_: str, of: str, **more: object) -> Json:
    return {
        "resourceType": "Condition",
        "id": id_,
        "subject": {"reference": f"Patient/{of}"},
        "code": {"text": "x"},
        **more,
    }


@pytest.fixture
async def clinic(house: House) -> House:
    await store(
        house.admin,
        {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
        {"resourceType": "Practitioner", "id": "paul"},
        patient("ann", managingOrganization={"reference": "Organization/clinic"}),
        observation("ann-old", "ann", effectiveDateTime="2026-01-05"),
        observation("ann-new", "ann", performer=[{"reference": "Practitioner/paul"}]),
        observation("joe-one", "joe"),
        condition("ann-ill", "ann", onsetDateTime="2026-03-01"),
        condition("ann-undated", "ann"),
        condition("joe-ill", "joe"),
        {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "finished",
            "class": {"code": "HH"},
            "subject": ANN,
        },
        condition("ann-visit", "ann", encounter={"reference": "Encounter/visit"}),
    )
    return house


async def pages(client: httpx.AsyncClient, path: str) -> list[httpx.Response]:
    """Every page, following the links."""
    found = [await client.get(path)]
    while True:
        assert found[-1].status_code == 200, found[-1].text
        following = [one for one in found[-1].json()["link"] if one["relation"] == "next"]
        if not following:
            return found
        found.append(await client.get(following[0]["url"]))


OF_ANN = {
    "Patient/ann", "Observation/ann-old", "Observation/ann-new", "Condition/ann-ill",
    "Condition/ann-undated", "Condition/ann-visit", "Encounter/visit", "CareTeam/team-ann", "RelatedPerson/bob",
}  # fmt: skip


async def test_it_is_the_whole_record_and_what_it_refers_to(clinic: House) -> None:
    answer = await clinic.admin.get("Patient/ann/$everything")

    assert set(entries(answer, "match")) == OF_ANN
    assert {"Organization/clinic", "Practitioner/paul"} <= set(entries(answer, "include"))
    assert not [one for one in entries(answer) if "joe" in one]
    assert answer.json()["type"] == "searchset"


async def test_it_comes_in_pages_without_gap_or_repeat(clinic: House) -> None:
    found = [one for page in await pages(clinic.admin, "Patient/ann/$everything?_count=2")
             for one in entries(page, "match")]  # fmt: skip

    assert len(found) == len(set(found))
    assert set(found) == OF_ANN


async def test_a_page_is_the_callers_own(clinic: House) -> None:
    first = await clinic.admin.get("Patient/ann/$everything?_count=1")
    following = next(one["url"] for one in first.json()["link"] if one["relation"] == "next")

    assert (await clinic.nurse.get(following)).status_code == 400
    assert (await clinic.admin.get(following.replace("ann", "joe"))).status_code == 400


async def test_types_dates_and_since_narrow_it(clinic: House) -> None:
    async def of(question: str) -> set[str]:
        return set(entries(await clinic.admin.get(f"Patient/ann/$everything?{question}")))

    assert await of("_type=Observation,Encounter") == {
        "Observation/ann-old", "Observation/ann-new", "Encounter/visit",
    }  # fmt: skip
    assert await of("_type=Condition&start=2026-02-01") == {
        "Condition/ann-ill", "Condition/ann-undated", "Condition/ann-visit",
    }  # fmt: skip
    assert await of("_type=Observation&end=2026-02-01") == {"Observation/ann-old"}
    assert await of("_type=Observation&start=2026-02-01&end=2026-12-31") == {"Observation/ann-new"}
    assert await of("_since=2999-01-01T00:00:00Z") == set()


async def test_bad_questions_are_refused(clinic: House) -> None:
    for question in (
        "_type=Nothing",
        "_type=Organization",
        "start=soon",
        "_count=x",
        "_count=-5",
        "_cursor=x",
        "name=Ann",
    ):
        answer = await clinic.admin.get(f"Patient/ann/$everything?{question}")
        assert answer.status_code == 400, question
    assert (await clinic.admin.get("Observation/ann-new/$everything")).status_code == 404
    assert (await clinic.admin.get("Encounter/$everything")).status_code == 405
    assert (await clinic.admin.get("Patient/nobody/$everything")).status_code == 404


async def test_callers_see_what_they_may_read_and_nothing_else(clinic: House) -> None:
    assert set(entries(await clinic.nurse.get("Patient/ann/$everything"), "match")) == OF_ANN
    assert set(entries(await clinic.patient.get("Patient/ann/$everything"), "match")) == OF_ANN
    partner = set(entries(await clinic.partner.get("Patient/ann/$everything")))
    assert "Observation/ann-new" in partner
    assert not [one for one in partner if one.startswith(("Condition/", "Encounter/"))]
    for client in (clinic.nurse, clinic.partner, clinic.patient):
        assert (await client.get("Patient/joe/$everything")).status_code == 404


async def test_without_a_patient_it_is_that_of_all_the_caller_may_see(clinic: House) -> None:
    everybody = set(entries(await clinic.admin.get("Patient/$everything?_count=1000"), "match"))
    assert {"Observation/joe-one", *OF_ANN} <= everybody
    assert (
        set(entries(await clinic.nurse.get("Patient/$everything?_count=1000"), "match")) == OF_ANN
    )


async def test_a_group_is_its_members(clinic: House) -> None:
    await store(
        clinic.admin,
        patient("zoe"),
        observation("zoe-one", "zoe"),
        care_team("zoe", "Practitioner/omar"),
        {
            "resourceType": "Group",
            "id": "ward",
            "type": "person",
            "actual": True,
            "member": [
                {"entity": ANN},
                {"entity": {"reference": "Patient/joe"}, "inactive": True},
                {"entity": {"reference": "Patient/zoe"}},
            ],
        },
    )

    found = set(entries(await clinic.admin.get("Group/ward/$everything"), "match"))

    assert {"Patient/ann", "Patient/zoe", "Observation/ann-new", "Observation/zoe-one"} <= found
    assert not [one for one in found if "joe" in one]
    assert (await clinic.nurse.get("Group/ward/$everything")).status_code == 404


async def test_an_encounter_is_what_belongs_to_it(clinic: House) -> None:
    found = entries(await clinic.nurse.get("Encounter/visit/$everything"), "match")

    assert set(found) == {"Encounter/visit", "Condition/ann-visit"}
    assert (await clinic.partner.get("Encounter/visit/$everything")).status_code == 404
