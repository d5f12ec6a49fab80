"""Rows of relationships for resources that were written before there were such rows: once per tenant."""

from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel.changes import Change
from fhirserver.store.relationships import consents, people, teams
from fhirserver.store.transaction import WriteTransaction

_TYPES = ("CareTeam", "Consent", "Person", "PractitionerRole")


async def file_again(tx: WriteTransaction) -> int:
    """Make the rows that follow from what is stored; return how many resources were looked at.

    A tenant for which it was done is left alone. To be run after an upgrade, before anything is written.
    """
    begun = await tx.execute(
        "INSERT INTO relations_filed (tenant, at) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING tenant",
        (tx.tenant, tx.now),
    )
    if not begun:
        return 0
    count = 0
    for type_ in _TYPES:
        ids = await tx.execute(
            "SELECT coalesce(fhir_id, id::text) FROM resource WHERE type = %s AND tenant = %s AND NOT deleted",
            (tx.definitions.type_number(type_), tx.tenant),
        )
        for (id_,) in ids:
            await _file(tx, type_, str(id_))
            count += 1
    return count


async def _file(tx: WriteTransaction, type_: str, id_: str) -> None:
    current = await tx.current(type_, id_)
    if current is None or current.resource is None:
        return
    resource = current.resource
    patients = patients_of(resource)
    patient = next(iter(patients)) if len(patients) == 1 else None
    bucket = tx.bucket(patient, type_, id_)
    version = current.stored.version
    change = Change(tx.tenant, "update", type_, id_, version, bucket, patient, resource, resource)
    match type_:
        case "CareTeam":
            await teams.follow(tx, change)
        case "Consent":
            await consents.follow(tx, change)
        case "Person":
            await people.follow_person(tx, id_, resource)
        case _:
            await people.follow_role(tx, id_, resource)
