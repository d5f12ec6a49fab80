"""Dates, numbers and quantities as ranges: which column or table answers them.

A type's primary date fills the columns `time` and `time_end` of its row; the others become rows of
`resource_range`. Protected dates are in neither: they are only hashed (`protected`).

Spec: https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/search.html#number
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from fhirserver.search.aliases import ALIASES
from fhirserver.search.comparison import Comparison, date_comparison, number_comparison
from fhirserver.search.condition import Condition, DateValue, NumberValue, QuantityValue
from fhirserver.search.entry import DateEntry, Entry, NumberEntry, QuantityEntry
from fhirserver.search.period import Span
from fhirserver.search.protected import PROTECTED

# The date a type is sorted and listed by: when the thing happened, else when it was asked for or
# written down. Each is a single element, so that a row has one time. Types with protected dates
# only, or none, are absent.
PRIMARY: Final[dict[str, str]] = {
    "Account": "period",
    "ActivityDefinition": "date",
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "Basic": "created",
    "Bundle": "timestamp",
    "CapabilityStatement": "date",
    "CarePlan": "date",
    "CareTeam": "date",
    "ChargeItem": "occurrence",
    "ChargeItemDefinition": "date",
    "Claim": "created",
    "ClaimResponse": "created",
    "ClinicalImpression": "date",
    "CodeSystem": "date",
    "Communication": "sent",
    "CommunicationRequest": "authored",
    "CompartmentDefinition": "date",
    "Composition": "date",
    "ConceptMap": "date",
    "Condition": "onset-date",
    "Consent": "date",
    "Contract": "issued",
    "CoverageEligibilityRequest": "created",
    "CoverageEligibilityResponse": "created",
    "DetectedIssue": "identified",
    "DeviceRequest": "authored-on",
    "DiagnosticReport": "date",
    "DocumentManifest": "created",
    "DocumentReference": "date",
    "EffectEvidenceSynthesis": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "EventDefinition": "date",
    "Evidence": "date",
    "EvidenceVariable": "date",
    "ExampleScenario": "date",
    "ExplanationOfBenefit": "created",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "GraphDefinition": "date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "ImmunizationEvaluation": "date",
    "ImmunizationRecommendation": "date",
    "ImplementationGuide": "date",
    "Invoice": "date",
    "Library": "date",
    "List": "date",
    "Measure": "date",
    "MeasureReport": "date",
    "Media": "created",
    "Medication": "expiration-date",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "MessageDefinition": "date",
    "NamingSystem": "date",
    "NutritionOrder": "datetime",
    "Observation": "date",
    "OperationDefinition": "date",
    "OrganizationAffiliation": "date",
    "PaymentNotice": "created",
    "PaymentReconciliation": "created",
    "PlanDefinition": "date",
    "PractitionerRole": "date",
    "Procedure": "date",
    "Provenance": "recorded",
    "Questionnaire": "date",
    "QuestionnaireResponse": "authored",
    "RequestGroup": "authored",
    "ResearchDefinition": "date",
    "ResearchElementDefinition": "date",
    "ResearchStudy": "date",
    "ResearchSubject": "date",
    "RiskAssessment": "date",
    "RiskEvidenceSynthesis": "date",
    "Schedule": "date",
    "SearchParameter": "date",
    "ServiceRequest": "authored",
    "Slot": "start",
    "Specimen": "collected",
    "StructureDefinition": "date",
    "StructureMap": "date",
    "SupplyRequest": "date",
    "Task": "authored-on",
    "TerminologyCapabilities": "date",
    "TestReport": "issued",
    "TestScript": "date",
    "ValueSet": "date",
    "VisionPrescription": "datewritten",
}


class ParamRange(NamedTuple):
    """One row of `resource_range`.

    A date has whole microseconds [lo, hi), a number or quantity both ends in it, [lo, hi], infinite
    where open. Units are not part of it.
    """

    param: str
    lo: Decimal
    hi: Decimal


class AnyRange(NamedTuple):
    """How a row's range must lie. `exact` False: hits must be verified by `match`."""

    comparison: Comparison
    exact: bool


def range_entries(
    type_: str, entries: Sequence[Entry]
) -> tuple[Span | None, tuple[ParamRange, ...]]:
    """Return the span of the primary date and the distinct rows for everything else.

    The span is in microseconds (`period.as_datetime` makes them moments), None when the resource
    has no such date. Aliases have no rows: look under `aliases.sources`.
    """
    primary_param = PRIMARY.get(type_)
    primary: Span | None = None
    others: dict[ParamRange, None] = {}
    for entry in entries:
        match entry:
            case DateEntry(param=param, lo=lo, hi=hi):
                if param == primary_param:
                    primary = Span(lo, hi)
                elif (type_, param) not in PROTECTED:
                    others[ParamRange(param, Decimal(lo), Decimal(hi))] = None
            case NumberEntry() | QuantityEntry() if (type_, entry.param) not in ALIASES:
                others[ParamRange(entry.param, entry.lo, entry.hi)] = None
    return primary, tuple(others)


def query_ranges(condition: Condition) -> AnyRange:
    """Return the comparison for a condition answered by "time", "range" or "last-updated".

    The alternatives of all values are joined. For "range" the rows of any parameter in
    `aliases.sources` count. A version's last update is the span of one millisecond that
    `meta.lastUpdated` writes.
    """
    comparison: Comparison = ()
    exact = True
    for value in condition.values:
        match value:
            case DateValue():
                comparison += date_comparison(value)
            case NumberValue():
                comparison += number_comparison(value)
            case QuantityValue(number=number, unit=unit):
                comparison += number_comparison(number)
                exact = exact and unit is None
            case _:
                raise TypeError(f"{condition.param} is not answered by a range")
    return AnyRange(comparison, exact)
