"""What an order would have done in the last treatments, asked as clients ask."""

from typing import Any

import pytest

from fhirserver.kernel.canonical import MONITORING_RULE
from fhirserver.kernel.resource import Json
from subscriptions.operations import preview_rules
from tests.integration.sessions.conftest import Home
from tests.integration.sessions.test_why import parts

SYSTOLIC = "150021"
UCUM = "http://unitsofmeasure.org"


def order(low: int = 100, **more: Any) -> Json:
    """An order about Ann's systolic pressure that nobody has given."""
    said: Json = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/ann"},
        "extension": [
            {
                "url": MONITORING_RULE,
                "extension": [
                    {"url": "id", "valueId": "hers"},
                    {
                        "url": "parameter",
                        "valueCodeableConcept": {
                            "coding": [{"system": "http://loinc.org", "code": "8480-6"}]
                        },
                    },
                    {
                        "url": "limit",
                        "valueRange": {
                            "low": {"value": low, "system": UCUM, "code": "mm[Hg]"},
                        },
                    },
                    {"url": "priority", "valueCode": "PM"},
                ],
            }
        ],
    }
    return said | more


async def treated(home: Home, *pressures: int) -> None:
    """Let Ann dialyse: a pressure every ten seconds, then the machine stops treating."""
    session = f"t-{home.now.isoformat()}"
    for pressure in pressures:
        await home.say("TX", session=session, values={SYSTOLIC: pressure})
        home.pass_time(10)
    await home.say("POSTTX", session=session)
    await home.wait(121)
    home.pass_time(24 * 3600)


async def asked(home: Home, body: Json, by: str = "nurse") -> Json:
    answer = await getattr(home, by).post("Patient/ann/$preview-rules", json=body)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


def number(answer: Json, name: str) -> int:
    (found,) = (one["valueUnsignedInt"] for one in answer["parameter"] if one["name"] == name)
    assert isinstance(found, int)
    return found


async def test_each_of_the_last_treatments_is_told(home: Home) -> None:
    await treated(home, 124, 118, 122)
    await treated(home, 121, 97, 120, 96)
    told = await asked(home, order())
    assert (number(told, "fires"), number(told, "fires-today")) == (2, 0)
    newest, oldest = parts(told, "session")
    assert (newest["values"], newest["fires"]) == (4, 2)
    assert newest["period"]["start"] == "2026-08-02T09:02:31.000Z"
    assert newest["alert"] is not None
    assert (oldest["values"], oldest["fires"]) == (3, 0)
    assert "alert" not in oldest
    assert number(told, "left-out") == 0
    assert await home.search("ServiceRequest?patient=ann") == []


async def test_an_order_takes_the_place_of_its_earlier_version(home: Home) -> None:
    await treated(home, 124, 97, 121)
    await home.put(
        order(100, id="own", status="active", requester={"reference": "Practitioner/nina"})
    )
    told = await asked(home, order(95, id="own"))
    assert (number(told, "fires"), number(told, "fires-today")) == (0, 1)
    told = await asked(home, order(95, id="another"))
    assert (number(told, "fires"), number(told, "fires-today")) == (1, 1)


async def test_a_limit_beyond_the_floor_is_ignored_until_two_have_signed(home: Home) -> None:
    await treated(home, 124, 85, 121)
    told = await asked(home, order(40))
    assert any(one["name"] == "ignored" for one in told["parameter"])
    assert number(told, "fires") == number(told, "fires-today") == 1
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "rule", "resource": order(40)},
            {"name": "signed", "valueBoolean": True},
            {"name": "sessions", "valuePositiveInt": 1},
        ],
    }
    told = await asked(home, body)
    assert not any(one["name"] == "ignored" for one in told["parameter"])
    assert number(told, "fires") == 0


async def test_more_values_than_can_be_judged_are_left_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await treated(home, 124, 118, 122)
    await treated(home, 121, 97, 120, 96)
    monkeypatch.setattr(preview_rules, "MOST_VALUES", 4)
    told = await asked(home, order())
    assert len(parts(told, "session")) == 1
    assert number(told, "left-out") == 1


async def test_what_is_no_order_about_this_patient_is_refused(home: Home) -> None:
    async def status(body: Json) -> int:
        answer = await home.nurse.post("Patient/ann/$preview-rules", json=body)
        return int(answer.status_code)

    assert await status(order(subject={"reference": "Patient/eve"})) == 400
    assert await status(order(extension=[])) == 422
    unnamed = order()
    del unnamed["extension"][0]["extension"][0]
    assert await status(unnamed) == 422
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "rule", "resource": order()},
            {"name": "sessions", "valuePositiveInt": 51},
        ],
    }
    assert await status(body) == 400


async def test_who_may_not_see_the_patient_learns_nothing(home: Home) -> None:
    answer = await home.stranger.post("Patient/ann/$preview-rules", json=order())
    assert answer.status_code == 404
