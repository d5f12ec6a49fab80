"""Invariants at work in whole resources; the predicates themselves are proved against a FHIRPath
engine in tests/oracles."""

from typing import Any

import pytest

from fhirserver.validation import validate
from fhirserver.validation.predicates import holds_range, ordered_period
from tests.unit.validation.samples import blood_pressure, patient

MMHG = {"system": "http://unitsofmeasure.org", "code": "mm[Hg]"}


def _invariants(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (one.message.partition(":")[0], one.expression)
        for one in validate(resource)
        if one.code == "invariant"
    ]


@pytest.mark.parametrize(
    ("changes", "key", "place"),
    [
        (
            {"dataAbsentReason": {"text": "a"}, "valueString": "b"},
            "obs-6",
            "Observation",
        ),
        (
            {
                "valueString": "a",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            },
            "obs-7",
            "Observation",
        ),
        (
            {"referenceRange": [{"type": {"text": "a"}}]},
            "obs-3",
            "Observation.referenceRange[0]",
        ),
        (
            {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-02", "end": "2026-01"}},
            "per-1",
            "Observation.effectivePeriod",
        ),
        ({"valueQuantity": {"code": "mm[Hg]"}}, "qty-3", "Observation.valueQuantity"),
        ({"valueRatio": {"numerator": {"value": 1}}}, "rat-1", "Observation.valueRatio"),
        (
            {"valueRange": {"low": {"value": 2}, "high": {"value": 1}}},
            "rng-2",
            "Observation.valueRange",
        ),
    ],
)
def test_broken(changes: dict[str, Any], key: str, place: str) -> None:
    assert _invariants(blood_pressure(**changes)) == [(key, place)]


def test_an_invariant_on_an_element_of_a_complex_type() -> None:
    organization = {
        "resourceType": "Organization",
        "name": "a",
        "telecom": [{"system": "phone", "value": "1"}, {"use": "home", "value": "2"}],
    }
    assert _invariants(organization) == [
        ("cpt-2", "Organization.telecom[1]"),
        ("org-3", "Organization.telecom[1]"),
    ]


def test_a_structural_fault_does_not_hide_an_invariant() -> None:
    resource = patient(contact=[{"gender": "M"}], birthDate=5)
    assert _invariants(resource) == [("pat-1", "Patient.contact[0]")]
    assert len(validate(resource)) == 3


def test_rules_stand_any_json() -> None:
    values: list[Any] = [None, 5, "a", [], [None], [[]], {}, {"a": 1}, [{"code": []}]]
    for value in values:
        for name in ("component", "code", "valueRange", "valuePeriod", "dataAbsentReason"):
            resource = blood_pressure(valueString="a")
            resource[name] = value
            assert validate(resource)
        bundle = {"resourceType": "Bundle", "type": value, "entry": value, "total": value}
        assert validate(bundle)
        condition = {"resourceType": "Condition", "clinicalStatus": value, "abatementString": "a"}
        assert validate(condition)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z", True),
        ("2026-01-01T10:00:00Z", "2026-01-01T09:59:59.9Z", False),
        ("2026-01-01T23:00:00-05:00", "2026-01-01", True),
        ("2026-01-02", "2026-01-01T23:00:00-05:00", True),
        ("2026-03-01", "2026", True),
        ("2027", "2026-12-31", False),
        ("2026", "2026-01", True),
        ("nonsense", 5, True),
        ("xT", "yT", True),
        (None, "2026", True),
    ],
)
def test_periods(start: object, end: object, expected: bool) -> None:
    assert ordered_period({"start": start, "end": end}) is expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ({"value": 1, **MMHG}, {"value": 2, **MMHG}, True),
        ({"value": 2, **MMHG}, {"value": 2, **MMHG}, True),
        ({"value": 3, **MMHG}, {"value": 2, **MMHG}, False),
        ({"value": 3, **MMHG}, {"value": 2, "unit": "kPa"}, True),
        ({"value": 3}, {"unit": "a"}, True),
        ({"value": "3"}, {"value": 1}, True),
        (None, {"value": 1}, True),
    ],
)
def test_ranges(low: object, high: object, expected: bool) -> None:
    assert holds_range({"low": low, "high": high}) is expected
