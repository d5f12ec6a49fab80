"""$meta, $meta-add, $meta-delete: labels of one resource, of a type, of everything the caller may see."""

from typing import Any

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House, call, store
from tests.integration.rest.conftest import observation, patient

TAG = {"system": "https://example.org/tags", "code": "study"}
OTHER = {"system": "https://example.org/tags", "code": "other"}
SECRET = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "code": "R",
}
PROFILE = "http://hl7.org/fhir/StructureDefinition/vitalsigns"


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    rows = answer.json().get("parameter", [])
    return rows[0]["valueMeta"] if rows else {}


@pytest.fixture
async def clinic(house: House) -> House:
    await store(
        house.admin,
        patient("ann", meta={"tag": [TAG]}),
        patient("joe", meta={"tag": [OTHER], "security": [SECRET]}),
        observation("o1", "ann", meta={"tag": [TAG]}),
    )
    return house


async def test_labels_are_added_and_removed(clinic: House) -> None:
    before = told(await clinic.nurse.get("Patient/ann/$meta"))
    assert before["tag"] == [TAG]

    meta: Json = {"tag": [TAG, OTHER], "security": [SECRET]}
    added = told(await call(clinic.nurse, "Patient/ann/$meta-add", ("meta", "valueMeta", meta)))
    assert (added["tag"], added["security"]) == ([TAG, OTHER], [SECRET])
    assert int(added["versionId"]) == int(before["versionId"]) + 1

    gone: Json = {"tag": [{**TAG, "display": "x"}], "security": [SECRET]}
    left = told(await call(clinic.nurse, "Patient/ann/$meta-delete", ("meta", "valueMeta", gone)))
    assert left["tag"] == [OTHER]
    assert "security" not in left
    found = await clinic.nurse.get("Patient?_tag=study")
    assert "entry" not in found.json()
    assert (await clinic.nurse.get("Patient/ann")).json()["name"] == [{"family": "Ann"}]


async def test_nothing_new_is_no_new_version(clinic: House) -> None:
    before = told(await clinic.admin.get("Patient/ann/$meta"))

    same = await call(clinic.admin, "Patient/ann/$meta-add", ("meta", "valueMeta", {"tag": [TAG]}))

    assert told(same) == before


async def test_labels_in_use(clinic: House) -> None:
    assert told(await clinic.admin.get("Observation/$meta")) == {"tag": [TAG]}
    assert told(await clinic.admin.get("Patient/$meta")) == {
        "tag": [OTHER, TAG],
        "security": [SECRET],
    }
    everything = told(await clinic.admin.get("$meta"))
    assert everything["tag"] == [OTHER, TAG]
    assert told(await clinic.admin.get("Device/$meta")) == {}


async def test_labels_of_others_are_not_told(clinic: House) -> None:
    for client in (clinic.nurse, clinic.partner, clinic.patient):
        assert told(await client.get("Patient/$meta")) == {"tag": [TAG]}
        assert told(await client.get("$meta")) == {"tag": [TAG]}
        assert (await client.get("Patient/joe/$meta")).status_code == 404
        assert (await client.get("Patient/nobody/$meta")).status_code == 404
    assert (await clinic.partner.get("Condition/$meta")).status_code == 403


async def test_who_may_not_write_changes_nothing(clinic: House) -> None:
    rows = ("meta", "valueMeta", {"tag": [OTHER]})
    assert (await call(clinic.partner, "Patient/ann/$meta-add", rows)).status_code == 403
    assert (await call(clinic.nurse, "Patient/joe/$meta-delete", rows)).status_code == 404
    assert (await call(clinic.nurse, "Patient/nobody/$meta-add", rows)).status_code == 404
    assert told(await clinic.admin.get("Patient/ann/$meta"))["tag"] == [TAG]


async def test_what_is_no_meta_is_refused(clinic: House) -> None:
    assert (await call(clinic.admin, "Patient/ann/$meta-add")).status_code == 400
    bad = await call(clinic.admin, "Patient/ann/$meta-add", ("meta", "valueMeta", {"tag": "x"}))
    assert bad.status_code == 400
    other = await call(clinic.admin, "Patient/ann/$meta-add", ("meta", "valueMeta", {"tag": [5]}))
    assert other.status_code == 422
    odd = {"tag": [{"system": ["x"], "code": {}}]}
    assert (
        await call(clinic.admin, "Patient/ann/$meta-add", ("meta", "valueMeta", odd))
    ).status_code == 422
    get = await clinic.admin.get("Patient/ann/$meta-add")
    assert (get.status_code, get.headers["allow"]) == (405, "POST")


async def test_a_deleted_resource_has_no_labels(clinic: House) -> None:
    await clinic.admin.delete("Observation/o1")

    rows = ("meta", "valueMeta", {"tag": [OTHER]})
    assert (await call(clinic.admin, "Observation/o1/$meta-add", rows)).status_code == 410
    assert (await clinic.admin.get("Observation/o1/$meta")).status_code == 410
    assert told(await clinic.admin.get("Observation/$meta")) == {}
