"""Why an alert is there, and its incident as a signed document, asked as clients ask."""

import base64
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from fhirserver.auditing.event import audit_event
from fhirserver.auth import decide
from fhirserver.crypto import keyring
from fhirserver.crypto.signing import NotGenuineError, SigningKeys, verify
from fhirserver.definitions import load
from fhirserver.kernel.canonical import ALERT_IDENTIFIER, MONITORING_RULE
from fhirserver.kernel.principal import Access, Grant, Principal, Relations
from fhirserver.kernel.resource import Json
from fhirserver.rest import callers
from fhirserver.wire import fhir_json
from fhirserver.wire.canonical_json import canonical
from tests.integration.rest.conftest import BASE
from tests.integration.sessions.conftest import Home
from tests.oracles.balp import violations

KEYS = SigningKeys(keyring.create("test", bytes(range(32)))).public()
SYSTOLIC = "150021"


async def fallen(home: Home) -> Json:
    """Let Ann's pressure fall far in an armed treatment; return the Flag."""
    await home.arm()
    await home.say()
    home.pass_time(30)
    await home.say(values={SYSTOLIC: 62})
    (flag,) = await home.search("Flag?status=active&priority=PH&category=device&code=196670")
    return flag


def parts(answer: Json, name: str) -> list[dict[str, Any]]:
    """The groups called `name`, each as its parts by name (the last of several)."""
    return [
        {
            part["name"]: next((v for k, v in part.items() if k != "name"), None)
            for part in one["part"]
        }
        for one in answer["parameter"]
        if one["name"] == name
    ]


async def test_rule_value_people_and_what_happened_are_told(home: Home) -> None:
    flag = await fallen(home)
    answer = await home.admin.get(f"Flag/{flag['id']}/$why")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    (alert,) = parts(told, "alert")
    assert (alert["priority"], alert["calls-people"]) == ("PH", True)
    (rule,) = parts(told, "rule")
    assert rule["source"].endswith("PlanDefinition/default-rules")
    assert rule["version"].startswith(rule["source"] + "|")
    (seen,) = parts(told, "seen")
    assert seen["value"]["value"] == 62
    assert seen["limit"]["unit"] == "mm[Hg]"
    assert {one["what"] for one in parts(told, "happened")} >= {"raised", "notify"}
    people = {one["who"]["reference"]: one for one in parts(told, "person")}
    assert people["RelatedPerson/bob"]["why"] == "stands on rung 1"
    assert people["RelatedPerson/bob"]["status"] == "requested"
    assert people["RelatedPerson/eve"]["passed-over"].startswith("not told")
    assert any(one["name"] == "evidence" for one in told["parameter"])


async def test_who_sees_the_alarm_and_no_measurements_is_told_none(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = await fallen(home)
    genuine = decide

    def only_called(principal: Principal, relations: Relations, *more: Any) -> Access:
        only = tuple(replace(one, role="alarm-contact") for one in relations.memberships)
        return genuine(principal, Relations(only), *more)

    monkeypatch.setattr(callers, "decide", only_called)
    assert (await home.partner.get(f"Flag/{flag['id']}")).status_code == 200
    told = (await home.partner.get(f"Flag/{flag['id']}/$why")).json()
    assert "62" not in [str(one.get("value")) for one in parts(told, "seen")]
    assert not any(one["name"] == "evidence" for one in told["parameter"])
    assert parts(told, "alert")
    for operation in ("$monitoring-rules", "$why-not"):
        assert (await home.partner.get(f"Patient/ann/{operation}")).status_code == 403
    document = (await home.partner.get(f"Flag/{flag['id']}/$evidence")).json()
    types = {one["resource"]["resourceType"] for one in document["entry"]}
    assert "Observation" not in types


async def test_a_viewer_changes_nothing_by_an_operation(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = decide

    def viewing(principal: Principal, relations: Relations, *more: Any) -> Access:
        only = tuple(replace(one, role="viewer") for one in relations.memberships)
        return genuine(principal, Relations(only), *more)

    monkeypatch.setattr(callers, "decide", viewing)
    assert (await home.partner.get("Patient/ann")).status_code == 200
    for operation in ("$check-in?code=ok", "$test-page"):
        assert (await home.partner.post(f"Patient/ann/{operation}")).status_code == 403


async def test_who_may_not_see_the_flag_is_told_nothing(home: Home) -> None:
    flag = await fallen(home)
    for operation in ("$why", "$evidence"):
        assert (await home.stranger.get(f"Flag/{flag['id']}/{operation}")).status_code == 404


async def test_a_flag_of_somebody_else_has_no_why(home: Home) -> None:
    await home.put(
        {
            "resourceType": "Flag",
            "id": "note",
            "status": "active",
            "code": {"text": "hard of hearing"},
            "subject": {"reference": "Patient/ann"},
        }
    )
    assert (await home.admin.get("Flag/note/$why")).status_code == 404
    named: Json = {"system": ALERT_IDENTIFIER, "value": "nobody's"}
    await home.put({**await home.get("Flag", "note"), "identifier": [named]})
    assert (await home.admin.get("Flag/note/$why")).status_code == 404


async def test_the_evidence_is_a_document_nobody_can_change_unseen(home: Home) -> None:
    flag = await fallen(home)
    answer = await home.admin.get(f"Flag/{flag['id']}/$evidence")
    assert answer.status_code == 200, answer.text
    bundle = fhir_json.read(answer.content)
    kinds = [one["resource"]["resourceType"] for one in bundle["entry"]]
    assert kinds[0] == "Composition"
    assert {"Flag", "Observation", "PlanDefinition", "Task", "Communication", "Patient"} <= set(
        kinds
    )
    checked = await home.admin.post(
        "Bundle/$validate", content=answer.content, headers={"content-type": "application/json"}
    )
    errors = [one for one in checked.json()["issue"] if one["severity"] in ("error", "fatal")]
    assert not errors, errors
    signature = base64.b64decode(bundle["signature"]["data"]).decode()
    assert verify(canonical(bundle), signature, KEYS)
    observation = next(
        one["resource"]
        for one in bundle["entry"]
        if one["resource"]["resourceType"] == "Observation"
    )
    observation["status"] = "amended"
    with pytest.raises(NotGenuineError):
        verify(canonical(bundle), signature, KEYS)


def by_name(answer: Json) -> dict[str, dict[str, Any]]:
    """The groups called ``parameter`` by what they are about."""
    return {one["name"]: one for one in parts(answer, "parameter")}


async def test_why_nothing_fired_shows_each_limit_beside_its_value(home: Home) -> None:
    await home.arm()
    await home.say(values={SYSTOLIC: 118})
    answer = await home.admin.get("Patient/ann/$why-not")
    assert answer.status_code == 200, answer.text
    told = by_name(answer.json())
    systolic = told["systolic"]
    assert systolic["verdict"] == "within-limits"
    assert systolic["value"] == {
        "value": 118,
        "unit": "mm[Hg]",
        "system": "http://unitsofmeasure.org",
        "code": "mm[Hg]",
    }
    assert systolic["limit"] is not None
    assert told["heart-rate"]["verdict"] == "no-reading"
    assert not parts(answer.json(), "alert")


async def test_what_did_fire_is_named(home: Home) -> None:
    flag = await fallen(home)
    at = home.now.isoformat()
    home.pass_time(60)
    answer = await home.admin.get("Patient/ann/$why-not", params={"at": at, "minutes": "5"})
    told = by_name(answer.json())
    assert told["systolic"]["verdict"] == "alert"
    assert told["systolic"]["flag"] == {"reference": f"Flag/{flag['id']}"}


async def test_who_reads_measurements_and_no_flags_is_named_no_alert(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = await fallen(home)
    genuine = decide
    scopes = tuple(f"user/{one}.rs" for one in load().resource_types if one != "Flag")

    def of_an_app(
        principal: Principal, relations: Relations, now: datetime, _grant: Grant
    ) -> Access:
        return genuine(principal, relations, now, Grant(principal, scopes, None, "app"))

    monkeypatch.setattr(callers, "decide", of_an_app)
    assert (await home.nurse.get(f"Flag/{flag['id']}")).status_code == 404
    answer = await home.nurse.get("Patient/ann/$why-not")

    assert answer.status_code == 200, answer.text
    assert by_name(answer.json())["systolic"]["verdict"] == "alert"
    assert "flag" not in by_name(answer.json())["systolic"]
    assert not parts(answer.json(), "alert")
    assert flag["id"] not in answer.text


async def test_what_somebody_typed_in_is_explained(home: Home) -> None:
    await home.put(
        {
            "resourceType": "Observation",
            "id": "typed",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "subject": {"reference": "Patient/ann"},
            "effectiveDateTime": home.now.isoformat(),
            "valueQuantity": {"value": 61, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        }
    )
    # The alert is recorded, and calls nobody; by then it is over.
    home.pass_time(1)
    told = by_name((await home.admin.get("Patient/ann/$why-not")).json())
    assert told["systolic"]["verdict"] in ("alert", "calls-nobody")
    assert not await home.test_tasks()


@pytest.mark.parametrize("query", ["at=tomorrow", "at=2999-01-01T00:00:00Z", "minutes=600"])
async def test_a_question_that_makes_no_sense_is_refused(home: Home, query: str) -> None:
    answer = await home.admin.get(f"Patient/ann/$why-not?{query}")
    assert answer.status_code == 400, answer.text


async def test_rules_in_force_come_from_one_place(home: Home) -> None:
    answer = await home.patient.get("Patient/ann/$monitoring-rules")
    assert answer.status_code == 200, answer.text
    told = by_name(answer.json())
    assert {"systolic", "venous-pressure"} <= told.keys()
    then = home.now.isoformat()
    home.pass_time(60)
    order = {
        "resourceType": "ServiceRequest",
        "id": "own",
        "status": "active",
        "intent": "order",
        "code": {"text": "monitoring"},
        "subject": {"reference": "Patient/ann"},
        "requester": {"reference": "Practitioner/nina"},
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
                            "low": {
                                "value": 112,
                                "system": "http://unitsofmeasure.org",
                                "code": "mm[Hg]",
                            }
                        },
                    },
                    {"url": "priority", "valueCode": "PM"},
                ],
            }
        ],
    }
    await home.put(order)
    now = (await home.admin.get("Patient/ann/$monitoring-rules")).json()
    before = (await home.admin.get("Patient/ann/$monitoring-rules", params={"at": then})).json()

    def sources(answer: Json) -> set[str]:
        return {one["valueString"] for one in answer["parameter"] if one["name"] == "source"}

    assert "ServiceRequest/own" in sources(now)
    assert "ServiceRequest/own" not in sources(before)
    home.pass_time(60)
    later = home.now.isoformat()
    home.pass_time(60)
    again = (await home.admin.get("Patient/ann/$monitoring-rules", params={"at": later})).json()
    assert sources(again) == sources(now)


async def test_the_signed_document_is_a_disclosure_of_her_record(home: Home) -> None:
    flag = await fallen(home)
    home.told.happenings.clear()
    assert (await home.partner.get(f"Flag/{flag['id']}/$evidence")).status_code == 200
    (told,) = home.told.happenings
    event = audit_event(told, "ann", BASE)
    assert told.patients == {"ann"}
    assert violations(event) == []
    assert event["type"]["code"] == "110106"
    assert event["agent"][1]["who"] == {"reference": "RelatedPerson/bob"}
    assert event["entity"][0]["what"] == {"reference": f"Flag/{flag['id']}"}


async def test_who_sees_the_machine_fail_learns_of_no_other_alarm(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.say()
    await home.wait(400)
    (machine,) = await home.search("Flag?status=active&code=monitoring-not-armed")
    await home.say(values={SYSTOLIC: 62})
    (pressure,) = await home.search("Flag?status=active&code=196670")
    # As a stopped pump and a low pressure are one incident.
    await home.execute(
        "UPDATE alert SET incident = (SELECT incident FROM alert WHERE tenant = %s AND flag = %s) "
        "WHERE tenant = %s",
        [home.tenant, pressure["id"], home.tenant],
    )
    assert "196670" in (await home.nurse.get(f"Flag/{machine['id']}/$why")).text
    genuine = decide

    def mends_machines(principal: Principal, relations: Relations, *more: Any) -> Access:
        only = tuple(replace(one, role="technician") for one in relations.memberships)
        return genuine(principal, Relations(only), *more)

    monkeypatch.setattr(callers, "decide", mends_machines)
    assert (await home.partner.get(f"Flag/{machine['id']}")).status_code == 200
    assert (await home.partner.get(f"Flag/{pressure['id']}")).status_code == 404

    for operation in ("$why", "$evidence"):
        answer = await home.partner.get(f"Flag/{machine['id']}/{operation}")
        assert answer.status_code == 200, answer.text
        assert "monitoring-not-armed" in answer.text
        assert "196670" not in answer.text
        assert pressure["id"] not in answer.text
