"""Status codes, headers and bodies of reads and writes: https://hl7.org/fhir/R4/http.html."""

import httpx
import pytest

from fhirserver.kernel.errors import Unprocessable
from tests.unit.rest.conftest import BASE, FHIR, PATIENT, Server, issues


async def test_read(client: httpx.AsyncClient) -> None:
    answer = await client.get("Patient/ann")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == "Wed, 04 Mar 2026 05:06:08 GMT"
    assert answer.json()["id"] == "ann"


async def test_read_answers_the_stored_bytes(client: httpx.AsyncClient, server: Server) -> None:
    stored = server.record.current("Patient", "ann")
    assert stored is not None

    answer = await client.get("Patient/ann")

    assert answer.content == stored.content
    assert answer.headers["content-length"] == str(len(stored.content))


async def test_head_answers_like_get_without_a_body(client: httpx.AsyncClient) -> None:
    get, head = await client.get("Patient/ann"), await client.head("Patient/ann")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers == get.headers


async def test_head_of_an_error_has_no_body_either(client: httpx.AsyncClient) -> None:
    head = await client.head("Patient/nobody")

    assert head.status_code == 404
    assert head.content == b""


@pytest.mark.parametrize("etag", ['W/"1"', '"1"', '"7", W/"1"', "*"])
async def test_read_of_a_known_version_is_not_sent_again(
    client: httpx.AsyncClient, etag: str
) -> None:
    answer = await client.get("Patient/ann", headers={"if-none-match": etag})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == 'W/"1"'


async def test_read_of_a_newer_version_is_sent(client: httpx.AsyncClient) -> None:
    answer = await client.get("Patient/ann", headers={"if-none-match": 'W/"9"'})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["Patient/nobody", "Unknown/x", "Unknown", "Patient/ann/x", "x/y/z/a/b"]
)
async def test_what_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert issues(answer)[0]["code"] == "not-found"


@pytest.mark.parametrize(
    "path",
    [
        "Patient/ann/_history/2",
        "Patient/ann/_history/x",
        "Patient/ann/_history/",
        "Patient/ann/_history/99999999999",
    ],
)
async def test_versions_that_are_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_vread(client: httpx.AsyncClient) -> None:
    answer = await client.get("Patient/ann/_history/1")

    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"1"'


async def test_create(client: httpx.AsyncClient) -> None:
    answer = await client.post("Patient", json={**PATIENT, "id": "mine"}, headers=FHIR)

    made = answer.json()
    assert answer.status_code == 201
    assert made["id"] != "mine"
    assert answer.headers["location"] == f"{BASE}/Patient/{made['id']}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"].endswith("GMT")


async def test_create_keeps_every_digit(client: httpx.AsyncClient) -> None:
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.00}}'
    )

    answer = await client.post("Observation", content=body, headers=FHIR)

    assert answer.status_code == 201
    assert b'"value":1.00' in answer.content


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+json",
        "application/json",
        "text/json",
        "application/fhir+json; charset=UTF-8",
        "application/fhir+json; fhirVersion=4.0",
    ],
)
async def test_media_types_we_read(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("Patient", json=PATIENT, headers={"content-type": content_type})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "",
        "application/fhir+json; charset=latin-1",
        "application/fhir+json; fhirVersion=5.0",
    ],
)
async def test_media_types_we_do_not_read(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("Patient", content=b"{}", headers={"content-type": content_type})

    assert answer.status_code == 415
    assert issues(answer)[0]["code"] == "not-supported"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[1]",
        b'"x"',
        b"\xff",
        b'{"resourceType":"Patient","a":1,"a":2}',
        b"[" * 100_000,
    ],
)
async def test_bodies_that_are_not_a_json_object(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("Patient", content=body, headers=FHIR)

    assert answer.status_code == 400
    assert issues(answer)[0]["code"] == "structure"


@pytest.mark.parametrize(
    "body",
    [{"resourceType": "Group"}, {"gender": "female"}, {"resourceType": 7}, {"resourceType": None}],
)
async def test_the_body_must_be_of_the_urls_type(
    client: httpx.AsyncClient, body: dict[str, object]
) -> None:
    answer = await client.post("Patient", json=body, headers=FHIR)

    assert answer.status_code == 400


async def test_an_invalid_resource_is_refused_with_every_problem(client: httpx.AsyncClient) -> None:
    body = {"resourceType": "Patient", "gender": "x", "unheard": 1, "birthDate": "yesterday"}

    answer = await client.post("Patient", json=body, headers=FHIR)

    assert answer.status_code == 422
    places = [place for issue in issues(answer) for place in issue.get("expression", [])]  # type: ignore[attr-defined]
    assert {"Patient.gender", "Patient.birthDate"} <= set(places)
    assert len(places) >= 3


async def test_an_observer_may_refuse(client: httpx.AsyncClient, server: Server) -> None:
    server.observer.refusal = Unprocessable("no such topic", expression="Subscription.criteria")

    answer = await client.post("Patient", json=PATIENT, headers=FHIR)

    assert answer.status_code == 422
    assert issues(answer) == [
        {
            "severity": "error",
            "code": "processing",
            "diagnostics": "no such topic",
            "expression": ["Subscription.criteria"],
        }
    ]


async def test_a_condition_that_several_resources_meet_stores_nothing(
    client: httpx.AsyncClient, server: Server
) -> None:
    before = len(server.record.versions)

    answer = await client.post(
        "Patient", json=PATIENT, headers={**FHIR, "if-none-exist": "_id=ann"}
    )

    assert answer.status_code == 412
    assert len(server.record.versions) == before


async def test_update(client: httpx.AsyncClient, server: Server) -> None:
    answer = await client.put(
        "Patient/ann", json={**PATIENT, "id": "ann", "active": True}, headers=FHIR
    )

    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"2"'
    assert "location" not in answer.headers
    resource, previous = server.observer.admitted[-1]
    assert resource["active"] is True
    assert previous is not None
    assert "active" not in previous


async def test_update_as_create(client: httpx.AsyncClient) -> None:
    answer = await client.put("Patient/new", json={**PATIENT, "id": "new"}, headers=FHIR)

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{BASE}/Patient/new/_history/1"


@pytest.mark.parametrize("id_", [None, "joe", 7])
async def test_an_update_needs_the_id_of_the_url(client: httpx.AsyncClient, id_: object) -> None:
    body = PATIENT if id_ is None else {**PATIENT, "id": id_}

    assert (await client.put("Patient/ann", json=body, headers=FHIR)).status_code == 400


async def test_an_update_needs_an_id_that_is_one(client: httpx.AsyncClient) -> None:
    answer = await client.put("Patient/a%20b", json={**PATIENT, "id": "a b"}, headers=FHIR)

    assert answer.status_code == 400


async def test_if_match(client: httpx.AsyncClient) -> None:
    body = {**PATIENT, "id": "ann"}

    first = await client.put("Patient/ann", json=body, headers={**FHIR, "if-match": 'W/"1"'})
    second = await client.put("Patient/ann", json=body, headers={**FHIR, "if-match": 'W/"1"'})
    none = await client.put(
        "Patient/x", json={**body, "id": "x"}, headers={**FHIR, "if-match": 'W/"1"'}
    )

    assert first.status_code == 200
    assert second.status_code == 412
    assert issues(second)[0]["code"] == "conflict"
    assert none.status_code == 412


@pytest.mark.parametrize("value", ["1", "W/1", '"x"', '"1","2"', "*", '"0"', ""])
async def test_a_malformed_if_match(client: httpx.AsyncClient, value: str) -> None:
    body = {**PATIENT, "id": "ann"}

    answer = await client.put("Patient/ann", json=body, headers={**FHIR, "if-match": value})

    assert answer.status_code == 400


async def test_an_update_that_may_only_create(client: httpx.AsyncClient) -> None:
    only_new = {**FHIR, "if-none-match": "*"}

    there = await client.put("Patient/ann", json={**PATIENT, "id": "ann"}, headers=only_new)
    new = await client.put("Patient/new", json={**PATIENT, "id": "new"}, headers=only_new)
    unclear = await client.put(
        "Patient/ann", json={**PATIENT, "id": "ann"}, headers={**FHIR, "if-none-match": 'W/"1"'}
    )

    assert there.status_code == 412
    assert new.status_code == 201
    assert unclear.status_code == 400


async def test_delete_leaves_a_tombstone_and_an_update_brings_it_back(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.delete("Patient/ann")).status_code == 204
    gone = await client.get("Patient/ann")
    assert gone.status_code == 410
    assert issues(gone)[0]["code"] == "deleted"
    assert (await client.get("Patient/ann/_history/2")).status_code == 410
    assert (await client.get("Patient/ann/_history/1")).status_code == 200
    assert (await client.delete("Patient/ann")).status_code == 204
    back = await client.put("Patient/ann", json={**PATIENT, "id": "ann"}, headers=FHIR)
    assert back.status_code == 201
    assert back.headers["etag"] == 'W/"3"'


async def test_deleting_what_is_not_there_succeeds(client: httpx.AsyncClient) -> None:
    assert (await client.delete("Patient/nobody")).status_code == 204


async def test_a_delete_can_be_conditional_on_the_version(client: httpx.AsyncClient) -> None:
    assert (await client.delete("Patient/ann", headers={"if-match": 'W/"2"'})).status_code == 412
    assert (await client.delete("Patient/no", headers={"if-match": 'W/"2"'})).status_code == 412
    assert (await client.delete("Patient/ann", headers={"if-match": 'W/"1"'})).status_code == 204


@pytest.mark.parametrize(
    ("prefer", "type_"),
    [
        ("return=minimal", None),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("handling=strict; return=minimal", None),
    ],
)
async def test_prefer(client: httpx.AsyncClient, prefer: str, type_: str | None) -> None:
    headers = {**FHIR, "prefer": prefer}

    created = await client.post("Patient", json=PATIENT, headers=headers)
    updated = await client.put("Patient/ann", json={**PATIENT, "id": "ann"}, headers=headers)

    for answer in (created, updated):
        assert (answer.json()["resourceType"] if answer.content else None) == type_


async def test_what_may_take_long_is_answered_later(
    client: httpx.AsyncClient, server: Server
) -> None:
    answer = await client.post("Patient", json=PATIENT, headers={**FHIR, "prefer": "respond-async"})

    assert answer.status_code == 202
    assert "job-1" in answer.headers["content-location"]
    assert answer.content == b""
    assert len(server.record.jobs.submitted) == 1


async def test_prefer_an_outcome_of_a_delete(client: httpx.AsyncClient) -> None:
    wish = {"prefer": "return=OperationOutcome"}

    deleted = await client.delete("Patient/ann", headers=wish)
    nothing = await client.delete("Patient/nobody", headers=wish)

    for answer in (deleted, nothing):
        assert answer.status_code == 200
        assert issues(answer)[0]["severity"] == "information"
