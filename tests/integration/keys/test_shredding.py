"""A patient's keys are destroyed: nothing can be read, found or added again, and that it was done stays known."""

import pytest

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.history import HistoryQuery
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.record import Record
from tests.conftest import Database
from tests.integration.keys.conftest import ADMIN, RING, asked, found, patient, put, run, weight
from tests.integration.store.conftest import caller


@pytest.fixture
async def clinic(record: Record) -> Record:
    await put(record, patient("ann", "Berg"), patient("bea", "Lund"), weight("w", "ann", 70))
    await put(record, weight("w", "ann", 71), weight("v", "bea", 50))
    audit = {
        "resourceType": "AuditEvent",
        "id": "seen",
        "type": {"code": "rest"},
        "recorded": "2026-01-01T08:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "server"}},
        "entity": [{"what": {"reference": "Patient/ann"}}],
    }
    await put(record, audit)
    async with record.transaction(1) as tx:
        bucket = tx.bucket("ann", "", "")
        sealed = await tx.seal("ann", "evaluation-window", b"window")
        await tx.execute(
            "INSERT INTO evaluation (bucket, tenant, patient, state, updated) VALUES (%s, 1, 'ann', %s, now())",
            (bucket, sealed),
        )
        emergency = "0198a000-0000-7000-8000-000000000001"
        reason = await tx.seal("ann", f"emergency-reason|{emergency}", b"found unconscious")
        await tx.execute(
            "INSERT INTO emergency_access (bucket, tenant, patient, id, practitioner, reason, started, expires, task) "
            "VALUES (%s, 1, 'ann', %s, 'Practitioner/x', %s, now(), now(), 't')",
            (bucket, emergency, reason),
        )
    return record


async def test_nothing_of_a_shredded_patient_can_be_read_or_found(
    clinic: Record, other: Record, database: Database
) -> None:
    await other.read(ADMIN, "Patient", "ann")
    kept = asked(database, "SELECT key_id, content FROM resource WHERE fhir_id = 'w'")
    own = (await clinic._read.keys.tenant(1)).blind.own("Patient/ann")
    told = await run(clinic, "shred", b'{"patient": "ann"}')
    assert told == {"keys": 1, "resources": 2}
    await other._read.keys.refresh()
    for process in (clinic, other):
        for type_, id_ in (("Patient", "ann"), ("Observation", "w")):
            with pytest.raises(Gone):
                await process.read(ADMIN, type_, id_)
            with pytest.raises(NotFound):
                await process.vread(ADMIN, type_, id_, 1)
            with pytest.raises(NotFound):
                await process.read(caller("ann"), type_, id_)
            past = await process.history(ADMIN, HistoryQuery(type_, id_, count=10))
            assert [one.deleted for one in past.entries] == [True]
        assert await found(process, "Patient", "family=berg") == set()
        assert await found(process, "Observation", "patient=ann") == set()
        assert await found(process, "Observation", "code=29463-7") == {"v"}
        assert await found(process, "Patient", "name=lund") == {"bea"}
    # A copy of the database made before opens with no key there is.
    ((key_id, content),) = kept
    keys = DataKeys(clinic._database.keys, RING)
    with pytest.raises(Tampered, match="gone"):
        await keys.content(1, "Observation", "w", 2, key_id, content)
    # No row but those of accesses is found by the patient any more.
    rows = asked(
        database, "SELECT fhir_id FROM resource WHERE patient = %s OR own = %s", (own, own)
    )
    assert rows == [("seen",)]
    assert asked(database, "SELECT 1 FROM evaluation WHERE patient = 'ann'") == []
    assert asked(database, "SELECT 1 FROM resource_range WHERE patient = %s", (own,)) == []


async def test_nothing_can_be_added_to_a_shredded_patient(clinic: Record, other: Record) -> None:
    await run(clinic, "shred", b'{"patient": "ann"}')
    for process in (clinic, other):
        with pytest.raises(Gone):
            await put(process, weight("n", "ann", 72))
        with pytest.raises(Gone):
            await put(process, patient("ann", "Berg"))
        await put(process, weight("m", "bea", 51))


async def test_what_tells_of_accesses_outlives_the_patient(
    clinic: Record, database: Database
) -> None:
    await run(clinic, "shred", b'{"patient": "ann"}')
    assert b"Patient/ann" in (await clinic.read(ADMIN, "AuditEvent", "seen")).content
    assert await found(clinic, "AuditEvent", "patient=ann") == {"seen"}
    ((id_, reason),) = asked(database, "SELECT id, reason FROM emergency_access")
    async with clinic.transaction(1) as tx:
        opened = await tx.unseal("ann", f"emergency-reason|{id_}", bytes(reason))
    assert opened == b"found unconscious"
    assert asked(database, "SELECT count(*) FROM shredded_patient") == [(1,)]


async def test_a_shredding_that_is_run_again_changes_nothing(clinic: Record) -> None:
    await run(clinic, "shred", b'{"patient": "ann"}')
    assert await run(clinic, "shred", b'{"patient": "ann"}') == {"keys": 0, "resources": 0}
    assert await found(clinic, "Patient", "name=lund") == {"bea"}
