"""Modifiers that need terminology, a hierarchy or somebody else's words: SQL and matcher find the same."""

import pytest

from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json
from fhirserver.search.match import matches
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from tests.integration.search.conftest import DEFINITIONS, Known, asked, ids, stored
from tests.integration.store.conftest import caller

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
STATUSES = "http://hl7.org/fhir/ValueSet/condition-clinical"


def _condition(id_: str, of: str, status: str | None, **more: object) -> Json:
    resource: Json = {
        "resourceType": "Condition",
        "id": id_,
        "subject": {"reference": f"Patient/{of}"},
        **more,
    }
    if status is not None:
        resource["clinicalStatus"] = {"coding": [{"system": CLINICAL, "code": status}]}
    return resource


def _location(id_: str, part_of: str) -> Json:
    return {
        "resourceType": "Location",
        "id": id_,
        "partOf": {"reference": f"Location/{part_of}"},
    }


MORE: tuple[Json, ...] = (
    _condition("active", "ann", "active"),
    _condition("relapse", "ann", "relapse"),
    _condition("resolved", "bea", "resolved"),
    _condition("local", "bea", "own"),
    _condition("bare", "bea", None),
    _condition("said", "dan", "active", asserter={"identifier": {"system": "urn:npi", "value": "9"}}),
    _location("floor", "boston"),
    _location("room", "floor"),
    {
        "resourceType": "Encounter",
        "id": "in-room",
        "status": "finished",
        "class": {"system": ACT, "code": "AMB"},
        "subject": {"reference": "Patient/ann"},
        "location": [{"location": {"reference": "Location/room"}}],
    },
    {
        "resourceType": "ValueSet",
        "id": "colours",
        "url": "http://example.org/sets/colours",
        "status": "active",
    },
)  # fmt: skip

# The search, and how many hits it has.
SEARCHES: tuple[tuple[str, str, int], ...] = (
    ("Patient", f"gender:in={GENDERS}", 3),
    ("Patient", f"gender:not-in={GENDERS}", 1),
    ("Condition", f"clinical-status:in={STATUSES}", 4),
    ("Condition", f"clinical-status:not-in={STATUSES}", 2),
    ("Condition", f"clinical-status:not-in={STATUSES}&subject=Patient/bea", 2),
    ("Patient", f"_has:Condition:subject:clinical-status:in={STATUSES}", 3),
    ("Patient", f"_has:Condition:subject:clinical-status:not-in={STATUSES}", 1),
    ("Condition", f"clinical-status:below={CLINICAL}|active", 3),
    ("Condition", f"clinical-status:below={CLINICAL}|inactive", 1),
    ("Condition", f"clinical-status:below={CLINICAL}|relapse", 1),
    ("Condition", f"clinical-status:above={CLINICAL}|relapse", 3),
    ("Condition", f"clinical-status:above={CLINICAL}|active", 2),
    ("Condition", f"_filter=clinical-status ss {CLINICAL}|active", 3),
    ("Condition", f"_filter=not (clinical-status in {STATUSES})", 2),
    ("Encounter", f"class:below={ACT}|_ActEncounterCode", 3),
    ("Encounter", f"class:above={ACT}|_ActEncounterCode", 0),
    ("Observation", f"encounter.class:below={ACT}|_ActEncounterCode", 1),
    ("ValueSet", "url:below=http://example.org/sets", 1),
    ("ValueSet", "url:below=http://example.org/set", 0),
    ("ValueSet", "url:above=http://example.org/sets/colours/2026", 1),
    ("ValueSet", "url:above=http://example.org/sets", 0),
    ("Condition", "asserter:identifier=urn:npi|9", 1),
    ("Condition", "asserter:identifier=9", 1),
    ("Condition", "asserter:identifier=urn:npi|1", 0),
    ("Encounter", "location:below=boston", 1),
    ("Encounter", "location:below=Location/room", 1),
    ("Encounter", "location:below=berlin", 0),
    ("Location", "partof:below=boston", 2),
    ("Location", "partof:above=room", 2),
    ("Location", "partof:above=boston", 1),
    ("MedicationRequest", "_contained=true", 0),
    ("Medication", "code=urn:drugs|aspirin", 0),
    ("Medication", "code=urn:drugs|aspirin&_contained=true", 1),
    ("Medication", "code=urn:drugs|aspirin&_contained=both", 1),
    ("Medication", "code=urn:drugs|other&_contained=true", 0),
)  # fmt: skip


@pytest.fixture
async def richer(clinic: Record) -> Record:
    async with clinic.transaction(1) as tx:
        for one in MORE:
            await tx.put(one, id_=one["id"])
    return clinic


async def _everything(record: Record, access: Access) -> list[Json]:
    versions = [await record.read(access, one["resourceType"], one["id"]) for one in MORE]
    return [*await stored(record, access), *(fhir_json.read(one.content) for one in versions)]


async def test_sql_agrees_with_the_matcher(
    richer: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    everything = await _everything(richer, admin)
    known = Known.of(everything)
    for type_, text, hits in SEARCHES:
        with subtests.test(type=type_, search=text):
            query = asked(type_, text)
            wanted = {one["id"] for one in everything if matches(one, query, DEFINITIONS, known)}
            assert await ids(richer, admin, type_, text) == wanted
            assert len(wanted) == hits


async def test_contained_matches_are_not_for_strangers(richer: Record) -> None:
    text = "code=urn:drugs|aspirin&_contained=true"
    assert await ids(richer, caller("ann"), "Medication", text) == {"pills-ann"}
    assert await ids(richer, caller("bea"), "Medication", text) == set()


async def test_a_value_set_does_not_tell_of_strangers(richer: Record) -> None:
    for text, found in ((f"clinical-status:in={STATUSES}", {"active", "relapse"}),
                        (f"clinical-status:not-in={STATUSES}", set()),
                        (f"clinical-status:below={CLINICAL}|active", {"active", "relapse"})):  # fmt: skip
        assert await ids(richer, caller("ann"), "Condition", text) == found
