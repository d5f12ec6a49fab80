"""What one element of a profile demands: how many, of which type, which value."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.validation.profiles.builders import (
    BASE,
    CORE,
    Json,
    extension,
    faults,
    observation,
    patient,
    problems,
    profile,
    row,
)


@pytest.mark.parametrize(
    ("rules", "resource", "expected"),
    [
        ({"min": 1}, patient(), [("required", "Patient.name")]),
        ({"min": 1}, patient(name=[{"family": "a"}]), []),
        ({"max": "0"}, patient(name=[{"family": "a"}]), [("structure", "Patient.name[0]")]),
        (
            {"max": "1"},
            patient(name=[{"family": "a"}, {"family": "b"}]),
            [("structure", "Patient.name[1]")],
        ),
        ({"min": 1, "max": "1"}, patient(name=[{"family": "a"}]), []),
    ],
)
def test_cardinality(rules: Json, resource: Json, expected: list[tuple[str, str]]) -> None:
    assert faults(resource, profile("p", "Patient", row("Patient.name", **rules))) == expected


def test_a_primitive_that_only_has_an_extension_is_there() -> None:
    demand = profile("p", "Patient", row("Patient.birthDate", min=1))
    absent = {"url": CORE + "data-absent-reason", "valueCode": "unknown"}
    assert faults(patient(_birthDate={"extension": [absent]}), demand) == []
    assert faults(patient(), demand) == [("required", "Patient.birthDate")]


@pytest.mark.parametrize(
    ("rules", "value", "is_right"),
    [
        ({"fixedCode": "male"}, "male", True),
        ({"fixedCode": "male"}, "female", False),
        ({"patternCode": "male"}, "female", False),
    ],
)
def test_given_primitive(rules: Json, value: str, is_right: bool) -> None:
    found = faults(patient(gender=value), profile("p", "Patient", row("Patient.gender", **rules)))
    assert found == ([] if is_right else [("value", "Patient.gender")])


TYPE = {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}


@pytest.mark.parametrize(
    ("rules", "code", "is_right"),
    [
        ({"fixedCodeableConcept": TYPE}, TYPE, True),
        ({"fixedCodeableConcept": TYPE}, {**TYPE, "text": "more"}, False),
        ({"patternCodeableConcept": TYPE}, {**TYPE, "text": "more"}, True),
        ({"patternCodeableConcept": TYPE}, {"coding": [{"code": "x"}, TYPE["coding"][0]]}, True),
        ({"patternCodeableConcept": TYPE}, {"coding": [{"code": "1-8"}]}, False),
        ({"patternCodeableConcept": TYPE}, {"text": "none"}, False),
        ({"patternCodeableConcept": {"text": "a"}}, {**TYPE, "text": "a"}, True),
    ],
)
def test_given_structure(rules: Json, code: Json, is_right: bool) -> None:
    found = faults(
        observation(code=code), profile("p", "Observation", row("Observation.code", **rules))
    )
    assert found == ([] if is_right else [("value", "Observation.code")])


@pytest.mark.parametrize(
    ("rules", "value", "is_right"),
    [
        ({"minValueInteger": 3}, {"valueInteger": 3}, True),
        ({"minValueInteger": 3}, {"valueInteger": 2}, False),
        ({"maxValueInteger": 3}, {"valueInteger": 4}, False),
        ({"maxValueDateTime": "2020"}, {"valueDateTime": "2020-01-01"}, True),
        ({"maxValueDateTime": "2020"}, {"valueDateTime": "2020-01-02T00:00:00Z"}, False),
        ({"minValueTime": "08:00:00"}, {"valueTime": "07:59:59"}, False),
        (
            {"maxValueQuantity": {"value": Decimal("5.0"), "code": "kg"}},
            {"valueQuantity": {"value": Decimal("5.1"), "code": "kg"}},
            False,
        ),
        (
            {"maxValueQuantity": {"value": Decimal("5.0"), "code": "kg"}},
            {"valueQuantity": {"value": 5100, "code": "g"}},
            True,  # units are not converted here; another unit is not judged
        ),
        ({"maxLength": 3}, {"valueString": "abc"}, True),
        ({"maxLength": 3}, {"valueString": "abcd"}, False),
    ],
)
def test_limits(rules: Json, value: Json, is_right: bool) -> None:
    found = faults(
        observation(**value), profile("p", "Observation", row("Observation.value[x]", **rules))
    )
    assert [code for code, _ in found] == ([] if is_right else ["value"])


def test_the_types_of_a_choice_are_narrowed() -> None:
    only = profile(
        "p",
        "Observation",
        row("Observation.value[x]", type=[{"code": "Quantity"}, {"code": "string"}]),
    )
    assert faults(observation(valueString="a"), only) == []
    assert faults(observation(valueInteger=1), only) == [("structure", "Observation.valueInteger")]


def test_a_short_cut_allows_that_type_alone() -> None:
    """https://hl7.org/fhir/R4/profiling.html#slicing, as R4's own vital signs use it."""
    only = profile("p", "Observation", row("Observation.valueQuantity", min=1))
    assert faults(observation(valueQuantity={"value": 1}), only) == []
    assert ("structure", "Observation.valueString") in faults(observation(valueString="a"), only)
    assert faults(observation(), only) == [("required", "Observation.value")]


@pytest.mark.parametrize(
    ("reference", "is_right"),
    [
        ({"reference": "Patient/1"}, True),
        ({"reference": "http://elsewhere.example/fhir/Patient/1"}, True),
        ({"reference": "Group/1"}, False),
        ({"type": "Group", "display": "some"}, False),
        ({"reference": "urn:uuid:00000000-0000-0000-0000-000000000000"}, True),
        ({"reference": "#p"}, True),
        ({"reference": "#g"}, False),
    ],
)
def test_references_point_where_the_profile_says(reference: Json, is_right: bool) -> None:
    target = [{"code": "Reference", "targetProfile": [CORE + "Patient"]}]
    contained = [patient(id="p"), {"resourceType": "Group", "id": "g"}]
    found = faults(
        observation(subject=reference, contained=contained),
        profile("p", "Observation", row("Observation.subject", type=target)),
    )
    assert found == ([] if is_right else [("structure", "Observation.subject")])


def test_a_target_may_be_a_profile() -> None:
    ours = profile("ours", "Patient")
    target = [{"code": "Reference", "targetProfile": [ours["url"]]}]
    demand = profile("p", "Observation", row("Observation.subject", type=target))
    assert faults(observation(subject={"reference": "Patient/1"}), demand, ours) == []
    assert faults(observation(subject={"reference": "Group/1"}), demand, ours) != []


def test_the_profile_of_a_datatype_is_followed() -> None:
    loinc = profile("loinc", "Coding", row("Coding.system", min=1, fixedUri="http://loinc.org"))
    demand = profile(
        "p",
        "Observation",
        row("Observation.code.coding", type=[{"code": "Coding", "profile": [loinc["url"]]}]),
    )
    assert faults(observation(), demand, loinc) == []
    assert faults(
        observation(code={"coding": [{"system": "x:y", "code": "a"}]}), demand, loinc
    ) == [("value", "Observation.code.coding[0].system")]


def test_one_of_several_profiles_is_enough() -> None:
    one = profile("one", "Coding", row("Coding.system", fixedUri="urn:one"))
    two = profile("two", "Coding", row("Coding.system", fixedUri="urn:two"))
    either = [{"code": "Coding", "profile": [one["url"], two["url"]]}]
    demand = profile("p", "Observation", row("Observation.code.coding", type=either))
    loaded = (demand, one, two)
    assert faults(observation(code={"coding": [{"system": "urn:two"}]}), *loaded) == []
    assert faults(observation(code={"coding": [{"system": "urn:three"}]}), *loaded) == [
        ("structure", "Observation.code.coding[0]")
    ]


def test_conditions_are_evaluated() -> None:
    condition = {
        "key": "x-1",
        "severity": "error",
        "human": "a value has a time",
        "expression": "value.exists() implies effective.exists()",
    }
    demand = profile("p", "Observation", row("Observation.status"))
    demand["differential"]["element"][0]["constraint"] = [condition]
    (problem,) = problems(observation(valueInteger=1), demand)
    assert (problem.code, problem.expression) == ("invariant", "Observation")
    assert problem.message == "x-1: a value has a time"
    assert problems(observation(), demand) == []
    condition["severity"] = "warning"
    (problem,) = problems(observation(valueInteger=1), demand)
    assert problem.severity == "warning"


def test_content_of_a_repeating_structure_is_checked_at_any_depth() -> None:
    demand = profile("p", "Questionnaire", row("Questionnaire.item.text", min=1))
    inner = {"linkId": "1.1.1", "type": "string"}
    item = {"linkId": "1", "type": "group", "text": "a", "item": [{**inner, "item": [inner]}]}
    found = faults({"resourceType": "Questionnaire", "status": "draft", "item": [item]}, demand)
    assert sorted(found) == [
        ("required", "Questionnaire.item[0].item[0].item[0].text"),
        ("required", "Questionnaire.item[0].item[0].text"),
    ]


def test_a_derived_profile_keeps_what_its_base_demands() -> None:
    base = profile("base", "Patient", row("Patient.gender", min=1))
    derived = profile("derived", "Patient", row("Patient.birthDate", min=1), base=base["url"])
    assert faults(patient(), derived, base) == [
        ("required", "Patient.gender"),
        ("required", "Patient.birthDate"),
    ]


def test_all_problems_at_once() -> None:
    demand = profile(
        "p",
        "Patient",
        row("Patient.name", min=1),
        row("Patient.gender", fixedCode="other"),
        row("Patient.photo", max="0"),
    )
    found = faults(patient(gender="male", photo=[{"title": "x"}]), demand)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("strength", "code", "severity"),
    [
        ("required", "x", "error"),
        ("required", "vital-signs", None),
        ("extensible", "x", "warning"),
        ("preferred", "x", None),
        ("example", "x", None),
    ],
)
def test_bindings(strength: str, code: str, severity: str | None) -> None:
    value_set = "http://hl7.org/fhir/ValueSet/observation-category"
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    binding = {"strength": strength, "valueSet": value_set}
    # The base binding of Observation.method is another one.
    found = problems(
        observation(method={"coding": [{"system": system, "code": code}]}),
        profile("p", "Observation", row("Observation.method", binding=binding)),
    )
    assert [(one.severity, one.code) for one in found] == (
        [] if severity is None else [(severity, "code-invalid")]
    )


def test_a_binding_to_what_is_not_loaded_is_told() -> None:
    binding = {"strength": "required", "valueSet": "http://example.org/ValueSet/nowhere"}
    (problem,) = problems(
        observation(), profile("p", "Observation", row("Observation.code", binding=binding))
    )
    assert (problem.severity, problem.code) == ("warning", "not-found")


def test_must_support_is_no_rule() -> None:
    demand = profile("p", "Patient", row("Patient.name", mustSupport=True))
    assert problems(patient(), demand) == []


def test_messages_never_repeat_what_was_sent() -> None:
    demand = profile(
        "p", "Patient", row("Patient.name.family", fixedString="x", maxLength=2, min=1)
    )
    for problem in problems(patient(name=[{"family": "Secretname"}]), demand):
        assert "Secretname" not in problem.message + problem.expression


def test_a_profile_on_another_type() -> None:
    assert faults(observation(), profile("p", "Patient")) == [("structure", "Observation")]


@pytest.mark.parametrize("type_", ["Patient", "DomainResource", "Resource"])
def test_a_base_type_is_a_profile_too(type_: str) -> None:
    assert faults(patient(), extension("unused"), against=CORE + type_) == []


def test_an_unknown_profile_that_was_asked_for_is_an_error() -> None:
    found = faults(patient(), extension("unused"), against=BASE + "nowhere")
    assert found == [("not-found", "Patient")]


def test_an_unknown_profile_that_is_claimed_is_a_warning() -> None:
    claimed = patient(meta={"profile": [BASE + "nowhere"]})
    (problem,) = problems(claimed, profile("p", "Patient"))
    assert (problem.severity, problem.expression) == ("warning", "Patient.meta.profile[0]")


def test_claims_are_checked_also_inside() -> None:
    demand = profile("p", "Patient", row("Patient.name", min=1))
    claims: dict[str, Any] = patient(id="p", meta={"profile": [demand["url"]]})
    other = profile("other", "Bundle")
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": claims}]}
    assert faults(bundle, other, demand) == [("required", "Bundle.entry[0].resource.name")]
    whole = observation(contained=[claims], subject={"reference": "#p"})
    assert faults(whole, profile("third", "Observation"), demand) == [
        ("required", "Observation.contained[0].name")
    ]
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "resource": claims}]}],
    }
    assert faults(parameters, profile("fourth", "Parameters"), demand) == [
        ("required", "Parameters.parameter[0].part[0].resource.name")
    ]
