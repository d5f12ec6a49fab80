"""Every kind of search in SQL against the in-memory matcher, which knows nothing of keys and columns."""

import pytest

from fhirserver.kernel.principal import Access
from fhirserver.search.match import matches
from fhirserver.store.record import Record
from fhirserver.store.search import statement
from fhirserver.store.search.rounds import Statement
from fhirserver.store.search.session import Session
from tests.integration.search.conftest import DEFINITIONS, Known, asked, find, ids, stored

# The search, and how many hits it has where that is worth saying: an empty answer proves little.
SEARCHES: tuple[tuple[str, str, int], ...] = (
    ("Patient", "", 4),
    ("Patient", "family=berg", 2),
    ("Patient", "family:exact=Bergström", 1),
    ("Patient", "family:contains=erg", 2),
    ("Patient", "name:contains=onehaugh-b", 1),
    ("Patient", "family:contains=ge", 1),
    ("Patient", "family=Montgomery-Featherstonehaugh-B", 1),
    ("Patient", "gender=female", 2),
    ("Patient", "gender:not=female", 2),
    ("Patient", "gender:missing=true", 1),
    ("Patient", "gender=female,male", 3),
    ("Patient", "identifier=urn:mrn|7", 1),
    ("Patient", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|7", 1),
    ("Patient", "birthdate=1961", 2),
    ("Patient", "birthdate=ge1961-05", 3),
    ("Patient", "_id=ann,dan,nobody", 2),
    ("Patient", "_id:not=ann", 3),
    ("Patient", "_lastUpdated=gt2020", 4),
    ("Patient", "_lastUpdated=lt2020", 0),
    ("Patient", "organization=Organization/ward", 1),
    ("Patient", "organization.name=ward", 1),
    ("Patient", "organization.partof.name=north", 1),
    ("Patient", "organization:Organization.partof:Organization.name:contains=clinic", 1),
    ("Patient", "general-practitioner.identifier=urn:npi|1", 1),
    ("Patient", "general-practitioner:Practitioner.family=poole", 1),
    ("Patient", "_has:Observation:patient:code=8867-4", 2),
    ("Patient", "_has:Observation:patient:value-quantity=gt100", 1),
    ("Patient", "_has:Observation:patient:performer.family=quincy", 1),
    ("Patient", "_has:Observation:patient:component-code-value-quantity=8480-6$gt160", 1),
    ("Patient", "_has:Observation:patient:_has:DiagnosticReport:result:status=final", 1),
    ("Patient", "_has:Task:patient:owner=Practitioner/doc", 1),
    ("Patient", "_has:Encounter:patient:status=cancelled", 0),
    ("Patient", "_list=today", 2),
    ("Patient", "_list=nothing", 0),
    ("Patient", "_text=alone", 1),
    ("Patient", "_content=bergström", 1),
    ("Patient", '_filter=name co "erg" and gender eq female', 2),
    ("Patient", "_filter=not (gender eq female)", 2),
    ("Patient", '_filter=family eq "bergstrom" or birthdate gt 1990-01-01', 3),
    ("Patient", '_filter=organization.name sw "ward" or name co "birch"', 2),
    ("Patient", '_filter=not (organization.name sw "ward" or name co "birch")', 2),
    ("Observation", "code=8867-4", 3),
    ("Observation", "code=http://loinc.org|8867-4&patient=ann", 1),
    ("Observation", "code:text=never", 0),
    ("Observation", "value-concept:text=never smoked", 1),
    ("Observation", "date=2026-01-10", 4),
    ("Observation", "date=ge2026-01-11", 3),
    ("Observation", "date=lt2026-01-10T09:30:00Z&patient=ann", 2),
    ("Observation", "date=gt2070", 0),
    ("Observation", "date=eb2026-01-11", 4),
    ("Observation", "date=ne2026-01-10", 3),
    ("Observation", "date=ap2026-02", 7),
    ("Observation", "date:missing=true", 1),
    ("Observation", "value-quantity=72", 1),
    ("Observation", "value-quantity=gt80", 3),
    ("Observation", "value-quantity=1.2|http://unitsofmeasure.org|g/L", 1),
    ("Observation", "value-quantity=120|http://unitsofmeasure.org|mg/dL", 1),
    ("Observation", "value-quantity=le0.95|http://unitsofmeasure.org|g/L", 1),
    ("Observation", "value-quantity=ge0.95||g/L", 2),
    ("Observation", "value-quantity=ge1|http://unitsofmeasure.org|kg", 0),
    ("Observation", "component-value-quantity=gt160", 1),
    ("Observation", "combo-value-quantity=ge95&combo-value-quantity=le100", 3),
    ("Observation", "code-value-quantity=8867-4$gt100", 1),
    ("Observation", "code-value-quantity=http://loinc.org|2339-0$gt1|http://unitsofmeasure.org|g/L", 1),
    ("Observation", "component-code-value-quantity=8480-6$lt100", 1),
    ("Observation", "component-code-value-quantity=8462-4$gt160", 0),
    ("Observation", "component-code-value-quantity=http://loinc.org|8462-4$95", 1),
    ("Observation", "component-code-value-quantity=8480-6$gt160,8462-4$lt70", 2),
    ("Observation", "component-code-value-quantity=8480-6$gt21.9||kPa", 1),
    ("Observation", "combo-code-value-quantity=8480-6$gt160,8867-4$lt80", 2),
    ("Observation", "code-value-concept=72166-2$266919005", 1),
    ("Observation", "patient.gender=male", 1),
    ("Observation", "subject:Patient.name=bergström", 4),
    ("Observation", "patient.general-practitioner.family=poole", 1),
    ("Observation", "encounter.class=AMB", 1),
    ("Observation", "encounter:missing=false", 1),
    ("Observation", "patient.organization.name:contains=seven&code=8867-4", 1),
    ("Observation", "patient._has:Task:patient:owner=Practitioner/nurse", 3),
    ("Observation", "_has:DiagnosticReport:result:code=24323-8", 2),
    ("Observation", "_list=today", 1),
    ("Observation", "_filter=code eq 8867-4 and (value-quantity gt 100 or patient eq Patient/ann)", 2),
    ("Observation", "_filter=not (value-quantity gt 100)", 7),
    ("Encounter", "date=2026-01-10", 1),
    ("Encounter", "date=gt2026-01-20", 1),
    ("Encounter", "date=sa2026-01-05", 1),
    ("Encounter", "length=gt2||h", 1),
    ("Encounter", "length=1.5|http://unitsofmeasure.org|h", 1),
    ("Encounter", "participant.name=ada", 1),
    ("Encounter", "class:not=AMB", 1),
    ("DiagnosticReport", "result.code=2339-0", 1),
    ("DiagnosticReport", "result.value-quantity=gt71&result:Observation.patient=ann", 1),
    ("Task", "focus:Observation.component-code-value-quantity=8480-6$gt160", 1),
    ("Task", "part-of.owner:Practitioner.family=quincy", 1),
    ("Task", "subject:Patient.birthdate=1961", 2),
    ("Task", "patient.birthdate=1961", 2),
    ("Organization", "_has:Patient:organization:_has:Observation:patient:code=8867-4", 2),
    ("Location", "near=42.01|-71.01|10|km", 1),
    ("Location", "near=0|0|10|km", 0),
    ("CodeSystem", "url=urn:example:codes/drugs", 1),
    ("MedicationRequest", "_contained=true", 0),
)  # fmt: skip


async def test_sql_agrees_with_the_matcher(
    clinic: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    everything = await stored(clinic, admin)
    known = Known.of(everything)
    for type_, text, hits in SEARCHES:
        with subtests.test(type=type_, search=text):
            query = asked(type_, text)
            wanted = {one["id"] for one in everything if matches(one, query, DEFINITIONS, known)}
            assert await ids(clinic, admin, type_, text) == wanted
            assert len(wanted) == hits


async def test_searches_that_are_tried_in_another_way_find_the_same(
    clinic: Record, admin: Access, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    before = {
        (type_, text): await ids(clinic, admin, type_, text) for type_, text, _ in SEARCHES[::5]
    }

    async def never(_session: Session, _statement: Statement) -> None:
        return None

    monkeypatch.setattr(Session, "tried", never)
    for (type_, text), found in before.items():
        with subtests.test(type=type_, search=text):
            assert await ids(clinic, admin, type_, text) == found
            if type_ == "Observation":
                page = await find(clinic, admin, type_, f"{text}&_sort=-date")
                assert {one.id for one in page.entries} == found


MANY = (
    ("Observation", "value-quantity=gt80"),
    ("Observation", "value-quantity=ge0.95||g/L"),
    ("Observation", "component-value-quantity=gt50"),
    ("Observation", "combo-value-quantity=gt60"),
    ("Observation", "component-code-value-quantity=8480-6$gt50"),
    ("Observation", "combo-code-value-quantity=8480-6$gt50,8867-4$lt200"),
    ("Observation", "code-value-quantity=8867-4$gt10"),
    ("Observation", "value-quantity=gt10&_sort=-date"),
    ("Observation", "value-quantity=gt10&patient.gender=female"),
    ("Encounter", "length=gt1||h"),
)


async def test_many_ranges_are_gone_through_page_by_page(
    clinic: Record, admin: Access, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    before = {(type_, text): await ids(clinic, admin, type_, text) for type_, text in MANY}
    # As if there were more ranges than are looked up by value.
    monkeypatch.setattr(statement, "FEW", 0)
    for (type_, text), expected in before.items():
        for order in ("", "&_sort=-_id"):
            if order and "_sort" in text:
                continue
            with subtests.test(type=type_, search=text + order):
                found: list[str] = []
                cursor: dict[str, str] = {}
                while True:
                    page = await clinic.search(
                        admin, asked(type_, f"{text}{order}&_count=1", **cursor)
                    )
                    found += [one.id for one in page.entries]
                    if page.cursor is None:
                        break
                    cursor = {"_cursor": page.cursor}
                assert len(expected) > 1
                assert len(found) == len(set(found))
                assert set(found) == expected
