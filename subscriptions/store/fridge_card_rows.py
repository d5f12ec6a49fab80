"""Rows of `fridge_card`: which DocumentReference is a patient's card. Bucket of the patient."""

from fhirserver.kernel.ports import Transaction


async def add(tx: Transaction, patient: str, document: str) -> None:
    """Note that `document` is a card of `patient`."""
    await tx.execute(
        "INSERT INTO fridge_card (bucket, tenant, patient, document, written)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (bucket, tenant, patient, document)"
        " DO UPDATE SET written = excluded.written",
        (tx.bucket(patient, "", ""), tx.tenant, patient, document, tx.now),
    )


async def remove(tx: Transaction, patient: str, document: str) -> None:
    """Forget that `document` was a card of `patient`."""
    await tx.execute(
        "DELETE FROM fridge_card WHERE bucket = %s AND tenant = %s AND patient = %s"
        " AND document = %s",
        (tx.bucket(patient, "", ""), tx.tenant, patient, document),
    )


async def latest(tx: Transaction, patient: str) -> str | None:
    """Return the id of the card written last, None when there is none."""
    rows = await tx.execute(
        "SELECT document FROM fridge_card WHERE bucket = %s AND tenant = %s AND patient = %s"
        " ORDER BY written DESC, document LIMIT 1",
        (tx.bucket(patient, "", ""), tx.tenant, patient),
    )
    return rows[0][0] if rows else None
