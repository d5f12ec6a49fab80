"""Every request leaves AuditEvents: one per patient, refusals too, writes within their transaction."""

import asyncio
import base64
from datetime import UTC, datetime

import psycopg
import pytest

from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.resource import Json
from tests.conftest import Database
from tests.integration.auditing.conftest import House, open_house, references
from tests.integration.rest.conftest import JSON, observation, put
from tests.oracles.balp import violations


def query_of(event: Json) -> str:
    (one,) = [one["query"] for one in event["entity"] if "query" in one]
    return base64.b64decode(one).decode()


def waiting(house: House) -> list[int]:
    with psycopg.connect(house.database.dsn) as connection:
        found = connection.execute(
            "SELECT events FROM audit_spool WHERE tenant = %s", (house.tenant,)
        ).fetchall()
    return [row[0] for row in found]


def patients(events: list[Json]) -> list[str]:
    named = [one for event in events for one in references(event) if one.startswith("Patient/")]
    return sorted(one for one in named if "_history" not in one)


async def test_a_read_names_reader_resource_and_patient(house: House) -> None:
    nurse = await house.client("practitioner", "Practitioner/nurse")
    admin = await house.client("admin")
    assert (await put(admin, observation("o1", "ann"))).status_code == 201
    answer = await nurse.get("Observation/o1", headers={"x-request-id": "ward-7"})
    assert answer.status_code == 200
    (event,) = await house.events(code="read")
    assert references(event) == ["Observation/o1/_history/1", "Patient/ann"]
    assert (event["action"], event["outcome"]) == ("R", "0")
    assert event["agent"][2]["who"] == {"reference": "Practitioner/nurse"}
    assert any(one.get("what") == {"identifier": {"value": "ward-7"}} for one in event["entity"])


async def test_every_interaction_leaves_its_own_event(house: House) -> None:
    admin = await house.client("admin")
    await put(admin, observation("o1", "ann"))
    await put(admin, observation("o1", "ann", status="amended"))
    change = [{"op": "replace", "path": "/status", "value": "corrected"}]
    patched = await admin.patch(
        "Observation/o1", json=change, headers={"content-type": "application/json-patch+json"}
    )
    assert patched.status_code == 200, patched.text
    made = await admin.post(
        "Observation", json={**observation("x", "joe"), "id": None}, headers={"content-type": JSON}
    )
    assert made.status_code in (201, 400)
    for url in ("Observation/o1", "Observation/o1/_history/1", "Observation/o1/_history",
                "Observation?patient=ann", "Observation/o1/$meta"):  # fmt: skip
        assert (await admin.get(url)).status_code == 200, url
    assert (await admin.delete("Observation/o1")).status_code == 204
    for code, action in (("update", "U"), ("patch", "U"), ("read", "R"), ("vread", "R"),
                         ("history", "R"), ("search", "E"), ("operation", "E"), ("delete", "D")):  # fmt: skip
        (event,) = await house.events(code=code, patient="ann", outcome="0")
        assert event["action"] == action, code
    created = await house.events(code="create", patient="ann")
    assert "Observation/o1/_history/1" in [one for event in created for one in references(event)]


async def test_a_search_leaves_one_event_for_every_patient_it_shows(house: House) -> None:
    admin = await house.client("admin")
    await put(admin, observation("o1", "ann"))
    await put(admin, observation("o2", "joe"))
    answer = await admin.get("Observation?code=8480-6&_include=Observation:subject")
    assert len(answer.json()["entry"]) == 4
    events = await house.events(code="search")
    assert patients(events) == ["Patient/ann", "Patient/joe"]
    assert {query_of(one) for one in events} == {
        "Observation?code=8480-6&_include=Observation:subject"
    }
    posted = await admin.post(
        "Observation/_search",
        content="patient=Patient/joe",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert posted.status_code == 200
    last = (await house.events(code="search"))[-1]
    assert query_of(last) == "Observation/_search?patient=Patient/joe"
    assert patients([last]) == ["Patient/joe"]


async def test_a_search_that_finds_nothing_is_told_with_the_patient_it_names(house: House) -> None:
    nurse = await house.client("practitioner", "Practitioner/nurse")
    assert (await nurse.get("Observation?patient=joe")).json().get("entry", []) == []
    (event,) = await house.events(code="search")
    assert patients([event]) == ["Patient/joe"]


@pytest.mark.parametrize("url", ["Observation/o2", "Patient/joe", "Observation/o2/_history"])
async def test_who_was_refused_is_told_with_the_patient_it_was_about(
    house: House, url: str
) -> None:
    admin = await house.client("admin")
    await put(admin, observation("o2", "joe"))
    nurse = await house.client("practitioner", "Practitioner/nurse")
    assert (await nurse.get(url)).status_code == 404
    (event,) = [one for one in await house.events(outcome="4") if one["outcomeDesc"] == "404"]
    assert patients([event]) == ["Patient/joe"]
    assert query_of(event) == f"GET {url}"
    assert "meta" not in event or "profile" not in event["meta"]


async def test_a_refused_write_is_told_with_the_patient_it_named(house: House) -> None:
    nurse = await house.client("practitioner", "Practitioner/nurse")
    answer = await nurse.post(
        "Observation", json=_without_id(observation("x", "joe")), headers={"content-type": JSON}
    )
    assert answer.status_code == 403
    (event,) = await house.events(code="create", outcome="4")
    assert patients([event]) == ["Patient/joe"]


async def test_a_refusal_to_take_a_request_for_later_is_told_too(house: House) -> None:
    nurse = await house.client("practitioner", "Practitioner/nurse")
    answer = await nurse.get("Nothing/joe", headers={"prefer": "respond-async"})
    assert answer.status_code == 404
    (event,) = await house.events(outcome="4")
    assert (event["outcomeDesc"], query_of(event)) == ("404", "GET Nothing/joe")


async def test_nobody_with_a_bad_token_goes_unnoticed(house: House) -> None:
    assert (await house.stranger("wrong").get("Patient/ann")).status_code == 401
    assert (await house.stranger().get("Patient/ann")).status_code == 401
    events = await house.events(code="unauthenticated")
    assert [one["outcomeDesc"] for one in events] == ["401", "401"]
    assert {query_of(one) for one in events} == {"GET Patient/ann"}


async def test_entries_of_a_batch_and_writes_of_a_transaction_are_told_one_by_one(
    house: House,
) -> None:
    admin = await house.client("admin")
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": "Patient/ann"}},
            {"request": {"method": "GET", "url": "Patient/nobody"}},
            {"request": {"method": "PUT", "url": "Observation/o1"}, "resource": observation("o1", "joe")},
        ],
    }  # fmt: skip
    assert (await admin.post("", json=batch, headers={"content-type": JSON})).status_code == 200
    assert patients(await house.events(code="read", outcome="0")) == ["Patient/ann"]
    assert len(await house.events(code="read", outcome="4")) == 1
    assert patients(
        [one for one in await house.events(code="create") if "Observation/o1/_history/1" in references(one)]
    ) == ["Patient/joe"]  # fmt: skip
    both = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "PUT", "url": f"Observation/t{of}"}, "resource": observation(f"t{of}", of)}
            for of in ("ann", "joe")
        ],
    }  # fmt: skip
    assert (await admin.post("", json=both, headers={"content-type": JSON})).status_code == 200
    created = [references(one)[0] for one in await house.events(code="create")]
    assert {"Observation/tann/_history/1", "Observation/tjoe/_history/1"} <= set(created)


async def test_a_write_and_its_event_are_one_transaction(house: House) -> None:
    admin = await house.client("admin")
    await house.settle()
    before = len(house.rows())
    assert (await put(admin, observation("o9", "ann"))).status_code == 201
    # Nothing was flushed: what happened came with the write itself.
    assert len(waiting(house)) == 1
    await house.settle()
    assert len(house.rows()) == before + 1

    async def failing() -> None:
        async with house.record.transaction(house.tenant) as tx:
            tx.audit(Happening(house.tenant, "access-changed", tx.now, Actor()))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await failing()
    assert waiting(house) == []


async def test_a_patient_finds_who_looked_at_their_record_and_nobody_elses(house: House) -> None:
    nurse = await house.client("practitioner", "Practitioner/nurse")
    admin = await house.client("admin")
    assert (await nurse.get("Patient/ann")).status_code == 200
    assert (await admin.get("Patient/joe")).status_code == 200
    await house.settle()
    ann = await house.client("patient", "Patient/ann")
    found = (await ann.get("AuditEvent?patient=ann&subtype=read&_sort=-date")).json()
    (entry,) = found["entry"]
    assert entry["resource"]["agent"][2]["who"]["reference"] == "Practitioner/nurse"
    agent = (await ann.get("AuditEvent?agent=Practitioner/nurse&patient=ann")).json()
    assert len(agent["entry"]) >= 1
    assert (await ann.get("AuditEvent?patient=joe")).json().get("entry", []) == []
    joes = (await admin.get("AuditEvent?patient=joe&subtype=read")).json()["entry"]
    assert (await ann.get(f"AuditEvent/{joes[0]['resource']['id']}")).status_code == 404


async def test_nobody_changes_or_deletes_an_audit_event(house: House) -> None:
    admin = await house.client("admin")
    await admin.get("Patient/ann")
    (event,) = await house.events(code="read")
    url = f"AuditEvent/{event['id']}"
    changed = await put(admin, {**event, "outcome": "8"})
    assert changed.status_code == 403, changed.text
    assert (await admin.delete(url)).status_code == 403
    assert (await admin.get(url)).json() == event


async def test_a_full_queue_makes_wait_and_loses_nothing(house: House) -> None:
    house.queue._most = 3
    admin = await house.client("admin")
    asked = [asyncio.create_task(admin.get("Patient/ann")) for _ in range(10)]
    while not all(one.done() for one in asked):
        await house.queue.flush()
        await asyncio.sleep(0)
    assert len(await house.events(code="read")) == 10


async def test_what_is_refused_to_strangers_in_a_flood_is_counted(
    audit_database: Database,
) -> None:
    at = datetime(2026, 3, 4, tzinfo=UTC)
    async with open_house(audit_database, clock=lambda: at, monotonic=lambda: 0.0) as house:
        client = house.stranger("wrong")
        for _ in range(30):
            assert (await client.get("Patient/ann")).status_code == 401
        assert len(await house.events(code="unauthenticated")) == 20


async def test_a_whole_record_handed_out_is_a_disclosure(house: House) -> None:
    admin = await house.client("admin")
    nurse = await house.client("practitioner", "Practitioner/nurse")
    await put(admin, observation("o1", "ann"))
    assert (await nurse.get("Patient/ann/$everything?_count=1")).status_code == 200
    (event,) = await house.events(code="disclosed")
    assert violations(event) == []
    assert references(event) == ["Patient/ann", "Patient/ann"]
    assert event["agent"][1]["who"] == {"reference": "Practitioner/nurse"}
    assert query_of(event) == "Patient/ann/$everything?_count=1"
    assert (await nurse.get("Patient/joe/$everything")).status_code == 404
    (refused,) = await house.events(outcome="4")
    assert [one for one in references(refused) if one.startswith("Patient")] == ["Patient/joe"]


async def test_the_statement_offers_what_is_done(house: House) -> None:
    admin = await house.client("admin")
    statement = (await admin.get("metadata")).json()
    (said,) = [one for one in statement["rest"][0]["resource"] if one["type"] == "AuditEvent"]
    assert not {"update", "patch", "delete"} & {one["code"] for one in said["interaction"]}
    await admin.get("Patient/ann")
    (event,) = await house.events(code="read")
    url = f"AuditEvent/{event['id']}"
    change = [{"op": "replace", "path": "/outcome", "value": "8"}]
    patched = await admin.patch(
        url, json=change, headers={"content-type": "application/json-patch+json"}
    )
    assert (patched.status_code, (await admin.delete(url)).status_code) == (403, 403)
    by_criteria = await admin.delete(f"AuditEvent?_id={event['id']}")
    assert by_criteria.status_code == 403
    free = {**event, "id": "an-apps-own"}
    assert (await put(admin, free)).status_code == 201
    assert (await put(admin, free)).status_code == 403


def _without_id(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "id"}
