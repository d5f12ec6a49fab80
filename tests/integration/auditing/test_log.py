"""The log shows what was done to it: edits, deletions, another order, a cut tail, a rewrite with everything in hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fhirserver.auditing.head import Head
from fhirserver.auditing.heads_export import HeadsDirectory, read_heads
from fhirserver.crypto import envelope, keyring
from fhirserver.crypto.signing import SigningKeys
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.store.reseal import UPKEEP
from tests.conftest import Database
from tests.integration.auditing.sealed_log import (
    NEWEST,
    NUMBER,
    OLDEST,
    kinds,
    looked_at,
    sealed,
    superuser,
)
from tests.integration.rest.conftest import put


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
