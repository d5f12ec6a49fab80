"""The offline oracle: stored Observations as lines in order of commit, alerts compared one by one."""

from collections import Counter
from decimal import Decimal
from typing import Any

from conformance.alarms.oracle import Raised, compare, expected, found, latest, lines

MDC = "urn:iso:std:iso:11073:10101"
OURS = "https://w3id.org/fhirserver/CodeSystem/alert"
MINUTE = "2026-08-01T09:00"


def observation(code: str, value: str | None, second: float, committed: float, **more: Any) -> Any:
    body = {
        "resourceType": "Observation",
        "meta": {"lastUpdated": f"{MINUTE}:{committed:06.3f}Z"},
        "code": {"coding": [{"system": MDC, "code": code}]},
        "effectiveDateTime": f"{MINUTE}:{second:06.3f}Z",
        "device": {"reference": "Device/m"},
    }
    if value is not None:
        body["valueQuantity"] = {"value": Decimal(value), "unit": "mmHg"}
    return body | more


def event(code: str, phase: str, second: float, committed: float) -> Any:
    def fact(name: str, value: Any) -> Any:
        return {"code": {"coding": [{"system": MDC, "code": name}]}} | value

    facts = [
        fact("68482", {"valueString": "active"}),
        fact("68483", {"valueString": "enabled"}),
        fact("68480", {"valueCodeableConcept": {"coding": [{"system": MDC, "code": "158776"}]}}),
    ]
    return observation(code, None, second, committed, valueString=phase, component=facts)


def test_readings_come_in_the_order_of_their_commit_then_of_their_time() -> None:
    stored = [
        observation("158776", "150", 3, 5),
        observation("158776", "160", 1, 2),
        observation("158744", "-120", 1, 2),
        observation("158776", "155", 2, 5),
    ]
    told = lines(stored, "ann")
    assert [one["values"] for one in told] == [
        {"158776": Decimal(160), "158744": Decimal(-120)},
        {"158776": Decimal(155)},
        {"158776": Decimal(150)},
    ]
    assert [one["age"] for one in told] == [1.0, 3.0, 2.0]
    assert latest(told) == told[-1]["at"]
    assert latest([]) == 0


def test_the_parts_of_a_panel_are_one_sample() -> None:
    parts = [observation(code, value, 1, 1) for code, value in (("150021", "88"), ("150022", "50"))]
    panel = observation("150020", None, 1, 1, component=parts)
    (line,) = lines([panel], "ann")
    assert line["values"] == {"150021": Decimal(88), "150022": Decimal(50)}


def test_a_recorded_alarm_is_told_as_an_alarm() -> None:
    (line,) = lines([event("198260", "start", 1, 2)], "ann")
    assert (line["kind"], line["event"], line["phase"]) == ("event", "198260", "start")
    assert (line["state"], line["activity"], line["source"]) == ("active", "enabled", "158776")


def alert(identity: str, priority: str, code: str = "196670", system: str = MDC) -> Any:
    return {
        "alert": {
            "id": identity,
            "system": system,
            "code": code,
            "display": "low",
            "priority": priority,
            "onset": 1000,
        }
    }


def test_an_alert_counts_once_as_it_stood_at_the_end() -> None:
    decided = [alert("a", "PM"), alert("a", "PH"), alert("b", "PL"), alert("c", "PM", "x", OURS)]
    assert expected(decided) == Counter([Raised(MDC, "196670", "low", "PH", 1000)])


def test_what_follows_from_readings_alone_is_compared_with_the_flags() -> None:
    def flag(system: str, code: str) -> Any:
        coding = {"system": "x", "code": "PH"}
        return {
            "extension": [
                {"url": "other", "valueString": "x"},
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/flag-priority",
                    "valueCodeableConcept": {"coding": [coding]},
                },
            ],
            "code": {"coding": [{"system": system, "code": code}], "text": "low"},
            "period": {"start": "1970-01-01T00:00:01Z"},
        }

    flags = [flag(MDC, "196670"), flag(OURS, "device-silent")]
    assert found(flags) == Counter([Raised(MDC, "196670", "low", "PH", 1000)])


def test_missed_and_surplus_are_named() -> None:
    one = Raised(MDC, "196670", "low", "PH", 1000)
    other = Raised(MDC, "196648", "high", "PM", 2000)
    assert compare(Counter([one]), Counter([one]), "ann") == []
    deviations = compare(Counter([one]), Counter([other, other]), "ann")
    assert [str(deviation) for deviation in deviations] == [
        "missed: ann: PH 196670 (low) of 1000",
        "surplus: ann: PM 196648 (high) of 2000",
        "surplus: ann: PM 196648 (high) of 2000",
    ]
