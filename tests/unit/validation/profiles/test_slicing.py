"""Slicing: every discriminator, every rule, slices' own cardinality and content.

Spec: https://hl7.org/fhir/R4/profiling.html#slicing
"""

from typing import Any

import pytest

from fhirserver.validation.profiles.discriminator import (
    NotDiscriminatingError,
    Step,
    parse_steps,
)
from tests.unit.validation.profiles.builders import (
    CORE,
    Json,
    extension,
    faults,
    observation,
    patient,
    problems,
    profile,
    row,
    sliced,
)

LOINC = "http://loinc.org"
MDC = "urn:iso:std:iso:11073:10101"


def component(system: str, code: str, **value: Any) -> Json:
    return {"code": {"coding": [{"system": system, "code": code}]}, **value}


def coding(system: str, code: str = "1") -> Json:
    return {"system": system, "code": code}


def by_value(**more: Any) -> Json:
    """Code.coding sliced by system: one LOINC coding, one MDC coding at most."""
    return profile(
        "by-value",
        "Observation",
        row("Observation.code.coding", slicing=sliced(("value", "system"), **more)),
        row("Observation.code.coding:loinc", min=1, max="1"),
        row("Observation.code.coding:loinc.system", fixedUri=LOINC),
        row("Observation.code.coding:loinc.display", min=1),
        row("Observation.code.coding:mdc", max="1"),
        row("Observation.code.coding:mdc.system", fixedUri=MDC),
    )


def with_codings(*systems: str) -> Json:
    return observation(code={"coding": [{"system": one, "display": "d"} for one in systems]})


CODING = "Observation.code.coding"


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        ((LOINC,), []),
        ((LOINC, MDC), []),
        ((MDC, LOINC), []),
        ((MDC,), [("required", CODING)]),
        ((LOINC, LOINC), [("structure", f"{CODING}[1]")]),
        ((LOINC, MDC, MDC), [("structure", f"{CODING}[2]")]),
        ((LOINC, "x:y"), []),
    ],
)
def test_cardinality_of_slices(systems: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert faults(with_codings(*systems), by_value()) == expected


def test_content_of_a_slice() -> None:
    bare = observation(code={"coding": [coding(LOINC), coding(MDC)]})
    assert faults(bare, by_value()) == [("required", f"{CODING}[0].display")]


@pytest.mark.parametrize(
    ("rules", "ordered", "systems", "expected"),
    [
        ("closed", False, (LOINC, "x:y"), [("structure", f"{CODING}[1]")]),
        ("closed", False, (LOINC, MDC), []),
        ("openAtEnd", False, (LOINC, "x:y"), []),
        ("openAtEnd", False, ("x:y", LOINC), [("structure", f"{CODING}[1]")]),
        ("open", True, (LOINC, MDC), []),
        ("open", True, (MDC, LOINC), [("structure", f"{CODING}[1]")]),
        ("open", True, ("x:y", LOINC, "x:z", MDC), []),
    ],
)
def test_rules_of_the_slicing(
    rules: str, ordered: bool, systems: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    demand = by_value(rules=rules, ordered=ordered)
    assert faults(with_codings(*systems), demand) == expected


def test_a_value_of_two_slices_is_told() -> None:
    demand = profile(
        "both",
        "Observation",
        row("Observation.category", slicing=sliced(("pattern", "$this"))),
        row("Observation.category:a", patternCodeableConcept={"coding": [coding("a:a")]}),
        row("Observation.category:b", patternCodeableConcept={"coding": [coding("b:b")]}),
    )
    both = observation(category=[{"coding": [coding("a:a"), coding("b:b")]}])
    (problem,) = problems(both, demand)
    assert problem.message == "belongs to more than one slice: category:a and category:b"


def given(kind: str, path: str, *slice_rows: Json, element: str = "component") -> Json:
    """One slice `s`, demanded once, of an Observation's element."""
    return profile(
        "p",
        "Observation",
        row(f"Observation.{element}", slicing=sliced((kind, path))),
        row(f"Observation.{element}:s", min=1, max="1"),
        *slice_rows,
    )


ARM = "Observation.component:s"
RIGHT = component(LOINC, "1", valueInteger=1)
WRONG = component(LOINC, "2", valueString="a")
TARGET = [{"code": "Reference", "targetProfile": [CORE + "Patient"]}]
STRICT = profile("strict", "Patient", row("Patient.name", min=1))


@pytest.mark.parametrize(
    ("kind", "path", "rows"),
    [
        ("value", "code.coding.code", [row(f"{ARM}.code.coding.code", fixedCode="1")]),
        ("value", "code.coding.code", [row(f"{ARM}.code.coding", patternCoding={"code": "1"})]),
        (
            "value",
            "code.coding.code",
            [row(f"{ARM}.code", patternCodeableConcept={"coding": [{"code": "1"}]})],
        ),
        (
            "value",
            "code",
            [row(f"{ARM}.code.coding", min=1), row(f"{ARM}.code.coding.code", fixedCode="1")],
        ),
        (
            "value",
            "code.coding.code",
            [
                row(f"{ARM}.code.coding", slicing=sliced(("value", "code"))),
                row(f"{ARM}.code.coding:one", min=1),
                row(f"{ARM}.code.coding:one.code", fixedCode="1"),
            ],
        ),
        (
            "pattern",
            "code",
            [row(f"{ARM}.code", patternCodeableConcept={"coding": [coding(LOINC)]})],
        ),
        ("value", "code", [row(f"{ARM}.code", fixedCodeableConcept=RIGHT["code"])]),
        ("exists", "valueInteger", [row(f"{ARM}.value[x]", min=1)]),
        ("type", "value", [row(f"{ARM}.value[x]", type=[{"code": "integer"}])]),
        ("type", "value[x]", [row(f"{ARM}.value[x]", type=[{"code": "integer"}])]),
        ("value", "value.ofType(integer)", [row(f"{ARM}.value[x]", fixedInteger=1)]),
    ],
)
def test_discriminators_on_components(kind: str, path: str, rows: list[Json]) -> None:
    if kind == "exists":
        path = "dataAbsentReason"
        rows = [row(f"{ARM}.dataAbsentReason", max="0")]
        wrong: Json = {"code": {"text": "a"}, "dataAbsentReason": {"text": "gone"}}
    else:
        wrong = WRONG
    demand = given(kind, path, *rows)
    assert faults(observation(component=[wrong, RIGHT]), demand) == []
    assert faults(observation(component=[wrong]), demand) == [("required", "Observation.component")]
    assert faults(observation(component=[RIGHT, wrong, RIGHT]), demand) == [
        ("structure", "Observation.component[2]")
    ]


def test_discriminator_exists_demanded() -> None:
    demand = given("exists", "dataAbsentReason", row(f"{ARM}.dataAbsentReason", min=1))
    absent = {"code": {"text": "a"}, "dataAbsentReason": {"text": "gone"}}
    assert faults(observation(component=[RIGHT, absent]), demand) == []
    assert faults(observation(component=[RIGHT]), demand) == [("required", "Observation.component")]


def test_discriminator_by_value_set() -> None:
    value_set = "http://hl7.org/fhir/ValueSet/observation-category"
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    demand = profile(
        "p",
        "Observation",
        row("Observation.category", slicing=sliced(("value", "$this"))),
        row(
            "Observation.category:known",
            min=1,
            binding={"strength": "required", "valueSet": value_set},
        ),
    )
    assert faults(observation(category=[{"coding": [coding(system, "laboratory")]}]), demand) == []
    assert faults(observation(category=[{"text": "a"}]), demand) == [
        ("required", "Observation.category")
    ]


def test_discriminator_type_of_a_choice() -> None:
    demand = profile(
        "p",
        "Observation",
        row("Observation.value[x]", slicing=sliced(("type", "$this"))),
        row("Observation.value[x]:valueQuantity", type=[{"code": "Quantity"}]),
        row("Observation.value[x]:valueQuantity.unit", min=1),
    )
    assert faults(observation(valueString="a"), demand) == []
    assert faults(observation(valueQuantity={"value": 1}), demand) == [
        ("required", "Observation.valueQuantity.unit")
    ]


def bundle(*resources: Json) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"urn:x:{n}", "resource": one} for n, one in enumerate(resources)],
    }


def test_discriminator_type_of_a_resource() -> None:
    demand = profile(
        "p",
        "Bundle",
        row("Bundle.entry", slicing=sliced(("type", "resource"), rules="closed")),
        row("Bundle.entry:patient", min=1, max="1"),
        row("Bundle.entry:patient.resource", type=[{"code": "Patient"}]),
        row("Bundle.entry:patient.resource.gender", min=1),
    )
    assert faults(bundle(patient(gender="male")), demand) == []
    assert faults(bundle(patient()), demand) == [("required", "Bundle.entry[0].resource.gender")]
    assert faults(bundle(observation(), patient(gender="male")), demand) == [
        ("structure", "Bundle.entry[0]")
    ]


def test_discriminator_profile_of_a_resource() -> None:
    strict = [{"code": "Patient", "profile": [STRICT["url"]]}]
    demand = profile(
        "p",
        "Bundle",
        row("Bundle.entry", slicing=sliced(("profile", "resource"))),
        row("Bundle.entry:named", min=1, max="1"),
        row("Bundle.entry:named.resource", type=strict),
    )
    named = patient(name=[{"family": "a"}])
    assert faults(bundle(patient(), observation(), named), demand, STRICT) == []
    assert faults(bundle(patient()), demand, STRICT) == [("required", "Bundle.entry")]


def referring(kind: str, path: str, target: str) -> Json:
    return profile(
        "p",
        "Observation",
        row("Observation.performer", slicing=sliced((kind, path))),
        row(
            "Observation.performer:who",
            min=1,
            max="1",
            type=[{"code": "Reference", "targetProfile": [target]}],
        ),
    )


@pytest.mark.parametrize(
    ("reference", "is_one"),
    [
        ({"reference": "Patient/1"}, True),
        ({"reference": "Organization/1"}, False),
        ({"type": "Patient", "display": "her"}, True),
        ({"reference": "#p"}, True),
        ({"reference": "#o"}, False),
        ({"display": "somebody"}, False),
    ],
)
def test_discriminator_type_through_a_reference(reference: Json, is_one: bool) -> None:
    contained = [patient(id="p"), {"resourceType": "Organization", "id": "o", "name": "a"}]
    found = faults(
        observation(performer=[reference], contained=contained),
        referring("type", "resolve()", CORE + "Patient"),
    )
    assert found == ([] if is_one else [("required", "Observation.performer")])


@pytest.mark.parametrize(
    ("reference", "is_one"),
    [
        ({"reference": "#named"}, True),
        ({"reference": "#bare"}, False),
        # Of what is stored elsewhere only the type is known.
        ({"reference": "Patient/1"}, True),
        ({"reference": "Organization/1"}, False),
    ],
)
def test_discriminator_profile_through_a_reference(reference: Json, is_one: bool) -> None:
    contained = [patient(id="named", name=[{"family": "a"}]), patient(id="bare")]
    found = faults(
        observation(performer=[reference], contained=contained),
        referring("profile", "resolve()", STRICT["url"]),
        STRICT,
    )
    assert found == ([] if is_one else [("required", "Observation.performer")])


def test_discriminator_value_through_a_reference_in_a_bundle() -> None:
    """The entry of the Bundle that the reference names, by its fullUrl."""
    male = profile("male", "Patient", row("Patient.gender", fixedCode="male"))
    ours = referring("value", "resolve().gender", male["url"])
    whole = profile("whole", "Bundle")
    claim = observation(meta={"profile": [ours["url"]]})

    def found(gender: str) -> list[tuple[str, str]]:
        about = {**claim, "performer": [{"reference": "urn:x:1"}]}
        return faults(bundle(about, patient(gender=gender)), whole, ours, male)

    assert found("male") == []
    assert found("female") == [("required", "Bundle.entry[0].resource.performer")]


def test_discriminator_extension() -> None:
    mark = extension("mark", row("Extension.value[x]", type=[{"code": "code"}]))
    demand = profile(
        "p",
        "Patient",
        row("Patient.name", slicing=sliced(("value", f"extension('{mark['url']}').value"))),
        row("Patient.name:marked", min=1),
        row(
            "Patient.name:marked.extension:mark",
            min=1,
            type=[{"code": "Extension", "profile": [mark["url"]]}],
        ),
        row("Patient.name:marked.extension:mark.value[x]", fixedCode="a"),
    )

    def named(code: str) -> Json:
        return patient(
            name=[{"family": "x", "extension": [{"url": mark["url"], "valueCode": code}]}]
        )

    assert faults(named("a"), demand, mark) == []
    assert faults(named("b"), demand, mark) == [("required", "Patient.name")]


def test_extensions_are_sliced_by_url_without_saying_so() -> None:
    mark = extension("mark")
    demand = profile(
        "p",
        "Patient",
        row(
            "Patient.extension:mark", min=1, type=[{"code": "Extension", "profile": [mark["url"]]}]
        ),
    )
    assert faults(patient(), demand, mark) == [("required", "Patient.extension")]
    marked = patient(extension=[{"url": mark["url"], "valueCode": "a"}])
    assert faults(marked, demand, mark) == []


def test_several_discriminators_must_agree() -> None:
    demand = profile(
        "p",
        "Observation",
        row("Observation.code.coding", slicing=sliced(("value", "system"), ("value", "code"))),
        row("Observation.code.coding:s", min=1),
        row("Observation.code.coding:s.system", fixedUri=LOINC),
        row("Observation.code.coding:s.code", fixedCode="1"),
    )
    assert faults(observation(code={"coding": [coding(LOINC)]}), demand) == []
    assert faults(observation(code={"coding": [coding(LOINC, "2")]}), demand) != []
    assert faults(observation(code={"coding": [coding(MDC)]}), demand) != []


def test_slices_of_slices() -> None:
    demand = profile(
        "p",
        "Observation",
        row("Observation.code.coding", slicing=sliced(("value", "system"))),
        row("Observation.code.coding:loinc", min=2, slicing=sliced(("value", "code"))),
        row("Observation.code.coding:loinc.system", fixedUri=LOINC),
        row("Observation.code.coding:loinc/one", min=1),
        row("Observation.code.coding:loinc/one.code", fixedCode="1"),
    )
    codings = [coding(LOINC, "1"), coding(LOINC, "2")]
    assert faults(observation(code={"coding": codings}), demand) == []
    codings = [coding(LOINC, "3"), coding(LOINC, "2")]
    assert faults(observation(code={"coding": codings}), demand) == [("required", CODING)]


def test_slices_that_no_discriminator_tells_are_told_by_their_content() -> None:
    demand = profile(
        "p",
        "Observation",
        row("Observation.component", slicing=sliced()),
        row("Observation.component:s", min=1),
        row("Observation.component:s.interpretation", min=1),
    )
    assert faults(observation(component=[RIGHT]), demand) == [("required", "Observation.component")]
    read = {**RIGHT, "interpretation": [{"text": "high"}]}
    assert faults(observation(component=[RIGHT, read]), demand) == []


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$this", ()),
        ("code.coding", (Step("child", "code"), Step("child", "coding"))),
        ("$this.code", (Step("child", "code"),)),
        ("value[x]", (Step("child", "value"),)),
        (
            "extension('http://x.y/z.a').value.ofType(Coding).code",
            (
                Step("extension", "http://x.y/z.a"),
                Step("child", "value"),
                Step("type", "Coding"),
                Step("child", "code"),
            ),
        ),
        ("subject.resolve()", (Step("child", "subject"), Step("resolve"))),
    ],
)
def test_paths_of_discriminators(path: str, steps: tuple[Step, ...]) -> None:
    assert parse_steps(path) == steps


@pytest.mark.parametrize("path", ["a b", "where(x=1)", "a..b", "extension(", "a|b", "a()", "é"])
def test_paths_that_discriminators_may_not_have(path: str) -> None:
    with pytest.raises(NotDiscriminatingError):
        parse_steps(path)


def test_blood_pressure_of_the_specification() -> None:
    """R4's own profile, from base to base: https://hl7.org/fhir/R4/bp.html."""
    category = {
        "coding": [
            coding("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")
        ]
    }

    def side(code: str, unit: str) -> Json:
        quantity = {"value": 120, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        return component(LOINC, code, valueQuantity=quantity)

    def pressure(*sides: Json) -> Json:
        return observation(
            category=[category],
            code={"coding": [coding(LOINC, "85354-9")]},
            subject={"reference": "Patient/1"},
            effectiveDateTime="2024-05-01T10:00:00Z",
            component=list(sides),
        )

    unused = extension("unused")
    bp = CORE + "bp"
    both = (side("8480-6", "mm[Hg]"), side("8462-4", "mm[Hg]"))
    assert faults(pressure(*both), unused, against=bp) == []
    missing = ("required", "Observation.component")
    assert faults(pressure(both[0]), unused, against=bp) == [missing, missing]
    wrong = faults(pressure(both[0], side("8462-4", "kPa")), unused, against=bp)
    assert ("value", "Observation.component[1].valueQuantity.code") in wrong
