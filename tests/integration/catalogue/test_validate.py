"""$validate over HTTP: types and instances, modes, profiles, and callers who may not do everything.

Spec: https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from typing import Any

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import JSON
from tests.unit.validation.profiles.builders import CORE, profile, row

STRICT = profile("strict", "Patient", row("Patient.birthDate", min=1))
ANN: Json = {"resourceType": "Patient", "id": "ann", "name": [{"family": "Ann"}]}


async def ask(client: httpx.AsyncClient, path: str, body: Json, **query: Any) -> httpx.Response:
    return await client.post(
        f"{path}/$validate", json=body, params=query, headers={"content-type": JSON}
    )


def parameters(**given: Any) -> Json:
    rows = []
    for name, value in given.items():
        kind = {"resource": "resource", "mode": "valueCode", "profile": "valueUri"}[name]
        rows.append({"name": name, kind: value})
    return {"resourceType": "Parameters", "parameter": rows}


def issues(answer: httpx.Response) -> list[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    return [
        (one["severity"], one["code"], (one.get("expression") or [""])[0])
        for one in answer.json()["issue"]
        if one["severity"] not in ("warning", "information")
    ]


VALID: list[tuple[str, str, str]] = []


async def test_advice_and_none(admin: httpx.AsyncClient) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Ann</div>'
    told = await ask(admin, "Patient", {**ANN, "text": {"status": "generated", "div": div}})
    (only,) = told.json()["issue"]
    assert (only["severity"], only["code"]) == ("information", "informational")
    (advice,) = (await ask(admin, "Patient", ANN)).json()["issue"]
    assert advice["severity"] == "warning"
    assert advice["diagnostics"].startswith("dom-6")


async def test_a_resource_by_itself(admin: httpx.AsyncClient) -> None:
    assert issues(await ask(admin, "Patient", {"resourceType": "Patient"})) == VALID
    wrong = {"resourceType": "Patient", "gender": "x", "birthDate": "soon", "wings": 2}
    found = issues(await ask(admin, "Patient", wrong))
    assert {one[2] for one in found} == {"Patient.gender", "Patient.birthDate", "Patient.wings"}


async def test_nothing_is_stored(admin: httpx.AsyncClient) -> None:
    body = {"resourceType": "Patient", "id": "eve", "name": [{"family": "Eve"}]}
    assert issues(await ask(admin, "Patient", parameters(resource=body, mode="create"))) == VALID
    assert (await admin.get("Patient/eve")).status_code == 404


async def test_profiles(admin: httpx.AsyncClient) -> None:
    stored = await admin.post("StructureDefinition", json=STRICT, headers={"content-type": JSON})
    assert stored.status_code == 201, stored.text
    expected = [("error", "required", "Patient.birthDate")]
    asked = parameters(resource=ANN, profile=STRICT["url"])
    assert issues(await ask(admin, "Patient", asked)) == expected
    assert issues(await ask(admin, "Patient", ANN, profile=STRICT["url"])) == expected
    claimed = {**ANN, "meta": {"profile": [STRICT["url"]]}}
    assert issues(await ask(admin, "Patient", claimed)) == expected
    assert issues(await ask(admin, "Patient", ANN, profile=CORE + "Patient")) == VALID
    unknown = issues(await ask(admin, "Patient", ANN, profile="http://example.org/nowhere"))
    assert unknown == [("error", "not-found", "Patient")]


async def test_an_instance(admin: httpx.AsyncClient) -> None:
    assert issues(await admin.get("Patient/ann/$validate")) == VALID
    found = issues(await admin.get("Patient/ann/$validate", params={"profile": CORE + "bp"}))
    assert found == [("error", "structure", "Patient")]
    assert issues(await ask(admin, "Patient/ann", ANN)) == VALID
    other = {**ANN, "id": "joe"}
    assert issues(await ask(admin, "Patient/ann", other)) == [("error", "invalid", "Patient.id")]


async def test_modes(admin: httpx.AsyncClient) -> None:
    for mode in ("create", "update", "delete", "profile"):
        answer = await ask(admin, "Patient/ann", parameters(resource=ANN, mode=mode))
        assert issues(answer) == VALID
    assert (await admin.get("Patient/ann")).status_code == 200
    nameless = await ask(admin, "Patient", parameters(mode="delete"))
    assert nameless.status_code == 400
    assert (await ask(admin, "Patient", parameters(resource=ANN, mode="wish"))).status_code == 400


async def test_a_question_without_resource(admin: httpx.AsyncClient) -> None:
    assert (await admin.get("Patient/$validate")).status_code == 400
    assert (await admin.get("Patient/nobody/$validate")).status_code == 404


async def test_a_resource_of_another_type(admin: httpx.AsyncClient) -> None:
    found = issues(await ask(admin, "Observation", {"resourceType": "Patient"}))
    assert found == [("error", "invalid", "resourceType")]


@pytest.mark.parametrize("kind", ["Zebra", "", 7, None])
async def test_what_is_no_resource(admin: httpx.AsyncClient, kind: Any) -> None:
    answer = await ask(admin, "Patient", parameters(resource={"resourceType": kind, "x": [1]}))
    assert answer.status_code in (200, 400)
    assert any(one["severity"] == "error" for one in answer.json()["issue"])


async def test_callers_learn_nothing_about_whom_they_may_not_see(
    nurse: httpx.AsyncClient,
) -> None:
    assert issues(await nurse.get("Patient/ann/$validate")) == VALID
    hidden = await nurse.get("Patient/joe/$validate")
    absent = await nurse.get("Patient/nobody/$validate")
    assert hidden.status_code == absent.status_code == 404
    assert (
        hidden.json()["issue"][0]["diagnostics"].replace("joe", "nobody")
        == (absent.json()["issue"][0]["diagnostics"])
    )


async def test_what_a_caller_could_not_write_is_told(nurse: httpx.AsyncClient) -> None:
    about_joe = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "a"},
        "subject": {"reference": "Patient/joe"},
    }
    assert issues(await ask(nurse, "Observation", about_joe)) == VALID
    tried = issues(await ask(nurse, "Observation", parameters(resource=about_joe, mode="create")))
    assert [one[:2] for one in tried] == [("error", "forbidden")]
