"""Envelopes under other data keys put in the place of old ones, row by row, while everything goes on.

A row is only touched while its envelope is still the one that was read: whoever rewrote it meanwhile sealed it with the
newest key. Versions, times and what a row says do not change.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto import envelope
from fhirserver.kernel.hanging import SealedColumn
from fhirserver.kernel.ports import Transaction
from fhirserver.store.data_keys import DataKey, DataKeys

BATCH: Final = 500
_KEY_BYTES: Final = 8
_FIRST_ROW: Final = UUID(int=0)
# AuditEvents are changed by upkeep alone.
UPKEEP: Final[LiteralString] = "SELECT set_config('app.upkeep', 'on', true)"

_CURRENT: Final[LiteralString] = (
    "SELECT r.id, r.bucket, r.version, coalesce(r.fhir_id, r.id::text), r.key_id, r.content FROM resource r "
    "WHERE r.type = %s AND r.tenant = %s AND r.id > %s AND r.key_id = ANY (%s::bigint[]) AND NOT r.deleted "
    "AND (%s::bigint IS NULL OR r.patient = %s) ORDER BY r.id LIMIT %s"
)
_FORMER: Final[LiteralString] = (
    "SELECT r.id, r.bucket, r.version, coalesce(r.fhir_id, r.id::text), r.key_id, r.content FROM resource_history r "
    "WHERE r.type = %s AND r.tenant = %s AND (r.id, r.version) > (%s, %s) AND r.key_id = ANY (%s::bigint[]) "
    "AND NOT r.deleted AND (%s::smallint IS NULL OR r.bucket = %s) ORDER BY r.id, r.version LIMIT %s"
)
_REPLACE: Final[LiteralString] = (
    " r SET key_id = n.k, content = n.c FROM unnest(%s::smallint[], %s::uuid[], %s::int[], %s::bigint[], %s::bigint[], "
    "%b::bytea[]) AS n(b, i, v, was, k, c) WHERE r.type = %s AND r.tenant = %s AND r.bucket = n.b AND r.id = n.i "
    "AND r.version = n.v AND r.key_id = n.was RETURNING r.id"
)


class Resealing:
    """Puts what is sealed by retired keys under the newest ones of the same patients."""

    def __init__(self, data_keys: DataKeys) -> None:
        """Take keys from `data_keys`."""
        self._keys = data_keys

    async def current(
        self,
        tx: Transaction,
        type_: str,
        after: UUID,
        retired: Sequence[int],
        to: DataKey,
        patient: int | None,
    ) -> tuple[int, UUID | None]:
        """Reseal the next current rows of a type behind `after`; return how many, and the last, None behind the end.

        `patient`: the keyed hash of the one patient whose rows they are, None for the tenant's.
        """
        number = tx.definitions.type_number(type_)
        rows = await tx.execute(
            _CURRENT, (number, tx.tenant, after, list(retired), patient, patient, BATCH)
        )
        done = await self._replace(tx, "resource", type_, rows, to)
        return done, rows[-1][0] if len(rows) == BATCH else None

    async def former(
        self,
        tx: Transaction,
        type_: str,
        after: tuple[UUID, int],
        retired: Sequence[int],
        to: DataKey,
        bucket: int | None,
    ) -> tuple[int, tuple[UUID, int] | None]:
        """Reseal the next previous versions of a type; as `current`. `bucket`: the one patient's."""
        number = tx.definitions.type_number(type_)
        rows = await tx.execute(
            _FORMER, (number, tx.tenant, *after, list(retired), bucket, bucket, BATCH)
        )
        done = await self._replace(tx, "resource_history", type_, rows, to)
        return done, (rows[-1][0], rows[-1][2]) if len(rows) == BATCH else None

    async def column(
        self, tx: Transaction, column: SealedColumn, retired: Sequence[int], to: DataKey
    ) -> int:
        """Reseal up to `BATCH` envelopes of a column; return how many there were."""
        done = 0
        for row, sealed in await envelopes(tx, column, retired):
            patient, purpose = column.place(row)
            plain = await self._keys.unseal(tx.tenant, patient, purpose, sealed)
            await put_envelope(
                tx, column, row, sealed, sealed_for(tx.tenant, patient, purpose, plain, to)
            )
            done += 1
        return done

    async def _replace(
        self,
        tx: Transaction,
        table: LiteralString,
        type_: str,
        rows: Sequence[Sequence[Any]],
        to: DataKey,
    ) -> int:
        if not rows:
            return 0
        contents = []
        for _, _, version, fhir_id, was, content in rows:
            plain = await self._keys.content(tx.tenant, type_, fhir_id, version, was, content)
            place = envelope.resource_place(tx.tenant, type_, fhir_id, version, to.key_id)
            nonce = secrets.token_bytes(envelope.NONCE_BYTES)
            contents.append(envelope.seal(to.cipher, nonce, place, plain))
        await tx.execute(UPKEEP)
        written = await tx.execute(
            "UPDATE " + table + _REPLACE,
            (
                [row[1] for row in rows],
                [row[0] for row in rows],
                [row[2] for row in rows],
                [row[4] for row in rows],
                [to.key_id] * len(rows),
                contents,
                tx.definitions.type_number(type_),
                tx.tenant,
            ),
        )
        return len(written)


async def envelopes(
    tx: Transaction, column: SealedColumn, retired: Sequence[int]
) -> list[tuple[dict[str, Any], bytes]]:
    """Return up to `BATCH` rows (key and patient) with an envelope under one of the `retired` keys."""
    names: LiteralString = ", ".join("t." + name for name in column.key)
    found = await tx.execute(
        "SELECT " + names + ", " + (column.patient or "NULL::text") + ", t." + column.column
        + " FROM " + column.table + " t WHERE t.tenant = %s AND substring(t." + column.column
        + " FROM 1 FOR 8) = ANY (%s::bytea[]) LIMIT %s",
        (tx.tenant, [one.to_bytes(_KEY_BYTES, "big") for one in retired], BATCH),
    )  # fmt: skip
    names_of_row = (*column.key, "patient")
    return [(dict(zip(names_of_row, row[:-1], strict=True)), bytes(row[-1])) for row in found]


async def put_envelope(
    tx: Transaction, column: SealedColumn, row: dict[str, Any], was: bytes, sealed: bytes
) -> None:
    """Put `sealed` into the row, unless its envelope is another than `was` by now."""
    where: LiteralString = " AND ".join(name + " = %s" for name in column.key)
    await tx.execute(
        "UPDATE " + column.table + " SET " + column.column + " = %b WHERE tenant = %s AND " + where
        + " AND " + column.column + " = %b",
        (sealed, tx.tenant, *(row[name] for name in column.key), was),
    )  # fmt: skip


def sealed_for(tenant: int, patient: str | None, purpose: str, plain: bytes, key: DataKey) -> bytes:
    """Return an envelope as `DataKeys.seal` makes it, under a given key."""
    place = envelope.purpose_place(tenant, patient, purpose, key.key_id)
    nonce = secrets.token_bytes(envelope.NONCE_BYTES)
    return key.key_id.to_bytes(_KEY_BYTES, "big") + envelope.seal(key.cipher, nonce, place, plain)
