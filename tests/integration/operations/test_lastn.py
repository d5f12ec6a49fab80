"""$lastn: the newest of each code, whatever else there is."""

import pytest

from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House, entries, store
from tests.integration.rest.conftest import observation

LOINC = "http://loinc.org"


def measured(id_: str, day: int, *codes: str, of: str = "ann", text: str | None = None) -> Json:
    code: Json = {"coding": [{"system": LOINC, "code": one} for one in codes]} if codes else {}
    if text is not None:
        code["text"] = text
    return observation(id_, of, code=code, effectiveDateTime=f"2026-03-{day:02}")


@pytest.fixture
async def clinic(house: House) -> House:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    vital = [{"coding": [{"system": system, "code": "vital-signs"}]}]
    await store(
        house.admin,
        *(measured(f"pulse-{day}", day, "8867-4") for day in (1, 2, 3, 4)),
        measured("weight-1", 1, "29463-7"),
        {**measured("weight-9", 9, "3141-9", "29463-7"), "category": vital},
        measured("odd-2", 2, "a,b|c$d"),
        measured("words-1", 1, text="How she feels"),
        measured("words-2", 2, text="How she feels"),
        measured("other-words", 3, text="Colour"),
        measured("joe-9", 9, "8867-4", of="joe"),
    )
    return house


async def test_one_of_each_code_the_newest(clinic: House) -> None:
    answer = await clinic.nurse.get("Observation/$lastn?patient=ann")

    assert set(entries(answer)) == {
        "Observation/pulse-4", "Observation/weight-9", "Observation/odd-2",
        "Observation/words-2", "Observation/other-words",
    }  # fmt: skip
    assert answer.json()["total"] == 5


async def test_more_of_each_newest_first(clinic: House) -> None:
    found = entries(await clinic.nurse.get("Observation/$lastn?patient=Patient/ann&max=3"))

    assert [one for one in found if "pulse" in one] == [
        f"Observation/pulse-{day}" for day in (4, 3, 2)
    ]
    assert {"Observation/words-1", "Observation/words-2"} <= set(found)


async def test_codes_and_categories_narrow_it(clinic: House) -> None:
    async def of(question: str) -> list[str]:
        return entries(await clinic.nurse.get(f"Observation/$lastn?subject=Patient/ann&{question}"))

    assert await of(f"code={LOINC}|8867-4&max=2") == ["Observation/pulse-4", "Observation/pulse-3"]
    assert await of("category=vital-signs") == ["Observation/weight-9"]
    assert await of("code=8867-4&date=lt2026-03-03") == ["Observation/pulse-2"]


async def test_what_it_cannot_mean_is_refused(clinic: House) -> None:
    for question in ("", "code=8867-4", "patient=ann&max=0", "patient=ann&max=1000", "patient=ann&x=y",
                     "patient=ann&_sort=date"):  # fmt: skip
        assert (await clinic.nurse.get(f"Observation/$lastn?{question}")).status_code == 400, (
            question
        )


async def test_nothing_of_others_is_found(clinic: House) -> None:
    for client in (clinic.nurse, clinic.partner, clinic.patient):
        assert entries(await client.get("Observation/$lastn?patient=joe")) == []
    assert entries(await clinic.admin.get("Observation/$lastn?patient=joe")) == [
        "Observation/joe-9"
    ]
