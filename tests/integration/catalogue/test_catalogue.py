"""Profiles and search parameters stored as resources count as loaded, at once and everywhere."""

import asyncio
from typing import Any

import httpx
import pytest

from fhirserver.kernel.resource import Json
from fhirserver.store import catalogue as catalogues
from tests.conftest import Database
from tests.integration.catalogue.conftest import Process, open_process, until
from tests.integration.rest.conftest import JSON, observation
from tests.unit.validation.profiles.builders import profile, row

STRICT = profile("strict", "Patient", row("Patient.birthDate", min=1))
CLAIM: Json = {"resourceType": "Patient", "meta": {"profile": [STRICT["url"]]}}


async def post(client: httpx.AsyncClient, resource: Json) -> httpx.Response:
    return await client.post(
        resource["resourceType"], json=resource, headers={"content-type": JSON}
    )


def issues(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(one["severity"], (one.get("expression") or [""])[0]) for one in answer.json()["issue"]]


async def test_a_stored_profile_is_in_force_at_once(admin: httpx.AsyncClient) -> None:
    assert (await post(admin, CLAIM)).status_code == 201
    stored = await post(admin, STRICT)
    assert stored.status_code == 201, stored.text
    refused = await post(admin, CLAIM)
    assert refused.status_code == 422
    assert ("error", "Patient.birthDate") in issues(refused)
    assert (await post(admin, {**CLAIM, "birthDate": "1960-01-01"})).status_code == 201
    gone = await admin.delete(f"StructureDefinition/{stored.json()['id']}")
    assert gone.status_code in (200, 204)
    assert (await post(admin, CLAIM)).status_code == 201


async def test_other_processes_follow_and_other_tenants_do_not(
    database: Database, process: Process, admin: httpx.AsyncClient
) -> None:
    async with open_process(database) as other:
        second = await other.record.ensure_tenant("second")
        elsewhere = await other.admin(1)
        neighbour = await other.admin(second)
        assert (await post(admin, STRICT)).status_code == 201
        following = asyncio.create_task(other.catalogue.follow())
        try:
            await until(lambda: _is_refused(elsewhere))
        finally:
            following.cancel()
        assert (await post(neighbour, CLAIM)).status_code == 201


async def _is_refused(client: httpx.AsyncClient) -> bool:
    return (await post(client, CLAIM)).status_code == 422


async def test_a_process_that_starts_later_knows_it(
    database: Database, process: Process, admin: httpx.AsyncClient
) -> None:
    assert (await post(admin, STRICT)).status_code == 201
    async with open_process(database) as other:
        assert (await post(await other.admin(1), CLAIM)).status_code == 422


async def test_a_claim_of_an_unknown_profile_is_stored_with_a_warning(
    admin: httpx.AsyncClient,
) -> None:
    answer = await admin.post(
        "Patient",
        json=CLAIM,
        headers={"content-type": JSON, "prefer": "return=OperationOutcome"},
    )
    assert answer.status_code == 201
    assert ("warning", "Patient.meta.profile[0]") in issues(answer)


@pytest.mark.parametrize(
    ("change", "expression"),
    [
        ({"baseDefinition": "http://example.org/nowhere"}, "StructureDefinition"),
        ({"type": "Zebra"}, "StructureDefinition.differential"),
        ({"url": "http://hl7.org/fhir/StructureDefinition/Patient"}, "StructureDefinition.url"),
        (
            {"differential": {"element": [row("Patient"), row("Patient.wings", min=1)]}},
            "StructureDefinition.differential.element.where(id='Patient.wings')",
        ),
        (
            {
                "differential": {
                    "element": [
                        row(
                            "Patient",
                            constraint=[
                                {
                                    "key": "a-1",
                                    "severity": "error",
                                    "human": "h",
                                    "expression": "name.((",
                                }
                            ],
                        )
                    ]
                }
            },
            "StructureDefinition.differential.element.where(id='Patient')",
        ),
    ],
)
async def test_a_profile_nobody_can_use_is_refused(
    admin: httpx.AsyncClient, change: Json, expression: str
) -> None:
    answer = await post(admin, {**STRICT, **change})
    assert answer.status_code == 422
    assert ("error", expression) in issues(answer)


def parameter(code: str = "shoe-size", **more: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{code}",
        "name": "ShoeSize",
        "status": "active",
        "description": "d",
        "code": code,
        "base": ["Observation"],
        "type": "token",
        "expression": "Observation.bodySite",
        **more,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"expression": "Observation.((("},
        {"base": ["Patient"], "code": "gender", "expression": "Patient.extension.value"},
    ],
)
async def test_a_search_parameter_nobody_can_use_is_refused(
    admin: httpx.AsyncClient, change: Json
) -> None:
    answer = await post(admin, parameter(**change))
    assert answer.status_code == 422, answer.text


async def test_a_search_parameter_is_searched_once_it_is_enabled(
    process: Process, admin: httpx.AsyncClient
) -> None:
    assert (await post(admin, parameter())).status_code == 201
    about = observation("o1", "ann", bodySite={"coding": [{"system": "x:y", "code": "foot"}]})
    stored = await admin.put("Observation/o1", json=about, headers={"content-type": JSON})
    assert stored.status_code == 201, stored.text
    early = await admin.get("Observation", params={"shoe-size": "foot"})
    assert early.status_code == 400
    pending = process.catalogue.definitions_of(1).pending_parameters()
    async with process.record.transaction(1) as tx:
        await process.catalogue.enable(tx, pending)
    await process.catalogue.load()
    found = await admin.get("Observation", params={"shoe-size": "foot"})
    assert found.status_code == 200, found.text
    assert [one["resource"]["id"] for one in found.json()["entry"]] == ["o1"]


async def test_a_changed_search_parameter_waits_for_its_index_again(
    process: Process, admin: httpx.AsyncClient
) -> None:
    whole = {**parameter(), "id": "shoe"}
    url = f"SearchParameter/{whole['id']}"
    assert (await admin.put(url, json=whole, headers={"content-type": JSON})).status_code == 201
    pending = process.catalogue.definitions_of(1).pending_parameters()
    changed = {**whole, "expression": "Observation.method"}
    assert (await admin.put(url, json=changed, headers={"content-type": JSON})).status_code == 200
    async with process.record.transaction(1) as tx:
        await process.catalogue.enable(tx, pending)
    await process.catalogue.load()
    assert (await admin.get("Observation", params={"shoe-size": "a"})).status_code == 400


async def test_what_a_tenant_may_have_loaded_is_bounded(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogues, "MAX_RESOURCES", 1)
    assert (await post(admin, STRICT)).status_code == 201
    second = profile("second", "Patient")
    assert (await post(admin, second)).status_code == 422


async def test_a_failed_write_changes_nothing(process: Process, admin: httpx.AsyncClient) -> None:
    before = process.catalogue.definitions_of(1)

    async def undone() -> None:
        async with process.record.transaction(1) as tx:
            await tx.put(STRICT)
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        await undone()
    await process.catalogue.load()
    assert process.catalogue.definitions_of(1) is before


async def test_a_parameter_an_older_release_stored_stops_no_write(
    process: Process, admin: httpx.AsyncClient
) -> None:
    broken = parameter(base=["Patient"], expression="Patient.(((")
    async with process.record.transaction(1) as tx:
        await tx.put(broken)
    assert process.catalogue.definitions_of(1).pending_parameters() == {}
    assert (await post(admin, {"resourceType": "Patient"})).status_code == 201
