"""AuditEvents are found by every parameter, also by those that few keys are kept for, written by us or by clients."""

from collections.abc import Callable
from urllib.parse import quote

import pytest

from fhirserver.kernel.resource import Json
from tests.integration.auditing.conftest import House, references
from tests.integration.rest.conftest import JSON, observation, put

REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
OUTCOME = "http://hl7.org/fhir/audit-event-outcome"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBSERVER = "urn:oid:1.2.3|other"
# What a client writes: the codes of ours in another system, another source, and no patient.
FOREIGN = {
    "resourceType": "AuditEvent",
    "type": {"system": "urn:x", "code": "rest"},
    "subtype": [{"system": "urn:x", "code": "read"}],
    "recorded": "2024-02-03T04:05:06Z",
    "agent": [{"who": {"identifier": {"value": "other"}}, "requestor": True}],
    "source": {"observer": {"identifier": {"system": "urn:oid:1.2.3", "value": "other"}}},
}

Wanted = Callable[[Json], bool]


def _type(system: str, code: str) -> Wanted:
    return lambda event: event["type"] == {"system": system, "code": code}


def _subtype(system: str, *codes: str) -> Wanted:
    return lambda event: any(
        one["system"] == system and one["code"] in codes for one in event.get("subtype", ())
    )


def _about(reference: str) -> Wanted:
    return lambda event: reference in references(event)


def _is_foreign(event: Json) -> bool:
    return str(event["recorded"]).startswith("2024")


def _by(reference: str) -> Wanted:
    return lambda event: any(one["who"].get("reference") == reference for one in event["agent"])


def _from(address: str) -> Wanted:
    return lambda event: any(
        one.get("network", {}).get("address", "").startswith(address) for one in event["agent"]
    )


SEARCHES: list[tuple[str, Wanted]] = [
    ("patient=ann", _about("Patient/ann")),
    ("patient=joe&outcome=4", lambda one: _about("Patient/joe")(one) and one["outcome"] == "4"),
    ("agent=Practitioner/nurse", _by("Practitioner/nurse")),
    ("agent:identifier=other", _is_foreign),
    ("entity=Observation/o1", _about("Observation/o1/_history/1")),
    ("type=rest", lambda one: one["type"]["code"] == "rest"),
    (f"type={REST}|rest", _type(REST, "rest")),
    ("type=urn:x|rest", _type("urn:x", "rest")),
    ("type=|rest", lambda _: False),
    (f"type:not={REST}|rest", lambda one: not _type(REST, "rest")(one)),
    ("type=urn:x|", _is_foreign),
    (f"subtype={INTERACTION}|read,{INTERACTION}|search", _subtype(INTERACTION, "read", "search")),
    ("action=R", lambda one: one.get("action") == "R"),
    ("action:missing=true", lambda one: "action" not in one),
    ("action:missing=false", lambda one: "action" in one),
    ("outcome=4", lambda one: one.get("outcome") == "4"),
    (f"outcome={OUTCOME}|4", lambda one: one.get("outcome") == "4"),
    ("patient:missing=true", lambda one: not any(r.startswith("Patient/") for r in references(one))),
    (f"source:identifier={OBSERVER}", _is_foreign),
    ("source:identifier=other", _is_foreign),
    (
        f"entity-type={ENTITY}|1",
        lambda event: any(
            one.get("type") == {"system": ENTITY, "code": "1"} for one in event.get("entity", ())
        ),
    ),
    ("address=127.0.0", _from("127.0.0")),
    ("date=lt2025", _is_foreign),
    ("date=ge2025&subtype=read", lambda one: not _is_foreign(one) and _subtype(INTERACTION, "read")(one)),
]  # fmt: skip


@pytest.fixture
async def events(house: House) -> list[Json]:
    """Events of reads, searches, writes and refusals, and one of a client."""
    admin = await house.client("admin")
    nurse = await house.client("practitioner", "Practitioner/nurse")
    assert (await put(admin, observation("o1", "ann"))).status_code == 201
    for url, status in (
        ("Patient/ann", 200),
        ("Observation/o1", 200),
        ("Observation?patient=ann", 200),
        ("Patient/joe", 404),
        ("metadata", 200),
    ):
        assert (await nurse.get(url)).status_code == status
    made = await admin.post("AuditEvent", json=FOREIGN, headers={"content-type": JSON})
    assert made.status_code == 201, made.text
    return await house.events()


async def test_every_search_finds_what_is_there_and_nothing_else(
    house: House, events: list[Json]
) -> None:
    admin = await house.client("admin")
    assert sum(map(_is_foreign, events)) == 1
    for query, wanted in SEARCHES:
        url = f"AuditEvent?_count=200&_total=accurate&{quote(query, safe='=&,:|?/')}"
        bundle = (await admin.get(url)).json()
        assert bundle["resourceType"] == "Bundle", bundle
        found = {one["resource"]["id"] for one in bundle.get("entry", ())}
        assert found == {one["id"] for one in events if wanted(one)}, query
        assert bundle["total"] == len(found), query
