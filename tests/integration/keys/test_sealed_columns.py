"""The reviewed lists of envelopes and of patients' rows are whole, and no envelope opens in another's place."""

import secrets
from itertools import combinations
from uuid import UUID

import pytest

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.hanging import SealedColumn
from fhirserver.store.patient_rows import KEPT_ROWS
from fhirserver.store.record import Record
from fhirserver.store.sealed_columns import NOT_SEALED
from subscriptions.store.patient_rows import KEPT_ROWS as THEIR_KEPT_ROWS
from tests.conftest import Database
from tests.integration.keys.conftest import ADMIN, HANGING, asked, patient, put, weight

_COLUMNS = (
    "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN pg_class t ON t.relname = c.table_name "
    "WHERE c.table_schema = 'public' AND {} AND NOT t.relispartition AND t.relkind IN ('r', 'p')"
)


def test_every_column_of_bytes_is_in_the_list_or_says_why_not(database: Database) -> None:
    there = set(asked(database, _COLUMNS.format("c.udt_name IN ('bytea', '_bytea')")))
    listed = [(one.table, one.column) for one in HANGING.columns]
    assert len(listed) == len(set(listed))
    assert set(listed) | set(NOT_SEALED) == there
    assert not set(listed) & set(NOT_SEALED)


def test_every_table_that_names_patients_is_in_the_list_or_says_why_not(database: Database) -> None:
    there = {row[0] for row in asked(database, _COLUMNS.format("c.column_name = 'patient'"))}
    listed = {one.table for one in HANGING.rows}
    kept = KEPT_ROWS.keys() | THEIR_KEPT_ROWS.keys()
    assert listed | kept == there
    assert not listed & kept


def test_the_columns_of_the_list_name_a_row(database: Database) -> None:
    for one in HANGING.columns:
        found = asked(
            database,
            "SELECT array_agg(a.attname::text) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
            "AND a.attnum = ANY (i.indkey) WHERE i.indrelid = %s::regclass AND i.indisprimary",
            (one.table,),
        )
        assert {"tenant", *one.key} >= set(found[0][0]), one


def _row(column: SealedColumn, number: int, owner: str) -> dict[str, object]:
    values: dict[str, object] = {
        name: UUID(int=number)
        if name in ("id", "incident")
        else bytes([number])
        if name == "digest"
        else number
        for name in column.key
    }
    if "patient" in column.key:
        values["patient"] = owner
    return {**values, "patient": owner if column.patient else None}


async def test_no_envelope_opens_in_another_place(record: Record) -> None:
    """Every column, two rows, two patients: each envelope opens in its own place and in none of the others."""
    async with record.transaction(1) as tx:
        sealed = {}
        for column in HANGING.columns:
            for number, owner in ((1, "ann"), (2, "bea")):
                place = column.place(_row(column, number, owner))
                sealed[place] = await tx.seal(*place, b"secret")
        assert len(sealed) >= 2 * len(HANGING.columns) - 1
        for place, envelope in sealed.items():
            assert await tx.unseal(*place, envelope) == b"secret"
        for one, other in combinations(sealed, 2):
            with pytest.raises(Tampered):
                await tx.unseal(*one, sealed[other])
            with pytest.raises(Tampered):
                await tx.unseal(*other, sealed[one])
    other_tenant = await record.ensure_tenant("elsewhere")
    async with record.transaction(other_tenant) as tx:
        for place, envelope in sealed.items():
            with pytest.raises(Tampered):
                await tx.unseal(*place, envelope)


async def test_no_content_opens_in_another_row_version_or_tenant(
    record: Record, database: Database
) -> None:
    await put(record, patient("ann", "Berg"), patient("bea", "Lund"), weight("w", "ann", 70))
    await put(record, weight("w", "ann", 71), weight("v", "ann", 80))
    rows = asked(
        database,
        "SELECT r.type, coalesce(fhir_id, id::text), version, key_id, content FROM resource r UNION ALL "
        "SELECT type, coalesce(fhir_id, id::text), version, key_id, content FROM resource_history",
    )
    keys = record._read.keys
    name = record._read.definitions.type_name
    for one, other in combinations(rows, 2):
        for here, there in ((one, other), (other, one)):
            type_, id_, version, key_id, _ = here
            for named in (key_id, there[3]):
                with pytest.raises(Tampered):
                    await keys.content(1, name(type_), id_, version, named, there[4])
    for type_, id_, version, key_id, content in rows:
        assert await keys.content(1, name(type_), id_, version, key_id, content)
        for bit in range(0, 8 * len(content), 97):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Tampered):
                await keys.content(1, name(type_), id_, version, key_id, bytes(changed))


async def test_no_nonce_is_used_twice(record: Record, database: Database) -> None:
    for turn in range(6):
        await put(record, *(weight(f"w{one}", "ann", turn) for one in range(50)))
    rows = asked(
        database,
        "SELECT substring(content FROM 2 FOR 12) FROM resource UNION ALL "
        "SELECT substring(content FROM 2 FOR 12) FROM resource_history",
    )
    assert len(rows) == len(set(rows)) >= 300
    assert len({secrets.token_bytes(12) for _ in range(100_000)}) == 100_000
    assert b"\x00" * 12 not in {bytes(row[0]) for row in rows}
    assert b"w0" in (await record.read(ADMIN, "Observation", "w0")).content
