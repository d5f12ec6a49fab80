"""Rows of ``rule_signature``: which rules of a patient two people have signed."""

from fhirserver.kernel.ports import Transaction


async def is_signed(tx: Transaction, patient: str, digest: bytes) -> bool:
    """Return whether the rules of this digest have been signed by two people for `patient`."""
    found = await tx.execute(
        "SELECT 1 FROM rule_signature WHERE bucket = %s AND tenant = %s AND patient = %s "
        "AND digest = %s",
        (tx.bucket(patient, "Patient", patient), tx.tenant, patient, digest),
    )
    return bool(found)


def write(tx: Transaction, patient: str, digest: bytes) -> None:
    """Remember that the rules of this digest are signed."""
    tx.execute_later(
        "INSERT INTO rule_signature (bucket, tenant, patient, digest, signed) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (tx.bucket(patient, "Patient", patient), tx.tenant, patient, digest, tx.now),
    )
