"""Seeding writes once, through REST, and a second run writes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.demo.cast import HOUSEHOLDS
from simulator.demo.seeding import (
    MONITORING_RULE,
    care_team,
    issue_tokens,
    own_rule,
    seed_devices,
    seed_people,
)
from simulator.record import Record, RecordError

BASE = "http://server/fhir"


class Memory:
    """As much of a FHIR server as seeding needs."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.operations: list[tuple[str, dict[str, Any]]] = []
        self.app = Starlette(
            routes=[
                Route("/fhir/$issue-token", self.operate, methods=["POST"]),
                Route("/fhir/Device/{id}/$enroll", self.operate, methods=["POST"]),
                Route("/fhir/{type}/{id}", self.one, methods=["GET", "PUT"]),
            ]
        )

    async def one(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer admin"
        reference = "{type}/{id}".format(**request.path_params)
        known = self.resources.get(reference)
        if request.method == "GET":
            return Response(status_code=404) if known is None else JSONResponse(known)
        if known is not None:
            assert request.headers["if-match"] == f'W/"{known["meta"]["versionId"]}"'
        body = orjson.loads(await request.body())
        version = 1 if known is None else int(known["meta"]["versionId"]) + 1
        body["meta"] = body.get("meta", {}) | {"versionId": str(version)}
        self.resources[reference] = body
        self.writes.append(reference)
        return JSONResponse(body, 201)

    async def operate(self, request: Request) -> Response:
        self.operations.append((request.url.path, orjson.loads(await request.body())))
        if request.url.path.endswith("$enroll"):
            values = {"username": "u", "password": "p", "tenant": "t1", "device": "E"}
        else:
            values = {"token": f"token-{len(self.operations)}"}
        parameter = [{"name": name, "valueString": value} for name, value in values.items()]
        return JSONResponse({"resourceType": "Parameters", "parameter": parameter})


@pytest.fixture
async def memory() -> AsyncIterator[tuple[Memory, Record]]:
    made = Memory()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made.app)) as http:
        yield made, Record(http, BASE, "admin")


async def test_a_second_run_writes_nothing(memory: tuple[Memory, Record]) -> None:
    server, record = memory
    credentials = await seed_devices(record)
    await seed_people(record)
    first = list(server.writes)
    assert len(first) == len(set(first))
    assert len(credentials) == 8
    await seed_devices(record)
    await seed_people(record)
    assert server.writes == first


async def test_references_exist_before_they_are_used(memory: tuple[Memory, Record]) -> None:
    server, record = memory
    await seed_devices(record)
    await seed_people(record)
    seen: set[str] = set()

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["reference"]] if isinstance(value.get("reference"), str) else []
            return own + [r for child in value.values() for r in references(child)]
        if isinstance(value, list):
            return [r for child in value for r in references(child)]
        return []

    for reference in server.writes:
        assert set(references(server.resources[reference])) <= seen
        seen.add(reference)


async def test_a_changed_resource_is_updated_by_version(memory: tuple[Memory, Record]) -> None:
    server, record = memory
    patient = {"resourceType": "Patient", "id": "p", "active": True}
    await record.ensure(patient)
    await record.ensure(patient | {"active": False})
    assert server.resources["Patient/p"]["meta"]["versionId"] == "2"


async def test_tokens_are_asked_for_each_role(memory: tuple[Memory, Record]) -> None:
    server, record = memory
    tokens = await issue_tokens(record, "admin")
    assert set(tokens) == {"admin", "clinician", "partner", "patient"}
    asked = [
        {p["name"]: p.get("valueCode") or p.get("valueString") for p in body["parameter"]}
        for _, body in server.operations
    ]
    assert [(one["kind"], one["reference"]) for one in asked] == [
        ("practitioner", "Practitioner/demo-nurse"),
        ("related-person", "RelatedPerson/demo-partner-a"),
        ("patient", "Patient/demo-patient-a"),
    ]


async def test_a_refusal_says_what_the_server_said() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"diagnostics": "unknown element", "expression": ["Patient.colour"]}],
    }
    app = Starlette(
        routes=[Route("/{path:path}", lambda request: JSONResponse(outcome, 422), methods=["GET"])]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        with pytest.raises(RecordError, match=r"422 unknown element Patient\.colour"):
            await Record(http, BASE, "admin").read("Patient/p")


def test_the_care_team_calls_two_care_partners_before_the_nurse() -> None:
    team = care_team(HOUSEHOLDS[1])
    tiers = [
        (p["member"]["reference"], p["extension"][0]["valuePositiveInt"])
        for p in team["participant"]
    ]
    assert tiers == [
        ("RelatedPerson/demo-partner-b", 1),
        ("RelatedPerson/demo-second-b", 2),
        ("Practitioner/demo-nurse", 3),
    ]


def test_the_own_rule_has_the_published_shape() -> None:
    rule = own_rule(HOUSEHOLDS[2], 100)
    assert (rule["status"], rule["intent"]) == ("active", "order")
    extension = rule["extension"][0]
    assert extension["url"] == MONITORING_RULE
    parts = {part["url"]: part for part in extension["extension"]}
    assert parts["limit"]["valueRange"]["low"]["value"] == 100
    assert parts["parameter"]["valueCodeableConcept"]["coding"][0]["code"] == "150021"
    assert parts["priority"]["valueCode"] == "PH"


async def test_who_is_asked_to_be_slower_waits_and_asks_again() -> None:
    answers = [
        JSONResponse({}, 429, headers={"Retry-After": "0"}),
        JSONResponse({}, 429, headers={"Retry-After": "0"}),
        JSONResponse({"resourceType": "Patient", "id": "p"}),
    ]
    app = Starlette(routes=[Route("/{path:path}", lambda request: answers.pop(0))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        found = await Record(http, BASE, "admin").read("Patient/p")
    assert found == {"resourceType": "Patient", "id": "p"}
    assert not answers
