"""Re-keying of the index, online: every resource gets the keys of a new version, while searches ask for both.

First it is counted how often values occur that are spread over several keys (`fhirserver.search.coarse`), so that the
new version fits what the tenant really has. Then the new key is made; from then on writes carry its version alone and
searches look for both, and a reindex goes through the record. When no row is left on an old version, the old key goes.

A `rekey` job goes on where a dead worker left it.
"""

import secrets
from typing import Final

from fhirserver.crypto import envelope
from fhirserver.kernel.jobs import JobWork, Running
from fhirserver.kernel.ports import Transactions
from fhirserver.store import index_pass, tenant_keys
from fhirserver.store.data_keys import CHANGED, DataKeys
from fhirserver.store.frequencies import Counting
from fhirserver.store.index_pass import IndexPass, Position
from fhirserver.store.rotation import SETTLED_SECONDS, rotated
from fhirserver.wire import fhir_json

KIND: Final = "rekey"


class Rekeying:
    """The work of a `rekey` job. Its request is empty JSON."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        counting: Counting,
        reindex: JobWork,
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        """Work through `transactions` of a worker's role; `reindex` goes through the record of one tenant."""
        self._transactions = transactions
        self._keys = data_keys
        self._counting = counting
        self._passes = IndexPass(transactions, data_keys, reindex, settled_seconds)

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource: the version, and how many rows are left on another one."""
        at = index_pass.position_of(job) or await self._begin(job)
        left = await self._passes.complete(job, at)
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(
                "DELETE FROM tenant_key WHERE tenant = %s AND purpose = 'index' AND version < %s",
                (job.tenant, at.version),
            )
            await tx.execute(CHANGED)
        return fhir_json.write(
            {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "version", "valueInteger": at.version},
                    {"name": "left", "valueDecimal": left},
                ],
            }
        )

    async def _begin(self, job: Running) -> Position:
        async def told(rows: int) -> None:
            await job.advance(rows, None)

        spread = await self._counting.spread(job.tenant, told)
        own = await self._keys.tenant(job.tenant)
        version, key = own.blind.version + 1, secrets.token_bytes(envelope.KEY_BYTES)
        sealed = tenant_keys.sealed_spread(job.tenant, version, key, spread)
        new = tenant_keys.added(
            self._keys.root, job.tenant, tenant_keys.INDEX, version, key, sealed
        )
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(tenant_keys.ADD, new)
            await tx.execute(CHANGED)
            tx.audit(rotated(job, tx, "index"))
        at = Position(version)
        await index_pass.save(job, at)
        return at
