"""Parameters that need no keys of their own, because others already say the same.

`Observation.combo-code` is by definition `code` or `component-code`, and `patient` is `subject`
where it is a Patient: indexing them again would only make the index larger, for the rows that are
written most. Such a parameter is looked up under its sources. The table is reviewed, and a test
proves every line from the definitions' expressions.

Spec: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from typing import Final, NamedTuple


class Alias(NamedTuple):
    """The parameters to look under; `only` is the one type of target that counts, None for any."""

    sources: tuple[str, ...]
    only: str | None = None


_PATIENT_IS_SUBJECT = (
    "Account",
    "Basic",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "ClinicalImpression",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "Condition",
    "Contract",
    "DeviceRequest",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "Encounter",
    "Flag",
    "Goal",
    "GuidanceResponse",
    "ImagingStudy",
    "Invoice",
    "List",
    "MeasureReport",
    "Media",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Procedure",
    "QuestionnaireResponse",
    "RequestGroup",
    "RiskAssessment",
    "ServiceRequest",
    "Specimen",
    "Task",
)
_PHONETIC_IS_NAME = ("Patient", "Person", "Practitioner", "RelatedPerson")

ALIASES: Final[dict[tuple[str, str], Alias]] = {
    **{(type_, "patient"): Alias(("subject",), "Patient") for type_ in _PATIENT_IS_SUBJECT},
    **{(type_, "phonetic"): Alias(("name",)) for type_ in _PHONETIC_IS_NAME},
    ("Observation", "combo-code"): Alias(("code", "component-code")),
    ("Observation", "combo-data-absent-reason"): Alias(
        ("data-absent-reason", "component-data-absent-reason")
    ),
    ("Observation", "combo-value-concept"): Alias(("value-concept", "component-value-concept")),
    ("Observation", "combo-value-quantity"): Alias(("value-quantity", "component-value-quantity")),
}


def sources(type_: str, param: str) -> tuple[str, ...]:
    """Return the parameters under which `param` is looked up: itself, or an alias's sources."""
    alias = ALIASES.get((type_, param))
    return (param,) if alias is None else alias.sources
