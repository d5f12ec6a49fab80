"""Rows of ``guardian``: who sees a minor's whole record, and when the minor comes of age."""

from collections.abc import Sequence
from typing import Any

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.relationships import Guardian
from fhirserver.kernel.resource import Json
from fhirserver.relations.majority import majority_of
from fhirserver.store.relationships import epoch


class GuardianRows:
    """Implements `fhirserver.kernel.relationships.Guardians`."""

    async def appoint(self, tx: Transaction, patient: str, member: str) -> None:
        """Make `member` (a RelatedPerson reference) a guardian of `patient` until they come of age."""
        resource: Json = await tx.get("Patient", patient) or {}
        await tx.execute(
            "INSERT INTO guardian (bucket, tenant, patient, member, since, majority) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (bucket, tenant, patient, member) DO UPDATE SET since = excluded.since, "
            "majority = excluded.majority, kept = NULL, ended = NULL",
            (*_place(tx, patient), member, tx.now, majority_of(resource.get("birthDate"))),
        )
        await epoch.move(tx)

    async def keep(self, tx: Transaction, patient: str, member: str) -> bool:
        """Let the guardian stay beyond that; False when they are none."""
        kept = await tx.execute(
            "UPDATE guardian SET kept = %s WHERE bucket = %s AND tenant = %s AND patient = %s AND member = %s "
            "AND ended IS NULL RETURNING 1",
            (tx.now, *_place(tx, patient), member),
        )
        if kept:
            await epoch.move(tx)
        return bool(kept)

    async def end(self, tx: Transaction, patient: str, member: str) -> bool:
        """End it; False when there is nothing to end."""
        ended = await tx.execute(
            "UPDATE guardian SET ended = %s WHERE bucket = %s AND tenant = %s AND patient = %s AND member = %s "
            "AND ended IS NULL RETURNING 1",
            (tx.now, *_place(tx, patient), member),
        )
        if ended:
            await epoch.move(tx)
        return bool(ended)

    async def of(self, tx: Transaction, patient: str) -> Sequence[Guardian]:
        """Return the guardians who have not ended, also those whose time is over."""
        rows = await tx.execute(
            "SELECT member, since, CASE WHEN kept IS NULL THEN majority END, kept IS NOT NULL FROM guardian "
            "WHERE bucket = %s AND tenant = %s AND patient = %s AND ended IS NULL ORDER BY member",
            _place(tx, patient),
        )
        return [Guardian(patient, *row) for row in rows]


async def follow_patient(tx: Transaction, patient: str, after: Json, before: Json | None) -> None:
    """Bring the day a minor comes of age in step with a changed date of birth."""
    birth: Any = after.get("birthDate")
    if before is None or birth == before.get("birthDate"):
        return
    moved = await tx.execute(
        "UPDATE guardian SET majority = %s WHERE bucket = %s AND tenant = %s AND patient = %s RETURNING 1",
        (majority_of(birth), *_place(tx, patient)),
    )
    if moved:
        await epoch.move(tx)


def _place(tx: Transaction, patient: str) -> tuple[int, int, str]:
    return tx.bucket(patient, "", ""), tx.tenant, patient
