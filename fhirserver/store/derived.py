"""Rows kept beside resources because access and binding must be answered without decrypting anything.

A CareTeam becomes its memberships (who may see whom), a Consent what it denies, a PractitionerRole and a Person who is
who, a DeviceUseStatement a device's binding to a patient over a time, and a canonical resource raises the epoch of the
tenant's definitions. All of it follows the resource in the same transaction.
"""

from typing import TYPE_CHECKING

from fhirserver.definitions.canonicals import KINDS
from fhirserver.kernel import keys
from fhirserver.kernel.changes import Change
from fhirserver.relations.constants import BINDING_STATUS
from fhirserver.relations.fhir_period import bounds
from fhirserver.relations.on_call import reference_of
from fhirserver.store import catalogue
from fhirserver.store.relationships import consents, guardians, people, teams

if TYPE_CHECKING:
    from fhirserver.kernel.ports import Transaction

# Resources that change what a tenant's definitions say.
CANONICALS = frozenset(KINDS)


async def follow(tx: "Transaction", change: Change) -> None:
    """Bring the derived rows in step with `change`."""
    match change.type:
        case "CareTeam":
            await teams.follow(tx, change)
        case "Consent":
            await consents.follow(tx, change)
        case "DeviceUseStatement":
            await _follow_device_use(tx, change)
        case "Patient" if change.resource is not None:
            await guardians.follow_patient(tx, change.id, change.resource, change.previous)
        case "Person":
            await people.follow_person(tx, change.id, change.resource)
        case "PractitionerRole":
            await people.follow_role(tx, change.id, change.resource)
        case _ if change.type in CANONICALS:
            await catalogue.follow_change(tx, deleted=change.resource is None)


async def _follow_device_use(tx: "Transaction", change: Change) -> None:
    await tx.execute(
        "DELETE FROM device_binding WHERE tenant = %s AND statement = %s", (tx.tenant, change.id)
    )
    statement = change.resource
    if statement is None or change.patient is None or statement.get("status") not in BINDING_STATUS:
        return
    kind, _, device = reference_of(statement.get("device")).partition("/")
    if kind != "Device":
        return
    starts, ends = bounds(statement.get("timingPeriod"))
    await tx.execute(
        "INSERT INTO device_binding (bucket, tenant, device, statement, patient, starts, ends) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            keys.bucket_of(tx.tenant, "Device", device),
            tx.tenant,
            device,
            change.id,
            change.patient,
            starts,
            ends,
        ),
    )
