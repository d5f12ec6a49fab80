"""What the Consents of a patient deny: rows that the record keeps, read for who may be told of alarms."""

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Provision
from fhirserver.relations.provision_rows import provisions


async def of_patient(tx: Transaction, patient: str) -> tuple[Provision, ...]:
    """Return the provisions of every Consent of `patient` that denies something."""
    rows = await tx.execute(
        "SELECT consent, provisions FROM consent_provision WHERE bucket = %s AND tenant = %s AND patient = %s",
        (tx.bucket(patient, "", ""), tx.tenant, patient),
    )
    return tuple(one for consent, stored in rows for one in provisions(patient, consent, stored))
