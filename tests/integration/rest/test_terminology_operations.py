"""Terminology, $convert, $diff and $graphql over HTTP, for administrators and for limited callers."""

import asyncio
import json

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import JSON, Clients, observation, patient, put

FHIR = {"content-type": JSON}
GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
ANIMALS = "http://example.org/CodeSystem/animals"
ROLES = ("nurse", "partner", "patient")

CODE_SYSTEM: Json = {
    "resourceType": "CodeSystem",
    "id": "animals",
    "url": ANIMALS,
    "status": "active",
    "content": "complete",
    "concept": [{"code": "dog", "display": "Dog"}, {"code": "bat", "display": "Bat"}],
}
VALUE_SET: Json = {
    "resourceType": "ValueSet",
    "id": "animals",
    "url": "http://example.org/ValueSet/animals",
    "status": "active",
    "compose": {"include": [{"system": ANIMALS}]},
}
CONCEPT_MAP: Json = {
    "resourceType": "ConceptMap",
    "id": "animals",
    "url": "http://example.org/ConceptMap/animals",
    "status": "active",
    "group": [
        {
            "source": ANIMALS,
            "target": "http://example.org/CodeSystem/plants",
            "element": [
                {"code": "dog", "target": [{"code": "dogwood", "equivalence": "relatedto"}]}
            ],
        }
    ],
}

CALLS = (
    f"ValueSet/$expand?url={GENDER}",
    f"ValueSet/$validate-code?url={GENDER}&code=male",
    f"CodeSystem/$validate-code?url={ANIMALS}&code=dog",
    f"CodeSystem/$lookup?system={ANIMALS}&code=dog",
    f"CodeSystem/$subsumes?system={ANIMALS}&codeA=dog&codeB=bat",
    f"ConceptMap/$translate?system={ANIMALS}&code=dog",
    "ValueSet/animals/$expand",
    "ValueSet/animals/$validate-code?code=bat",
    "CodeSystem/animals/$subsumes?codeA=dog&codeB=bat",
    "CodeSystem/animals/$validate-code?code=dog",
    "ConceptMap/animals/$translate?system=http://example.org/CodeSystem/animals&code=dog",
)


async def seed(admin: httpx.AsyncClient) -> None:
    for resource in (CODE_SYSTEM, VALUE_SET, CONCEPT_MAP):
        assert (await put(admin, resource)).status_code == 201


async def graphql(client: httpx.AsyncClient, query: str, url: str = "$graphql") -> httpx.Response:
    return await client.post(url, json={"query": query})


async def test_what_the_tenant_stored_is_loaded_at_once(clients: Clients) -> None:
    await seed(clients.admin)
    for call in CALLS:
        for client in (clients.admin, clients.nurse):
            answer = await client.get(call)
            assert answer.status_code == 200, (call, answer.text)
    expanded = (await clients.nurse.get("ValueSet/animals/$expand")).json()
    assert [row["code"] for row in expanded["expansion"]["contains"]] == ["dog", "bat"]
    xml = await clients.nurse.get("ValueSet/animals/$expand?_format=xml")
    assert b'<code value="dog"/>' in xml.content


async def test_a_change_of_terminology_counts_at_once(clients: Clients) -> None:
    await seed(clients.admin)
    url = f"CodeSystem/$lookup?system={ANIMALS}&code=cat"
    assert (await clients.admin.get(url)).status_code == 404
    more = {**CODE_SYSTEM, "concept": [{"code": "cat", "display": "Cat"}]}
    assert (await put(clients.admin, more)).status_code == 200
    assert (await clients.admin.get(url)).status_code == 200


@pytest.mark.parametrize("role", ROLES)
async def test_terminology_is_for_roles_that_may_read_it(clients: Clients, role: str) -> None:
    await seed(clients.admin)
    client = clients.by_role(role)
    for call in CALLS:
        resource_type = call.split("/")[0]
        readable = (await client.get(f"{resource_type}/animals")).status_code == 200
        answer = await client.get(call)
        expected = (200,) if readable else (403, 404)
        assert answer.status_code in expected, (role, call, answer.text)


async def test_nothing_without_a_token(clients: Clients) -> None:
    for call in (
        *CALLS,
        "$graphql?query={PatientList{id}}",
        "$diff?from=Patient/ann&to=Patient/ann",
    ):
        assert (await clients.nobody.get(call)).status_code == 401
    converted = await clients.nobody.post("$convert", json=patient("x"), headers=FHIR)
    assert converted.status_code == 401


@pytest.mark.parametrize(
    "call",
    [
        "ValueSet/$expand?url=http://nowhere.org/vs",
        "ValueSet/$validate-code?url=http://nowhere.org/vs&code=a",
        "CodeSystem/$validate-code?url=http://nowhere.org/cs&code=a",
        "CodeSystem/$lookup?system=http://nowhere.org/cs&code=a",
        "CodeSystem/$subsumes?system=http://nowhere.org/cs&codeA=a&codeB=b",
        "ConceptMap/$translate?url=http://nowhere.org/cm&system=http://x.org&code=a",
    ],
)
async def test_not_loaded_is_one_answer_everywhere(clients: Clients, call: str) -> None:
    answer = await clients.nurse.get(call)
    assert answer.status_code == 404
    (issue,) = answer.json()["issue"]
    assert issue["code"] == "not-found"
    assert "http://nowhere.org/" in issue["diagnostics"]
    assert issue["diagnostics"].endswith("is not loaded.")


async def test_convert_between_json_and_xml(clients: Clients) -> None:
    resource = observation("x", "ann", valueQuantity={"value": 1.5, "unit": "mg"})
    content = json.dumps(resource).replace("1.5", "1.50").encode()
    as_xml = await clients.patient.post(
        "$convert", content=content, headers={**FHIR, "accept": "application/fhir+xml"}
    )
    assert as_xml.status_code == 200, as_xml.text
    assert as_xml.headers["content-type"].startswith("application/fhir+xml")
    assert b'<value value="1.50"/>' in as_xml.content
    back = await clients.patient.post(
        "$convert", content=as_xml.content, headers={"content-type": "application/fhir+xml"}
    )
    assert back.status_code == 200
    assert back.json() == resource
    assert '"value":1.50' in back.text


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"resourceType": "Martian"}', b"<x/>"]
)
async def test_convert_refuses_what_is_no_resource(clients: Clients, content: bytes) -> None:
    for accept in (JSON, "application/fhir+xml"):
        answer = await clients.admin.post(
            "$convert", content=content, headers={**FHIR, "accept": accept}
        )
        assert 400 <= answer.status_code < 500 or content == b'{"resourceType": "Martian"}'
        assert answer.status_code < 500


async def test_diff_of_versions_is_a_patch(clients: Clients) -> None:
    first = patient("ann", gender="female", birthDate="1961-04-02")
    second = patient("ann", gender="female", active=True)
    await put(clients.admin, second)
    answer = await clients.nurse.get("Patient/ann/$diff")
    assert answer.status_code == 200, answer.text
    kinds = [
        (row["part"][0]["valueCode"], row["part"][1]["valueString"])
        for row in answer.json()["parameter"]
    ]
    assert sorted(kinds) == [("add", "Patient"), ("delete", "Patient.birthDate")]
    await put(clients.admin, first)
    patched = await clients.admin.patch("Patient/ann", content=answer.content, headers=FHIR)
    assert patched.status_code == 200, patched.text
    shown = patched.json()
    assert {name: shown[name] for name in shown if name != "meta"} == second
    same = "$diff?from=Patient/ann/_history/2&to=Patient/ann"
    assert (await clients.nurse.get(same)).json() == {"resourceType": "Parameters"}


async def test_diff_shows_nobody_what_they_may_not_read(clients: Clients) -> None:
    await put(clients.admin, patient("joe", active=True))
    for url in (
        "Patient/joe/$diff",
        "$diff?from=Patient/ann&to=Patient/joe",
        "$diff?from=Patient/joe/_history/1&to=Patient/ann",
    ):
        answer = await clients.nurse.get(url)
        assert answer.status_code == 404, url
        assert "Joe" not in answer.text
    absent = await clients.nurse.get("Patient/none/$diff")
    hidden = await clients.nurse.get("Patient/joe/$diff")
    assert absent.text.replace("none", "joe") == hidden.text


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("Patient/ann/$diff", 404),
        ("Patient/ann/$diff?fromVersion=x", 404),
        ("Patient/ann/$diff?fromVersion=99", 404),
        ("Patient/ann/$diff?from=Patient/joe", 400),
        ("$diff", 400),
        ("$diff?from=Patient/ann", 400),
        ("$diff?from=Patient/ann&to=nothing", 400),
        ("$diff?from=Patient/ann&to=Practitioner/nina", 422),
        ("$diff?from=Patient/ann&to=Patient/ann/_history/zero", 404),
    ],
)
async def test_diff_refuses(clients: Clients, url: str, status: int) -> None:
    answer = await clients.admin.get(url)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_graphql_reads_and_searches(clients: Clients) -> None:
    for number in range(3):
        await put(clients.admin, observation(f"bp{number}", "ann"))
    query = """{
        PatientList(family: "ann") {
            id
            ObservationList(_reference: patient, code: "8480-6", _count: 2) {
                valueQuantity { value }
                subject { resource { ... on Patient { name { family } } } }
            }
        }
        ObservationConnection(subject: "Patient/ann", _count: 2) { count next edges { mode } }
    }"""
    answer = await graphql(clients.nurse, query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json()
    assert "errors" not in found
    (ann,) = found["data"]["PatientList"]
    assert (
        ann["ObservationList"]
        == [
            {
                "valueQuantity": {"value": 120},
                "subject": {"resource": {"name": [{"family": "Ann"}]}},
            }
        ]
        * 2
    )
    connection = found["data"]["ObservationConnection"]
    assert (connection["count"], len(connection["edges"])) == (3, 2)
    rest = f"""{{ ObservationConnection(
        subject: "Patient/ann", _count: 2, _cursor: "{connection["next"]}"
    ) {{ next edges {{ resource {{ id }} }} }} }}"""
    told = (await graphql(clients.nurse, rest)).json()
    assert "errors" not in told, told
    page = told["data"]["ObservationConnection"]
    assert (page["next"], len(page["edges"])) == (None, 1)


async def test_graphql_on_an_instance_and_by_get(clients: Clients) -> None:
    answer = await graphql(clients.patient, "{ id name { family } }", "Patient/ann/$graphql")
    assert answer.json() == {"data": {"id": "ann", "name": [{"family": "Ann"}]}}
    answer = await clients.patient.get(
        "$graphql", params={"query": '{ Patient(id: "ann") { id } }'}
    )
    assert answer.json() == {"data": {"Patient": {"id": "ann"}}}


@pytest.mark.parametrize("role", ROLES)
async def test_graphql_shows_only_the_own_patients(clients: Clients, role: str) -> None:
    for of in ("ann", "joe"):
        await put(clients.admin, observation(f"bp-{of}", of))
    client = clients.by_role(role)
    answer = await graphql(
        client,
        """{
            PatientList { id }
            PatientConnection { count }
            ObservationList { subject { reference resource(optional: true) { id } } }
            joe: Patient(id: "joe") { id }
        }""",
    )
    found = answer.json()["data"]
    assert found["PatientList"] == [{"id": "ann"}]
    assert found["PatientConnection"] == {"count": 1}
    assert found["joe"] is None
    assert "joe" not in json.dumps(found["ObservationList"])
    hidden = await graphql(client, "{ id }", "Patient/joe/$graphql")
    absent = await graphql(client, "{ id }", "Patient/none/$graphql")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("joe", "none") == absent.text


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"query": "{"}', "application/json", 400),
        (b'{"query": "{ Martian { id } }"}', "application/json", 400),
        (b'{"query": "{ __schema { types { name } } }"}', "application/json", 400),
        (b'{"query": "' + b"{" * 3000 + b'"}', "application/json", 422),
        (b"{ PatientList { " + b"id " * 3000 + b"} }", "application/graphql", 422),
        (b"{ PatientList { id } }", "text/plain", 415),
        (b"\xff\xfe", "application/graphql", 400),
    ],
)
async def test_graphql_refuses(
    clients: Clients, content: bytes, media_type: str, status: int
) -> None:
    answer = await clients.nurse.post(
        "$graphql", content=content, headers={"content-type": media_type}
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_graphql_asked_by_many_at_once(clients: Clients) -> None:
    query = "{ PatientList { generalPractitioner { resource(optional: true) { id } } } }"
    answers = await asyncio.gather(*(graphql(clients.admin, query) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
