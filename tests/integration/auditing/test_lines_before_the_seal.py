"""Lines on their way into the log: a kill loses none, and what was taken away before the seal is missed."""

from pathlib import Path

import psycopg
import pytest

from fhirserver.auditing.heads_export import read_heads
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.store.audit_rows import AuditRows
from tests.conftest import Database
from tests.integration.auditing.sealed_log import kinds, looked_at, sealed, superuser
from tests.integration.rest.conftest import BASE


async def test_what_waits_to_be_written_out_survives_a_kill(
    database: Database, tmp_path: Path
) -> None:
    """Two expansions at once, one of which dies: every happening becomes one event."""
    async with sealed(database, tmp_path) as (house, _):
        before = len(house.rows())
        admin = await house.client("admin")
        for _ in range(4):
            await admin.get("Patient/ann")
            await house.queue.flush()
        expansion = house.record.audit_expansion(AuditRows(BASE))

        async def dying() -> None:
            async with house.record.work(house.tenant) as tx:
                await tx.execute("SELECT 1 FROM audit_spool ORDER BY id LIMIT 1 FOR UPDATE")
                assert await expansion.one(house.tenant) == 1
                raise ArithmeticError

        with pytest.raises(ArithmeticError):
            await dying()
        await house.settle()
        assert len(house.rows()) == before + 4


async def test_a_line_that_was_deleted_before_it_was_written_out_is_missed(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, place):
        admin = await house.client("admin")
        await admin.get("Patient/ann")
        await house.queue.flush()
        superuser(house, "DELETE FROM audit_spool")
        # The next thing that happens in this process says that something was there before.
        await admin.get("Patient/joe")
        await house.settle()
        await house.sealer([place]).once()
        result = await looked_at(house, *read_heads([tmp_path]))
        assert [one.kind for one in result.findings] == ["lost-line"]


async def test_events_deleted_between_writing_out_and_sealing_are_missed(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, place):
        admin = await house.client("admin")
        await admin.get("Patient/ann")
        await house.settle()
        superuser(
            house,
            "DELETE FROM resource WHERE id IN (SELECT unnest(events) FROM audit_pending)",
            "DELETE FROM audit_pending",
        )
        await admin.get("Patient/joe")
        await house.settle()
        await house.sealer([place]).once()
        assert kinds(await looked_at(house)) == {"lost-line"}


async def test_one_event_taken_out_of_a_line_before_sealing_is_missed(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, place):
        admin = await house.client("admin")
        await admin.get("Patient/ann")
        await admin.get("Patient/joe")
        await house.settle()
        superuser(
            house,
            "DELETE FROM resource WHERE id IN (SELECT events[1] FROM audit_pending)",
            "UPDATE audit_pending SET events = events[2:], leaves = substring(leaves from 33)",
        )
        await house.sealer([place]).once()
        assert kinds(await looked_at(house)) == {"bad-receipt"}


async def test_a_line_that_waits_or_is_not_sealed_yet_is_not_missed(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, place):
        admin = await house.client("admin")
        for _ in range(3):
            await admin.get("Patient/ann")
            await house.queue.flush()
        expansion = house.record.audit_expansion(AuditRows(BASE))
        # The last one first: it names the one before, which names the first.
        assert await expansion.one(house.tenant, 2) == 1
        assert await expansion.one(house.tenant, 1) == 1
        await house.sealer([place]).once()
        assert (await looked_at(house)).findings == []
        assert await expansion.one(house.tenant) == 1
        assert (await looked_at(house)).findings == []
        await house.sealer([place]).once()
        assert (await looked_at(house)).findings == []


async def test_what_was_not_committed_is_not_missed(database: Database, tmp_path: Path) -> None:
    """Two writes that fail in the database after their lines were made, among others that succeed."""
    async with sealed(database, tmp_path) as (house, place):

        async def failing() -> None:
            async with house.record.transaction(house.tenant) as tx:
                tx.audit(Happening(house.tenant, "read", tx.now, Actor(kind="system")))
                tx.execute_later("SELECT 1 / 0", ())

        admin = await house.client("admin")
        for _ in range(2):
            await admin.get("Patient/ann")
            await house.queue.flush()
            with pytest.raises(psycopg.errors.DivisionByZero):
                await failing()
        await admin.get("Patient/joe")
        await house.settle()
        await house.sealer([place]).once()
        assert (await looked_at(house)).findings == []
