"""Keys are replaced while everything goes on; done means that nothing is left on the old one."""

import json

import pytest

from fhirserver.crypto import keyring
from fhirserver.crypto.envelope import Tampered
from fhirserver.store import tenant_keys
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.root_rotation import rewrap_tenant_keys
from tests.conftest import ROLE_PASSWORDS, Database
from tests.integration.keys.conftest import ADMIN, RING, asked, found, patient, put, run, weight


def _key_ids(database: Database, table: str) -> set[int]:
    rows = asked(database, f"SELECT DISTINCT key_id FROM {table} WHERE NOT deleted")
    return {row[0] for row in rows}


async def test_a_patient_s_data_key_is_replaced_in_all_versions(
    record: Record, other: Record, database: Database
) -> None:
    await put(record, patient("ann", "Berg"), weight("w", "ann", 70), patient("bea", "Lund"))
    await put(record, weight("w", "ann", 71))
    await other.read(ADMIN, "Observation", "w")
    before = _key_ids(database, "resource") | _key_ids(database, "resource_history")
    told = await run(record, "rotate", b'{"key": "patient", "patient": "ann"}')
    assert told == {"done": 3, "left": 0}
    retired = {
        row[0] for row in asked(database, "SELECT key_id FROM data_key WHERE retired IS NOT NULL")
    }
    assert len(retired & before) == 1
    assert not retired & (_key_ids(database, "resource") | _key_ids(database, "resource_history"))
    # Every process reads what was sealed anew, and what it writes next hangs on the new key.
    for process in (record, other):
        assert b"71" in (await process.read(ADMIN, "Observation", "w")).content
        assert b"70" in (await process.vread(ADMIN, "Observation", "w", 1)).content
    await put(other, weight("w", "ann", 72))
    assert not retired & (_key_ids(database, "resource") | _key_ids(database, "resource_history"))
    assert await found(other, "Patient", "family=berg") == {"ann"}


async def test_envelopes_beside_the_record_hang_on_the_new_key(
    record: Record, database: Database
) -> None:
    async with record.transaction(1) as tx:
        sealed = await tx.seal("ann", "evaluation-window", b"window")
        await tx.execute(
            "INSERT INTO evaluation (bucket, tenant, patient, state, updated) VALUES (%s, 1, 'ann', %s, now())",
            (tx.bucket("ann", "", ""), sealed),
        )
    told = await run(record, "rotate", b'{"key": "patient", "patient": "ann"}')
    assert told == {"done": 1, "left": 0}
    ((state,),) = asked(database, "SELECT state FROM evaluation")
    assert state[:8] != sealed[:8]
    async with record.transaction(1) as tx:
        assert await tx.unseal("ann", "evaluation-window", bytes(state)) == b"window"


async def test_the_tenant_s_own_data_key_is_replaced(record: Record, database: Database) -> None:
    organization = {"resourceType": "Organization", "id": "o", "name": "Clinic"}
    await put(record, organization, patient("ann", "Berg"))
    told = await run(record, "rotate", b'{"key": "tenant"}')
    # The Organization, and what the job itself keeps.
    assert told["left"] == 0
    assert told["done"] >= 2
    assert b"Clinic" in (await record.read(ADMIN, "Organization", "o")).content


async def test_the_wrapping_key_is_replaced_and_the_old_one_goes(
    record: Record, other: Record, database: Database
) -> None:
    await put(record, patient("ann", "Berg"))
    await other.read(ADMIN, "Patient", "ann")
    contents = asked(database, "SELECT content FROM resource ORDER BY id")
    told = await run(record, "rotate", b'{"key": "wrapping"}')
    assert told["left"] == 0
    assert told["done"] >= 1
    assert asked(database, "SELECT DISTINCT tenant_key FROM data_key") == [(2,)]
    versions = asked(database, "SELECT version FROM tenant_key WHERE purpose = 'wrap'")
    assert versions == [(2,)]
    assert asked(database, "SELECT content FROM resource ORDER BY id") == contents
    # A process that still wraps with the old key learns better.
    await put(other, patient("bea", "Lund"))
    assert asked(database, "SELECT DISTINCT tenant_key FROM data_key") == [(2,)]
    assert b"Lund" in (await record.read(ADMIN, "Patient", "bea")).content


async def test_a_rotation_goes_on_where_a_dead_worker_left_it(
    record: Record, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(record, *(patient(f"p{one}", "Berg") for one in range(5)))
    monkeypatch.setattr("fhirserver.store.rotation.BATCH", 2)
    calls = 0
    before = DataKeys.refresh

    async def dies(self: DataKeys) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the process is gone")
        await before(self)

    monkeypatch.setattr(DataKeys, "refresh", dies)
    told = await run(record, "rotate", b'{"key": "wrapping"}')
    assert calls >= 2
    assert told["left"] == 0
    # One new version, not one for each attempt.
    assert asked(database, "SELECT version FROM tenant_key WHERE purpose = 'wrap'") == [(2,)]


async def test_root_keys_are_replaced_by_wrapping_the_keys_of_tenants_anew(
    record: Record, database: Database
) -> None:
    await put(record, patient("ann", "Berg"))
    ring = RING.plus("k2", bytes(range(1, 33)))
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        done = await rewrap_tenant_keys(pools.write, ring, [1])
        assert done == 3
        assert await rewrap_tenant_keys(pools.write, ring, [1]) == 0
        assert asked(database, "SELECT DISTINCT ring_key FROM tenant_key") == [("k2",)]
        keys = DataKeys(pools.keys, ring.without("test"))
        before = DataKeys(pools.keys, RING)
        with pytest.raises(keyring.UnusableKeyring, match="k2"):
            await before.tenant(1)
        opened = await keys.tenant(1)
    assert opened.blind.own("Patient/ann") == (await record._read.keys.tenant(1)).blind.own(
        "Patient/ann"
    )


async def test_a_wrapped_key_opens_in_its_own_place_only(
    record: Record, database: Database
) -> None:
    await put(record, patient("ann", "Berg"), patient("bea", "Lund"))
    asked(
        database,
        "UPDATE data_key a SET wrapped = b.wrapped FROM data_key b WHERE a.key_id <> b.key_id RETURNING 1",
    )
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        keys = DataKeys(pools.keys, RING)
        for (key_id,) in asked(database, "SELECT key_id FROM data_key"):
            with pytest.raises(Tampered):
                await keys.by_id(1, key_id)
        asked(
            database,
            "UPDATE tenant_key a SET wrapped = b.wrapped FROM tenant_key b WHERE a.purpose = 'wrap' "
            "AND b.purpose = 'index' RETURNING 1",
        )
        with pytest.raises(Tampered):
            await DataKeys(pools.keys, RING).tenant(1)
    assert json.loads(keyring.render(RING))["active"] == "test"
    assert tenant_keys.label(1, "wrap", 1) != tenant_keys.label(1, "index", 1)
