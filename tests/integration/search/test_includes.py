"""What comes along: each resource once, completely, in both directions, round after round, and not without bound."""

import pytest

from fhirserver.kernel.errors import TooCostly
from fhirserver.kernel.principal import Access
from fhirserver.store.record import Record
from fhirserver.store.search import include
from tests.integration.search.conftest import asked, find

ITERATED = (
    "_id=heart-ann&_include=Observation:patient&_include:iterate=Patient:organization"
    "&_include:iterate=Organization:partof"
)
CASES: tuple[tuple[str, str, set[str]], ...] = (
    ("Observation", "_id=heart-ann&_include=Observation:patient", {"Patient/ann"}),
    ("Observation", "code=8867-4&_include=Observation:subject", {"Patient/ann", "Patient/bea"}),
    ("Observation", "_id=heart-ann&_include=Observation:performer:Practitioner", {"Practitioner/doc"}),
    ("Observation", "_id=heart-ann&_include=Observation:performer:Organization", set()),
    ("Observation", "_id=heart-ann&_include=*", {"Patient/ann", "Practitioner/doc", "Encounter/visit-ann"}),
    ("Observation", ITERATED, {"Patient/ann", "Organization/ward", "Organization/north"}),
    ("Patient", "_id=ann&_revinclude=Observation:patient",
     {"Observation/heart-ann", "Observation/sugar-ann", "Observation/words-ann", "Observation/pressure-ann"}),
    ("Patient", "_id=dan&_revinclude=*", {"Observation/sugar-dan", "List/today"}),
    ("Patient", "_id=bea&_revinclude=Task:patient&_include:iterate=Task:part-of", {"Task/call-bea", "Task/call-ann"}),
    ("Task", "_id=call-ann&_revinclude:iterate=Task:part-of", {"Task/call-bea"}),
    ("Task", "_include=Task:part-of", set()),
    ("Organization", "_id=north&_revinclude:iterate=Organization:partof&_revinclude:iterate=Patient:organization",
     {"Organization/ward", "Patient/ann", "Patient/bea"}),
)  # fmt: skip


async def test_included(clinic: Record, admin: Access, subtests: pytest.Subtests) -> None:
    for type_, text, expected in CASES:
        with subtests.test(type=type_, search=text):
            page = await find(clinic, admin, type_, text)
            found = [one.reference for one in page.included]
            assert len(found) == len(set(found))
            assert set(found) == expected
            assert not set(found) & {one.reference for one in page.entries}


async def test_every_page_brings_its_own(clinic: Record, admin: Access) -> None:
    cursor: dict[str, str] = {}
    while True:
        page = await clinic.search(
            admin, asked("Observation", "_include=Observation:patient&_count=2", **cursor)
        )
        subjects = {one.id.rpartition("-")[2] for one in page.entries}
        assert {one.id for one in page.included} == {
            "bea" if one == "none" else one for one in subjects
        }
        if page.cursor is None:
            break
        cursor = {"_cursor": page.cursor}


async def test_too_many_are_refused(
    clinic: Record, admin: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(include, "MAX_INCLUDED", 2)
    with pytest.raises(TooCostly):
        await find(clinic, admin, "Patient", "_id=ann&_revinclude=Observation:patient")
    with pytest.raises(TooCostly):
        await find(clinic, admin, "Observation", "_include=Observation:patient")
