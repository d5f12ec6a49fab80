"""Profile validation, and the check of profiles themselves, stand any JSON: they answer, and never raise.

Both run beside structural validation, so what they see may be of any shape.
"""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.definitions.shipped import own_content
from fhirserver.kernel import canonical
from fhirserver.validation import validate
from fhirserver.validation.profiles import canonical_problems, validate_profiles

Json = dict[str, Any]

CORE = "http://hl7.org/fhir/StructureDefinition/"
MDC = "urn:iso:std:iso:11073:10101"

SAMPLES: dict[str, Json] = {
    CORE + "bp": {
        "resourceType": "Observation",
        "status": "final",
        "meta": {"profile": [CORE + "bp"]},
        "extension": [
            {"url": CORE + "observation-gatewayDevice", "valueReference": {"reference": "Device/a"}}
        ],
        "category": [{"coding": [{"system": "x:y", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/a"},
        "effectiveDateTime": "2024-05-01T10:00:00Z",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {"value": 1, "unit": "mm[Hg]"},
            }
        ],
        "contained": [{"resourceType": "Patient", "id": "a", "meta": {"profile": ["x:y"]}}],
    },
    canonical.BASE + "StructureDefinition/monitoring-order": {
        "resourceType": "ServiceRequest",
        "extension": [
            {
                "url": canonical.MONITORING_RULE,
                "extension": [
                    {"url": "id", "valueId": "a"},
                    {"url": "limit", "valueRange": {"low": {"value": 1}}},
                ],
            }
        ],
        "_status": {"extension": [{"url": CORE + "data-absent-reason", "valueCode": "unknown"}]},
        "intent": "order",
        "subject": {"reference": "#p"},
        "requester": {"reference": "Practitioner/a"},
    },
    canonical.BASE + "StructureDefinition/machine-alarm": {
        "resourceType": "Observation",
        "code": {"coding": [{"system": MDC, "code": "198260"}]},
        "effectiveDateTime": "2024-05-01T10:00:00Z",
        "component": [{"code": {"coding": [{"system": MDC, "code": "68482"}]}, "valueString": "a"}],
    },
    CORE + "catalog": {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [{"fullUrl": "urn:x:1", "resource": {"resourceType": "Composition"}}],
    },
}

primitives = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
names = st.sampled_from(
    ["url", "extension", "coding", "code", "system", "reference", "resourceType", "meta", "profile"]
)
values = st.recursive(
    primitives,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    if isinstance(value, dict):
        here = [(value, key) for key in value]
        return here + [one for inner in value.values() for one in places(inner)]
    if isinstance(value, list):
        items: list[tuple[Any, Any]] = [(value, index) for index in range(len(value))]
        return items + [one for inner in value for one in places(inner)]
    return []


def spoiled(data: st.DataObject, resource: Json) -> Json:
    """`resource` with up to three of its values replaced by anything."""
    found = copy.deepcopy(resource)
    for _ in range(data.draw(st.integers(1, 3))):
        choices = places(found)
        if choices:
            container, key = data.draw(st.sampled_from(choices))
            container[key] = data.draw(values)
    return found


@pytest.mark.parametrize("profile", SAMPLES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_resource_is_answered(profile: str, data: st.DataObject) -> None:
    resource = spoiled(data, SAMPLES[profile])
    for problem in validate_profiles(resource, load(), [profile]):
        assert problem.message


CONTENT = {
    str(one["id"]): one for one in own_content() if one["resourceType"] == "StructureDefinition"
}


@pytest.mark.parametrize("name", ["monitoring-rule", "alert-flag", "machine-alarm"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_valid_profile_is_refused_or_usable(name: str, data: st.DataObject) -> None:
    """A profile that is not refused can be used, whatever it says."""
    profile = spoiled(data, CONTENT[name])
    profile["resourceType"], profile["url"] = "StructureDefinition", "http://example.org/p"
    if any(one.severity == "error" for one in validate(profile)):
        return
    problems = canonical_problems(profile, load())
    if not any(one.severity == "error" for one in problems):
        loaded = load().extended([profile], frozenset())
        for resource in SAMPLES.values():
            validate_profiles(resource, loaded, ["http://example.org/p"])
