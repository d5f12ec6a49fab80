"""The second wall alone: what the database itself shows to a role, whatever the application asked."""

from typing import LiteralString

import psycopg
import pytest

from fhirserver import definitions
from fhirserver.store.record import Record
from tests.conftest import Database
from tests.integration.store.test_search import POPULATION, READINGS

COUNT: LiteralString = "SELECT count(*) FROM resource"


@pytest.fixture
async def two_tenants(record: Record) -> Record:
    other = await record.ensure_tenant("other")
    for tenant in (1, other):
        async with record.transaction(tenant) as tx:
            for id_, one in POPULATION:
                await tx.put(one, id_=id_)
            for one in READINGS[:4]:
                await tx.put(one)
    return record


async def count(database: Database, role: str, tenant: str, scope: str, patients: str) -> int:
    async with await psycopg.AsyncConnection.connect(database.dsn_as(role)) as connection:
        await connection.execute(
            "SELECT set_config('app.tenant', %s, true), set_config('app.scope', %s, true), "
            "set_config('app.patients', %s, true)",
            (tenant, scope, patients),
        )
        found = await connection.execute(COUNT)
        row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_reader_sees_its_tenant_and_its_patients_only(
    two_tenants: Record, database: Database
) -> None:
    async with two_tenants.transaction(1) as tx:
        (ann,) = {
            row[0] for row in await tx.execute("SELECT patient FROM resource WHERE fhir_id = 'ann'")
        }
    assert await count(database, "fhir_read", "1", "tenant", "{}") == 8
    assert await count(database, "fhir_read", "1", "", f"{{{ann}}}") == 5
    assert await count(database, "fhir_read", "2", "", f"{{{ann}}}") == 0
    assert await count(database, "fhir_read", "1", "", "{}") == 0
    assert await count(database, "fhir_read", "3", "tenant", "{}") == 0


async def test_without_settings_nothing_is_answered(
    two_tenants: Record, database: Database
) -> None:
    async with await psycopg.AsyncConnection.connect(database.dsn_as("fhir_read")) as connection:
        with pytest.raises(psycopg.Error):
            await connection.execute(COUNT)


async def test_a_reader_cannot_write_and_a_writer_cannot_read_a_leaf(
    two_tenants: Record, database: Database
) -> None:
    async with await psycopg.AsyncConnection.connect(
        database.dsn_as("fhir_read"), autocommit=True
    ) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("DELETE FROM resource")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT count(*) FROM current_patient")
    async with await psycopg.AsyncConnection.connect(
        database.dsn_as("fhir_write"), autocommit=True
    ) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT count(*) FROM current_observation_rest")


async def test_a_search_under_policies_uses_the_key_index(
    record: Record, database: Database
) -> None:
    number = definitions.load().type_number("Observation")
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        await connection.execute(
            "INSERT INTO resource (type, bucket, tenant, id, version, own, updated, keys_version, keys, key_id, content) "
            "SELECT %s, 0, 1, gen_random_uuid(), 1, n, now(), 1, ARRAY[mod(n, 500), -n], 0, '' FROM generate_series(1, 5000) n",
            (number,),
        )
    async with await psycopg.AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE current_observation")
    async with await psycopg.AsyncConnection.connect(database.dsn_as("fhir_read")) as connection:
        await connection.execute(
            "SELECT set_config('app.tenant', '1', true), set_config('app.scope', '', true), "
            "set_config('app.patients', '{1}', true)"
        )
        found = await connection.execute(
            "EXPLAIN SELECT id FROM resource WHERE type = %s AND tenant = 1 AND keys @> '{7,-7}'::bigint[]",
            (number,),
        )
        plan = "\n".join(row[0] for row in await found.fetchall())
    assert "Index Cond: (keys @>" in plan
    assert "Seq Scan on current_observation_rest" not in plan


async def test_no_name_or_identifier_stands_in_the_tables(
    two_tenants: Record, database: Database
) -> None:
    async with await psycopg.AsyncConnection.connect(database.dsn) as connection:
        for table in ("resource", "resource_range", "data_key"):
            found = await connection.execute(
                psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(table))
            )
            dump = repr(await found.fetchall()).lower()
            assert "berg" not in dump
            assert "montgomery" not in dump
