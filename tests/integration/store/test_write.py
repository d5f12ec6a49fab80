"""Writing: versions, history, tombstones, ids, concurrency, and what a caller without relationship gets."""

import asyncio
from datetime import timedelta

import pytest

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel import keys
from fhirserver.kernel.errors import Gone, NotFound, PreconditionFailed
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.principal import Access
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from tests.integration.store.conftest import Clock, Witness, caller

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Bergström", "given": ["Ann"]}],
    "birthDate": "1961-04-02",
}


def observation(patient: str, value: str = "120") -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-08-01T08:59:00Z",
        "valueString": value,
    }


async def test_a_created_patient_is_read_back_with_its_version_and_time(
    record: Record, admin: Access, clock: Clock
) -> None:
    async with record.transaction(1) as tx:
        stored = await tx.put(PATIENT)
    read = await record.read(admin, "Patient", stored.id)
    body = fhir_json.read(read.content)
    assert body["id"] == stored.id
    assert body["meta"] == {"versionId": "1", "lastUpdated": "2026-08-01T09:00:00.000Z"}
    assert body["name"] == PATIENT["name"]
    assert (read.version, read.last_updated) == (1, clock.now)


async def test_everything_of_a_patient_shares_her_bucket(record: Record, witness: Witness) -> None:
    async with record.transaction(1) as tx:
        patient = await tx.put(PATIENT)
        await tx.put(observation(patient.id))
    buckets = {change.bucket for change in witness.seen}
    assert buckets == {keys.bucket_of(1, "Patient", patient.id)}


async def test_updates_keep_every_version(record: Record, admin: Access, clock: Clock) -> None:
    async with record.transaction(1) as tx:
        await tx.put({**PATIENT, "active": True}, id_="ann")
    clock.now += timedelta(minutes=1)
    async with record.transaction(1) as tx:
        await tx.put({**PATIENT, "active": False}, id_="ann", if_match=1)
    first = fhir_json.read((await record.vread(admin, "Patient", "ann", 1)).content)
    second = fhir_json.read((await record.vread(admin, "Patient", "ann", 2)).content)
    assert (first["active"], second["active"]) == (True, False)
    page = await record.history(admin, HistoryQuery("Patient", "ann", 1))
    assert [one.version for one in page.entries] == [2]
    rest = await record.history(admin, HistoryQuery("Patient", "ann", 5, page.cursor))
    assert ([one.version for one in rest.entries], rest.cursor) == ([1], None)
    with pytest.raises(NotFound):
        await record.vread(admin, "Patient", "ann", 3)


async def test_a_deleted_resource_is_gone_but_its_history_stays(
    record: Record, admin: Access
) -> None:
    async with record.transaction(1) as tx:
        await tx.put(PATIENT, id_="ann")
    async with record.transaction(1) as tx:
        await tx.delete("Patient", "ann")
    with pytest.raises(Gone):
        await record.read(admin, "Patient", "ann")
    with pytest.raises(Gone):
        await record.vread(admin, "Patient", "ann", 2)
    assert (await record.vread(admin, "Patient", "ann", 1)).version == 1
    async with record.transaction(1) as tx:
        again = await tx.put(PATIENT, id_="ann")
    assert again.version == 3


async def test_a_wrong_version_is_refused_and_nothing_changes(
    record: Record, admin: Access
) -> None:
    async with record.transaction(1) as tx:
        await tx.put(PATIENT, id_="ann")
    with pytest.raises(PreconditionFailed):
        async with record.transaction(1) as tx:
            await tx.put({**PATIENT, "active": False}, id_="ann", if_match=7)
    assert (await record.read(admin, "Patient", "ann")).version == 1


async def test_of_concurrent_updates_with_the_same_version_exactly_one_wins(
    record: Record, admin: Access
) -> None:
    async with record.transaction(1) as tx:
        await tx.put(PATIENT, id_="ann")

    async def attempt() -> bool:
        try:
            async with record.transaction(1) as tx:
                await tx.put({**PATIENT, "active": False}, id_="ann", if_match=1)
        except PreconditionFailed:
            return False
        return True

    outcomes = await asyncio.gather(*(attempt() for _ in range(8)))
    assert sorted(outcomes) == [False] * 7 + [True]
    assert (await record.read(admin, "Patient", "ann")).version == 2


async def test_concurrent_creates_under_one_client_id_make_one_resource(
    record: Record, admin: Access
) -> None:
    async def attempt() -> int:
        async with record.transaction(1) as tx:
            return (await tx.put(PATIENT, id_="ann")).version

    versions = await asyncio.gather(*(attempt() for _ in range(5)))
    assert sorted(versions) == [1, 2, 3, 4, 5]


async def test_a_failed_block_leaves_nothing(record: Record, admin: Access) -> None:
    async def fail_after_writing() -> None:
        async with record.transaction(1) as tx:
            await tx.put(PATIENT, id_="ann")
            await tx.put(PATIENT, id_="ann", if_match=7)

    with pytest.raises(PreconditionFailed):
        await fail_after_writing()
    with pytest.raises(NotFound):
        await record.read(admin, "Patient", "ann")


async def test_a_stranger_reads_nothing(record: Record) -> None:
    async with record.transaction(1) as tx:
        await tx.put(PATIENT, id_="ann")
        stored = await tx.put(observation("ann"))
    with pytest.raises(NotFound):
        await record.read(caller("bea"), "Patient", "ann")
    with pytest.raises(NotFound):
        await record.read(caller("bea"), "Observation", stored.id)
    assert (await record.read(caller("bea", "ann"), "Observation", stored.id)).id == stored.id


async def test_a_resource_follows_its_patient_to_another_bucket(
    record: Record, admin: Access
) -> None:
    async with record.transaction(1) as tx:
        await tx.put(PATIENT, id_="ann")
        await tx.put(PATIENT, id_="bea")
        stored = await tx.put(observation("ann", "first"))
    async with record.transaction(1) as tx:
        await tx.put(observation("bea", "second"), id_=stored.id)
    assert (
        fhir_json.read((await record.read(caller("bea"), "Observation", stored.id)).content)[
            "valueString"
        ]
        == "second"
    )
    with pytest.raises(NotFound):
        await record.read(caller("ann"), "Observation", stored.id)
    first = await record.vread(admin, "Observation", stored.id, 1)
    assert fhir_json.read(first.content)["valueString"] == "first"


async def test_envelopes_open_only_where_they_were_made(record: Record) -> None:
    async with record.transaction(1) as tx:
        sealed = await tx.seal("ann", "phone", b"+15550100")
        assert await tx.unseal("ann", "phone", sealed) == b"+15550100"
        with pytest.raises(Tampered):
            await tx.unseal("ann", "window", sealed)
        with pytest.raises(Tampered):
            await tx.unseal("bea", "phone", sealed)
