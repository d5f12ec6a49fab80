"""PATCH over a real database: three languages, one set of rules."""

import asyncio
from collections import Counter

import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import JSON, Clients, observation, patient, put

JSON_PATCH = {"content-type": "application/json-patch+json"}
MERGE = {"content-type": "application/merge-patch+json"}
FHIR = {"content-type": JSON}


def operation(kind: str, path: str, value: Json | None = None, **more: Json) -> Json:
    parts: list[Json] = [
        {"name": "type", "valueCode": kind},
        {"name": "path", "valueString": path},
        *({"name": name, **part} for name, part in more.items()),
    ]
    if value is not None:
        parts.append({"name": "value", **value})
    return {"name": "operation", "part": parts}


def fhirpath(*operations: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(operations)}


async def test_each_language_makes_a_new_version(clients: Clients) -> None:
    admin = clients.admin
    one = await admin.patch(
        "Patient/ann", json=[{"op": "add", "path": "/active", "value": True}], headers=JSON_PATCH
    )
    two = await admin.patch("Patient/ann", json={"active": False, "birthDate": None}, headers=MERGE)
    changes = fhirpath(operation("replace", "Patient.gender", {"valueCode": "other"}))
    three = await admin.patch("Patient/ann", json=changes, headers=FHIR)

    assert [answer.status_code for answer in (one, two, three)] == [200] * 3
    assert three.headers["etag"] == 'W/"4"'
    stored = (await admin.get("Patient/ann")).json()
    assert (stored["active"], stored["gender"], "birthDate" in stored) == (False, "other", False)


async def test_decimals_keep_their_digits(clients: Clients) -> None:
    body = (
        b'{"resourceType":"Observation","id":"digits","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.00}}'
    )
    await clients.admin.put("Observation/digits", content=body, headers=FHIR)

    await clients.admin.patch(
        "Observation/digits",
        content=b'[{"op":"add","path":"/referenceRange","value":[{"low":{"value":0.50}}]}]',
        headers=JSON_PATCH,
    )

    content = (await clients.admin.get("Observation/digits")).content
    assert b'"value":1.00' in content
    assert b'"value":0.50' in content


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ([{"op": "replace", "path": "/id", "value": "other"}], 400),
        ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 400),
        ([{"op": "replace", "path": "/meta/versionId", "value": "9"}], 400),
        ([{"op": "remove", "path": "/meta"}], 400),
        ([{"op": "add", "path": "/unheard", "value": 1}], 422),
        ([{"op": "replace", "path": "/gender", "value": "unheard"}], 422),
        ([{"op": "remove", "path": "/nothing"}], 422),
        ([{"op": "test", "path": "/gender", "value": "male"}], 422),
        ([{"op": "unheard", "path": "/gender"}], 400),
        ({"op": "remove"}, 400),
    ],
)
async def test_what_a_patch_cannot_do(clients: Clients, change: object, status: int) -> None:
    answer = await clients.admin.patch("Patient/ann", json=change, headers=JSON_PATCH)

    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert (await clients.admin.get("Patient/ann")).headers["etag"] == 'W/"1"'


async def test_of_parallel_patches_of_one_version_exactly_one_wins(clients: Clients) -> None:
    async def attempt(number: int) -> int:
        answer = await clients.admin.patch(
            "Patient/ann",
            json={"multipleBirthInteger": number},
            headers={**MERGE, "if-match": 'W/"1"'},
        )
        return answer.status_code

    assert Counter(await asyncio.gather(*map(attempt, range(10)))) == {200: 1, 412: 9}


async def test_who_may_patch_what(clients: Clients) -> None:
    await put(clients.admin, observation("joes", "joe"))
    await put(clients.admin, observation("anns", "ann"))
    change = {"status": "amended"}

    hidden = await clients.nurse.patch("Observation/joes", json=change, headers=MERGE)
    missing = await clients.nurse.patch("Observation/none", json=change, headers=MERGE)
    own = await clients.nurse.patch("Observation/anns", json=change, headers=MERGE)
    away = {"subject": {"reference": "Patient/joe"}}
    moved = await clients.nurse.patch("Observation/anns", json=away, headers=MERGE)
    partner = await clients.partner.patch("Observation/anns", json=change, headers=MERGE)

    statuses = [one.status_code for one in (hidden, missing, own, moved, partner)]
    assert statuses == [404, 404, 200, 403, 403]


async def test_deleted_and_unknown(clients: Clients) -> None:
    await put(clients.admin, patient("gone"))
    await clients.admin.delete("Patient/gone")

    assert (await clients.admin.patch("Patient/gone", json={}, headers=MERGE)).status_code == 410
    assert (await clients.admin.patch("Patient/none", json={}, headers=MERGE)).status_code == 404
    assert (await clients.admin.patch("Patient/ann", content=b"<", headers=FHIR)).status_code == 400
    text = {"content-type": "text/plain"}
    assert (await clients.admin.patch("Patient/ann", content=b"x", headers=text)).status_code == 415
