"""What a path asks of its surroundings, and how it says where things are."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.fhirpath import (
    Environment,
    EvaluationError,
    Typed,
    UnsupportedError,
    check_path,
    compile_path,
)
from tests.unit.fhirpath.samples import OBSERVATION, PATIENT


class _Members:
    def contains(self, system: str | None, code: str) -> bool:
        return (system, code) in {(None, "female"), ("http://loinc.org", "29463-7")}


class _Terminology:
    def members(self, value_set: str) -> _Members | None:
        return _Members() if value_set == "http://e/vs" else None


def _relation(system: str, a: str, b: str) -> str | None:
    return "subsumes" if (system, a, b) == ("s", "parent", "child") else "not-subsumed"


KNOWING = Environment(
    variables={"limit": 5, "list": ["a", "b"], "other": {"resourceType": "Group", "id": "g"}},
    terminology=_Terminology(),
    subsumption=_relation,
    conforms=lambda value, url: None if "unknown" in url else url.endswith(value["resourceType"]),
)


def _concept(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "s", "code": code}]}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("gender.memberOf('http://e/vs')", [True]),
        ("Patient.language.memberOf('http://e/vs')", []),
        ("conformsTo('http://e/Patient')", [True]),
        ("conformsTo('http://e/Person')", [False]),
        ("%limit + 1", [6]),
        ("%list.count()", [2]),
        ("%other.id", ["g"]),
    ],
)
def test_the_environment_answers(expression: str, found: list[Any]) -> None:
    assert compile_path(expression).evaluate(PATIENT, environment=KNOWING) == found


@pytest.mark.parametrize("expression", ["gender.memberOf('http://e/x')", "conformsTo('unknown')"])
def test_what_is_not_loaded_is_said(expression: str) -> None:
    with pytest.raises(EvaluationError, match=r"not loaded|does not know"):
        compile_path(expression).evaluate(PATIENT, environment=KNOWING)


def test_codings_are_members_and_subsume() -> None:
    code = compile_path("code.memberOf('http://e/vs') and code.coding.memberOf('http://e/vs')")
    assert code.evaluate(OBSERVATION, environment=KNOWING) == [True]
    parent = {
        "resourceType": "Condition",
        "code": _concept("parent"),
        "stage": [{"type": _concept("child")}],
    }
    for expression, found in (
        ("code.subsumes(stage.type)", True),
        ("stage.type.subsumedBy(code)", False),
        ("stage.type.subsumes(code)", False),
    ):
        assert compile_path(expression).evaluate(parent, environment=KNOWING) == [found]


def test_trace_tells_and_changes_nothing() -> None:
    told: list[tuple[str, int]] = []
    environment = Environment(trace=lambda name, items: told.append((name, len(items))))
    path = compile_path("name.trace('n', given).given.trace('g').count()")
    assert path.evaluate(PATIENT, environment=environment) == [5]
    assert told == [("n", 5), ("g", 5)]


def test_references_are_resolved_near_and_far() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "fullUrl": "http://e/fhir/Patient/ann",
                "resource": {"resourceType": "Patient", "id": "ann", "gender": "female"},
            },
            {
                "fullUrl": "urn:uuid:1",
                "resource": {
                    "resourceType": "Observation",
                    "subject": {"reference": "Patient/ann"},
                    "performer": [{"reference": "Practitioner/far"}],
                    "device": {"reference": "#cuff"},
                    "contained": [{"resourceType": "Device", "id": "cuff"}],
                    "focus": [{"reference": "urn:uuid:1"}],
                },
            },
        ],
    }
    far = {"Practitioner/far": {"resourceType": "Practitioner", "id": "far"}}
    observation = "entry[1].resource"
    for expression, found in (
        (f"{observation}.subject.resolve().gender", ["female"]),
        (f"{observation}.performer.resolve().id", ["far"]),
        (f"{observation}.device.resolve().id", ["cuff"]),
        (f"{observation}.focus.resolve().type().name", ["Observation"]),
        (f"{observation}.performer.resolve() is Practitioner", [True]),
        (f"{observation}.performer.resolve() is Patient", [False]),
        ("'Practitioner/far'.resolve().id", ["far"]),
        ("'Practitioner/nobody'.resolve()", []),
    ):
        assert compile_path(expression).evaluate(bundle, resolve=far.get) == found
    from_inside = compile_path("contained.select(%resource.id | %rootResource.subject.reference)")
    inner = bundle["entry"][1]["resource"]  # type: ignore[index]
    assert from_inside.evaluate(inner) == ["Patient/ann"]


def test_inside_a_contained_resource() -> None:
    (clinic, _) = compile_path("contained").nodes(PATIENT)
    assert compile_path("%resource.name").evaluate(clinic) == ["Clinic"]
    assert compile_path("%rootResource.gender").evaluate(clinic) == ["female"]
    assert compile_path("%context.id").evaluate(clinic) == ["clinic"]


@pytest.mark.parametrize(
    ("expression", "pointers", "places"),
    [
        ("Patient", [""], ["Patient"]),
        ("name[0].given[1]", ["/name/0/given/1"], ["Patient.name[0].given[1]"]),
        ("deceased", ["/deceasedBoolean"], ["Patient.deceasedBoolean"]),
        (
            "birthDate.extension.value",
            ["/_birthDate/extension/0/valueDateTime"],
            ["Patient.birthDate.extension[0].valueDateTime"],
        ),
        (
            "telecom.where(system = 'sms')",
            ["/telecom/1"],
            ["Patient.telecom[1]"],
        ),
        ("contained.name.family", ["/contained/1/name/0/family"], None),
        ("photo", [], []),
        ("contact.relationship.text", ["/contact/0/relationship/0/text"], None),
    ],
)
def test_where_elements_are(expression: str, pointers: list[str], places: list[str] | None) -> None:
    path = compile_path(expression)
    assert path.locate(PATIENT) == pointers
    if places is not None:
        assert path.places(PATIENT) == places


def test_extensions_of_a_primitive_in_an_array() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [{"given": ["a", None], "_given": [None, {"extension": [{"url": "u"}]}]}],
    }
    assert compile_path("name.given.extension").locate(patient) == ["/name/0/_given/1/extension/0"]
    assert compile_path("name.given").evaluate(patient) == ["a"]
    assert compile_path("name.given.count()").evaluate(patient) == [2]
    assert compile_path("name.given.where(hasValue()).count()").evaluate(patient) == [1]
    assert compile_path("name.given.extension('u').url").evaluate(patient) == ["u"]


@pytest.mark.parametrize(
    "expression", ["1", "name.count()", "'Patient/x'.resolve()", "%resource.id | 2"]
)
def test_what_is_no_element_has_no_place(expression: str) -> None:
    far = {"Patient/x": {"resourceType": "Patient"}}
    with pytest.raises(EvaluationError):
        compile_path(expression).locate(PATIENT, resolve=far.get)


def test_the_focus_may_be_any_value() -> None:
    quantity = {"value": 5, "system": "http://unitsofmeasure.org", "code": "g"}
    assert compile_path("$this > 4000 'mg'").evaluate(quantity, type="Quantity") == [True]
    assert compile_path("$this + '!'").evaluate("a", type="code") == ["a!"]
    assert compile_path("value is integer").evaluate(
        {"valueInteger": 1}, type="Observation.component"
    ) == [True]
    given = compile_path("name.given").nodes(PATIENT)
    assert compile_path("first()").locate(given) == ["/name/0/given/0"]
    assert compile_path("%resource.id").evaluate({}, type="HumanName", root=PATIENT) == ["ann"]
    assert compile_path("exists()").evaluate(None) == [False]
    assert compile_path("resolve().name").evaluate(
        {"reference": "#clinic"}, type="Reference", root=PATIENT
    ) == ["Clinic"]


def test_values_come_with_their_types() -> None:
    assert compile_path("gender | name.first().family | 1").typed(PATIENT) == [
        Typed("female", "code"),
        Typed("Berg", "string"),
        Typed(1, "System.Integer"),
    ]
    (found,) = compile_path("component.first()").typed(OBSERVATION)
    assert found.type == "Observation.component"


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [("active", True), ("active.not()", False), ("photo", None), ("name.first()", True)],
)
def test_a_constraint_holds_or_not(expression: str, verdict: bool | None) -> None:
    assert compile_path(expression).holds(PATIENT) is verdict


@pytest.mark.parametrize(
    "expression",
    [
        "name.given",
        "Patient.deceased.ofType(dateTime)",
        "name.where(use = 'official').family | telecom.value",
        "contact.name.given.first().length()",
        "extension('x').value",
        "generalPractitioner.resolve().anything",
        "descendants().anything",
        "contained.anything",
        "name.select(given | family)",
        "iif(active, name, telecom).anything",
        "Resource.id",
        "%resource.name.exists(family.exists())",
        "name[0].period.start < now()",
        "deceased is boolean",
        "multipleBirth.as(System.Integer)",
    ],
)
def test_paths_that_fit_pass_the_check(expression: str) -> None:
    check_path(expression, "Patient", load())


@pytest.mark.parametrize(
    "expression",
    [
        "nmae",
        "name.gvien",
        "Patient.deceasedBoolean",
        "Observation.status",
        "name.where(ues = 'official')",
        "name.select(gvien)",
        "name.exists(gvien)",
        "telecom[0].valeu",
        "(name | telecom).nothing",
        "extension.vlaue",
        "deceased.ofType(Nothing)",
        "deceased is FHIR.Nothing",
        "%resource.nmae",
        "name.combine(nmae)",
        "nothing(",
        "name.nofunction()",
    ],
)
def test_slips_of_the_pen_are_found(expression: str) -> None:
    with pytest.raises(UnsupportedError):
        check_path(expression, "Patient", load())
