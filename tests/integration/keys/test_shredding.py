"""A patient's keys are destroyed: nothing can be read, found or added again, and that it was done stays known."""

import pytest

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.hl7 import ComingMessage, Outcome, Settled
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import DeadLetter
from fhirserver.store import dead_letters, named_messages
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.hl7_messages import HeldMessages
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


PAGE = named_messages.BATCH


async def letter(record: Record, door: str, source: str, raw: bytes) -> None:
    async with record.transaction(1) as tx:
        await dead_letters.keep(tx, [DeadLetter(door, source, "malformed", raw)])


async def message(record: Record, control_id: str, raw: bytes, *patients: str) -> None:
    """Keep a message as a listener does; `patients` are whose it turned out to be."""
    held = HeldMessages()
    async with record.transaction(1) as tx:
        coming = ComingMessage("default|A|B", control_id, "ADT^A08", raw, tx.now)
        (claim,) = await held.claim(tx, [coming])
        outcome: Outcome = "accepted" if patients else "refused"
        report = {"made": ["Observation/o"]}
        await held.settle(tx, [Settled(claim, outcome, "", report, raw, patients)])


def adt(number: str) -> bytes:
    return (
        b"MSH|^~\\&|A|B|||1||ADT^A08|m|P|2.6\rPID|1||" + number.encode() + b"^^^CLINIC^MR||Berg^Ann"
    )


async def test_messages_that_name_a_shredded_patient_go(clinic: Record, database: Database) -> None:
    identifier = [{"system": "urn:clinic", "value": "7"}, {"system": "urn:x", "value": "AB-1234"}]
    await put(clinic, patient("ann", "Berg", identifier=[{"value": "OLD-5555"}]))
    await put(clinic, patient("ann", "Berg", identifier=identifier))
    machine = {
        "resourceType": "Device",
        "id": "hd",
        "identifier": [{"system": EUI, "value": "AA-AA-AA-AA-AA-AA-AA-AA"}],
    }
    await put(clinic, machine, use("ann"))
    await clinic.enroll_device(1, "hd")
    await message(clinic, "of-ann", adt("7"), "ann")
    await message(clinic, "of-bea-then-ann", adt("7"), "bea", "ann")
    await message(clinic, "of-bea", adt("8"), "bea")
    await message(clinic, "refused", adt("7"))
    await message(clinic, "refused-former", b"MRG|OLD-5555^^^CLINIC^MR")
    await message(clinic, "of-nobody", adt("77") + b"\rOBX|7|NM|7||7")
    await letter(clinic, "hl7v2", "default", b"no message, about AB-1234, at all")
    await letter(clinic, "hl7v2", "default", b"no message, about AB-12345 and 7")
    await letter(clinic, "mqtt", "AAAAAAAAAAAAAAAA", b"{")
    await letter(clinic, "mqtt", "BBBBBBBBBBBBBBBB", b"{")
    for number in range(PAGE):
        await letter(clinic, "mqtt", "CCCCCCCCCCCCCCCC", str(number).encode())
    copied = asked(database, "SELECT id, raw FROM hl7_message WHERE control_id = 'of-ann'")
    await run(clinic, "shred", b'{"patient": "ann"}')
    kept = asked(database, "SELECT control_id FROM hl7_message ORDER BY 1")
    assert kept == [("of-bea",), ("of-nobody",)]
    letters = asked(database, "SELECT source, count(*) FROM dead_letter GROUP BY 1 ORDER BY 1")
    assert letters == [("BBBBBBBBBBBBBBBB", 1), ("CCCCCCCCCCCCCCCC", PAGE), ("default", 1)]
    # A copy of the database made before opens with no key there is.
    ((id_, raw),) = copied
    async with clinic.transaction(1) as tx:
        with pytest.raises(Tampered, match="gone"):
            await tx.unseal("ann", f"hl7-message|{id_}", bytes(raw))


async def test_a_message_of_a_destroyed_record_is_answered_and_never_processed(
    clinic: Record,
) -> None:
    """While the keys are gone and the row is not: it cannot be told whether it is the same message."""
    await message(clinic, "m", adt("7"), "ann")
    async with clinic.work(1) as tx:
        await tx.execute("DELETE FROM data_key WHERE patient <> 0")
    await clinic._read.keys.refresh()
    clinic._read.keys.forget()
    async with clinic.transaction(1) as tx:
        (claim,) = await HeldMessages().claim(
            tx, [ComingMessage("default|A|B", "m", "ADT^A08", adt("7"), tx.now)]
        )
    assert claim.before is not None
    assert (claim.before.outcome, claim.before.raw) == ("accepted", b"")


EUI = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"


def use(of: str) -> Json:
    return {
        "resourceType": "DeviceUseStatement",
        "id": "use",
        "status": "active",
        "subject": {"reference": f"Patient/{of}"},
        "device": {"reference": "Device/hd"},
        "timingPeriod": {"start": "2026-01-01"},
    }
