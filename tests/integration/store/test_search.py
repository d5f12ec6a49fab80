"""Search in SQL: every answer agrees with the in-memory matcher, pages are stable, and nobody finds a stranger."""

import base64
from datetime import timedelta

import pytest

from fhirserver import definitions
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json
from fhirserver.search.match import matches
from fhirserver.search.query import Query, parse
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from tests.integration.store.conftest import Clock, caller

LONG_NAME = "Montgomery-Featherstonehaugh-Cholmondeley"


def patient(family: str, given: str, born: str, **more: object) -> Json:
    return {
        "resourceType": "Patient",
        "name": [{"family": family, "given": [given]}],
        "birthDate": born,
        **more,
    }


def reading(of: str, code: str, at: str, **more: object) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": at,
        "valueQuantity": {
            "value": 120,
            "unit": "mm[Hg]",
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        },
        **more,
    }


POPULATION = (
    (
        "ann",
        patient(
            "Bergström",
            "Ann",
            "1961-04-02",
            gender="female",
            identifier=[{"system": "urn:mrn", "value": "7"}],
        ),
    ),
    ("bea", patient("berger", "Bea", "1961-11-30", gender="female")),
    ("cat", patient(LONG_NAME + "-Ash", "Cat", "1990", active=True)),
    ("dan", patient(LONG_NAME + "-Birch", "Dan", "1990-07")),
)
READINGS = tuple(
    reading(of, code, f"2026-08-01T08:{minute:02d}:00Z")
    for of, code in (("ann", "8480-6"), ("bea", "8480-6"), ("ann", "8867-4"))
    for minute in range(5)
)


@pytest.fixture
async def full(record: Record, clock: Clock) -> Record:
    for id_, one in POPULATION:
        clock.now += timedelta(seconds=1)
        async with record.transaction(1) as tx:
            await tx.put(one, id_=id_)
    for one in READINGS:
        clock.now += timedelta(seconds=1)
        async with record.transaction(1) as tx:
            await tx.put(one)
    return record


def query(type_: str, **parameters: str) -> Query:
    pairs = [(name.replace("__", ":"), value) for name, value in parameters.items()]
    return parse(type_, pairs, definitions.load())


async def everything(record: Record, access: Access, type_: str) -> list[Json]:
    page = await record.search(access, query(type_, _count="1000"))
    return [fhir_json.read(one.content) for one in page.entries]


HITS: tuple[tuple[str, dict[str, str], int], ...] = (
    ("Patient", {}, 4),
    ("Patient", {"family": "berg"}, 2),
    ("Patient", {"family__exact": "Bergström"}, 1),
    ("Patient", {"family": LONG_NAME.lower()}, 2),
    ("Patient", {"family": LONG_NAME + "-Birch"}, 1),
    ("Patient", {"gender": "female", "given": "b"}, 1),
    ("Patient", {"gender": "male"}, 0),
    ("Patient", {"gender__not": "female"}, 2),
    ("Patient", {"active__missing": "false"}, 1),
    ("Patient", {"identifier": "urn:mrn|7"}, 1),
    ("Patient", {"identifier": "urn:mrn|8"}, 0),
    ("Patient", {"birthdate": "1961"}, 2),
    ("Patient", {"birthdate": "ge1961-05"}, 3),
    ("Patient", {"birthdate": "lt1990-07"}, 3),
    ("Patient", {"_id": "ann,dan,nobody"}, 2),
    ("Patient", {"_lastUpdated": "gt2026-08-01T09:00:02Z"}, 2),
    ("Observation", {"patient": "ann"}, 10),
    ("Observation", {"subject": "Patient/bea"}, 5),
    ("Observation", {"code": "8480-6"}, 10),
    ("Observation", {"code": "http://loinc.org|8867-4", "patient": "ann"}, 5),
    ("Observation", {"code": "8480-6,8867-4"}, 15),
    ("Observation", {"date": "ge2026-08-01T08:03:00Z"}, 6),
    ("Observation", {"date": "2026-08-01"}, 15),
    ("Observation", {"date": "lt2026-08-01T08:01:00Z", "patient": "ann"}, 2),
    ("Observation", {"value-quantity": "gt119"}, 15),
    ("Observation", {"value-quantity": "120||kPa"}, 0),
    ("Observation", {"combo-value-quantity": "120"}, 15),
)


async def test_hits_are_those_of_the_matcher(
    full: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    for type_, parameters, hits in HITS:
        with subtests.test(type=type_, **parameters):
            asked = query(type_, **parameters, _count="1000")
            page = await full.search(admin, asked)
            assert len(page.entries) == hits
            all_of_them = await everything(full, admin, type_)
            expected = {one["id"] for one in all_of_them if matches(one, asked, definitions.load())}
            assert {one.id for one in page.entries} == expected


async def test_pages_join_without_gap_or_repeat_while_others_write(
    full: Record, admin: Access, clock: Clock
) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await full.search(admin, query("Observation", _sort="-date", _count="4", **cursor))
        found += [one.id for one in page.entries]
        async with full.transaction(1) as tx:
            await tx.put(reading("bea", "8867-4", "2026-08-01T08:59:00Z"))
        if page.cursor is None:
            break
        cursor = {"_cursor": page.cursor}
    times = [
        fhir_json.read((await full.read(admin, "Observation", one)).content)["effectiveDateTime"]
        for one in found
    ]
    assert len(found) == len(set(found)) == len(READINGS)
    assert times == sorted(times, reverse=True)


async def test_every_order_pages_through_everything(
    full: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    for sort in ("date", "-date", "_lastUpdated", "-_lastUpdated", "_id", "-_id"):
        with subtests.test(sort=sort):
            found: list[str] = []
            cursor: dict[str, str] = {}
            while True:
                page = await full.search(
                    admin, query("Observation", _sort=sort, _count="6", **cursor)
                )
                found += [one.id for one in page.entries]
                if page.cursor is None:
                    break
                cursor = {"_cursor": page.cursor}
            assert len(found) == len(set(found)) == len(READINGS)


async def test_a_cursor_serves_only_the_caller_and_search_it_was_made_for(
    full: Record, admin: Access
) -> None:
    page = await full.search(admin, query("Observation", _count="4"))
    assert page.cursor is not None
    with pytest.raises(BadRequest):
        await full.search(caller("ann"), query("Observation", _count="4", _cursor=page.cursor))
    with pytest.raises(BadRequest):
        await full.search(
            admin, query("Observation", _count="4", code="8480-6", _cursor=page.cursor)
        )
    forged = base64.urlsafe_b64encode(b'[[],"0"].0').decode()
    with pytest.raises(BadRequest):
        await full.search(admin, query("Observation", _count="4", _cursor=forged))


async def test_a_caller_finds_only_patients_of_hers(full: Record) -> None:
    assert len((await full.search(caller("ann"), query("Observation", _count="100"))).entries) == 10
    assert len((await full.search(caller("ann"), query("Observation", patient="bea"))).entries) == 0
    assert [one.id for one in (await full.search(caller("dan"), query("Patient"))).entries] == [
        "dan"
    ]
    assert len((await full.search(caller(), query("Patient"))).entries) == 0


async def test_deleted_and_changed_resources_leave_the_index(full: Record, admin: Access) -> None:
    async with full.transaction(1) as tx:
        await tx.delete("Patient", "ann")
        await tx.put(patient("Other", "Bea", "1961-11-30"), id_="bea")
    assert len((await full.search(admin, query("Patient", family="berg"))).entries) == 0
    assert [
        one.id for one in (await full.search(admin, query("Patient", family="other"))).entries
    ] == ["bea"]
