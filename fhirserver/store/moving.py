"""Carries a resource to another bucket because its patient changed; from then on its id is looked up."""

from typing import Final, LiteralString
from uuid import UUID

from fhirserver.kernel import keys
from fhirserver.store.connection import Connection, Query
from fhirserver.store.versions import CurrentRow

_HISTORY: Final[LiteralString] = (
    "INSERT INTO resource_history (type, bucket, tenant, id, fhir_id, version, patient, updated, deleted, key_id, "
    "content, txid) SELECT type, %s, tenant, %s, %s, version, patient, updated, deleted, key_id, content, txid "
    "FROM resource_history WHERE type = %s AND bucket = %s AND id = %s"
)
_CURRENT: Final[LiteralString] = (
    "INSERT INTO resource (type, bucket, tenant, id, fhir_id, version, patient, own, updated, deleted, keys_version, "
    "keys, key_id, content) SELECT type, %s, tenant, %s, %s, version, patient, own, updated, deleted, keys_version, "
    "keys, key_id, content FROM resource WHERE type = %s AND bucket = %s AND id = %s"
)
_FORGET_HISTORY: Final[LiteralString] = (
    "DELETE FROM resource_history WHERE type = %s AND bucket = %s AND id = %s"
)
_FORGET_CURRENT: Final[LiteralString] = (
    "DELETE FROM resource WHERE type = %s AND bucket = %s AND id = %s"
)
_LOCATE: Final[LiteralString] = (
    "INSERT INTO resource_location (tenant, type, fhir_id, id) VALUES (%s, %s, %s, %s) "
    "ON CONFLICT (tenant, type, fhir_id) DO UPDATE SET id = excluded.id"
)


async def move(
    connection: Connection, tenant: int, number: int, current: CurrentRow, target: UUID
) -> CurrentRow:
    """Carry the row and its history to row id `target` and return it as it lies there."""
    bucket = keys.bucket_of_row(target)
    old = (number, current.bucket, current.row)
    place = (bucket, target, current.fhir_id, *old)
    await connection.round(
        (
            Query(_HISTORY, place),
            Query(_CURRENT, place),
            Query(_FORGET_HISTORY, old),
            Query(_FORGET_CURRENT, old),
            Query(_LOCATE, (tenant, number, current.fhir_id, target)),
        )
    )
    return CurrentRow(
        target,
        bucket,
        current.fhir_id,
        current.version,
        current.updated,
        current.deleted,
        current.key_id,
        current.content,
    )
