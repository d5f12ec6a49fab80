"""Removes deleted resources and previous versions for good, as far as they are not evidence.

A deleted reading has no time left; it is taken for evidence when it was received after the beginning of
an incident of its patient.
"""

from collections.abc import Callable
from typing import Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.definitions import Definitions
from fhirserver.kernel import keys
from fhirserver.kernel.evidence import EVIDENCE_TYPES
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.resource import Json
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.evidence import NOTHING, Evidence, evidence_of
from fhirserver.store.removal import (
    IS_HELD,
    hold,
    hold_flags,
    newly_held,
    remove,
    remove_versions,
)
from fhirserver.wire import fhir_json

BATCH: Final = 500

_DELETED: Final[LiteralString] = (
    (
        "SELECT r.type, r.bucket, r.id FROM resource r WHERE r.tenant = %s AND r.type = ANY (%s) AND r.deleted "
        "AND (%s::uuid IS NULL OR r.id = %s) AND NOT (r.type = %s AND (r.id = ANY (%s) OR "
    )
    + IS_HELD
    + ")) ORDER BY r.id LIMIT %s"
)
_PREVIOUS: Final[LiteralString] = (
    (
        "SELECT h.type, h.bucket, h.id, h.version FROM resource_history h JOIN resource r ON r.type = h.type "
        "AND r.bucket = h.bucket AND r.id = h.id WHERE h.tenant = %s AND h.type = ANY (%s) "
        "AND (%s::uuid IS NULL OR h.id = %s) AND NOT r.deleted AND NOT (r.type = %s AND (r.id = ANY (%s) OR "
    )
    + IS_HELD
    + ")) ORDER BY h.type, h.bucket, h.id, h.version LIMIT %s"
)


class Expunge:
    """The work of an `expunge` job; its request is the JSON that `$expunge` makes."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        definitions_of: Callable[[int], Definitions],
    ) -> None:
        """Work through `transactions` of a worker's role."""
        self._transactions = transactions
        self._keys = data_keys
        self._definitions_of = definitions_of

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource: the `count` of rows removed, at most the limit asked for."""
        asked = orjson.loads(job.request)
        definitions = self._definitions_of(job.tenant)
        async with self._transactions(job.tenant) as tx:
            evidence = await evidence_of(tx, self._keys, definitions)
            row = await _located(tx, definitions, asked)
        types = [
            definitions.type_number(one)
            for one in ([asked["type"]] if asked["type"] else definitions.resource_types)
            if one not in EVIDENCE_TYPES
        ]
        gone = int(job.saved or b"0")
        steps = [step for step in ("deleted", "previous") if asked[step]]
        if asked["id"] is not None and row is None:
            steps = []
        for step in steps:
            while gone < asked["limit"]:
                most = min(BATCH, asked["limit"] - gone)
                removed, added = await self._batch(job, step, types, row, evidence, most)
                if not removed and not added.incidents:
                    break
                evidence = evidence.plus(added)
                gone += removed
                await job.advance(gone, asked["limit"], str(gone).encode())
        return fhir_json.write(_report(gone))

    async def _batch(
        self,
        job: Running,
        step: str,
        types: list[int],
        row: UUID | None,
        evidence: Evidence,
        most: int,
    ) -> tuple[int, Evidence]:
        """Remove up to `most` rows; return how many there were and what has become evidence meanwhile."""
        definitions = self._definitions_of(job.tenant)
        observation = definitions.type_number("Observation")
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await hold(tx, evidence)
            rows = await tx.execute(
                _DELETED if step == "deleted" else _PREVIOUS,
                (job.tenant, types, row, row, observation, list(evidence.rows), False, most),
            )
            if not rows:
                return 0, NOTHING
            added = await hold_flags(tx, self._keys, definitions, evidence)
            ids = [row[2] for row in rows if row[0] == observation]
            held = await newly_held(tx, observation, ids, added, several=False)
            rows = [row for row in rows if row[2] not in held]
            if step == "deleted":
                grouped: dict[int, list[tuple[int, UUID]]] = {}
                for type_, bucket, id_ in rows:
                    grouped.setdefault(type_, []).append((bucket, id_))
                for number, same in grouped.items():
                    await remove(tx, number, same)
            elif rows:
                await remove_versions(tx, rows)
        return len(rows), added


async def _located(tx: Transaction, definitions: Definitions, asked: Json) -> UUID | None:
    """Return the row of the one resource that is named, None where none is."""
    if asked["id"] is None:
        return None
    found = await tx.execute(
        "SELECT id FROM resource_location WHERE tenant = %s AND type = %s AND fhir_id = %s",
        (tx.tenant, definitions.type_number(asked["type"]), asked["id"]),
    )
    return found[0][0] if found else keys.row_of(asked["id"])


def _report(gone: int) -> Json:
    return {"resourceType": "Parameters", "parameter": [{"name": "count", "valueInteger": gone}]}
