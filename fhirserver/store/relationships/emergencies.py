"""Rows of ``emergency_access``: reason and note are sealed with the patient's key."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.kernel import keys
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.relationships import Emergency
from fhirserver.store.relationships import epoch

_COLUMNS: Final[LiteralString] = (
    "id, patient, practitioner, reason, started, expires, task, ended, reviewed, reviewer, verdict, note"
)
_MOST: Final = 1000


class EmergencyRows:
    """Implements `fhirserver.kernel.relationships.Emergencies`."""

    async def open(self, tx: Transaction, emergency: Emergency) -> None:
        """Let it begin."""
        patient, id_ = emergency.patient, UUID(emergency.id)
        await tx.execute(
            "INSERT INTO emergency_access (bucket, tenant, patient, id, practitioner, reason, started, expires, task) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                tx.bucket(patient, "", ""),
                tx.tenant,
                patient,
                id_,
                emergency.practitioner,
                await tx.seal(patient, _purpose("reason", id_), emergency.reason.encode()),
                emergency.started,
                emergency.expires,
                emergency.task,
            ),
        )
        await epoch.move(tx)

    async def current(self, tx: Transaction, patient: str, practitioner: str) -> Emergency | None:
        """Return the one that lasts now, None without one."""
        rows = await tx.execute(
            f"SELECT {_COLUMNS} FROM emergency_access WHERE bucket = %s AND tenant = %s AND patient = %s "
            "AND practitioner = %s AND ended IS NULL AND expires > %s ORDER BY started DESC LIMIT 1",
            (tx.bucket(patient, "", ""), tx.tenant, patient, practitioner, tx.now),
        )
        return await _emergency(tx, rows[0]) if rows else None

    async def end(self, tx: Transaction, patient: str, practitioner: str | None) -> int:
        """End those that last, of everybody for None; return how many."""
        ended = await tx.execute(
            "UPDATE emergency_access SET ended = %s WHERE bucket = %s AND tenant = %s AND patient = %s "
            "AND ended IS NULL AND expires > %s AND practitioner = coalesce(%s, practitioner) RETURNING id",
            (tx.now, tx.bucket(patient, "", ""), tx.tenant, patient, tx.now, practitioner),
        )
        if ended:
            await epoch.move(tx)
        return len(ended)

    async def listed(self, tx: Transaction, *, reviewed: bool | None) -> Sequence[Emergency]:
        """Return the newest first, at most a thousand; None: reviewed or not."""
        rows = await tx.execute(
            f"SELECT {_COLUMNS} FROM emergency_access WHERE tenant = %s "
            "AND (reviewed IS NOT NULL) = coalesce(%s, reviewed IS NOT NULL) ORDER BY started DESC, id LIMIT %s",
            (tx.tenant, reviewed, _MOST),
        )
        return [await _emergency(tx, row) for row in rows]

    async def one(self, tx: Transaction, id_: str) -> Emergency | None:
        """Return and lock one, None when there is none."""
        row = keys.row_of(id_)
        if row is None:
            return None
        rows = await tx.execute(
            f"SELECT {_COLUMNS} FROM emergency_access WHERE tenant = %s AND id = %s FOR UPDATE",
            (tx.tenant, row),
        )
        return await _emergency(tx, rows[0]) if rows else None

    async def review(
        self, tx: Transaction, emergency: Emergency, reviewer: str, verdict: str, note: str | None
    ) -> None:
        """Note what the second person said."""
        patient, id_ = emergency.patient, UUID(emergency.id)
        sealed = (
            None if note is None else await tx.seal(patient, _purpose("note", id_), note.encode())
        )
        await tx.execute(
            "UPDATE emergency_access SET reviewed = %s, reviewer = %s, verdict = %s, note = %s "
            "WHERE bucket = %s AND tenant = %s AND id = %s",
            (tx.now, reviewer, verdict, sealed, tx.bucket(patient, "", ""), tx.tenant, id_),
        )


async def _emergency(tx: Transaction, row: Sequence[Any]) -> Emergency:
    id_, patient, practitioner, reason, started, expires, task = row[:7]
    ended, reviewed, reviewer, verdict, note = row[7:]

    async def text(what: str, sealed: bytes) -> str:
        return (await tx.unseal(patient, _purpose(what, id_), bytes(sealed))).decode()

    return Emergency(
        str(id_),
        patient,
        practitioner,
        await text("reason", reason),
        started,
        expires,
        task,
        ended,
        reviewed,
        reviewer,
        verdict,
        None if note is None else await text("note", note),
    )


def _purpose(what: str, id_: UUID) -> str:
    return f"emergency-{what}|{id_}"
