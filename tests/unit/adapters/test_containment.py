"""The limits of a birth on its DeviceMetrics."""

import json
from decimal import Decimal
from typing import Any

import pytest

from adapters.containment import Window, renewed, resources, windows
from fhirserver.validation import validate

VENOUS = "158776"


def birth(limits: Any, code: str = VENOUS, unit: str = "mm[Hg]") -> dict[str, Any]:
    return {"metrics": {code: {"unit": unit, "limits": limits}}}


@pytest.mark.parametrize(
    ("limits", "window"),
    [
        ({"low": 122, "high": 262}, Window(Decimal(122), Decimal(262))),
        ({"low": Decimal("122.50")}, Window(Decimal("122.50"), None)),
        ({"high": -20}, Window(None, Decimal(-20))),
    ],
)
def test_a_window_has_one_end_at_least(limits: Any, window: Window) -> None:
    assert windows(birth(limits)) == {VENOUS: window}


@pytest.mark.parametrize(
    "limits", [{}, None, 5, {"low": None}, {"low": "122"}, {"low": True}, {"low": 9, "high": 9}]
)
def test_what_is_no_window_is_no_limit(limits: Any) -> None:
    assert windows(birth(limits)) == {}


@pytest.mark.parametrize(
    ("code", "unit"), [(VENOUS, "kPa"), ("999", "mm[Hg]"), ("150021", "mm[Hg]")]
)
def test_only_measures_of_a_machine_in_their_unit_have_one(code: str, unit: str) -> None:
    assert windows(birth({"low": 1, "high": 2}, code, unit)) == {}


def described(limits: Any) -> dict[str, Any]:
    (metric,) = [
        one for one in resources("m", birth(limits)) if one["resourceType"] == "DeviceMetric"
    ]
    return metric


def test_it_stands_on_the_metric_as_alarm_limits() -> None:
    metric = described({"low": 122, "high": 262})
    assert validate(metric) == []
    (extension,) = metric["extension"]
    low, high, kind = extension["extension"]
    assert (low["url"], low["valueQuantity"]["value"]) == ("low", 122)
    assert (high["url"], high["valueQuantity"]["code"]) == ("high", "mm[Hg]")
    assert kind["valueCodeableConcept"]["coding"][0]["code"] == "alarm-limits"
    assert "Patient" not in json.dumps(metric, default=str)


def test_what_others_wrote_on_it_stays() -> None:
    calibrated = {"type": "unspecified", "state": "calibrated"}
    other = {"url": "https://example.org/accuracy", "valueDecimal": 1}
    known = {
        **described({"low": 122}),
        "meta": {"versionId": "1"},
        "calibration": [calibrated],
    }
    known["extension"] = [other, *known["extension"]]
    after = renewed(known, described({"low": 90}))
    assert after["calibration"] == [calibrated]
    assert after["extension"][0] == other
    assert after["extension"][1]["extension"][0]["valueQuantity"]["value"] == 90
    assert renewed(known, described(None))["extension"] == [other]
    assert "extension" not in renewed(described({"low": 122}), described(None))
    assert renewed(known, described({"low": 122})) == known
