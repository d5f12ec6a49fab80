"""Batches and transactions over a real database."""

import asyncio
import base64
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from fhirserver.kernel.keys import bucket_of_row, row_of
from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import BASE, JSON, Clients, observation, patient, put

FHIR = {"content-type": JSON}


def entry(method: str, url: str, resource: Json | None = None, **more: Any) -> Json:
    full_url = more.pop("full_url", None)
    made: Json = {"request": {"method": method, "url": url, **more}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


async def post(
    client: httpx.AsyncClient, kind: str, *entries: Json, prefer: str = ""
) -> httpx.Response:
    headers = {**FHIR, "prefer": prefer} if prefer else FHIR
    return await client.post(BASE, json=bundle(kind, *entries), headers=headers)


def statuses(answer: httpx.Response) -> list[str]:
    return [one["response"]["status"][:3] for one in answer.json()["entry"]]


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


async def test_the_entries_of_a_transaction_refer_to_each_other(clients: Clients) -> None:
    who, when, what = urn(), urn(), urn()
    encounter: Json = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "HH"},
        "subject": {"reference": who},
    }
    measured = observation("ignored", None)
    measured |= {
        "subject": {"reference": who},
        "encounter": {"reference": when},
        "contained": [{"resourceType": "Specimen", "id": "s", "subject": {"reference": who}}],
        "specimen": {"reference": "#s"},
        "extension": [{"url": "http://example.org/seen", "valueUri": when}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{who}">she</a></div>',
        },
    }
    answer = await post(
        clients.admin,
        "transaction",
        entry("POST", "Observation", measured, full_url=what),
        entry("POST", "Encounter", encounter, full_url=when),
        entry("POST", "Patient", {"resourceType": "Patient", "active": True}, full_url=who),
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "transaction-response"
    assert statuses(answer) == ["201"] * 3
    places = [one["response"]["location"].split("/_history")[0] for one in answer.json()["entry"]]
    ids = ["/".join(place.split("/")[-2:]) for place in places]
    stored = (await clients.admin.get(ids[0])).json()
    assert stored["subject"]["reference"] == ids[2]
    assert stored["encounter"]["reference"] == ids[1]
    assert stored["contained"][0]["subject"]["reference"] == ids[2]
    assert stored["extension"][0]["valueUri"] == ids[1]
    assert f'href="{ids[2]}"' in stored["text"]["div"]
    assert (await clients.admin.get(ids[1])).json()["subject"]["reference"] == ids[2]
    found = (await clients.admin.get(f"Observation?subject={ids[2]}")).json()
    assert len(found["entry"]) == 1
    patient_row, observation_row = row_of(ids[2][8:]), row_of(ids[0][12:])
    assert patient_row is not None
    assert observation_row is not None
    assert bucket_of_row(patient_row) == bucket_of_row(observation_row)


async def test_a_transaction_is_processed_in_the_order_of_the_specification(
    clients: Clients,
) -> None:
    await put(clients.admin, observation("old", "ann", status="preliminary"))
    answer = await post(
        clients.admin,
        "transaction",
        entry("GET", "Observation?subject=Patient/ann"),
        entry("PUT", "Patient/ann", patient("ann", active=True), ifMatch='W/"1"'),
        entry("POST", "Observation", observation("x", "ann")),
        entry("DELETE", "Observation/old"),
        entry("GET", "Patient/ann"),
        prefer="return=representation",
    )

    assert statuses(answer) == ["200", "200", "201", "204", "200"]
    entries = answer.json()["entry"]
    assert len(entries[0]["resource"]["entry"]) == 1
    assert entries[0]["resource"]["entry"][0]["resource"]["id"] != "old"
    assert entries[4]["resource"]["active"] is True
    assert entries[1]["response"]["etag"] == 'W/"2"'
    assert entries[1]["resource"]["meta"]["versionId"] == "2"


BAD = observation("x", "ann", status="unheard")


@pytest.mark.parametrize(
    ("failing", "status", "place"),
    [
        (entry("POST", "Observation", BAD), 422, "Bundle.entry[1].resource.status"),
        (entry("PUT", "Patient/ann", patient("ann"), ifMatch='W/"9"'), 412, "Bundle.entry[1]"),
        (entry("PUT", "Patient/ann", patient("joe")), 400, "Bundle.entry[1]"),
        (entry("PATCH", "Patient/ann", {"resourceType": "Parameters"}), 400, "Bundle.entry[1]"),
        (entry("PATCH", "Patient/none", {"resourceType": "Parameters"}), 404, "Bundle.entry[1]"),
        (entry("DELETE", "Patient"), 400, "Bundle.entry[1]"),
        (entry("DELETE", "Patient?birthdate=gt1900"), 412, "Bundle.entry[1]"),
        (entry("POST", "Patient/joe", patient("joe")), 400, "Bundle.entry[1]"),
        (entry("POST", "Patient/$expunge", {"resourceType": "Parameters"}), 400, "Bundle.entry[1]"),
        (entry("POST", "Unheard", {"resourceType": "Unheard"}), 400, "Bundle.entry[1]"),
        (entry("BREW", "Patient"), 400, "Bundle.entry[1]"),
        ({"resource": patient("x")}, 400, "Bundle.entry[1]"),
    ],
)
async def test_one_bad_entry_stores_nothing(
    clients: Clients, failing: Json, status: int, place: str
) -> None:
    answer = await post(
        clients.admin,
        "transaction",
        entry("POST", "Observation", observation("x", "ann")),
        failing,
        entry("DELETE", "Patient/joe"),
    )

    assert answer.status_code == status, answer.text
    issue = answer.json()["issue"][0]
    assert issue["expression"][0].startswith(place), issue
    assert (await clients.admin.get("Patient/joe")).status_code == 200
    assert "entry" not in (await clients.admin.get("Observation?subject=Patient/ann")).json()


async def test_duplicates_are_refused(clients: Clients) -> None:
    same = urn()
    fresh = {"resourceType": "Patient"}
    for pair in (
        (entry("PUT", "Patient/ann", patient("ann")), entry("DELETE", "Patient/ann")),
        (entry("POST", "Patient", fresh, full_url=same),
         entry("POST", "Patient", fresh, full_url=same)),
        (entry("POST", "Patient", fresh, ifNoneExist="identifier=a"),
         entry("POST", "Patient", fresh, ifNoneExist="identifier=a")),
        (entry("PUT", "Patient/ann", patient("ann")), entry("DELETE", "Patient?_id=ann")),
    ):  # fmt: skip
        answer = await post(clients.admin, "transaction", *pair)
        assert answer.status_code == 400, answer.text
    assert (await clients.admin.get("Patient/ann")).headers["etag"] == 'W/"1"'


async def test_unknown_references_inside_a_transaction_are_refused(clients: Clients) -> None:
    lost = observation("x", None, subject={"reference": urn()})

    answer = await post(clients.admin, "transaction", entry("POST", "Observation", lost))

    assert answer.status_code == 400
    assert "not in the Bundle" in answer.json()["issue"][0]["diagnostics"]


async def test_conditional_references_and_creates(clients: Clients) -> None:
    identifier = [{"system": "urn:x", "value": "dr"}]
    doctor: Json = {"resourceType": "Practitioner", "identifier": identifier}
    await clients.admin.post("Practitioner", json=doctor, headers=FHIR)
    condition = "Practitioner?identifier=urn:x|dr"
    link = urn()
    measured = observation("x", "ann", performer=[{"reference": condition}, {"reference": link}])

    async def send() -> httpx.Response:
        return await post(
            clients.admin,
            "transaction",
            entry("POST", "Observation", measured),
            entry(
                "POST",
                "Practitioner",
                {"resourceType": "Practitioner", "identifier": [{"value": "new"}]},
                full_url=link,
                ifNoneExist="identifier=new",
            ),
        )

    first, second = await send(), await send()

    assert (statuses(first), statuses(second)) == (["201", "201"], ["201", "200"])
    found = (await clients.admin.get("Observation?subject=Patient/ann")).json()["entry"]
    performers = {tuple(p["reference"] for p in one["resource"]["performer"]) for one in found}
    assert len(performers) == 1
    assert all(reference.startswith("Practitioner/0") for reference in performers.pop())
    missing = observation("x", "ann", performer=[{"reference": "Practitioner?identifier=none"}])
    answer = await post(clients.admin, "transaction", entry("POST", "Observation", missing))
    assert answer.status_code == 412


async def test_parallel_transactions_with_the_same_condition_make_one(clients: Clients) -> None:
    async def send() -> list[str]:
        who = urn()
        answer = await post(
            clients.admin,
            "transaction",
            entry(
                "POST",
                "Patient",
                {"resourceType": "Patient", "identifier": [{"value": "once"}]},
                full_url=who,
                ifNoneExist="identifier=once",
            ),
            entry("POST", "Observation", observation("x", None, subject={"reference": who})),
        )
        assert answer.status_code == 200, answer.text
        return statuses(answer)

    found = await asyncio.gather(*(send() for _ in range(12)))

    assert Counter(one[0] for one in found) == {"201": 1, "200": 11}
    made = (await clients.admin.get("Patient?identifier=once")).json()["entry"]
    assert len(made) == 1
    own = await clients.admin.get(f"Observation?subject=Patient/{made[0]['resource']['id']}")
    assert len(own.json()["entry"]) == 12


async def test_patches_in_a_transaction(clients: Clients) -> None:
    merge = base64.b64encode(b'{"active":true}').decode()
    binary = {
        "resourceType": "Binary",
        "contentType": "application/merge-patch+json",
        "data": merge,
    }
    changes = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "replace"},
                    {"name": "path", "valueString": "Patient.gender"},
                    {"name": "value", "valueCode": "other"},
                ],
            }
        ],
    }
    answer = await post(
        clients.admin,
        "transaction",
        entry("PATCH", "Patient/joe", binary),
        entry("PATCH", "Patient?_id=ann", changes),
    )

    assert statuses(answer) == ["200", "200"], answer.text
    assert (await clients.admin.get("Patient/joe")).json()["active"] is True
    assert (await clients.admin.get("Patient/ann")).json()["gender"] == "other"


async def test_conditional_updates_and_deletes_in_a_transaction(clients: Clients) -> None:
    new = {"resourceType": "Patient", "identifier": [{"value": "up"}]}
    who = urn()
    await put(clients.admin, observation("going", "joe", status="cancelled"))
    answer = await post(
        clients.admin,
        "transaction",
        entry("PUT", "Patient?identifier=up", new, full_url=who),
        entry("POST", "Observation", observation("x", None, subject={"reference": who})),
        entry("DELETE", "Observation?status=cancelled"),
        entry("DELETE", "Observation?status=unknown"),
    )

    assert statuses(answer) == ["201", "201", "204", "204"], answer.text
    made = (await clients.admin.get("Patient?identifier=up")).json()["entry"][0]["resource"]["id"]
    found = await clients.admin.get(f"Observation?subject=Patient/{made}")
    assert len(found.json()["entry"]) == 1


async def test_the_entries_of_a_batch_stand_alone(clients: Clients) -> None:
    answer = await post(
        clients.admin,
        "batch",
        entry("POST", "Observation", observation("x", "ann")),
        entry("POST", "Observation", BAD),
        entry("GET", "Patient/none"),
        entry("GET", "Patient/ann", ifNoneMatch='W/"1"'),
        entry("GET", "Patient?gender=male"),
        entry("PUT", "Patient/ann", patient("ann"), ifMatch='W/"7"'),
        entry("PATCH", "Patient/ann", {"resourceType": "Parameters"}),
        entry("GET", "metadata"),
        {"fullUrl": "nothing"},
        entry("POST", "", bundle("batch")),
        entry("DELETE", "Patient/joe"),
        entry("GET", "Patient/joe"),
    )

    assert answer.status_code == 200, answer.text
    found = ["201", "422", "404", "304", "200", "412", "400"]
    assert statuses(answer)[:7] == found
    assert statuses(answer)[8:] == ["400", "400", "204", "410"]
    entries = answer.json()["entry"]
    assert entries[1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert entries[4]["resource"]["type"] == "searchset"


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        {"resourceType": "Bundle", "type": "transaction", "entry": [1]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": []}]},
    ],
)
async def test_what_is_no_batch_is_refused(clients: Clients, body: Json) -> None:
    answer = await clients.admin.post(BASE, json=body, headers=FHIR)

    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_an_empty_bundle_has_an_empty_answer(clients: Clients) -> None:
    for kind in ("batch", "transaction"):
        answer = await clients.admin.post(
            BASE, json={"resourceType": "Bundle", "type": kind}, headers=FHIR
        )
        assert answer.json() == {"resourceType": "Bundle", "type": f"{kind}-response"}


async def test_callers_have_the_same_rights_in_bundles(clients: Clients) -> None:
    await put(clients.admin, observation("joes", "joe"))
    hidden = await post(
        clients.nurse,
        "batch",
        entry("GET", "Observation/joes"),
        entry("GET", "Observation?subject=Patient/joe"),
        entry("PUT", "Observation/joes", observation("joes", "ann")),
        entry("POST", "Observation", observation("x", "joe")),
        entry("POST", "Observation", observation("x", "ann")),
    )
    assert statuses(hidden) == ["404", "200", "404", "403", "201"]
    assert "entry" not in hidden.json()["entry"][1]["resource"]

    refused = await post(
        clients.nurse,
        "transaction",
        entry("POST", "Observation", observation("x", "ann")),
        entry("POST", "Observation", observation("x", "joe")),
    )
    assert refused.status_code == 403
    through = observation("x", "ann", focus=[{"reference": "Patient?_id=joe"}])
    oracle = await post(clients.nurse, "transaction", entry("POST", "Observation", through))
    assert oracle.status_code == 412
    seen = (await clients.nurse.get("Observation?subject=Patient/ann")).json()["entry"]
    assert len(seen) == 1
    assert (await post(clients.nobody, "batch")).status_code == 401
    own = urn()
    smuggled = await post(
        clients.nurse,
        "transaction",
        entry("POST", "Patient", {"resourceType": "Patient"}, full_url=own),
        entry("POST", "Observation", observation("x", None, subject={"reference": own})),
    )
    assert smuggled.status_code == 403


async def test_a_large_transaction(clients: Clients) -> None:
    who = urn()
    entries = [entry("POST", "Patient", {"resourceType": "Patient"}, full_url=who)]
    entries += [
        entry("POST", "Observation", observation("x", None, subject={"reference": who}))
        for _ in range(300)
    ]
    entries += [entry("PUT", f"Practitioner/p{n}", {"resourceType": "Practitioner", "id": f"p{n}"})
                for n in range(50)]  # fmt: skip
    entries += [entry("POST", "Patient", {"resourceType": "Patient"}) for _ in range(30)]

    answer = await post(clients.admin, "transaction", *entries)
    again = await post(clients.admin, "transaction", *entries)

    assert Counter(statuses(answer)) == {"201": 381}
    assert Counter(statuses(again)) == {"201": 331, "200": 50}
    place = answer.json()["entry"][0]["response"]["location"].split("/_history")[0]
    found = await clients.admin.get(f"Observation?subject={place}&_count=1000")
    assert len(found.json()["entry"]) == 300
    assert (await clients.admin.get("Practitioner/p7")).headers["etag"] == 'W/"2"'
