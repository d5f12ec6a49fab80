"""The search interaction: roles, compartments, the whole system, lenient requests."""

import pytest

from fhirserver.interactions.context import Context
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import BadRequest, Forbidden, NotFound
from fhirserver.kernel.principal import Access, Principal
from fhirserver.store.record import Record
from tests.integration.search.conftest import DEFINITIONS
from tests.integration.store.conftest import Witness, caller

PARTNER = Access(
    Principal(1, "related-person", "RelatedPerson/bob"),
    everything=False,
    patients=frozenset({"ann"}),
)


def context(record: Record, access: Access) -> Context:
    return Context(access, record, DEFINITIONS, Witness(), "http://test/fhir")


async def test_a_role_that_may_not_read_a_named_type_is_refused(
    clinic: Record, subtests: pytest.Subtests
) -> None:
    for type_, pairs in (
        ("Encounter", []),
        ("Observation", [("encounter:Encounter.class", "AMB")]),
        ("Patient", [("_has:Encounter:patient:class", "AMB")]),
        ("Observation", [("_include", "Observation:encounter:Encounter")]),
        ("Patient", [("_revinclude", "DiagnosticReport:patient")]),
        ("Patient", [("_list", "today")]),
    ):
        with subtests.test(type=type_, pairs=pairs), pytest.raises(Forbidden):
            await search(context(clinic, PARTNER), type_, pairs)
    found = await search(context(clinic, PARTNER), "Observation", [("code", "8867-4")])
    assert [one.id for one in found.page.entries] == ["heart-ann"]


async def test_a_compartment_is_searched(clinic: Record, admin: Access) -> None:
    of_ann = ("Patient", "ann")
    found = await search(context(clinic, admin), "Observation", [], compartment=of_ann)
    assert {one.id for one in found.page.entries} == {
        "heart-ann",
        "sugar-ann",
        "words-ann",
        "pressure-ann",
    }
    every = await search(context(clinic, admin), None, [("_count", "1000")], compartment=of_ann)
    assert {"Encounter/visit-ann", "List/today", "Observation/heart-ann"} <= {
        one.reference for one in every.page.entries
    }
    assert not [one for one in every.page.entries if one.id.endswith("-bea")]


async def test_a_compartment_of_a_stranger_is_not_there(clinic: Record) -> None:
    for owner in ("bea", "nobody"):
        with pytest.raises(NotFound):
            await search(
                context(clinic, caller("ann")), "Observation", [], compartment=("Patient", owner)
            )


async def test_the_whole_system_is_what_the_caller_may_read(clinic: Record, admin: Access) -> None:
    pairs = [("_count", "1000"), ("_lastUpdated", "gt2020")]
    partner = await search(context(clinic, PARTNER), None, pairs)
    kinds = {one.type for one in partner.page.entries}
    assert {"Patient", "Observation", "Task"} <= kinds
    assert not kinds & {"Encounter", "DiagnosticReport", "MedicationRequest"}
    assert not [one for one in partner.page.entries if one.id.endswith("-bea") or one.id == "bea"]
    everything = await search(context(clinic, admin), None, [*pairs, ("_total", "accurate")])
    assert everything.page.total == len(everything.page.entries) > len(partner.page.entries)
    with pytest.raises(Forbidden):
        await search(context(clinic, PARTNER), None, [("_type", "Patient,Encounter")])


async def test_what_is_unknown_is_refused_or_told(clinic: Record, admin: Access) -> None:
    pairs = [("family", "berg"), ("colour", "red")]
    with pytest.raises(BadRequest, match="colour"):
        await search(context(clinic, admin), "Patient", pairs)
    found = await search(context(clinic, admin), "Patient", pairs, lenient=True)
    assert len(found.page.entries) == 2
    assert "colour" in found.page.outcome[0].message
    assert ("family", "berg") in found.query.applied
    assert not [pair for pair in found.query.applied if pair[0] == "colour"]
