"""Readings out of Observations that came over REST."""

from decimal import Decimal
from typing import Any

from subscriptions.core.observation_reader import device_of, read_observation
from tests.unit.subscriptions.rules.world import at

LOINC, MDC = "http://loinc.org", "urn:iso:std:iso:11073:10101"


def observation(**parts: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "effectiveDateTime": "2026-08-01T09:00:00Z",
        "code": {
            "coding": [
                {"system": LOINC, "code": "8480-6"},
                {"system": MDC, "code": "150021"},
            ]
        },
        "valueQuantity": {"value": Decimal("92.5"), "unit": "mmHg"},
        "device": {"reference": "Device/cuff"},
    } | parts


def read(**parts: Any) -> list[tuple[str, Decimal, str]]:
    readings = read_observation(
        observation(**parts), patient="ann", received=at(30), bound=True, mode=None
    )
    return [(one.code, one.value, one.unit) for one in readings]


def test_the_value_is_read_with_its_mdc_code_and_ucum_unit() -> None:
    assert read() == [("150021", Decimal("92.5"), "mm[Hg]")]


def test_age_is_receipt_minus_effective() -> None:
    (one,) = read_observation(observation(), patient="ann", received=at(30), bound=True, mode=None)
    assert (one.age, one.effective, one.device) == (30.0, at(0), "cuff")


def test_what_claims_to_be_of_tomorrow_is_of_now() -> None:
    tomorrow = observation(effectiveDateTime="2026-08-02T09:00:00Z")
    (one,) = read_observation(tomorrow, patient="ann", received=at(30), bound=True, mode=None)
    assert (one.age, one.effective) == (0.0, at(30))


def test_components_are_read_and_absent_ones_are_missing() -> None:
    component = [
        {
            "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
            "valueQuantity": {"value": 120, "code": "mm[Hg]"},
        },
        {
            "code": {"coding": [{"system": LOINC, "code": "8462-4"}]},
            "dataAbsentReason": {"text": "x"},
        },
    ]
    panel = {"coding": [{"system": LOINC, "code": "85354-9"}]}
    assert read(code=panel, valueQuantity={}, component=component) == [
        ("8480-6", Decimal(120), "mm[Hg]")
    ]


def test_what_was_withdrawn_is_not_a_reading() -> None:
    assert read(status="entered-in-error") == []
    assert read(status="cancelled") == []


def test_what_has_no_time_or_is_only_a_bound_is_not_a_reading() -> None:
    assert read(effectiveDateTime=None) == []
    assert read(valueQuantity={"value": 90, "comparator": "<", "unit": "mmHg"}) == []


def test_the_record_of_a_machine_event_is_not_a_reading() -> None:
    assert read(code={"coding": [{"system": MDC, "code": "196670"}]}) == []


def test_the_device_is_known_only_when_it_is_named_itself() -> None:
    assert device_of(observation()) == "cuff"
    assert device_of({"device": {"reference": "DeviceMetric/m"}}) is None
    assert device_of({}) is None
