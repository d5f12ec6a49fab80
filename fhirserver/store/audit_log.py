"""The log of AuditEvents in the database: what waits to be sealed, sealed batches, and what their events are now."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from fhirserver.auditing.findings import Batch, Event, Pending, Receipt
from fhirserver.auditing.head import Head, Statement, digest_of_parts
from fhirserver.auditing.leaf import leaf_of
from fhirserver.auditing.merkle import HASH_BYTES, Frontier, cut
from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.resource import Json
from fhirserver.store.audit_line import opened
from fhirserver.store.caller import entering
from fhirserver.store.connection import Connection, Query, Row
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.database import Pool
from fhirserver.wire import fhir_json
from fhirserver.wire.canonical_json import canonical

LEASE: Final = timedelta(seconds=3)
MOST_LEAVES: Final = 1_000
_PAGE: Final = 20
_ROWS: Final = 2_000
_BEGIN: Final = Query("BEGIN", prepare=False)
_COMMIT: Final = Query("COMMIT", prepare=False)

_HOLD: Final[LiteralString] = (
    "INSERT INTO audit_lease (holder, epoch, until) VALUES (%(holder)s, 1, %(until)s) "
    "ON CONFLICT (single) DO UPDATE SET holder = excluded.holder, until = excluded.until, "
    "epoch = audit_lease.epoch + (audit_lease.holder <> excluded.holder)::int "
    "WHERE audit_lease.holder = excluded.holder OR audit_lease.until < %(now)s RETURNING epoch"
)
_MINE: Final[LiteralString] = "SELECT epoch FROM audit_lease WHERE holder = %s FOR UPDATE"
_LAST: Final[LiteralString] = (
    "SELECT number, size, frontier, statement, signature FROM audit_batch ORDER BY number DESC LIMIT 1"
)
# Ids as one text: nothing here looks at them.
_PENDING: Final[LiteralString] = (
    "SELECT id, tenant, array_to_string(events, ','), leaves, receipt FROM audit_pending ORDER BY id LIMIT %s"
)
_SEAL: Final[LiteralString] = (
    "INSERT INTO audit_batch (number, first, size, tenants, events, leaves, frontier, statement, signature, sealed, "
    "parts, receipts) VALUES (%s, %s, %s, %s::int[], %s::uuid[], %b, %b, %b, %s, %s, %s, %s)"
)
_TAKEN: Final[LiteralString] = "DELETE FROM audit_pending WHERE id = ANY (%s)"
_HEADS: Final[LiteralString] = (
    "SELECT statement, signature FROM audit_batch WHERE number > %s ORDER BY number LIMIT %s"
)
_BATCHES: Final[LiteralString] = (
    "SELECT number, first, size, tenants, events::text[], leaves, statement, signature, parts, receipts "
    "FROM audit_batch WHERE number > %s ORDER BY number LIMIT %s"
)
_NUMBERED: Final[LiteralString] = (
    "SELECT number, statement, signature FROM audit_batch WHERE number = ANY (%s)"
)
_WAITING: Final[LiteralString] = "SELECT id FROM audit_spool WHERE id = ANY (%s)"
_LAST_SIZE: Final[LiteralString] = "SELECT coalesce(max(size), 0) FROM audit_batch"
_UNSEALED: Final[LiteralString] = (
    "SELECT id, tenant, events::text[], leaves, receipt FROM audit_pending WHERE id > %s ORDER BY id LIMIT %s"
)
_NOW: Final[LiteralString] = (
    "SELECT r.id, coalesce(r.fhir_id, r.id::text), r.version, r.deleted, r.key_id, r.content FROM resource r "
    "JOIN unnest(%s::uuid[]) AS wanted(i) ON r.id = i WHERE r.type = %s AND r.tenant = %s"
)
_STORED: Final[LiteralString] = (
    "SELECT id FROM resource WHERE type = %s AND tenant = %s AND id > %s ORDER BY id LIMIT %s"
)

Sign = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the events of a batch are now: their leaves, and those that tell of expiry, parsed; and its receipts."""

    leaves: Mapping[Event, bytes]
    expiries: Sequence[tuple[int, Json]]
    receipts: Sequence[Receipt | None]


class AuditLog:
    """Seals and reads the log, as the worker's role."""

    def __init__(self, pool: Pool, data_keys: DataKeys, type_number: int) -> None:
        """`type_number` is that of AuditEvent."""
        self._pool = pool
        self._keys = data_keys
        self._number = type_number

    async def hold(self, holder: str, now: datetime) -> bool:
        """Take or renew the lease on sealing and return whether `holder` has it now."""
        found = await self._rows(_HOLD, {"holder": holder, "until": now + LEASE, "now": now})
        return bool(found)

    async def seal(self, holder: str, now: datetime, log: str, sign: Sign) -> Head | None:
        """Seal one batch of what is waiting and return its head, None when nothing is or `holder` lost the lease.

        `log` names the log at its first batch. Raises `Unavailable`.
        """
        async with self._transaction() as connection:
            mine, last, pending = await connection.round(
                [Query(_MINE, (holder,)), Query(_LAST), Query(_PENDING, (MOST_LEAVES,))]
            )
            if not mine or not pending:
                return None
            taken = _bounded(pending)
            number, before = 0, Frontier()
            if last:
                number, size, frontier, statement, _ = last[0]
                before = Frontier.of(size, bytes(frontier))
                log = Statement.of(bytes(statement)).log
            leaves = b"".join([bytes(row[3]) for row in taken])
            tree = before.plus(cut(leaves))
            parts = [(len(row[3]) // HASH_BYTES, bytes(row[4])) for row in taken]
            says = Statement(
                log,
                number + 1,
                tree.size,
                tree.root,
                before.size,
                before.root,
                now,
                digest_of_parts(parts),
            ).to_bytes()
            head = Head(says, sign(says))
            await connection.round(
                [
                    Query(
                        _SEAL,
                        (
                            number + 1,
                            before.size,
                            tree.size,
                            _array(str(row[1]) for row in taken for _ in cut(row[3])),
                            _array(row[2] for row in taken),
                            leaves,
                            tree.to_bytes(),
                            says,
                            head.signature,
                            now,
                            [events for events, _ in parts],
                            [receipt for _, receipt in parts],
                        ),
                    ),
                    Query(_TAKEN, ([row[0] for row in taken],)),
                    _COMMIT,
                ]
            )
            return head

    async def heads(self, after: int) -> Sequence[Head]:
        """Return the heads of batches behind number `after`, at most a few thousand at a time."""
        found = await self._rows(_HEADS, (after, _ROWS))
        return [Head(bytes(row[0]), row[1]) for row in found]

    async def batches(self, after: int = 0) -> AsyncIterator[Batch]:
        """Yield every sealed batch behind number `after`, in order."""
        while found := await self._rows(_BATCHES, (after, _PAGE)):
            for number, first, size, tenants, events, leaves, statement, signature, *rest in found:
                parts, receipts = rest
                yield Batch(
                    number,
                    first,
                    size,
                    list(zip(tenants, events, strict=True)),
                    bytes(leaves),
                    Head(bytes(statement), signature),
                    [(part, bytes(one)) for part, one in zip(parts, receipts, strict=True)],
                )
                after = number

    async def seen(self, batch: Batch) -> Seen:
        """Return what the events of `batch` are now; one that cannot be opened has an empty leaf."""
        by_tenant: dict[int, list[UUID]] = {}
        for tenant, one in batch.events:
            by_tenant.setdefault(tenant, []).append(UUID(one))
        leaves: dict[Event, bytes] = {}
        expiries: list[tuple[int, Json]] = []
        for tenant, ids in by_tenant.items():
            for row in await self._of_tenant(tenant, Query(_NOW, (ids, self._number, tenant))):
                event = await self._opened(tenant, row)
                leaf = b"" if event is None else leaf_of(tenant, canonical(event))
                leaves[tenant, str(row[0])] = leaf
                if event is not None and _is_expiry(event):
                    expiries.append((tenant, event))
        return Seen(leaves, expiries, await self.receipts(batch))

    async def receipts(self, batch: Batch) -> Sequence[Receipt | None]:
        """Return the receipts of `batch`, None in the place of one that does not belong there."""
        found: list[Receipt | None] = []
        at = 0
        for events, receipt in batch.parts:
            if receipt:
                whose = batch.events[at][0] if at < len(batch.events) else 0
                leaves = batch.leaves[at * HASH_BYTES : (at + events) * HASH_BYTES]
                found.append(await self._receipt(whose, receipt, leaves))
            at += events
        return found

    async def _receipt(self, tenant: int, receipt: bytes, leaves: bytes) -> Receipt | None:
        return opened((await self._keys.tenant(tenant)).blind, receipt, leaves)

    async def pending(self) -> AsyncIterator[Pending]:
        """Yield what waits to be sealed."""
        after = UUID(int=0)
        while found := await self._rows(_UNSEALED, (after, _PAGE)):
            after = found[-1][0]
            for _, tenant, events, leaves, receipt in found:
                told = bytes(receipt)
                says = await self._receipt(tenant, told, bytes(leaves)) if told else None
                yield Pending([(tenant, one) for one in events], says)

    async def waiting(self, lines: Sequence[UUID]) -> Sequence[UUID]:
        """Return which of these lines are not written out yet."""
        return [row[0] for row in await self._rows(_WAITING, (list(lines),))]

    async def numbered(self, numbers: Sequence[int]) -> Mapping[int, Head]:
        """Return the heads of the batches with these numbers."""
        found = await self._rows(_NUMBERED, (list(numbers),))
        return {row[0]: Head(bytes(row[1]), row[2]) for row in found}

    async def size(self) -> int:
        """Return how many events were sealed so far."""
        return int((await self._rows(_LAST_SIZE, ()))[0][0])

    async def stored(self, tenant: int) -> AsyncIterator[str]:
        """Yield the row id of every AuditEvent of `tenant`."""
        after = UUID(int=0)
        while found := await self._of_tenant(
            tenant, Query(_STORED, (self._number, tenant, after, _ROWS))
        ):
            for (row,) in found:
                yield str(row)
                after = row

    async def _opened(self, tenant: int, row: Row) -> Json | None:
        _, fhir_id, version, deleted, key_id, content = row
        if deleted:
            return None
        try:
            plain = await self._keys.content(
                tenant, "AuditEvent", fhir_id, version, key_id, content
            )
        except Tampered:
            return None
        return fhir_json.read_own(plain)

    async def _of_tenant(self, tenant: int, query: Query) -> list[Row]:
        async with self._connection() as connection:
            return (await connection.round((entering(tenant), query)))[-1]

    async def _rows(self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any]) -> list[Row]:
        async with self._connection() as connection:
            return await connection.rows(sql, args)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._connection() as connection:
            try:
                await connection.round((_BEGIN,))
                yield connection
            finally:
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    await connection.rollback()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.OperationalError as outage:
            msg = "the database is not available"
            raise Unavailable(msg) from outage


def _bounded(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the first of `rows` that have at most `MOST_LEAVES` leaves together, at least one."""
    count = 0
    for index, row in enumerate(rows):
        count += len(row[3]) // HASH_BYTES
        if count > MOST_LEAVES and index:
            return rows[:index]
    return rows


def _is_expiry(event: Json) -> bool:
    return any(one.get("code") == "expired" for one in event.get("subtype", ()))


def _array(values: Iterable[str]) -> str:
    return "{" + ",".join(values) + "}"
