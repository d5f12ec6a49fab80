"""What must outlive every policy of deletion because an investigation relies on it.

The evidence of an incident is its Flag, the readings of the patient from some minutes before the
Flag's period begins until it ends, the Observations the Flag names, and everything that says who did
what. It lives as long as its Flag.

Spec: https://hl7.org/fhir/R4/flag.html
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# How long before an incident readings belong to it. [P] awaiting clinical review.
EVIDENCE_LEAD: Final = timedelta(minutes=10)
# Never removed by expunging or by a policy about versions.
EVIDENCE_TYPES: Final = frozenset({"AuditEvent", "Flag", "Provenance"})

FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Incident:
    """The time readings of `patient` (a blind key; None: of anybody) are evidence: [since, until)."""

    patient: int | None
    since: datetime
    until: datetime


def incident(patient: int | None, start: datetime | None, end: datetime | None) -> Incident:
    """Return what a Flag protects whose period is [start, end), None where it is open or unknown."""
    since = ALWAYS if start is None or start < ALWAYS + EVIDENCE_LEAD else start - EVIDENCE_LEAD
    return Incident(patient, since, FOREVER if end is None else end)
