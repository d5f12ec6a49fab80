"""Rows of ``consent_provision``: what each Consent of a patient denies, read once when it is written.

A Consent that denies nothing takes nothing away, so it has no row.
"""

from collections.abc import Sequence

import orjson

from fhirserver.auth.consent import provisions_of
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Provision
from fhirserver.relations.provision_rows import plain
from fhirserver.store.relationships import epoch


async def follow(tx: Transaction, change: Change) -> None:
    """Bring the row of a Consent in step with what it says now."""
    before = () if change.previous is None else provisions_of(change.previous)
    after = () if change.resource is None else provisions_of(change.resource)
    if not _denies(before) and not _denies(after):
        return
    for patient in {one.patient for one in before}:
        await tx.execute(
            "DELETE FROM consent_provision WHERE bucket = %s AND tenant = %s AND patient = %s AND consent = %s",
            (tx.bucket(patient, "", ""), tx.tenant, patient, change.id),
        )
    if _denies(after):
        patient = after[0].patient
        await tx.execute(
            "INSERT INTO consent_provision (bucket, tenant, patient, consent, provisions) "
            "VALUES (%s, %s, %s, %s, %s::jsonb)",
            (
                tx.bucket(patient, "", ""),
                tx.tenant,
                patient,
                change.id,
                orjson.dumps([plain(one) for one in after]).decode(),
            ),
        )
    await epoch.move(tx)


def _denies(provisions: Sequence[Provision]) -> bool:
    return any(not one.permits for one in provisions)
