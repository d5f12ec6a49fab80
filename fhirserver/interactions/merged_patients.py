"""Who may say that two records are of one patient: those who have to do with both.

A link gives nobody access: relationships, Consents and devices stay with the record they name (docs/relationships.md).
Devices that name their patient are believed for either of two linked records, and an alarm of a record without a team calls
the team of the one that replaces it, so a link is no mere remark.

Spec: https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
"""

from fhirserver.definitions.patient_of import patient_id
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.resource import Json


def require_relation_with_both(context: Context, patient: Json, previous: Json | None) -> None:
    """Raise `Forbidden` for a link to or from a Patient that the caller has nothing to do with, made or taken away."""
    access = context.access
    if access.everything or access.tenant_wide:
        return
    changed = _links(patient) ^ _links(previous)
    if any(other not in access.patients for _, other in changed):
        message = (
            "A link to another patient is for those who have a current relationship with both."
        )
        raise Forbidden(message, expression="Patient.link")


def _links(patient: Json | None) -> frozenset[tuple[str, str]]:
    links = [] if patient is None else patient.get("link", [])
    named = (
        (one.get("type", ""), patient_id(one.get("other", {}).get("reference"))) for one in links
    )
    return frozenset((kind, other) for kind, other in named if other is not None)
