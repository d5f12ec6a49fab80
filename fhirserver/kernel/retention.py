"""How long a tenant keeps what, beyond what it must keep.

Spec: https://hl7.org/fhir/R4/http.html#history (a server decides how long it keeps versions)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Days something is kept after it has become old; None keeps it for ever.

    `history_days`: a version, from the moment a newer one replaced it. `telemetry_days`: a device's
    reading, from its receipt, unless somebody amended it. `audit_days`: an AuditEvent, from its
    receipt. The evidence of an incident is kept whatever a policy says.
    """

    history_days: int | None = None
    telemetry_days: int | None = None
    audit_days: int | None = None
