"""Data keys in the database: root keys -> tenant keys -> one data key per patient.

A data key is committed by a transaction of its own before anything is encrypted with it: a key that only lived in a
transaction that rolled back, while this process went on using it, would be data nobody can read.

What a process remembers of keys holds for one `epoch`: whoever changes keys anywhere makes it grow (`changed`), and
every process forgets what it knew when it sees that, at the latest when its next write begins.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhirserver.crypto import envelope
from fhirserver.crypto.root_keys import RootKeys
from fhirserver.kernel import keys
from fhirserver.kernel.errors import Gone
from fhirserver.store import tenant_keys
from fhirserver.store.caller import entering
from fhirserver.store.connection import Query, Row
from fhirserver.store.database import Pool
from fhirserver.store.tenant_keys import TenantKeys

_NO_PATIENT = 0
_BUCKET_BITS = 10
# Fewer missing keys than this are made one by one, when they are asked for.
_WORTH_A_BULK = 2

EPOCH: Final[LiteralString] = "SELECT epoch FROM key_epoch"
CHANGED: Final[LiteralString] = "UPDATE key_epoch SET epoch = epoch + 1"
# Nothing for a patient who was shredded, nor under a wrapping key that is being replaced.
_MAKE: Final[LiteralString] = (
    "INSERT INTO data_key (bucket, tenant, key_id, patient, generation, tenant_key, wrapped) "
    "SELECT b, %s, k, p, 1, %s, w FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %b::bytea[]) "
    "AS new(b, p, k, w) WHERE NOT EXISTS (SELECT 1 FROM shredded_patient s WHERE s.bucket = b AND s.tenant = %s "
    "AND s.patient = p) AND EXISTS (SELECT 1 FROM tenant_key t WHERE t.tenant = %s AND t.purpose = 'wrap' "
    "AND t.version = %s AND t.retired IS NULL FOR SHARE) "
    "ON CONFLICT (bucket, tenant, patient, generation) DO NOTHING"
)
_NEWEST: Final[LiteralString] = (
    "SELECT DISTINCT ON (d.patient) d.patient, d.key_id, d.tenant_key, d.wrapped FROM data_key d "
    "JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted(b, p) ON d.bucket = b AND d.patient = p "
    "WHERE d.tenant = %s ORDER BY d.patient, d.generation DESC"
)


@dataclass(frozen=True, slots=True)
class DataKey:
    """A usable data key and the id rows name it by."""

    key_id: int
    cipher: AESGCM


class DataKeys:
    """Keys of every tenant, unwrapped once per process and epoch."""

    def __init__(self, pool: Pool, root: RootKeys) -> None:
        """Read and create keys through `pool` (role fhir_write), wrapped under `root`."""
        self._pool = pool
        self.root = root
        self.epoch = 0
        self._tenants: dict[int, TenantKeys] = {}
        self._by_patient: dict[tuple[int, str | None], DataKey] = {}
        self._by_id: dict[tuple[int, int], DataKey] = {}

    async def tenant(self, tenant: int) -> TenantKeys:
        """Return the keys of `tenant`, making them on first use."""
        known = self._tenants.get(tenant)
        if known is None:
            epoch, read = self.epoch, Query(tenant_keys.ALL, (tenant,))
            rows = await self._round(tenant, read)
            if not rows:
                rows = await self._round(tenant, *tenant_keys.first_keys(self.root, tenant), read)
            link = tenant_keys.link_key(self.root, tenant, rows)
            if link is not None:
                rows = await self._round(tenant, link, read)
            known = tenant_keys.opened(self.root, tenant, rows)
            if self.epoch == epoch:
                self._tenants[tenant] = known
        return known

    def follow(self, epoch: int) -> None:
        """Forget everything when keys have changed since it was learned."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.forget()

    def forget(self) -> None:
        """Learn everything anew when it is next asked for."""
        self._tenants.clear()
        self._by_patient.clear()
        self._by_id.clear()

    async def refresh(self) -> None:
        """Ask whether keys have changed."""
        async with self._pool.connection() as connection:
            ((epoch,),) = await connection.rows(EPOCH)
        self.follow(epoch)

    async def of_patient(self, tenant: int, patient: str | None) -> DataKey:
        """Return the data key new content of `patient` is written with; None is the tenant's own key."""
        known = self._by_patient.get((tenant, patient))
        return known if known is not None else (await self._find_or_make(tenant, [patient]))[0]

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
        key = self._by_id.get((tenant, key_id)) or await self.by_id(tenant, key_id)
        place = envelope.resource_place(tenant, type_, id_, version, key_id)
        return envelope.unseal(key.cipher, place, bytes(sealed))

    async def prepare(self, tenant: int, patients: Iterable[str | None]) -> None:
        """Make the data keys of `patients` that have none yet, all in one transaction. Raises `Gone`."""
        unknown = sorted(
            {one for one in patients if one is not None and (tenant, one) not in self._by_patient}
        )
        if len(unknown) >= _WORTH_A_BULK:
            await self._find_or_make(tenant, unknown)

    async def by_id(self, tenant: int, key_id: int) -> DataKey:
        """Return the data key that a row names. Raises `Tampered` when it is not there: shredded, or foreign data."""
        known = self._by_id.get((tenant, key_id))
        if known is not None:
            return known
        own = await self.tenant(tenant)
        found = await self._round(
            tenant,
            Query(
                "SELECT tenant_key, wrapped FROM data_key WHERE bucket = %s AND tenant = %s AND key_id = %s",
                (key_id & (keys.BUCKETS - 1), tenant, key_id),
            ),
        )
        if not found:
            msg = f"data key {key_id} is gone: the content it protected was shredded"
            raise envelope.Tampered(msg)
        return await self._remember(own, key_id, *found[0])

    async def load(self, tenant: int, key_ids: Iterable[int]) -> None:
        """Unwrap the data keys that are not known yet, all in one round trip; `by_id` then has them."""
        unknown = [one for one in key_ids if (tenant, one) not in self._by_id]
        if len(unknown) < _WORTH_A_BULK:
            return
        own = await self.tenant(tenant)
        found = await self._round(
            tenant,
            Query(
                "SELECT d.key_id, d.tenant_key, d.wrapped FROM data_key d JOIN unnest(%s::smallint[], %s::bigint[]) AS w(b, k) "
                "ON d.bucket = w.b AND d.key_id = w.k WHERE d.tenant = %s",
                ([one & (keys.BUCKETS - 1) for one in unknown], unknown, tenant),
            ),
        )
        for key_id, version, wrapped in found:
            await self._remember(own, key_id, version, wrapped)

    async def _find_or_make(self, tenant: int, patients: Sequence[str | None]) -> list[DataKey]:
        """Return the newest data key of each, first ones made. Raises `Gone` for a patient who was shredded."""
        for keys_are_fresh in (False, True):
            epoch = self.epoch
            own = await self.tenant(tenant)
            owners = [owner_of(own, patient) for patient in patients]
            made = sorted(
                (bucket, owner, *fresh(own, bucket))
                for owner, bucket in zip(
                    owners, (bucket_of(tenant, patient) for patient in patients), strict=True
                )
            )
            columns = [list(column) for column in zip(*made, strict=True)]
            version = own.wrapping_version
            found = await self._round(
                tenant,
                Query(_MAKE, (tenant, version, *columns, tenant, tenant, version)),
                Query(_NEWEST, (columns[0], columns[1], tenant)),
            )
            rows = {row[0]: row[1:] for row in found}
            if rows.keys() == set(owners) or keys_are_fresh:
                break
            # The wrapping key is being replaced: see whether that is why nothing was made.
            self.forget()
        known = []
        for patient, owner in zip(patients, owners, strict=True):
            if owner not in rows:
                msg = "the record of this patient was destroyed; nothing can be added to it"
                raise Gone(msg)
            key = await self._remember(own, *rows[owner])
            if self.epoch == epoch:
                self._by_patient[tenant, patient] = key
            known.append(key)
        return known

    async def _round(self, tenant: int, *queries: Query) -> list[Row]:
        """Return the rows of the last of `queries`, which are one transaction of `tenant`."""
        async with self._pool.connection() as connection:
            return (await connection.round((entering(tenant), *queries)))[-1]

    async def _remember(
        self, own: TenantKeys, key_id: int, version: int, wrapped: bytes
    ) -> DataKey:
        if version not in own.wrappings:
            # Wrapped anew since this process looked.
            self.forget()
            own = await self.tenant(own.tenant)
        key = unwrapped(own, key_id, version, wrapped)
        known = self._by_id[(own.tenant, key_id)] = DataKey(key_id, AESGCM(key))
        return known


def bucket_of(tenant: int, patient: str | None) -> int:
    """Return the bucket of a patient's keys; the tenant's own are in the first."""
    return 0 if patient is None else keys.bucket_of(tenant, "Patient", patient)


def owner_of(own: TenantKeys, patient: str | None) -> int:
    """Return how the rows of a patient's keys name the patient."""
    return _NO_PATIENT if patient is None else own.blind.own(f"Patient/{patient}")


def fresh(own: TenantKeys, bucket: int) -> tuple[int, bytes]:
    """Return the id of a new data key, and the key wrapped."""
    key_id = (secrets.randbits(52) << _BUCKET_BITS) | bucket
    return key_id, wrapped_by(own, key_id, secrets.token_bytes(envelope.KEY_BYTES))


def wrapped_by(own: TenantKeys, key_id: int, key: bytes) -> bytes:
    """Return a data key wrapped by the tenant's newest wrapping key."""
    nonce = secrets.token_bytes(envelope.NONCE_BYTES)
    return envelope.seal(own.wrapping, nonce, _label(own.tenant, key_id), key)


def unwrapped(own: TenantKeys, key_id: int, version: int, wrapped: bytes) -> bytes:
    """Return a data key. Raises `Tampered` when it is another's, or its wrapping key is gone."""
    cipher = own.wrappings.get(version)
    if cipher is None:
        msg = f"the wrapping key {version} of data key {key_id} is gone"
        raise envelope.Tampered(msg)
    return envelope.unseal(cipher, _label(own.tenant, key_id), bytes(wrapped))


def _label(tenant: int, key_id: int) -> bytes:
    return f"data-key|{tenant}|{key_id}".encode()
