"""A version about to be written: its content with id and meta, sealed and indexed. No SQL here."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fhirserver.crypto import envelope
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json, Stored
from fhirserver.store.data_keys import DataKey
from fhirserver.store.rows import IndexColumns, index_columns
from fhirserver.store.tenant_keys import TenantKeys
from fhirserver.wire import fhir_json

_AUDIT: Final = "AuditEvent"
# What the server alone says about a version; a client's own values give way.
_SERVER_META: Final = ("versionId", "lastUpdated")


@dataclass(frozen=True, slots=True)
class CurrentRow:
    """The current row of a resource as the writer needs it, still encrypted."""

    row: UUID
    bucket: int
    fhir_id: str
    version: int
    updated: datetime
    deleted: bool
    key_id: int
    content: bytes


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What will be written, at `row`. `named`: a client chose the id of a new resource."""

    number: int
    row: UUID
    bucket: int
    named: bool
    patient: str | None
    stored: Stored
    body: Json

    @property
    def owner(self) -> str | None:
        """The patient whose key it is sealed with; what tells of accesses to a record outlives it."""
        return None if self.stored.type == _AUDIT else self.patient


@dataclass(frozen=True, slots=True)
class SealedVersion:
    """A `NewVersion` as its row."""

    of: NewVersion
    patient_key: int | None
    index: IndexColumns
    key_id: int
    content: bytes


def stamped(resource: Json, fhir_id: str, version: int, now: datetime) -> tuple[Json, Stored]:
    """Return `resource` with its id and the server's meta, as JSON and as the bytes that are stored.

    Only the outermost object and its meta are new; everything inside is shared with `resource`.
    """
    type_ = resource["resourceType"]
    meta: Json = {
        "versionId": str(version),
        "lastUpdated": instant(now),
    }
    for name, value in resource.get("meta", {}).items():
        if name not in _SERVER_META:
            meta[name] = value
    body: Json = {"resourceType": type_, "id": fhir_id, "meta": meta}
    for name, value in resource.items():
        if name not in body:
            body[name] = value
    return body, Stored(type_, fhir_id, version, now, deleted=False, content=fhir_json.write(body))


def sealed(
    version: NewVersion, own: TenantKeys, key: DataKey, definitions: Definitions
) -> SealedVersion:
    """Return the row of `version`: content under `key`, search columns under the tenant's blind index."""
    stored = version.stored
    place = envelope.resource_place(own.tenant, stored.type, stored.id, stored.version, key.key_id)
    nonce = secrets.token_bytes(envelope.NONCE_BYTES)
    return SealedVersion(
        version,
        None if version.patient is None else own.blind.own(f"Patient/{version.patient}"),
        index_columns(version.body, own.blind, definitions),
        key.key_id,
        envelope.seal(key.cipher, nonce, place, stored.content),
    )
