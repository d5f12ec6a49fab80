"""Who may bind a machine that somebody else uses: what it measures follows the binding, into another record.

A DeviceUseStatement about a time in which the machine is in use for another patient is for those who have to do with that
patient too, and for administrators. Everybody else would have the readings of a stranger, who is watched over no more.

Spec: https://hl7.org/fhir/R4/deviceusestatement.html
"""

from typing import Any

from fhirserver.definitions.patient_of import patients_of
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.constants import BINDING_STATUS
from fhirserver.relations.fhir_period import bounds
from fhirserver.relations.on_call import reference_of


async def require_nobody_elses(
    context: Context, tx: Transaction, statement: Json, previous: Json | None
) -> None:
    """Raise `Forbidden` where the machine is in use, in that time, for somebody the caller has nothing to do with."""
    access = context.access
    kind, _, device = reference_of(statement.get("device")).partition("/")
    if access.everything or access.tenant_wide or kind != "Device":
        return
    if statement.get("status") not in BINDING_STATUS or _said(statement) == _said(previous):
        return
    own = str(statement.get("id", ""))
    within = bounds(statement.get("timingPeriod"))
    users = await context.store.relationships.machines.used_by(tx, device, within, own)
    if not access.patients.issuperset(users):
        message = (
            "In this time the machine is in use for somebody you have no current relationship with: "
            "that use has to end first."
        )
        raise Forbidden(message, expression="DeviceUseStatement.device")


def _said(statement: Json | None) -> tuple[Any, ...]:
    """Return everything that binds."""
    if statement is None or statement.get("status") not in BINDING_STATUS:
        return ()
    return (
        reference_of(statement.get("device")),
        patients_of(statement),
        bounds(statement.get("timingPeriod")),
    )
