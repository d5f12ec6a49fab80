"""The log shows what was done to it: edits, deletions, another order, a cut tail, a rewrite with everything in hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from fhirserver import definitions
from fhirserver.auditing.findings import Inspection
from fhirserver.auditing.head import Head
from fhirserver.auditing.heads_export import HeadsDirectory, read_heads
from fhirserver.auditing.inspecting import inspect
from fhirserver.crypto import envelope, keyring
from fhirserver.crypto.signing import SigningKeys, verify
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.reseal import UPKEEP
from tests.conftest import Database
from tests.integration.auditing.conftest import RING, House, open_house
from tests.integration.rest.conftest import BASE, put

PUBLIC = SigningKeys(RING).public()


@asynccontextmanager
async def sealed(
    database: Database, directory: Path
) -> AsyncIterator[tuple[House, HeadsDirectory]]:
    """A house with three sealed batches, their heads in `directory`."""
    async with open_house(database) as house:
        place = HeadsDirectory(directory)
        admin = await house.client("admin")
        for _ in range(3):
            for of in ("ann", "joe"):
                assert (await admin.get(f"Patient/{of}")).status_code == 200
            await house.settle()
            assert await house.sealer([place]).once() >= 1
        yield house, place


async def looked_at(house: House, *heads: Head) -> Inspection:
    log = house.record.audit_log()
    tenants = [number for number, _ in await house.record.tenants()]
    return await inspect(log, tenants, partial(verify, public=PUBLIC), heads)


def kinds(inspection: Inspection) -> set[str]:
    return {one.kind for one in inspection.findings}


def superuser(house: House, *statements: str) -> None:
    with psycopg.connect(house.database.dsn, autocommit=True) as connection:
        for one in statements:
            connection.execute(one.encode())


NUMBER = definitions.load().type_number("AuditEvent")
NEWEST = f"SELECT id FROM resource WHERE type = {NUMBER} ORDER BY id DESC LIMIT 1"
OLDEST = f"SELECT id FROM resource WHERE type = {NUMBER} ORDER BY id LIMIT 1"


async def test_an_untouched_log_is_genuine(database: Database, tmp_path: Path) -> None:
    async with sealed(database, tmp_path) as (house, _):
        result = await looked_at(house, *read_heads([tmp_path]))
        assert result.findings == []
        assert result.size == len(house.rows())
        assert result.batches == len([*read_heads([tmp_path])]) == 3
        # What is not sealed yet is no finding.
        admin = await house.client("admin")
        await admin.get("Patient/ann")
        await house.settle()
        assert (await looked_at(house)).findings == []


OTHER_ORDER = (
    "UPDATE audit_batch SET leaves = substring(leaves from 33 for 32) || substring(leaves from 1 for 32) "
    "|| substring(leaves from 65) WHERE number = 2"
)
OTHER_WORDS = (
    "UPDATE audit_batch SET statement = "
    "replace(convert_from(statement, 'UTF8'), '\"number\":3', '\"number\": 3')::bytea WHERE number = 3"
)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (f"UPDATE resource SET content = content || '\\x00' WHERE id = ({NEWEST})", {"edited"}),
        (f"UPDATE resource SET deleted = true WHERE id = ({NEWEST})", {"edited"}),
        # Another event's genuine content in its place.
        (f"UPDATE resource SET content = (SELECT content FROM resource WHERE id = ({OLDEST})) WHERE id = ({NEWEST})", {"edited"}),
        (f"DELETE FROM resource WHERE id = ({OLDEST})", {"deleted"}),
        ("UPDATE audit_batch SET events = events[2:] || events[:1] WHERE number = 2", {"edited"}),
        (OTHER_ORDER, {"edited", "bad-receipt", "lost-line"}),
        ("DELETE FROM audit_batch WHERE number = 2", {"broken-tree", "broken-chain", "unlogged", "lost-line"}),
        ("UPDATE audit_batch SET number = -number; UPDATE audit_batch SET number = 4 + number",
         {"broken-tree", "broken-chain"}),
        (OTHER_WORDS, {"bad-signature"}),
        # Another line's receipt, and one that says less.
        ("UPDATE audit_batch SET receipts = ARRAY[(SELECT receipts[1] FROM audit_batch WHERE number = 2)] WHERE number = 3",
         {"bad-receipt", "lost-line"}),
        ("UPDATE audit_batch SET receipts = ARRAY['\\x'::bytea] WHERE number = 2", {"bad-receipt", "lost-line"}),
    ],
)  # fmt: skip
async def test_what_was_tampered_with_is_found(
    database: Database, tmp_path: Path, what: str, expected: set[str]
) -> None:
    async with sealed(database, tmp_path) as (house, _):
        superuser(house, *what.split("; "))
        found = kinds(await looked_at(house))
        assert found & expected, found
        assert found <= expected | {"broken-tree", "broken-chain"}, found


async def test_a_cut_tail_is_found_by_the_exported_heads(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, _):
        gone = "(SELECT unnest(events) FROM audit_batch WHERE number = 3)"
        superuser(
            house,
            f"DELETE FROM resource WHERE id IN {gone}",
            "DELETE FROM audit_batch WHERE number = 3",
        )
        assert kinds(await looked_at(house)) == set()
        assert kinds(await looked_at(house, *read_heads([tmp_path]))) == {"cut-off"}


async def test_a_rewrite_with_a_stolen_database_is_found_by_the_exported_heads(
    database: Database, tmp_path: Path
) -> None:
    """Whoever has the database, the keyring and time makes a log that is whole, and not the one that was exported."""
    async with sealed(database, tmp_path) as (house, _):
        superuser(
            house,
            f"DELETE FROM resource WHERE id = ({OLDEST})",
            "INSERT INTO audit_pending SELECT gen_random_uuid(), t, ARRAY[e], "
            "substring(leaves from (n * 32 - 31)::int for 32), now() "
            "FROM audit_batch, unnest(events, tenants) WITH ORDINALITY AS u(e, t, n) "
            f"WHERE e IN (SELECT id FROM resource WHERE type = {NUMBER})",
            "DELETE FROM audit_batch",
        )
        while await house.sealer().once():
            pass
        assert kinds(await looked_at(house)) == set()
        assert kinds(await looked_at(house, *read_heads([tmp_path]))) >= {"rewritten"}


async def test_heads_of_another_key_are_not_genuine(database: Database, tmp_path: Path) -> None:
    async with sealed(database, tmp_path) as (house, _):
        other = SigningKeys(keyring.create("thief", bytes(32)))
        head = next(iter(read_heads([tmp_path])))
        forged = Head(head.content, other.sign(head.content))
        assert kinds(await looked_at(house, forged)) == {"bad-signature"}


async def test_two_sealers_never_fork_the_log(database: Database, tmp_path: Path) -> None:
    async with sealed(database, tmp_path) as (house, place):
        admin = await house.client("admin")
        await admin.get("Patient/ann")
        await house.settle()
        # The first one's lease has not run out.
        assert await house.sealer([place], "other").once() == 0
        assert await house.sealer([place]).once() == 1
        assert (await looked_at(house, *read_heads([tmp_path]))).findings == []


async def test_a_place_that_was_away_gets_what_it_missed(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path / "first") as (house, _):
        late = HeadsDirectory(tmp_path / "late")
        assert await house.sealer([late]).once() == 0
        assert [*read_heads([tmp_path / "late"])] == [*read_heads([tmp_path / "first"])]
        assert HeadsDirectory(tmp_path / "late").last() == 3


async def test_the_log_survives_a_new_key_of_the_events(database: Database, tmp_path: Path) -> None:
    """What is proven is the plaintext: the worker may seal it anew, saying that this is upkeep."""
    async with sealed(database, tmp_path) as (house, _):
        row = house.rows()[0]
        async with house.record.work(house.tenant) as tx:
            ((version, key_id, content),) = await tx.execute(
                "SELECT version, key_id, content FROM resource WHERE id = %s", (row,)
            )
            keys = house.record._work.keys
            plain = await keys.content(house.tenant, "AuditEvent", row, version, key_id, content)
            key = await keys.of_patient(house.tenant, "ann")
            place = envelope.resource_place(house.tenant, "AuditEvent", row, version, key.key_id)
            again = envelope.seal(key.cipher, bytes(12), place, plain)
            await tx.execute(UPKEEP)
            await tx.execute(
                "UPDATE resource SET content = %b, key_id = %s WHERE id = %s",
                (again, key.key_id, row),
            )
        assert (await looked_at(house, *read_heads([tmp_path]))).findings == []


async def test_roles_of_the_server_add_events_and_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, _):
        row = house.rows()[0]
        for role in ("fhir_write", "fhir_worker"):
            with psycopg.connect(database.dsn_as(role), autocommit=True) as connection:
                connection.execute(
                    "SELECT set_config('app.tenant', %s, false)", (str(house.tenant),)
                )
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("UPDATE resource SET deleted = true WHERE id = %s", (row,))
                assert (
                    connection.execute("DELETE FROM resource WHERE id = %s", (row,)).rowcount == 0
                )
                for table in ("resource", "current_auditevent", "audit_batch", "audit_pending"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(f"TRUNCATE {table}".encode())
                for statement in ("UPDATE audit_batch SET size = size", "DELETE FROM audit_batch"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement.encode())
        with psycopg.connect(database.dsn_as("fhir_write"), autocommit=True) as connection:
            connection.execute("SELECT set_config('app.tenant', %s, false)", (str(house.tenant),))
            # The role that answers requests may not even say that it is upkeep.
            connection.execute("SELECT set_config('app.upkeep', 'on', false)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("UPDATE resource SET deleted = true WHERE id = %s", (row,))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM audit_pending")
        with psycopg.connect(database.dsn_as("fhir_read"), autocommit=True) as connection:
            for table in ("audit_batch", "audit_pending", "audit_lease"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"SELECT 1 FROM {table}".encode())


async def test_heads_that_were_exported_long_ago_still_hold(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, place):
        old = [*read_heads([tmp_path])][:1]
        assert old[0].statement.at < datetime.now(UTC) + timedelta(seconds=1)
        admin = await house.client("admin")
        for _ in range(5):
            await admin.get("Patient/joe")
            await house.settle()
            await house.sealer([place]).once()
        assert (await looked_at(house, *old)).findings == []


async def test_what_expired_by_the_policy_is_no_finding(database: Database, tmp_path: Path) -> None:
    async with sealed(database, tmp_path) as (house, place):
        row = house.rows()[0]
        async with house.record.work(house.tenant) as tx:
            await tx.execute(UPKEEP)
            await tx.execute("DELETE FROM resource WHERE id = %s", (row,))
            told = f"before {tx.now.isoformat()}"
            tx.audit(Happening(house.tenant, "expired", tx.now, Actor(kind="system"), detail=told))
        assert kinds(await looked_at(house)) == {"deleted"}
        await house.settle()
        await house.sealer([place]).once()
        result = await looked_at(house, *read_heads([tmp_path]))
        assert (result.findings, result.expired) == ([], 1)


async def test_an_audit_event_that_a_client_wrote_is_in_the_log_too(
    database: Database, tmp_path: Path
) -> None:
    async with sealed(database, tmp_path) as (house, place):
        admin = await house.client("admin")
        event = {
            "resourceType": "AuditEvent",
            "id": "of-an-app",
            "type": {"code": "rest"},
            "recorded": "2026-03-04T05:06:07Z",
            "agent": [{"requestor": True}],
            "source": {"observer": {"display": "an app"}},
            "entity": [{"what": {"reference": "Patient/ann"}, "securityLabel": [{"code": "R"}]}],
        }
        assert (await put(admin, event)).status_code == 201
        await house.settle()
        await house.sealer([place]).once()
        assert (await looked_at(house, *read_heads([tmp_path]))).findings == []
        superuser(
            house,
            "UPDATE resource SET content = content || '\\x00' WHERE fhir_id = 'of-an-app'",
        )
        assert kinds(await looked_at(house)) == {"edited"}


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
