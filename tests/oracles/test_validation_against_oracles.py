"""Our validator against two others, over resources damaged in one place at a time.

`fhirkit` knows R4 4.0.1; `fhir.resources` knows R4B, so only types that are the same in both are
used. Wherever one of them refuses, we must refuse too. Where we refuse and one of them does not,
the kind of damage must stand in STRICTER with the rule of the specification that we check.
"""

import copy
import importlib
from dataclasses import dataclass
from typing import Any

import fhirkit
import pytest
from pydantic import ValidationError

from fhirserver.definitions import load
from fhirserver.validation import validate
from fhirserver.wire.fhir_json import read, write
from tests.oracles.instances import instance, valid_instance
from tests.oracles.mutations import mutations

SAME_IN_R4B = (
    *("AllergyIntolerance", "CareTeam", "Communication", "Condition", "Coverage", "Encounter"),
    *("Flag", "Goal", "Group", "Immunization", "Location", "MedicationRequest", "Observation"),
    *("Organization", "Patient", "Practitioner", "Procedure", "RelatedPerson", "ServiceRequest"),
    "Task",
)

CONSTRUCTED = (
    *("AllergyIntolerance", "Appointment", "Bundle", "CarePlan", "CareTeam", "Communication"),
    *("Condition", "Consent", "Coverage", "DiagnosticReport", "Encounter", "Flag", "Goal"),
    *("Group", "Immunization", "Location", "MedicationRequest", "Observation", "Organization"),
    *("Patient", "Practitioner", "Procedure", "Provenance", "Questionnaire", "RelatedPerson"),
    *("ServiceRequest", "Task"),
)

CODES = "terminologies.html#required: codes are not checked there"
DATES = "datatypes.html#dateTime: a day must exist, and a time has a zone"
PYDANTIC = "pydantic converts or ignores what JSON types FHIR forbids"

STRICTER: dict[tuple[str, str], str] = {
    # (damage, who lets it pass) -> what we hold against it
    ("bad id", "R4B"): "datatypes.html#id: 64 characters of A-Z a-z 0-9 - .",
    ("bad id", "fhirkit"): "datatypes.html#id: 64 characters of A-Z a-z 0-9 - .",
    **dict.fromkeys(
        [(f"bad {one}", "fhirkit") for one in ("authoredOn", "birthDate", "start", "end")],
        DATES,
    ),
    **dict.fromkeys(
        [(f"bad {one}", by) for one in ("intent", "priority") for by in ("R4B", "fhirkit")],
        CODES,
    ),
    **dict.fromkeys(
        [("bad contentType", "R4B"), ("bad contentType", "fhirkit")],
        "Attachment.contentType is bound to MIME types, required",
    ),
    ("bad url", "R4B"): "datatypes.html#url: no white space",
    ("bad status", "R4B"): CODES,
    ("bad status", "fhirkit"): CODES,
    ("bad system", "R4B"): "datatypes.html#uri: no white space",
    ("bad system", "fhirkit"): "terminologies.html#required: ContactPoint.system is a code",
    ("bad use", "R4B"): CODES,
    ("bad use", "fhirkit"): CODES,
    ("bad gender", "R4B"): CODES,
    ("bad gender", "fhirkit"): CODES,
    ("boolean for number", "R4B"): PYDANTIC,
    (
        "control character",
        "R4B",
    ): "datatypes.html#string: no characters below U+0020 but tab, CR, LF",
    ("control character", "fhirkit"): "datatypes.html#string: no characters below U+0020",
    ("dangling #", "R4B"): "references.html#contained: ref-1",
    ("dangling #", "fhirkit"): "references.html#contained: ref-1",
    ("empty array", "R4B"): "json.html: arrays are never empty",
    ("empty array", "fhirkit"): "json.html: arrays are never empty, those of primitives too",
    ("empty object", "R4B"): "json.html: objects are never empty; ele-1",
    ("empty object", "fhirkit"): "json.html: objects are never empty; ele-1",
    ("empty string", "R4B"): "json.html: strings are never empty",
    ("null", "R4B"): "json.html: null is only for arrays of primitives",
    ("null in array", "R4B"): "json.html: null needs an entry in the sibling array",
    ("number for boolean", "R4B"): PYDANTIC,
    ("number for string", "R4B"): PYDANTIC,
    ("only an id", "R4B"): "element.html: ele-1",
    ("only an id", "fhirkit"): "element.html: ele-1",
    ("reference to a wrong type", "R4B"): "references.html: target types",
    ("reference to a wrong type", "fhirkit"): "references.html: target types",
    ("removed", "R4B"): "removing the only element leaves an empty object; ele-1, or an invariant",
    (
        "removed",
        "fhirkit",
    ): "removing the only element leaves an empty object; ele-1, or an invariant",
    ("string for boolean", "R4B"): PYDANTIC,
    ("string for number", "R4B"): PYDANTIC,
}


def _we_refuse(resource: dict[str, Any]) -> bool:
    return any(one.severity == "error" for one in validate(resource))


def _fhirkit_refuses(resource: dict[str, Any]) -> bool:
    return any(one.severity == "error" for one in fhirkit.validate(write(resource).decode()))


def _r4b_refuses(resource: dict[str, Any]) -> bool:
    try:
        _r4b(resource["resourceType"]).model_validate(copy.deepcopy(resource))
    except (ValidationError, ValueError, TypeError, AttributeError):
        return True
    return False


def _r4b(name: str) -> Any:
    return getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)


@dataclass(frozen=True)
class Disagreement:
    """One damaged resource about which we and an oracle disagree."""

    damage: str
    oracle: str
    we_refuse: bool
    place: str


@pytest.fixture(scope="module")
def disagreements() -> list[Disagreement]:
    found = []
    for name in SAME_IN_R4B:
        for number in range(3):
            resource = valid_instance(name, number, 0.25)
            for damage, path, damaged in mutations(resource):
                ours = _we_refuse(damaged)
                for oracle, refuses in (("fhirkit", _fhirkit_refuses), ("R4B", _r4b_refuses)):
                    if refuses(damaged) is not ours:
                        place = f"{name}{number} {path}"
                        found.append(Disagreement(damage, oracle, ours, place))
    return found


@pytest.mark.parametrize("name", SAME_IN_R4B)
def test_all_accept_the_undamaged(name: str) -> None:
    for number in range(3):
        resource = valid_instance(name, number, 0.25)
        assert not _we_refuse(resource)
        assert not _fhirkit_refuses(resource)
        assert not _r4b_refuses(resource)


def test_we_are_never_more_lenient(disagreements: list[Disagreement]) -> None:
    assert [one for one in disagreements if not one.we_refuse] == []


def test_we_can_say_why_we_are_stricter(disagreements: list[Disagreement]) -> None:
    stricter = {(one.damage, one.oracle): one for one in disagreements if one.we_refuse}
    assert {key: one for key, one in stricter.items() if key not in STRICTER} == {}
    assert set(STRICTER) - set(stricter) == set(), "explanations of what no longer happens"


@pytest.mark.parametrize("name", load().resource_types)
def test_every_type_made_from_the_definitions_is_accepted_by_both(name: str) -> None:
    for number, richness in ((1, 0.1), (2, 0.3), (3, 0.6)):
        resource = instance(name, number, richness)
        found = [one for one in validate(resource) if one.severity == "error"]
        broken = [one for one in found if one.code != "invariant"]
        assert broken == []
        assert not _fhirkit_refuses(resource)
        assert read(write(resource)) == resource


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_what_fhir_resources_builds_passes(name: str) -> None:
    for number in range(6):
        built = _r4b(name).model_validate(copy.deepcopy(valid_instance(name, number, 0.2)))
        assert not _we_refuse(read(built.model_dump_json().encode()))
