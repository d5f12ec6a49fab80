"""Jobs, $reindex, $expunge and retention as clients see them, and who is refused."""

from typing import Any

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House, call, entries, store
from tests.integration.rest.conftest import JSON, patient

KIN: Json = {
    "resourceType": "SearchParameter",
    "id": "kin",
    "url": "https://example.org/SearchParameter/patient-kin",
    "name": "Kin",
    "status": "active",
    "description": "Relatives by name",
    "code": "kin",
    "base": ["Patient"],
    "type": "string",
    "expression": "Patient.contact.name.family",
}


def values(answer: httpx.Response) -> dict[str, Any]:
    return {
        one["name"]: next(value for name, value in one.items() if name != "name")
        for one in answer.json().get("parameter", ())
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "$reindex"),
        ("POST", "Patient/$reindex"),
        ("POST", "$expunge"),
        ("POST", "Patient/$expunge"),
        ("POST", "Patient/ann/$expunge"),
        ("GET", "$retention"),
        ("POST", "$set-retention"),
        ("POST", "$apply-retention"),
        ("GET", "$dead-letters"),
    ],
)
async def test_upkeep_is_for_administrators(house: House, method: str, path: str) -> None:
    for client in (house.nurse, house.partner, house.patient):
        assert (await client.request(method, path)).status_code == 403


async def test_what_changes_something_is_not_for_get(house: House) -> None:
    for path in ("$reindex", "$expunge", "Patient/ann/$expunge", "$apply-retention"):
        refused = await house.admin.get(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST"), path


async def test_a_custom_parameter_is_searched_after_a_reindex(house: House) -> None:
    contact = {"name": {"family": "Smith"}}
    await store(
        house.admin, patient("kim", contact=[contact]), KIN, patient("lee", contact=[contact])
    )
    assert (await house.nurse.get("Patient?kin=smith")).status_code == 400
    status = await house.nurse.get("SearchParameter/kin/$index-status")
    assert {"name": "state", "valueCode": "pending"} in status.json()["parameter"][0]["part"]

    accepted = await call(house.admin, "$reindex")
    assert accepted.status_code == 202
    waiting = await house.admin.get(accepted.headers["content-location"])
    assert (waiting.status_code, waiting.headers["x-progress"]) == (202, "waiting")
    done = await house.outcome(accepted)

    assert values(done)["enabled"] == KIN["url"]
    # Processes of a running server notice by themselves.
    await house.catalogue.refresh(house.tenant)
    assert set(entries(await house.admin.get("Patient?kin=smith"))) == {
        "Patient/kim",
        "Patient/lee",
    }
    status = await house.nurse.get("SearchParameter/$index-status")
    assert {"name": "state", "valueCode": "enabled"} in status.json()["parameter"][0]["part"]


async def test_a_reindex_of_an_unknown_type_is_refused(house: House) -> None:
    assert (
        await call(house.admin, "$reindex", ("type", "valueCode", "Nothing"))
    ).status_code == 400


async def test_jobs_are_their_owners(house: House) -> None:
    accepted = await call(house.admin, "Patient/$reindex")
    place = accepted.headers["content-location"]

    assert (await house.nurse.get(place)).status_code == 404
    assert (await house.nurse.delete(place)).status_code == 404
    assert (await house.nurse.get("$jobs")).json() == {"resourceType": "Parameters"}
    listed = (await house.admin.get("$jobs")).json()["parameter"]
    assert {"name": "kind", "valueCode": "reindex"} in listed[0]["part"]

    assert (await house.admin.delete(place)).status_code == 202
    assert (await house.admin.get(place)).status_code == 404
    assert (await house.admin.get("$job?id=nonsense")).status_code == 404
    assert (await house.admin.get("$job")).status_code == 400
    assert await house.work() == 0


async def test_expunging_what_was_deleted(house: House) -> None:
    await store(house.admin, patient("kim"), patient("lee"), patient("lee", gender="female"))
    await house.admin.delete("Patient/kim")
    rows = (("expungeDeletedResources", "valueBoolean", True), ("expungePreviousVersions", "valueBoolean", True))  # fmt: skip

    done = await house.outcome(await call(house.admin, "Patient/$expunge", *rows))

    assert values(done)["count"] == 2
    assert (await house.admin.get("Patient/kim")).status_code == 404
    assert (await house.admin.get("Patient/lee/_history/1")).status_code == 404
    assert (await house.admin.get("Patient/lee")).json()["gender"] == "female"


async def test_evidence_is_never_expunged(house: House) -> None:
    row = ("expungePreviousVersions", "valueBoolean", True)
    for type_ in ("AuditEvent", "Provenance", "Flag"):
        assert (await call(house.admin, f"{type_}/$expunge", row)).status_code == 422
    assert (await call(house.admin, "Patient/$expunge")).status_code == 400


async def test_a_policy_is_set_read_and_applied(house: House) -> None:
    assert (await house.admin.get("$retention")).json() == {"resourceType": "Parameters"}

    days = ("telemetryDays", "valuePositiveInt", 400), ("historyDays", "valuePositiveInt", 30)
    assert values(await call(house.admin, "$set-retention", *days)) == {
        "historyDays": 30,
        "telemetryDays": 400,
    }
    assert values(await house.admin.get("$retention")) == {"historyDays": 30, "telemetryDays": 400}
    done = await house.outcome(await call(house.admin, "$apply-retention"))
    assert set(values(done).values()) == {0}

    for most in (0, 1_000_000):
        row = ("historyDays", "valuePositiveInt", most)
        assert (await call(house.admin, "$set-retention", row)).status_code == 400
    assert values(await call(house.admin, "$set-retention")) == {}


async def test_an_operation_takes_its_parameters_in_a_query_too(house: House) -> None:
    answer = await house.admin.post(
        "$issue-token?kind=patient&reference=Patient/ann", headers={"content-type": JSON}
    )

    assert values(answer)["reference"] == "Patient/ann"


async def test_a_device_is_revoked_by_administrators_alone(house: House) -> None:
    device = {
        "resourceType": "Device",
        "id": "lost",
        "identifier": [
            {"system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680", "value": "0A1B2CFFFE0000AA"}
        ],
    }
    await store(house.admin, device)
    assert (await house.admin.post("Device/lost/$revoke-device")).status_code == 404
    assert (await call(house.admin, "Device/lost/$enroll")).status_code == 200
    for client in (house.nurse, house.partner, house.patient):
        assert (await client.post("Device/lost/$revoke-device")).status_code == 403
    revoked = await house.admin.post("Device/lost/$revoke-device")
    assert (revoked.status_code, values(revoked)) == (200, {"device": "lost"})
