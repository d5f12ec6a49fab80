"""Moments as FHIR writes them: https://hl7.org/fhir/R4/datatypes.html#instant."""

from datetime import UTC, datetime


def instant(moment: datetime) -> str:
    """Return `moment` (aware) as a FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
