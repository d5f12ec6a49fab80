"""Trees of what profiles demand, from differentials over their bases or from snapshots."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.validation.profiles import canonical_problems
from fhirserver.validation.profiles.node import Node, TypeRule
from fhirserver.validation.profiles.snapshot import Snapshot, take_snapshot
from tests.unit.validation.profiles.builders import (
    BASE,
    CORE,
    Json,
    definitions,
    profile,
    row,
    sliced,
)


def tree(resource: Json, *others: Json) -> Snapshot:
    return take_snapshot(resource, definitions(resource, *others))


def node(snapshot: Snapshot, path: str) -> Node:
    return next(one for one in snapshot.root.nodes() if one.path == path)


def test_every_profile_of_the_specification_is_understood() -> None:
    for one in load().canonicals("StructureDefinition"):
        assert take_snapshot(one, load()).faults == []


def test_a_differential_narrows_its_base() -> None:
    base = profile("base", "Patient", row("Patient.name", min=1, max="3"))
    derived = profile("derived", "Patient", row("Patient.name", max="2"), base=base["url"])
    name = node(tree(derived, base), "Patient.name")
    assert (name.min, name.max) == (1, 2)
    loose = profile("loose", "Patient", row("Patient.name", min=0, max="*"), base=base["url"])
    name = node(tree(loose, base), "Patient.name")
    assert (name.min, name.max) == (1, 3), "a base is never loosened"


def test_the_base_itself_stays_as_it_was() -> None:
    base = profile("base", "Patient", row("Patient.name", min=1))
    derived = profile("derived", "Patient", row("Patient.name", max="1"), base=base["url"])
    tree(derived, base)
    assert node(tree(base), "Patient.name").max is None


def test_slices_of_the_base_go_on_to_hold() -> None:
    base = profile(
        "base",
        "Patient",
        row("Patient.identifier", slicing=sliced(("value", "system"))),
        row("Patient.identifier:mrn", min=1),
        row("Patient.identifier:mrn.system", fixedUri="urn:mrn"),
    )
    derived = profile(
        "derived", "Patient", row("Patient.identifier:mrn.value", min=1), base=base["url"]
    )
    taken = tree(derived, base)
    assert node(taken, "Patient.identifier:mrn").min == 1
    assert node(taken, "Patient.identifier:mrn.system").fixed is not None
    assert node(taken, "Patient.identifier:mrn.value").min == 1


def test_rows_without_ids_belong_to_the_slice_before_them() -> None:
    rows: list[Json] = [
        {"path": "Patient"},
        {"path": "Patient.identifier", "slicing": sliced(("value", "system"))},
        {"path": "Patient.identifier", "sliceName": "a", "min": 1},
        {"path": "Patient.identifier.system", "fixedUri": "urn:a"},
        {"path": "Patient.identifier", "sliceName": "b"},
        {"path": "Patient.identifier.system", "fixedUri": "urn:b"},
        {"path": "Patient.gender", "min": 1},
    ]
    taken = tree({**profile("p", "Patient"), "differential": {"element": rows}})
    fixed = [node(taken, f"Patient.identifier:{name}.system").fixed for name in ("a", "b")]
    assert [one.value for one in fixed if one is not None] == ["urn:a", "urn:b"]
    assert node(taken, "Patient.gender").min == 1


def test_a_snapshot_needs_no_base() -> None:
    whole = profile("whole", "Patient", base=BASE + "nowhere")
    whole["snapshot"] = {"element": [row("Patient"), row("Patient.name", min=1)]}
    assert tree(whole).faults == []


def test_a_short_cut_is_the_only_type() -> None:
    taken = tree(profile("p", "Observation", row("Observation.valueQuantity", min=1)))
    value = node(taken, "Observation.value[x]")
    assert value.types == (TypeRule("Quantity"),)
    assert node(taken, "Observation.value[x]:valueQuantity").min == 1


def faults(resource: Json, *others: Json) -> list[str]:
    return [message for _, message in tree(resource, *others).faults]


LOOP = profile("loop", "Patient", base=BASE + "pool")
POOL = profile("pool", "Patient", base=BASE + "loop")


@pytest.mark.parametrize(
    ("resource", "others", "words"),
    [
        (profile("p", "Patient", row("Patient.wings")), (), "wings is not an element"),
        (profile("p", "Patient", row("Observation.code")), (), "begins with Patient"),
        (profile("p", "Patient", row("Patient.name", min=2, max="1")), (), "above max"),
        (profile("p", "Patient", row("Patient.name", max="many")), (), "whole number"),
        (profile("p", "Patient", base=BASE + "nowhere"), (), "not loaded"),
        (profile("p", "Patient", base=CORE + "Observation"), (), "not of the type"),
        (profile("p", "Zebra"), (), "not one of FHIR R4"),
        (LOOP, (POOL,), "derived from itself"),
        (
            profile("p", "Patient", row("Patient.name", slicing={"rules": "ajar"})),
            (),
            "slicing.rules",
        ),
        (
            profile("p", "Patient", row("Patient.name", slicing=sliced(("magic", "a")))),
            (),
            "a discriminator has",
        ),
        (profile("p", "Patient", row("Patient" + ".contact" * 30)), (), "deeper than"),
        (
            profile("p", "Patient", *[row("Patient.name")] * 5001),
            (),
            "more than 5000 elements",
        ),
    ],
)
def test_what_cannot_be_understood(resource: Json, others: tuple[Json, ...], words: str) -> None:
    found = faults(resource, *others)
    assert any(words in one for one in found), found


def advice(resource: Json, *others: Json) -> list[tuple[str, str]]:
    problems = canonical_problems(resource, definitions(*others))
    return [(one.severity, one.expression) for one in problems]


def test_problems_are_located_at_the_element() -> None:
    wrong = profile("p", "Patient", row("Patient.wings", min=1))
    assert advice(wrong) == [
        ("error", "StructureDefinition.differential.element.where(id='Patient.wings')")
    ]


def test_a_slice_that_cannot_be_told_is_a_warning() -> None:
    vague = profile(
        "p",
        "Patient",
        row("Patient.name", slicing=sliced(("value", "use"))),
        row("Patient.name:a", min=1),
    )
    assert [severity for severity, _ in advice(vague)] == ["warning"]


@pytest.mark.parametrize(
    "change", [{"derivation": "specialization"}, {"kind": "logical", "derivation": None}]
)
def test_definitions_of_types_are_kept_and_not_used(change: dict[str, Any]) -> None:
    found = advice({**profile("p", "Patient"), **change})
    assert found == [("warning", "StructureDefinition")]
