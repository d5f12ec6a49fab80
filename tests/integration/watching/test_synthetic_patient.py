"""The synthetic patient's alarm goes the whole way to the sink, and nowhere else."""

from datetime import timedelta
from typing import Any, LiteralString

import pytest
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from fhirserver import broker_side, definitions
from subscriptions.core import synthetic
from subscriptions.store import synthetic_rows
from tests.conftest import Database
from tests.integration.watching.conftest import EVERY, Server


async def rows(server: Server, sql: LiteralString, *args: Any) -> list[tuple[Any, ...]]:
    async with server.record.transaction(server.synthetic_tenant) as tx:
        return await tx.execute(sql, args)


async def test_each_run_rings_anew_and_ends_in_the_sink(server: Server) -> None:
    patient = server.synthetic()
    async with server.running():
        for _ in range(2):
            started = server.clock()
            found = await patient.run_due()
            assert found is not None
            assert found.alerted is not None
            assert found.arrived is not None
            assert found.arrived - started < timedelta(seconds=10)
            assert await patient.run_due() is None
            server.ahead += EVERY
    # No company but the sink was ever asked.
    assert set(await rows(server, "SELECT company, outcome FROM attempt")) == {
        ("sink", "handed-over")
    }
    alerts = await rows(server, "SELECT priority, closed IS NOT NULL, simulated FROM alert")
    assert alerts == [("PH", True, True)] * 2
    runs = await synthetic_rows.runs(
        server.record.tend, server.clock() - timedelta(hours=1), server.clock()
    )
    assert (runs.runs, runs.arrived) == (2, 2)
    assert runs.seconds is not None
    assert 0 < runs.seconds < 10


async def test_all_of_it_is_test_data_in_a_tenant_of_its_own(server: Server) -> None:
    async with server.running():
        await server.synthetic().run_due()
    own, known = server.synthetic_tenant, definitions.load()
    left = await rows(server, "SELECT type, tenant FROM resource")
    types = {known.type_number(one) for one in synthetic.LEFT_BEHIND}
    assert types <= {type_ for type_, _ in left}
    assert {tenant for _, tenant in left} == {own}
    async with server.record.transaction(server.names["home"]) as tx:
        found = await tx.execute("SELECT type FROM resource", ())
    assert not types & {type_ for (type_,) in found}
    async with server.record.transaction(own) as tx:
        for id_, resource in synthetic.resources():
            stored = await tx.get(resource["resourceType"], id_)
            assert stored is not None
            if stored["resourceType"] != "Subscription":
                assert stored["meta"]["security"][0]["code"] == "HTEST"


async def test_a_server_that_delivers_nothing_is_found_out(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "subscriptions.watching.synthetic_patient.GIVEN_UP_AFTER", timedelta(seconds=0.3)
    )
    found = await server.synthetic().run_due()
    assert found is not None
    assert found.alerted is not None
    assert found.arrived is None


async def test_one_of_several_processes_runs_it(server: Server) -> None:
    now = server.clock()
    slot = synthetic.slot_of(now, EVERY)
    assert await synthetic_rows.begin(server.record.tend, slot, now)
    assert not await synthetic_rows.begin(server.record.tend, slot, now)
    assert await server.synthetic().run_due() is None


async def test_what_old_runs_left_is_cleared_away(server: Server) -> None:
    patient = server.synthetic()
    async with server.running():
        await patient.run_due()
    server.ahead = synthetic.KEPT_FOR + timedelta(hours=1)
    await patient.clean()
    for table in ("alert", "alert_event", "ladder", "attempt", "device_stream"):
        sql = f"SELECT count(*) FROM {table}"
        assert await rows(server, sql) == [(0,)], table
    known = definitions.load()
    types = [known.type_number(one) for one in synthetic.LEFT_BEHIND]
    assert await rows(server, "SELECT 1 FROM resource WHERE type = ANY (%s)", types) == []
    async with server.running():
        assert (found := await patient.run_due()) is not None
        assert found.arrived is not None


async def test_the_alerts_of_real_tenants_cannot_be_deleted(
    server: Server, database: Database
) -> None:
    async with server.running():
        await server.synthetic().run_due()
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as owner:
        for table in (Identifier("alert"), Identifier("alert_event")):
            await owner.execute(SQL("CREATE TEMP TABLE copied AS SELECT * FROM {}").format(table))
            await owner.execute("UPDATE copied SET tenant = %s", (server.names["home"],))
            await owner.execute(SQL("INSERT INTO {} SELECT * FROM copied").format(table))
            await owner.execute("DROP TABLE copied")
    worker = await AsyncConnection.connect(database.dsn_as("fhir_worker"), autocommit=True)
    async with worker:
        for name, removable in (("home", False), (synthetic.TENANT, True)):
            number = str(server.names[name])
            await worker.execute("SELECT set_config('app.tenant', %s, false)", (number,))
            for table in (Identifier("alert_event"), Identifier("alert")):
                removed = await worker.execute(SQL("DELETE FROM {}").format(table))
                assert bool(removed.rowcount) is removable


async def test_a_start_finds_the_synthetic_patient_as_it_was(server: Server) -> None:
    async with server.record.transaction(server.synthetic_tenant) as tx:
        before = await tx.get_stored("CareTeam", "synthetic-team")
    await broker_side.ensure_synthetic(server.record, server.parts)
    async with server.record.transaction(server.synthetic_tenant) as tx:
        after = await tx.get_stored("CareTeam", "synthetic-team")
    assert before is not None
    assert after is not None
    assert before.version == after.version
