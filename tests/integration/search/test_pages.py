"""Pages join: nothing that was there throughout is missed or doubled, in whatever order, while others write."""

from decimal import Decimal
from itertools import pairwise

import pytest

from fhirserver.kernel.errors import BadRequest, TooCostly
from fhirserver.kernel.principal import Access
from fhirserver.search.order import sort_value
from fhirserver.search.query import SortKey
from fhirserver.store.record import Record
from fhirserver.store.search import pages
from fhirserver.store.search.order import sorted_in_memory
from fhirserver.wire import fhir_json
from tests.integration.search.clinic import observation, quantity
from tests.integration.search.conftest import DEFINITIONS, asked, find

SORTS = (
    "",
    "_id",
    "-_id",
    "date",
    "-date",
    "_lastUpdated",
    "-_lastUpdated",
    "value-quantity",
    "-value-quantity",
    "code",
    "-code,date",
    "subject,-date",
    "code,-value-quantity,_id",
    "-date,value-quantity",
)


WRITES = (("1999", "2050"), ("2026-01-10T09:02:00Z", None))


async def every_page(record: Record, access: Access, types: str, text: str) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    for turn in range(100):
        page = await record.search(access, asked(types, text, **cursor))
        found += [one.id for one in page.entries]
        # Somebody writes between any two pages, at the front, in the middle and at the end.
        async with record.transaction(1) as tx:
            for number, at in enumerate(WRITES[turn % 2]):
                id_ = f"new-{turn}-{number}"
                new = observation(
                    id_, "dan", "8867-4", at, valueQuantity=quantity(50 + number * 30, "/min")
                )
                await tx.put(new, id_=id_)
            # What changes without a change of its place stays in it.
            await tx.put(
                observation(
                    "heart-none",
                    "bea",
                    "8867-4",
                    None,
                    valueQuantity=quantity(90, "/min"),
                    issued="2026-03-01T00:00:00Z",
                ),
                id_="heart-none",
            )
        if page.cursor is None:
            return [one for one in found if not one.startswith("new-")]
        cursor = {"_cursor": page.cursor}
    raise AssertionError("the pages do not end")


async def test_every_order_keeps_what_was_there(
    clinic: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    before = {one.id for one in (await find(clinic, admin, "Observation", "")).entries}
    for sort in SORTS:
        with subtests.test(sort=sort):
            text = "patient=ann,bea&_count=3" + (f"&_sort={sort}" if sort else "")
            here = {one for one in before if not one.startswith(("new-", "sugar-dan"))}
            found = await every_page(clinic, admin, "Observation", text)
            moved = {"heart-none"} if "_lastUpdated" in sort else set()
            assert len(found) - len(moved & set(found)) == len(set(found) - moved)
            assert set(found) | moved == here


async def test_orders_are_those_of_the_values(
    clinic: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    for sort in SORTS[1:]:
        with subtests.test(sort=sort):
            query = asked("Observation", f"_sort={sort}&_count=1000")
            page = await clinic.search(admin, query)
            # Ids sort by when their resource came, which only the store knows.
            keys = [key for key in query.sort if key.by != "id"]
            values = []
            for one in page.entries:
                body = fhir_json.read(one.content)
                values.append([sort_value(body, key, DEFINITIONS) for key in keys])
            for earlier, later in pairwise(values):
                for key, before, behind in zip(keys, earlier, later, strict=True):
                    if before == behind:
                        continue
                    first, second = (behind, before) if key.descending else (before, behind)
                    assert second is None or (first is not None and first <= second)  # type: ignore[operator]
                    break


async def test_verified_hits_fill_their_pages(clinic: Record, admin: Access) -> None:
    async with clinic.transaction(1) as tx:
        for number in range(450):
            id_ = f"many-{number}"
            odd = "Montgomery-Featherstonehaugh-" + ("Ash" if number % 9 else "Birch")
            await tx.put({"resourceType": "Patient", "id": id_, "name": [{"family": odd}]}, id_=id_)
    found: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        page = await clinic.search(
            admin, asked("Patient", "family=Montgomery-Featherstonehaugh-Bi&_count=20", **cursor)
        )
        assert not found & {one.id for one in page.entries}
        found |= {one.id for one in page.entries}
        if page.cursor is None:
            break
        assert len(page.entries) == 20
        cursor = {"_cursor": page.cursor}
    assert found == {"dan"} | {f"many-{number}" for number in range(0, 450, 9)}


async def test_several_types_are_one_result(clinic: Record, admin: Access) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await clinic.search(
            admin,
            asked(("Patient", "Task", "Organization"), "_count=3&_sort=-_lastUpdated", **cursor),
        )
        found += [one.reference for one in page.entries]
        if page.cursor is None:
            break
        cursor = {"_cursor": page.cursor}
    assert len(found) == len(set(found)) == 8
    assert {one.partition("/")[0] for one in found} == {"Patient", "Task", "Organization"}


async def test_the_whole_system_is_searched(clinic: Record, admin: Access) -> None:
    page = await clinic.search(
        admin, asked(DEFINITIONS.resource_types, "_id=ann,north,heart-ann&_total=accurate")
    )
    assert {one.reference for one in page.entries} == {
        "Patient/ann",
        "Organization/north",
        "Observation/heart-ann",
    }
    assert page.total == 3


async def test_cursors_hide_what_they_hold_and_cannot_be_changed(
    clinic: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    page = await clinic.search(admin, asked("Patient", "_sort=family&_count=1"))
    cursor = page.cursor
    assert cursor is not None
    assert "berg" not in cursor
    other = await clinic.search(admin, asked("Patient", "_sort=family&_count=1"))
    assert other.cursor != cursor
    for position in (0, 5, len(cursor) - 1):
        with subtests.test(position=position):
            changed = "A" if cursor[position] != "A" else "B"
            forged = cursor[:position] + changed + cursor[position + 1 :]
            with pytest.raises(BadRequest):
                await clinic.search(
                    admin, asked("Patient", "_sort=family&_count=1", _cursor=forged)
                )
    for text in ("x", "é", "....", "a" * 2000):
        with subtests.test(text=text[:5]), pytest.raises(BadRequest):
            await clinic.search(admin, asked("Patient", "_sort=family&_count=1", _cursor=text))
    with pytest.raises(BadRequest):
        await clinic.search(admin, asked("Patient", "_sort=-family&_count=1", _cursor=cursor))


async def test_too_many_to_sort_here_is_refused(
    clinic: Record, admin: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_SORTED", 3)
    with pytest.raises(TooCostly):
        await find(clinic, admin, "Observation", "_sort=code")
    with pytest.raises(TooCostly):
        await find(clinic, admin, "Patient", "family:contains=er&_summary=count")
    assert (await find(clinic, admin, "Observation", "_sort=code&patient=dan")).entries


async def test_totals_are_what_can_be_enumerated(
    clinic: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    for type_, text in (
        ("Observation", "code=8867-4"),
        ("Observation", "component-code-value-quantity=http://loinc.org|8480-6$gt100"),
        ("Patient", "family:contains=er"),
        ("Patient", "_has:Observation:patient:code=8867-4"),
        ("Observation", "patient.gender:not=female"),
    ):
        with subtests.test(type=type_, search=text):
            every = (await find(clinic, admin, type_, text)).entries
            page = await clinic.search(admin, asked(type_, f"{text}&_count=1&_total=accurate"))
            assert page.total == len(every) > 0
            counted = await clinic.search(admin, asked(type_, f"{text}&_summary=count"))
            assert counted.total == len(every)
            nothing = await clinic.search(admin, asked(type_, f"{text}&_count=0"))
            assert (nothing.total, nothing.entries, nothing.cursor) == (len(every), (), None)
    page = await find(clinic, admin, "Observation", "code=8867-4")
    assert page.total is None
    estimate = await clinic.search(admin, asked("Observation", "_count=1&_total=estimate"))
    assert estimate.total is not None


def test_numbers_and_texts_sort_together() -> None:
    sort = (SortKey("text", descending=False), SortKey("id", descending=False))
    rows = [((value,), value) for value in ("b", None, Decimal(2), "a", Decimal(1))]
    assert sorted_in_memory(rows, sort) == [Decimal(1), Decimal(2), "a", "b", None]
