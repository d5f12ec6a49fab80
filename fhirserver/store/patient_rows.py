"""Every table beside the record that names patients, in one reviewed list: what shredding does to it."""

from collections.abc import Mapping
from typing import Final

from fhirserver.kernel.hanging import PatientRows

PATIENT_ROWS: Final[tuple[PatientRows, ...]] = (
    PatientRows("care_membership"),
    PatientRows("device_binding"),
    PatientRows("team_organization"),
    PatientRows("guardian"),
    PatientRows("peer_link"),
    PatientRows("peer_link", "peer"),
    PatientRows("invitation"),
    PatientRows("consent_provision"),
    PatientRows("hl7_message"),
    PatientRows("hl7_message", "others", listed=True),
)

# Tables that name a patient and keep doing so, each with the reason.
KEPT_ROWS: Final[Mapping[str, str]] = {
    "resource": "tombstones and AuditEvents, see `fhirserver.store.shredding`",
    "resource_history": "as the record itself",
    "resource_range": "as the record itself",
    "data_key": "the keys themselves, which are destroyed first",
    "shredded_patient": "the note that it was done",
    "access_token": "the id alone, of a grant that opens nothing any more",
    "smart_grant": "the id alone, of a grant that opens nothing any more",
    "emergency_access": "who looked at a record and why outlives it, under the tenant's key",
}
