"""A caller with some patients only: no search tells anything of the others, in whatever way it asks."""

import pytest

from fhirserver.kernel.errors import BadRequest, Forbidden
from fhirserver.kernel.principal import Access, Principal
from fhirserver.store.record import Record
from tests.integration.search.conftest import asked, find, ids
from tests.integration.store.conftest import caller

# Searches whose answer would change with what Bea's record holds, were it looked at. Ann is the caller's patient.
ORACLES: tuple[tuple[str, str, set[str]], ...] = (
    ("Patient", "", {"ann"}),
    ("Patient", "gender=female", {"ann"}),
    ("Patient", "_id=bea", set()),
    ("Patient", "_list=today", {"ann"}),
    ("Patient", "_has:Observation:patient:code=8867-4", {"ann"}),
    ("Patient", "_filter=not (gender eq male)", {"ann"}),
    ("Patient", '_filter=_id eq bea or name co "erg"', {"ann"}),
    ("Observation", "patient.family=berger", set()),
    ("Observation", "patient=bea", set()),
    ("Observation", "subject=Patient/bea&code=8867-4", set()),
    ("Observation", "value-quantity=gt100", set()),
    ("Observation", "component-code-value-quantity=8480-6$lt100", set()),
    ("Observation", "_has:DiagnosticReport:result:status=final", {"sugar-ann", "heart-ann"}),
    ("Encounter", "date=ge2026", {"visit-ann"}),
    ("Organization", "_has:Patient:organization:gender=female", {"ward"}),
    ("Organization", "_has:Patient:organization:family=berger", set()),
    ("Practitioner", "_has:Observation:performer:patient=bea", set()),
    ("Practitioner", "_has:Observation:performer:value-quantity=gt100", set()),
    ("Practitioner", "_has:Task:owner:status=requested", {"doc"}),
    ("Task", "part-of.owner:Practitioner.family=quincy", set()),
)


async def test_nothing_is_found_by_what_the_caller_may_not_see(
    clinic: Record, admin: Access, subtests: pytest.Subtests
) -> None:
    for type_, text, expected in ORACLES:
        with subtests.test(type=type_, search=text):
            assert await ids(clinic, caller("ann"), type_, text) == expected
    # The same searches do find more for somebody who sees more, so the test can fail.
    assert await ids(clinic, admin, "Organization", "_has:Patient:organization:family=berger")
    assert await ids(clinic, admin, "Practitioner", "_has:Observation:performer:patient=bea")


async def test_totals_count_what_the_caller_sees(clinic: Record, subtests: pytest.Subtests) -> None:
    for total in ("accurate", "estimate"):
        with subtests.test(total=total):
            page = await find(clinic, caller("ann"), "Observation", f"_total={total}&_sort=-date")
            assert page.total == len(page.entries) == 4
            first = await clinic.search(
                caller("ann"), asked("Observation", f"_total={total}&_count=2")
            )
            assert first.total == 4
    counted = await find(clinic, caller("ann"), "Observation", "_summary=count&code=8867-4")
    assert (counted.total, counted.entries) == (1, ())


async def test_orders_do_not_tell(clinic: Record, subtests: pytest.Subtests) -> None:
    for sort in ("date", "-value-quantity", "code", "-_lastUpdated", "subject"):
        with subtests.test(sort=sort):
            page = await find(clinic, caller("ann"), "Observation", f"_sort={sort}")
            assert {one.id for one in page.entries} == {
                "heart-ann",
                "sugar-ann",
                "words-ann",
                "pressure-ann",
            }


async def test_includes_bring_no_strangers(clinic: Record, admin: Access) -> None:
    text = "_id=north&_revinclude=Patient:organization&_revinclude:iterate=Observation:patient"
    assert {one.id for one in (await find(clinic, admin, "Organization", text)).included} >= {"bea"}
    assert (await find(clinic, caller("ann"), "Organization", text)).included == ()
    text = "_id=call-bea&_include=Task:part-of&_include=Task:patient"
    assert (await find(clinic, caller("bea"), "Task", text)).included[0].id == "bea"
    assert len((await find(clinic, caller("bea"), "Task", text)).included) == 1


async def test_a_list_of_a_stranger_names_nobody(clinic: Record) -> None:
    assert await ids(clinic, caller("dan"), "Patient", "_list=today") == set()
    assert await ids(clinic, caller("ann", "dan"), "Patient", "_list=today") == {"ann", "dan"}


async def test_roles_count_inside_of_chains(clinic: Record) -> None:
    partner = Access(
        Principal(1, "related-person", "RelatedPerson/bob"),
        everything=False,
        patients=frozenset({"ann"}),
    )
    # A care partner reads observations, but neither encounters nor reports.
    assert await ids(clinic, partner, "Observation", "code=8867-4") == {"heart-ann"}
    assert await ids(clinic, partner, "Observation", "encounter.class=AMB") == set()
    assert await ids(clinic, partner, "Patient", "_has:Encounter:patient:class=AMB") == set()
    assert await ids(clinic, partner, "Encounter", "") == set()
    found = await find(clinic, partner, "Observation", "code=8867-4&_include=*&_revinclude=*")
    assert {one.type for one in found.included} == {"Patient", "Practitioner"}


async def test_plans_are_for_administrators(clinic: Record, admin: Access) -> None:
    page = await find(clinic, admin, "Patient", "family=berg&_explain=true")
    told = "\n".join(one.message for one in page.outcome)
    assert "keys @> $" in told
    assert "Index" in told
    assert "berg" not in told
    with pytest.raises(Forbidden):
        await find(clinic, caller("ann"), "Patient", "family=berg&_explain=true")


async def test_a_cursor_of_another_caller_is_refused(clinic: Record, admin: Access) -> None:
    page = await clinic.search(admin, asked("Observation", "_count=2&_sort=code"))
    assert page.cursor is not None
    with pytest.raises(BadRequest):
        await clinic.search(
            caller("ann"), asked("Observation", "_count=2&_sort=code", _cursor=page.cursor)
        )
