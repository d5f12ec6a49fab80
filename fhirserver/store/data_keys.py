"""Data keys in the database: keyring -> tenant keys -> one data key per patient.

A data key is committed by a transaction of its own before anything is encrypted with it: a key that only lived in a
transaction that rolled back, while this process went on using it, would be data nobody can read.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhirserver.crypto import envelope
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.crypto.keyring import Keyring
from fhirserver.kernel import keys
from fhirserver.store.caller import entering
from fhirserver.store.connection import Query, Row
from fhirserver.store.database import Pool

_WRAP = "wrap"
_INDEX = "index"
_NO_PATIENT = 0
_BUCKET_BITS = 10
# Fewer missing keys than this are made one by one, when they are asked for.
_WORTH_A_BULK = 2


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """The two keys of a tenant: one wraps data keys, one makes the blind index."""

    tenant: int
    wrapping_version: int
    wrapping: AESGCM
    blind: BlindIndex


@dataclass(frozen=True, slots=True)
class DataKey:
    """A usable data key and the id rows name it by."""

    key_id: int
    cipher: AESGCM


class DataKeys:
    """Keys of every tenant, unwrapped once per process."""

    def __init__(self, pool: Pool, ring: Keyring) -> None:
        """Read and create keys through `pool` (role fhir_write), wrapped under `ring`."""
        self._pool = pool
        self._ring = ring
        self._tenants: dict[int, TenantKeys] = {}
        self._by_patient: dict[tuple[int, str | None], DataKey] = {}
        self._by_id: dict[tuple[int, int], DataKey] = {}

    async def tenant(self, tenant: int) -> TenantKeys:
        """Return the keys of `tenant`, making them on first use."""
        known = self._tenants.get(tenant)
        if known is None:
            version, wrapping = await self._tenant_key(tenant, _WRAP)
            index_version, index = await self._tenant_key(tenant, _INDEX)
            known = TenantKeys(tenant, version, AESGCM(wrapping), BlindIndex(index, index_version))
            self._tenants[tenant] = known
        return known

    async def _tenant_key(self, tenant: int, purpose: str) -> tuple[int, bytes]:
        label = f"tenant|{tenant}|{purpose}|1"
        ring_key, wrapped = self._ring.wrap(
            secrets.token_bytes(envelope.NONCE_BYTES),
            label,
            secrets.token_bytes(envelope.KEY_BYTES),
        )
        (row,) = await self._round(
            tenant,
            Query(
                "INSERT INTO tenant_key (tenant, purpose, version, ring_key, wrapped) VALUES (%s, %s, 1, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (tenant, purpose, ring_key, wrapped),
            ),
            Query(
                "SELECT version, ring_key, wrapped FROM tenant_key WHERE tenant = %s AND purpose = %s "
                "ORDER BY version DESC LIMIT 1",
                (tenant, purpose),
            ),
        )
        return row[0], self._ring.unwrap(row[1], f"tenant|{tenant}|{purpose}|{row[0]}", row[2])

    async def of_patient(self, tenant: int, patient: str | None) -> DataKey:
        """Return the data key new content of `patient` is written with; None is the tenant's own key."""
        known = self._by_patient.get((tenant, patient))
        return known if known is not None else await self._find_or_make(tenant, patient)

    async def seal(self, tenant: int, patient: str | None, purpose: str, plaintext: bytes) -> bytes:
        """Return an envelope that names its own data key: 8 bytes of key id, then the sealed bytes."""
        key = await self.of_patient(tenant, patient)
        place = envelope.purpose_place(tenant, patient, purpose, key.key_id)
        nonce = secrets.token_bytes(envelope.NONCE_BYTES)
        return key.key_id.to_bytes(8, "big") + envelope.seal(key.cipher, nonce, place, plaintext)

    async def unseal(self, tenant: int, patient: str | None, purpose: str, sealed: bytes) -> bytes:
        """Return the plaintext. Raises `Tampered` when it was sealed for another place."""
        key_id = int.from_bytes(sealed[:8], "big")
        key = await self.by_id(tenant, key_id)
        place = envelope.purpose_place(tenant, patient, purpose, key_id)
        return envelope.unseal(key.cipher, place, bytes(sealed[8:]))

    async def content(
        self, tenant: int, type_: str, id_: str, version: int, key_id: int, sealed: bytes
    ) -> bytes:
        """Return the JSON of one version of a resource. Raises `Tampered` when it is not that one's."""
        key = await self.by_id(tenant, key_id)
        place = envelope.resource_place(tenant, type_, id_, version, key_id)
        return envelope.unseal(key.cipher, place, bytes(sealed))

    async def prepare(self, tenant: int, patients: Iterable[str | None]) -> None:
        """Make the data keys of `patients` that have none yet, all in one transaction."""
        unknown = sorted(
            {one for one in patients if one is not None and (tenant, one) not in self._by_patient}
        )
        if len(unknown) < _WORTH_A_BULK:
            return
        own = await self.tenant(tenant)
        made = [self._fresh(own, patient) for patient in unknown]
        columns = [list(column) for column in zip(*sorted(made), strict=True)]
        found = await self._round(
            tenant,
            Query(
                "INSERT INTO data_key (bucket, tenant, key_id, patient, generation, tenant_key, wrapped) "
                "SELECT b, %s, k, p, 1, %s, w FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %b::bytea[]) "
                "AS new(b, p, k, w) ON CONFLICT (bucket, tenant, patient, generation) DO NOTHING",
                (tenant, own.wrapping_version, *columns),
            ),
            Query(
                "SELECT DISTINCT ON (d.patient) d.patient, d.key_id, d.wrapped FROM data_key d "
                "JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted(b, p) ON d.bucket = b AND d.patient = p "
                "WHERE d.tenant = %s ORDER BY d.patient, d.generation DESC",
                (columns[0], columns[1], tenant),
            ),
        )
        rows = {patient: (key_id, wrapped) for patient, key_id, wrapped in found}
        for patient in unknown:
            self._by_patient[tenant, patient] = self._remember(
                own, *rows[own.blind.own(f"Patient/{patient}")]
            )

    async def by_id(self, tenant: int, key_id: int) -> DataKey:
        """Return the data key that a row names. Raises `Tampered` when it is not there: shredded, or foreign data."""
        known = self._by_id.get((tenant, key_id))
        if known is not None:
            return known
        own = await self.tenant(tenant)
        found = await self._round(
            tenant,
            Query(
                "SELECT wrapped FROM data_key WHERE bucket = %s AND tenant = %s AND key_id = %s",
                (key_id & (keys.BUCKETS - 1), tenant, key_id),
            ),
        )
        if not found:
            msg = f"data key {key_id} is gone: the content it protected was shredded"
            raise envelope.Tampered(msg)
        return self._remember(own, key_id, found[0][0])

    async def load(self, tenant: int, key_ids: Iterable[int]) -> None:
        """Unwrap the data keys that are not known yet, all in one round trip; `by_id` then has them."""
        unknown = [one for one in key_ids if (tenant, one) not in self._by_id]
        if len(unknown) < _WORTH_A_BULK:
            return
        own = await self.tenant(tenant)
        found = await self._round(
            tenant,
            Query(
                "SELECT d.key_id, d.wrapped FROM data_key d JOIN unnest(%s::smallint[], %s::bigint[]) AS w(b, k) "
                "ON d.bucket = w.b AND d.key_id = w.k WHERE d.tenant = %s",
                ([one & (keys.BUCKETS - 1) for one in unknown], unknown, tenant),
            ),
        )
        for key_id, wrapped in found:
            self._remember(own, key_id, wrapped)

    async def _find_or_make(self, tenant: int, patient: str | None) -> DataKey:
        own = await self.tenant(tenant)
        bucket, owner, key_id, wrapped = self._fresh(own, patient)
        found = await self._round(
            tenant,
            Query(
                "INSERT INTO data_key (bucket, tenant, key_id, patient, generation, tenant_key, wrapped) "
                "VALUES (%s, %s, %s, %s, 1, %s, %s) ON CONFLICT (bucket, tenant, patient, generation) DO NOTHING",
                (bucket, tenant, key_id, owner, own.wrapping_version, wrapped),
            ),
            Query(
                "SELECT key_id, wrapped FROM data_key WHERE bucket = %s AND tenant = %s AND patient = %s "
                "ORDER BY generation DESC LIMIT 1",
                (bucket, tenant, owner),
            ),
        )
        known = self._by_patient[(tenant, patient)] = self._remember(own, *found[0])
        return known

    async def _round(self, tenant: int, *queries: Query) -> list[Row]:
        """Return the rows of the last of `queries`, which are one transaction of `tenant`."""
        async with self._pool.connection() as connection:
            return (await connection.round((entering(tenant), *queries)))[-1]

    def _fresh(self, own: TenantKeys, patient: str | None) -> tuple[int, int, int, bytes]:
        """Return bucket, owner, id and wrapped bytes of a new data key."""
        bucket = 0 if patient is None else keys.bucket_of(own.tenant, "Patient", patient)
        owner = _NO_PATIENT if patient is None else own.blind.own(f"Patient/{patient}")
        key_id = (secrets.randbits(52) << _BUCKET_BITS) | bucket
        wrapped = envelope.seal(
            own.wrapping,
            secrets.token_bytes(envelope.NONCE_BYTES),
            _label(own.tenant, key_id),
            secrets.token_bytes(envelope.KEY_BYTES),
        )
        return bucket, owner, key_id, wrapped

    def _remember(self, own: TenantKeys, key_id: int, wrapped: bytes) -> DataKey:
        key = envelope.unseal(own.wrapping, _label(own.tenant, key_id), wrapped)
        known = self._by_id[(own.tenant, key_id)] = DataKey(key_id, AESGCM(key))
        return known


def _label(tenant: int, key_id: int) -> bytes:
    return f"data-key|{tenant}|{key_id}".encode()
